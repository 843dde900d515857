(* Covered in part: that gradient flow from 0 on the loss gives the two updates and nothing else; that dW₁ − dW₀ is one
   factor plus Delta; the equations and bounds for each of its singular triples, and sin 2θ <= 2 delta/beta' for the top
   one; the converse, for every function of both updates, every T and C₀ and every Sigma with two eigenvectors of
   positive eigenvalue; length and budget with what attains them, the values of g and its size near κ = 1; a control
   that leaves more than there was. Sigma is Q diag(l) Qᵀ with Q orthogonal, as every Sigma is, and e^(−t Sigma) is
   Q diag(e^(−t l)) Qᵀ.
   Not covered: sample, which is about Gaussian expectations. *)

From Coq Require Import Reals Lra Psatz FunctionalExtensionality.
From Grasp Require Import vectors matrices planes moments spectral decompositions flow.
From Grasp Require Import posterior_angle prior_angle minimax_angle.
Open Scope R_scope.

(* Sigma = Q diag(l) Qᵀ with l >= 0 for every symmetric Sigma ⪰ 0 *)
Theorem diagonal : forall (d : nat) (Sigma : mat d d), transpose Sigma = Sigma ->
  (forall x, 0 <= dot x (apply Sigma x)) ->
  exists Q l, orthogonal Q /\ (forall k, 0 <= l k) /\ Sigma = spectral Q l.
Proof.
  intros d Sigma Sym Pos; destruct (spectral_theorem d Sigma Sym) as (Q & l & HQ & E); exists Q, l.
  split; [easy | split; [| easy]]; intro k; pose proof (Pos (column Q k)) as P.
  rewrite E, spectral_column, dot_vscale in P by apply HQ.
  pose proof (unit_column _ _ Q k (proj1 HQ)) as U; apply unit_dot in U; rewrite U in P; lra.
Qed.

(* Gradient flow from 0 towards G gives dW = G (I − e^(−t Sigma)) and nothing else. The first line says that it is the
   flow of the loss: its gradient at dW is −(G − dW) Sigma. *)
Theorem trained : forall (m d : nat) (G : mat m d) (Q : mat d d) (l : vec d), orthogonal Q ->
  let Sigma := spectral Q l in
  (forall W D, loss G Sigma (madd W D) = loss G Sigma W - trace (mul (mul (msub G W) Sigma) (transpose D)) +
                                         trace (mul (mul D Sigma) (transpose D)) / 2) /\
  (forall dW, gradient_flow G Sigma dW <-> forall t, dW t = mul G (msub identity (exponential Q l t))).
Proof.
  intros m d G Q l HQ Sigma; split; [intros; apply loss_expanded, spectral_symmetric |].
  intro dW; split; [now apply flow_unique |]; intro H.
  replace dW with (fun t => mul G (msub identity (exponential Q l t)))
    by (apply functional_extensionality; intro; now rewrite H).
  now apply flow_solution.
Qed.

(* Delta = T (E₀ − E₁) + C₁ (I − E₁) − C₀ (I − E₀) *)
Definition rest {m d} (T C1 C0 : mat m d) (E1 E0 : mat d d) : mat m d :=
  msub (madd (mul T (msub E0 E1)) (mul C1 (msub identity E1))) (mul C0 (msub identity E0)).

(* dW₁ − dW₀ for dW₁ = (T + C₁ + beta u vᵀ)(I − E₁), dW₀ = (T + C₀)(I − E₀) *)
Definition difference {m d} (T C1 C0 : mat m d) (E1 E0 : mat d d) (beta : R) (u : vec m) (v : vec d) : mat m d :=
  msub (mul (planted (madd T C1) beta u v) (msub identity E1)) (mul (madd T C0) (msub identity E0)).

(* It is beta' u v'ᵀ + Delta where beta' v' = beta (I − E₁) v. *)
Theorem one_factor : forall (m d : nat) (T C1 C0 : mat m d) (E1 E0 : mat d d) (u : vec m) (v v' : vec d)
    (beta beta' : R),
  transpose E1 = E1 -> vscale beta' v' = vscale beta (apply (msub identity E1) v) ->
  difference T C1 C0 E1 E0 beta u v = planted (rest T C1 C0 E1 E0) beta' u v'.
Proof.
  intros m d T C1 C0 E1 E0 u v v' beta beta' HE Hv.
  assert (F : mul (mscale beta (outer u v)) (msub identity E1) = mscale beta' (outer u v')).
  { apply mat_ext; intros i j; unfold mul.
    assert (R : mscale beta (outer u v) i = vscale (u i) (vscale beta v))
      by (apply vec_ext; intro; unfold mscale, outer, vscale; ring).
    rewrite R, vscale_dot, vscale_dot.
    assert (Q : beta * dot v (fun k => msub identity E1 k j) = beta' * v' j).
    { transitivity (vscale beta (apply (msub identity E1) v) j); [| now rewrite <- Hv].
      unfold vscale, apply; rewrite dot_comm; do 2 f_equal; apply vec_ext; intro k.
      unfold msub, identity; rewrite (same_sym _ k j); f_equal; exact (f_equal (fun K => K j k) HE). }
    rewrite Q; unfold mscale, outer; ring. }
  unfold difference, rest, planted; rewrite !madd_mul, F, !mul_msub, !identity_mul.
  apply mat_ext; intros i j; unfold madd, msub; ring.
Qed.

(* Each singular triple of dW₁ − dW₀: its angles, and delta/ŝ for delta >= ‖Delta‖₂ whatever ‖T‖ is. *)
Theorem each_triple : forall (m d : nat) (T C1 C0 : mat m d) (E1 E0 : mat d d) (u : vec m) (v v' : vec d)
    (beta beta' delta s : R) (uh : vec m) (vh : vec d),
  let Delta := rest T C1 C0 E1 E0 in
  transpose E1 = E1 -> vscale beta' v' = vscale beta (apply (msub identity E1) v) -> unit u -> unit v' ->
  norm_at_most Delta delta -> singular_triple (difference T C1 C0 E1 E0 beta u v) s uh vh -> 0 < s ->
  sin (angle uh u) = norm (off u (apply Delta vh)) / s /\ sin (angle uh u) <= delta / s /\
  sin (angle vh v') = norm (off v' (apply (transpose Delta) uh)) / s /\ sin (angle vh v') <= delta / s.
Proof.
  intros m d T C1 C0 E1 E0 u v v' beta beta' delta s uh vh Delta HE Hv Hu Hv' HD H Hs.
  rewrite (one_factor _ _ _ _ _ _ _ _ _ v' _ beta') in H by assumption; fold Delta in H.
  destruct (posterior_angle.angles _ _ _ _ _ _ _ _ _ Hu Hv' H Hs).
  destruct (posterior_angle.bounds _ _ _ _ _ _ _ _ _ _ Hu Hv' H Hs HD); repeat split; assumption.
Qed.

(* The top triple: sin 2θ <= 2 delta/beta' for both angles, and θ < 45°. *)
Theorem top : forall (m d : nat) (T C1 C0 : mat m d) (E1 E0 : mat d d) (u : vec m) (v v' : vec d)
    (beta beta' delta s : R) (uh : vec m) (vh : vec d),
  transpose E1 = E1 -> vscale beta' v' = vscale beta (apply (msub identity E1) v) -> unit u -> unit v' ->
  norm_at_most (rest T C1 C0 E1 E0) delta -> delta < beta' / 2 ->
  top_triple (difference T C1 C0 E1 E0 beta u v) s uh vh ->
  (sin (2 * angle uh u) <= 2 * delta / beta' /\ angle uh u < PI / 4) /\
  (sin (2 * angle vh v') <= 2 * delta / beta' /\ angle vh v' < PI / 4).
Proof.
  intros m d T C1 C0 E1 E0 u v v' beta beta' delta s uh vh HE Hv Hu Hv' HD Hb H.
  rewrite (one_factor _ _ _ _ _ _ _ _ _ v' _ beta') in H by assumption.
  destruct (prior_angle.bound _ _ _ _ _ _ _ _ _ _ Hu Hv' HD Hb H) as [[L1 [L2 _]] [R1 [R2 _]]].
  repeat split; assumption.
Qed.

(* Converse. Sigma has two eigenvectors of positive eigenvalue. Whatever is answered to the two updates, whatever the
   task T and the control's own C₀: for some C₁, u and v with ‖Delta‖₂ <= delta the answer is ½ arcsin(2 delta/beta')
   off u, and orthogonal to it once delta >= beta'/2. *)
Theorem nobody : forall (m d : nat) (Q : mat d d) (l : vec d) (j k : index d) (t1 t0 beta' delta : R)
    (T C0 : mat (2 + m) d),
  let E1 := exponential Q l t1 in
  let E0 := exponential Q l t0 in
  orthogonal Q -> (forall i, 0 <= l i) -> j <> k -> 0 < l j -> 0 < l k -> 0 < t1 -> 0 < t0 ->
  0 <= delta -> 0 < beta' ->
  forall answer : mat (2 + m) d -> mat (2 + m) d -> vec (2 + m), (forall M N, unit (answer M N)) ->
  exists (C1 : mat (2 + m) d) (beta : R) (u : vec (2 + m)) (v v' : vec d),
    let dW1 := mul (planted (madd T C1) beta u v) (msub identity E1) in
    let dW0 := mul (madd T C0) (msub identity E0) in
    let sine := sin (angle (answer dW1 dW0) u) in
    unit u /\ unit v /\ unit v' /\ 0 < beta /\ vscale beta' v' = vscale beta (apply (msub identity E1) v) /\
    norm_at_most (rest T C1 C0 E1 E0) delta /\
    (delta < beta' / 2 -> sin (asin (2 * (delta / beta')) / 2) <= sine) /\ (beta' / 2 <= delta -> sine = 1).
Proof.
  intros m d Q l j k t1 t0 beta' delta T C0 E1 E0 HQ Hl Hjk Hj Hk H1 H0 Hd Hb answer Ha.
  set (F := two_columns Q j k); set (dW0 := mul (madd T C0) (msub identity E0)).
  assert (HF : orthonormal F) by (apply two_columns_orthonormal; [apply HQ | easy]).
  set (estimator := fun M : mat (2 + m) (2 + 0) => answer (madd dW0 (mul M (transpose F))) dW0).
  assert (W : exists (D : mat (2 + m) (2 + 0)) u w, unit u /\ unit w /\ norm_at_most D delta /\
    (delta < beta' / 2 ->
     sin (asin (2 * (delta / beta')) / 2) <= sin (angle (estimator (planted D beta' u w)) u)) /\
    (beta' / 2 <= delta -> sin (angle (estimator (planted D beta' u w)) u) = 1)).
  { destruct (Rlt_le_dec delta (beta' / 2)) as [L | L].
    - destruct (minimax_angle.below m 0 beta' delta Hd L estimator) as (D & u & w & Hu & Hw & HD & H);
        [intro; apply Ha |].
      exists D, u, w; repeat split; try assumption; intro; [easy | exfalso; lra].
    - destruct (minimax_angle.beyond m 0 beta' delta Hb L estimator) as (D & u & w & Hu & Hw & HD & H);
        [intro; apply Ha |].
      exists D, u, w; repeat split; try assumption; intro; [exfalso; lra | easy]. }
  destruct W as (D & u & w & Hu & Hw & HD & Below & Beyond).
  set (Delta := mul D (transpose F)); set (v' := apply F w).
  set (f := fun i => 1 - exp (- (t1 * l i))); set (g := fun i => if Req_EM_T (f i) 0 then 0 else / f i).
  set (h := fun i => if Req_EM_T (f i) 0 then 0 else 1).
  assert (f0 : forall i, f i = 0 -> l i = 0).
  { intros i E; destruct (Hl i) as [L | L]; [exfalso | easy].
    assert (exp (- (t1 * l i)) < exp 0) by (apply exp_increasing; nra); rewrite exp_0 in *; unfold f in E; lra. }
  assert (hj : h j = 1) by (unfold h; destruct (Req_EM_T (f j) 0) as [E | E]; [apply f0 in E; lra | easy]).
  assert (hk : h k = 1) by (unfold h; destruct (Req_EM_T (f k) 0) as [E | E]; [apply f0 in E; lra | easy]).
  assert (I1 : msub identity E1 = spectral Q f)
    by (unfold E1, exponential; now rewrite <- (spectral_one _ Q HQ), spectral_msub).
  assert (I0 : msub identity E0 = spectral Q (fun i => 1 - exp (- (t0 * l i))))
    by (unfold E0, exponential; now rewrite <- (spectral_one _ Q HQ), spectral_msub).
  assert (gf : mul (spectral Q g) (spectral Q f) = spectral Q h).
  { rewrite spectral_mul by apply HQ; f_equal; apply vec_ext; intro i; unfold g, h.
    destruct (Req_EM_T (f i) 0); [ring | now field]. }
  assert (fg : mul (spectral Q f) (spectral Q g) = spectral Q h).
  { rewrite <- gf, !spectral_mul by apply HQ; f_equal; apply vec_ext; intro; ring. }
  assert (kept : forall a : vec d, (forall i, l i = 0 -> a i = 0) -> mul (spectral Q a) (spectral Q h) = spectral Q a).
  { intros a A; rewrite spectral_mul by apply HQ; f_equal; apply vec_ext; intro i; unfold h.
    destruct (Req_EM_T (f i) 0) as [E | E]; [rewrite A by now apply f0 |]; ring. }
  assert (KD : mul Delta (spectral Q h) = Delta).
  { unfold Delta; rewrite <- mul_assoc; f_equal.
    assert (K : transpose (mul (spectral Q h) F) = transpose F).
    { f_equal; apply mat_ext; intros i c.
      pose proof (apply_two_columns _ Q h j k (fun a => identity a c) (proj1 HQ) hj hk) as K; fold F in K.
      assert (e : apply F (fun a => identity a c) = column F c)
        by (apply vec_ext; intro r; exact (f_equal (fun M => M r c) (identity_mul _ _ F))).
      rewrite e in K; exact (f_equal (fun x => x i) K). }
    now rewrite transpose_mul, spectral_symmetric in K. }
  set (X := msub (madd Delta (mul C0 (msub identity E0))) (mul T (msub E0 E1))); set (C1 := mul X (spectral Q g)).
  assert (KX : mul C1 (msub identity E1) = X).
  { unfold C1; rewrite I1, <- mul_assoc, gf; unfold X; rewrite msub_mul, madd_mul, KD, I0, <- !mul_assoc.
    unfold E1, E0, exponential; rewrite spectral_msub, !kept; [easy | |].
    - intros i E; unfold vsub; rewrite E, !Rmult_0_r; ring.
    - intros i E; rewrite E, Rmult_0_r, Ropp_0, exp_0; ring. }
  assert (R : rest T C1 C0 E1 E0 = Delta).
  { unfold rest; rewrite KX; unfold X; apply mat_ext; intros; unfold madd, msub; ring. }
  set (v0 := apply (spectral Q g) v'); set (n := norm v0).
  assert (Kv : apply (msub identity E1) v0 = v').
  { unfold v0; rewrite I1, <- apply_mul, fg; apply apply_two_columns; [apply HQ | easy | easy]. }
  assert (Hv' : unit v') by (unfold unit, v'; now rewrite orthonormal_norm).
  assert (Hn : 0 < n).
  { destruct (norm_nonneg _ v0) as [L | L]; [easy | exfalso].
    assert (Z : v0 = fun _ => 0) by (apply zero_of_norm; rewrite <- norm_sqr, <- L; ring).
    rewrite Z in Kv; unfold unit in Hv'; rewrite <- Kv in Hv'.
    replace (apply (msub identity E1) (fun _ : index d => 0)) with (fun _ : index d => 0) in Hv'
      by (apply vec_ext; intro; symmetry; apply dot_zero).
    rewrite norm_zero in Hv'; lra. }
  set (v := vscale (/ n) v0).
  assert (Hv : unit v)
    by (unfold unit, v; rewrite norm_vscale by (left; now apply Rinv_0_lt_compat); fold n; field; lra).
  assert (Kb : vscale beta' v' = vscale (beta' * n) (apply (msub identity E1) v)).
  { unfold v; rewrite apply_vscale, Kv; apply vec_ext; intro; unfold vscale; field; lra. }
  assert (KW : madd dW0 (mul (planted D beta' u w) (transpose F)) =
               mul (planted (madd T C1) (beta' * n) u v) (msub identity E1)).
  { assert (S := one_factor _ _ T C1 C0 E1 E0 u v v' (beta' * n) beta' (spectral_symmetric _ _ _) Kb).
    rewrite R in S; unfold difference in S; fold dW0 in S.
    replace (mul (planted D beta' u w) (transpose F)) with (planted Delta beta' u v').
    - rewrite <- S; apply mat_ext; intros; unfold madd, msub; ring.
    - unfold planted; rewrite madd_mul; fold Delta; f_equal; rewrite mscale_mul; f_equal.
      apply mat_ext; intros r c; unfold mul, outer, v', apply; rewrite <- vscale_dot.
      change (vscale (u r) (F c)) with (fun a => u r * F c a); apply sum_ext; intro; unfold transpose, vscale; ring. }
  exists C1, (beta' * n), u, v, v'; intros dW1 dW0' sine.
  assert (KA : estimator (planted D beta' u w) = answer dW1 dW0') by (unfold estimator; now rewrite KW).
  unfold sine; rewrite <- KA, R; repeat split; try assumption; [nra |].
  unfold Delta; rewrite <- (Rmult_1_r delta); apply norm_mul; [easy | easy |].
  intro x; rewrite Rmult_1_l; now apply bessel.
Qed.

(* g(κ): 1 without a control, a quarter for one half as long, and (1 − κ)/e <= g(κ) <= (1 − κ) e^(−κ), so that
   g ~ (1 − κ)/e at κ → 1. *)
Theorem left_over_values : left_over 0 = 1 /\ left_over (1 / 2) = 1 / 4 /\
  forall kappa, 0 < kappa < 1 -> (1 - kappa) * exp (-1) <= left_over kappa <= (1 - kappa) * exp (- kappa).
Proof. exact (conj left_over_zero (conj left_over_half left_over_near_one)). Qed.

(* Length: ‖T (E₀ − E₁)‖ <= g(κ) ‖T‖, κ = min t/max t, whatever Sigma is. *)
Theorem length : forall (m d : nat) (T : mat m d) (Q : mat d d) (l : vec d) (t1 t0 tau : R),
  orthogonal Q -> (forall k, 0 <= l k) -> 0 <= t1 -> 0 <= t0 -> 0 < Rmax t1 t0 -> 0 <= tau -> norm_at_most T tau ->
  norm_at_most (mul T (msub (exponential Q l t0) (exponential Q l t1))) (left_over (Rmin t1 t0 / Rmax t1 t0) * tau).
Proof.
  intros m d T Q l t1 t0 tau [HQ _] Hl H1 H0 Hm Ht HT; rewrite Rmult_comm; apply norm_mul; [easy | easy |].
  unfold exponential; rewrite spectral_msub; apply spectral_norm; [easy | now apply left_over_nonneg |].
  intro k; unfold vsub; now apply two_times.
Qed.

(* ... attained for the top right singular vector of T along an eigenvector, of eigenvalue λ with e^(−λ max t) =
   κ^(1/(1−κ)). *)
Theorem length_attained : forall (m d : nat) (T : mat m d) (Q : mat d d) (l : vec d) (j : index d) (t1 t0 tau : R),
  let kappa := Rmin t1 t0 / Rmax t1 t0 in
  let q := column Q j in
  orthogonal Q -> 0 < Rmax t1 t0 -> 0 < kappa < 1 -> l j = - ln kappa / (1 - kappa) / Rmax t1 t0 ->
  norm (apply T q) = tau ->
  unit q /\ norm (apply (mul T (msub (exponential Q l t0) (exponential Q l t1))) q) = left_over kappa * tau.
Proof.
  intros m d T Q l j t1 t0 tau kappa q [HQ _] Hm Hk Hl HT; split; [now apply unit_column |].
  unfold exponential; rewrite spectral_msub, apply_mul; unfold q; rewrite spectral_column by easy; fold q.
  destruct (two_times_attained _ _ _ Hm Hk Hl) as [E P]; fold kappa in E, P.
  rewrite apply_vscale, norm_abs, HT; f_equal; unfold vsub.
  revert E; unfold Rmin, Rmax; destruct (Rle_dec t1 t0) as [L | L]; intro E.
  - rewrite Rabs_minus_sym, E; apply Rabs_right; lra.
  - rewrite E; apply Rabs_right; lra.
Qed.

(* Budget: delta <= g(κ) ‖T‖ + (1 − e^(−t₁ lambda)) ‖C₁‖ + (1 − e^(−t₀ lambda)) ‖C₀‖ for lambda >= ‖Sigma‖. *)
Theorem budget : forall (m d : nat) (T C1 C0 : mat m d) (Q : mat d d) (l : vec d) (t1 t0 lambda tau c1 c0 : R),
  orthogonal Q -> (forall k, 0 <= l k <= lambda) -> 0 <= lambda -> 0 <= t1 -> 0 <= t0 -> 0 < Rmax t1 t0 ->
  0 <= tau -> 0 <= c1 -> 0 <= c0 -> norm_at_most T tau -> norm_at_most C1 c1 -> norm_at_most C0 c0 ->
  norm_at_most (rest T C1 C0 (exponential Q l t1) (exponential Q l t0))
    (left_over (Rmin t1 t0 / Rmax t1 t0) * tau + (1 - exp (- (t1 * lambda))) * c1 + (1 - exp (- (t0 * lambda))) * c0).
Proof.
  intros m d T C1 C0 Q l t1 t0 lambda tau c1 c0 HQ Hl Hm H1 H0 Hx Ht Hc1 Hc0 HT HC1 HC0.
  assert (N : forall t, 0 <= t -> norm_at_most (msub identity (exponential Q l t)) (1 - exp (- (t * lambda)))).
  { intros t Hs; unfold exponential; rewrite <- (spectral_one _ Q HQ), spectral_msub.
    assert (mono : forall x y, x <= y -> exp (- y) <= exp (- x))
      by (intros x y [H | H]; [left; apply exp_increasing; lra | right; f_equal; lra]).
    assert (one : forall x, 0 <= x -> exp (- x) <= 1)
      by (intros x Hx'; rewrite <- exp_0, <- Ropp_0; now apply mono).
    apply spectral_norm; [apply HQ | pose proof (one (t * lambda)); nra |].
    intro k; unfold vsub; destruct (Hl k) as [La Lb].
    assert (exp (- (t * lambda)) <= exp (- (t * l k))) by (apply mono; nra).
    pose proof (one (t * l k) ltac:(nra)); rewrite Rabs_right; lra. }
  apply norm_msub; [apply norm_madd |].
  - apply length; try assumption; intro k; apply Hl.
  - rewrite Rmult_comm; apply norm_mul; [easy | easy | now apply N].
  - rewrite Rmult_comm; apply norm_mul; [easy | easy | now apply N].
Qed.

(* ... attained where all parts are multiples of one, p qᵀ with q the eigenvector of that eigenvalue; e = ±1 is the
   sign of t₁ − t₀. *)
Theorem budget_attained : forall (m d : nat) (p : vec m) (Q : mat d d) (l : vec d) (j : index d)
    (t1 t0 e tau c1 c0 : R),
  let kappa := Rmin t1 t0 / Rmax t1 t0 in
  let q := column Q j in
  let part := fun a : R => mscale a (outer p q) in
  orthogonal Q -> unit p -> 0 < kappa < 1 -> 0 < Rmax t1 t0 -> l j = - ln kappa / (1 - kappa) / Rmax t1 t0 ->
  0 <= t1 -> 0 <= t0 -> 0 <= tau -> 0 <= c1 -> 0 <= c0 -> e * e = 1 -> 0 < e * (t1 - t0) ->
  norm_at_most (part (e * tau)) tau /\ norm_at_most (part c1) c1 /\ norm_at_most (part (- c0)) c0 /\ unit q /\
  norm (apply (rest (part (e * tau)) (part c1) (part (- c0)) (exponential Q l t1) (exponential Q l t0)) q) =
    left_over kappa * tau + (1 - exp (- (t1 * l j))) * c1 + (1 - exp (- (t0 * l j))) * c0.
Proof.
  intros m d p Q l j t1 t0 e tau c1 c0 kappa q part HQ Hp Hk Hm Hl H1 H0 Ht Hc1 Hc0 He Hs.
  assert (Hq : unit q) by (apply unit_column, HQ).
  assert (N : forall a, norm_at_most (part a) (Rabs a)).
  { intros a x; unfold part; rewrite apply_outer, norm_abs, Rabs_mult, Hp, Rmult_1_r.
    apply Rmult_le_compat_l; [apply Rabs_pos |]; rewrite <- (Rmult_1_l (norm x)), <- Hq; apply abs_dot. }
  assert (Ea : Rabs e = 1).
  { assert (K := abs_square e); assert (P := Rabs_pos e); nra. }
  assert (A1 : norm_at_most (part (e * tau)) tau).
  { pose proof (N (e * tau)) as K; rewrite Rabs_mult, Ea, Rmult_1_l, (Rabs_right tau) in K by lra; exact K. }
  assert (A2 : norm_at_most (part c1) c1) by (pose proof (N c1) as K; rewrite Rabs_right in K; [exact K | lra]).
  assert (A3 : norm_at_most (part (- c0)) c0)
    by (pose proof (N (- c0)) as K; rewrite Rabs_Ropp, Rabs_right in K; [exact K | lra]).
  split; [easy | split; [easy | split; [easy | split; [easy |]]]].
  destruct (two_times_attained _ _ _ Hm Hk Hl) as [E P]; fold kappa in E, P.
  assert (S : e * (exp (- (t0 * l j)) - exp (- (t1 * l j))) = left_over kappa).
  { rewrite <- E; unfold Rmin, Rmax; destruct (Rle_dec t1 t0) as [L | L].
    - assert (e = -1) as -> by nra; ring.
    - assert (e = 1) as -> by nra; ring. }
  assert (D : forall f a, apply (mul (part a) (spectral Q f)) q = vscale (a * f j) p).
  { intros f a; rewrite apply_mul; unfold q; rewrite spectral_column by apply HQ; fold q.
    rewrite apply_vscale; unfold part; rewrite apply_outer.
    apply unit_dot in Hq; rewrite Hq; apply vec_ext; intro; unfold vscale; ring. }
  assert (F : apply (rest (part (e * tau)) (part c1) (part (- c0)) (exponential Q l t1) (exponential Q l t0)) q =
    vscale (left_over kappa * tau + (1 - exp (- (t1 * l j))) * c1 + (1 - exp (- (t0 * l j))) * c0) p).
  { unfold rest, exponential; rewrite <- (spectral_one _ Q HQ), !spectral_msub, apply_msub, apply_madd, !D, <- S.
    apply vec_ext; intro; unfold vsub, vadd, vscale; ring. }
  assert (Z : forall t, 0 <= t -> 0 <= 1 - exp (- (t * l j))).
  { intros t Hx; assert (0 <= l j).
    { rewrite Hl; apply Rmult_le_pos; [| left; now apply Rinv_0_lt_compat].
      apply Rmult_le_pos; [| left; apply Rinv_0_lt_compat; lra].
      pose proof (exp_ineq1_le (ln kappa)) as E2; rewrite exp_ln in E2; lra. }
    assert (exp (- (t * l j)) <= exp 0); [| rewrite exp_0 in *; lra].
    destruct (Rle_lt_or_eq_dec 0 (t * l j)) as [L | L]; [nra | left; apply exp_increasing; lra |].
    rewrite <- L, Ropp_0; lra. }
  pose proof (Z t1 H1); pose proof (Z t0 H0).
  rewrite F, norm_vscale, Hp, Rmult_1_r; [easy |]; apply Rplus_le_le_0_compat; [apply Rplus_le_le_0_compat |]; nra.
Qed.

(* A control that learnt more of its own, ‖C₀‖ > ‖T + C₁‖ + ‖C₁‖, leaves at t = ∞ (E₁ = E₀ = 0) more than there was:
   without a control Delta is T + C₁. *)
Theorem worse : forall (m d : nat) (T C1 C0 : mat m d) (a b : R),
  rest T C1 zero zero identity = madd T C1 /\
  (norm_at_most (madd T C1) a -> norm_at_most C1 b -> ~ norm_at_most C0 (a + b) ->
   ~ norm_at_most (rest T C1 C0 zero zero) a).
Proof.
  intros m d T C1 C0 a b; unfold rest; rewrite !msub_zero, !identity_mul, zero_mul, msub_zero; split; [easy |].
  intros _ H1 H0 H; apply H0.
  rewrite mul_zero in H; replace C0 with (msub C1 (msub (madd zero C1) C0))
    by (apply mat_ext; intros; unfold msub, madd, zero; ring).
  rewrite Rplus_comm; now apply norm_msub.
Qed.
