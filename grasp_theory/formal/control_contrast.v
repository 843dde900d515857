(* Covered in part: that dW₁ − dW₀ is one factor plus Delta; the equations and bounds for each of its singular
   triples, and sin 2θ <= 2 delta/beta' for the top one; the converse, for every function of both updates and
   every dW₀. E₁ and E₀ are any matrices, E₁ symmetric, so that e^(−t Sigma) is one case.
   Not covered: that gradient flow gives these updates; length, budget and sample, and so what delta is. *)

From Coq Require Import Reals Lra Psatz FunctionalExtensionality.
From Grasp Require Import vectors matrices planes spectral flow posterior_angle prior_angle minimax_angle.
Open Scope R_scope.

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

(* Converse: whatever is answered to the two updates, and whatever dW₀ is, in some world with ‖Delta‖₂ <= delta the
   answer is ½ arcsin(2 delta/beta') off u, and orthogonal to it once delta >= beta'/2. *)
Theorem nobody : forall (m d : nat) (beta' delta : R) (dW0 : mat (2 + m) (2 + d)), 0 <= delta -> 0 < beta' ->
  forall answer : mat (2 + m) (2 + d) -> mat (2 + m) (2 + d) -> vec (2 + m), (forall M N, unit (answer M N)) ->
  exists (Delta : mat (2 + m) (2 + d)) (u : vec (2 + m)) (v' : vec (2 + d)),
    let sine := sin (angle (answer (madd dW0 (planted Delta beta' u v')) dW0) u) in
    unit u /\ unit v' /\ norm_at_most Delta delta /\
    (delta < beta' / 2 -> sin (asin (2 * (delta / beta')) / 2) <= sine) /\ (beta' / 2 <= delta -> sine = 1).
Proof.
  intros m d beta' delta dW0 Hd Hb answer Ha; set (estimator := fun M => answer (madd dW0 M) dW0).
  destruct (Rlt_le_dec delta (beta' / 2)) as [L | L].
  - destruct (minimax_angle.below m d beta' delta Hd L estimator) as (Delta & u & v & Hu & Hv & HD & H);
      [intro; apply Ha |].
    exists Delta, u, v; intro sine; repeat split; try assumption; [now intro | intro; exfalso; lra].
  - destruct (minimax_angle.beyond m d beta' delta Hb L estimator) as (Delta & u & v & Hu & Hv & HD & H);
      [intro; apply Ha |].
    exists Delta, u, v; intro sine; repeat split; try assumption; [intro; exfalso; lra | now intro].
Qed.

(* g(κ): 1 without a control, a quarter for one half as long, and (1 − κ)/e <= g(κ) <= (1 − κ) e^(−κ), so that
   g ~ (1 − κ)/e at κ → 1. *)
Theorem left_over_values : left_over 0 = 1 /\ left_over (1 / 2) = 1 / 4 /\
  forall kappa, 0 < kappa < 1 -> (1 - kappa) * exp (-1) <= left_over kappa <= (1 - kappa) * exp (- kappa).
Proof. exact (conj left_over_zero (conj left_over_half left_over_near_one)). Qed.

(* |e^(−t₀ λ) − e^(−t₁ λ)| <= g(κ) *)
Lemma two_times (t1 t0 a : R) :
  0 <= a -> 0 <= t1 -> 0 <= t0 -> 0 < Rmax t1 t0 ->
  Rabs (exp (- (t0 * a)) - exp (- (t1 * a))) <= left_over (Rmin t1 t0 / Rmax t1 t0).
Proof.
  assert (K : forall s t, 0 <= a -> 0 <= s <= t -> 0 < t ->
    0 <= exp (- (s * a)) - exp (- (t * a)) <= left_over (s / t)).
  { intros s t Ha Hs Ht; replace (s * a) with (s / t * (t * a)) by (field; lra); apply share; [nra |]; split.
    - apply Rmult_le_pos; [easy | left; now apply Rinv_0_lt_compat].
    - apply Rmult_le_reg_r with t; [easy |]; field_simplify; lra. }
  intros Ha H1 H0; unfold Rmin, Rmax; destruct (Rle_dec t1 t0) as [L | L]; intro Hm.
  - rewrite Rabs_minus_sym, Rabs_right; [| apply Rle_ge]; apply K; lra.
  - rewrite Rabs_right; [| apply Rle_ge]; apply K; lra.
Qed.

Lemma left_over_nonneg (t1 t0 : R) :
  0 <= t1 -> 0 <= t0 -> 0 < Rmax t1 t0 -> 0 <= left_over (Rmin t1 t0 / Rmax t1 t0).
Proof.
  intros H1 H0 Hm; apply Rle_trans with (2 := two_times t1 t0 0 (Rle_refl 0) H1 H0 Hm), Rabs_pos.
Qed.

Lemma two_times_attained (t1 t0 a : R) :
  let kappa := Rmin t1 t0 / Rmax t1 t0 in
  0 < Rmax t1 t0 -> 0 < kappa < 1 -> a = - ln kappa / (1 - kappa) / Rmax t1 t0 ->
  exp (- (Rmin t1 t0 * a)) - exp (- (Rmax t1 t0 * a)) = left_over kappa /\ 0 <= left_over kappa.
Proof.
  intros kappa Hm Hk Ha; split.
  - rewrite <- (share_attained (Rmax t1 t0 * a) kappa); [| easy | rewrite Ha; field; lra].
    do 3 f_equal; unfold kappa; field; lra.
  - rewrite left_over_exp; pose proof (exp_pos (kappa / (1 - kappa) * ln kappa)); nra.
Qed.

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
  rewrite apply_vscale, norm_abs, HT; f_equal; unfold vsub; revert E; unfold Rmin, Rmax; destruct (Rle_dec t1 t0) as [L | L]; intro E.
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
      pose proof (exp_ineq1_le (ln kappa)) as E; rewrite exp_ln in E; lra. }
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
