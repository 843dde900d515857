(* Covered: all four parts, in every size: (i) with both halves of what Courant and Fischer say of blocks of k; (ii) for
   one input and for several, of full column rank and not, and for one input more; (iii) least squares, its only
   solution where Sigma is definite off span V, the write side, and always-on factors; (iv). Pseudo-inverses are those
   of Penrose's four equations; that every matrix has exactly one is proved too.
   Not covered: means over other than finitely many inputs, with weights. The sine of ∠(x, span V) is ‖P x‖/‖x‖ by
   definition. *)

From Coq Require Import Reals Lra Psatz Classical_Prop.
From Grasp Require Import vectors matrices dimension moments pseudo_inverse greville courant_fischer regression.
Open Scope R_scope.

(* (i) E‖dW x‖² = tr(dW Sigma_0 dWᵀ) <= ‖dW‖_F² λ_max(P Sigma_0 P) where dW V = 0 *)
Theorem old_answers : forall (N m d k : nat) (p : vec N) (X : mat N d) (V : mat d k) (dW : mat m d) (lambda : R),
  let Sigma0 := second_moment p X in
  let P := complement V in
  mul dW V = zero -> eigenvalues_at_most (mul P (mul Sigma0 P)) lambda ->
  mean p X (fun x => dot (apply dW x) (apply dW x)) = trace (mul (mul dW Sigma0) (transpose dW)) /\
  trace (mul (mul dW Sigma0) (transpose dW)) <= frobenius_squared dW * lambda.
Proof.
  intros N m d k p X V dW lambda Sigma0 P HV HS; split; [apply mean_response |].
  rewrite trace_rows, frobenius_rows, Rmult_comm, <- sum_mul; apply sum_le; intro i.
  assert (E : apply P (dW i) = dW i) by (apply complement_row; intro l; exact (f_equal (fun K => K i l) HV)).
  pose proof (HS (dW i)) as K; unfold P in K; rewrite missed_form in K; fold P in K; now rewrite E in K.
Qed.

(* (i) attained by y eᵀ where e is an eigenvector of that largest eigenvalue *)
Theorem old_answers_attained : forall (N m d k : nat) (p : vec N) (X : mat N d) (V : mat d k) (e : vec d) (y : vec m)
    (lambda : R),
  let Sigma0 := second_moment p X in
  let P := complement V in
  orthonormal V -> unit e -> lambda <> 0 -> apply (mul P (mul Sigma0 P)) e = vscale lambda e ->
  mul (outer y e) V = zero /\
  mean p X (fun x => dot (apply (outer y e) x) (apply (outer y e) x)) = frobenius_squared (outer y e) * lambda.
Proof.
  intros N m d k p X V e y lambda Sigma0 P HV He Hl HE.
  assert (Pe : apply P e = e) by now apply (missed_stays _ _ Sigma0 V e lambda).
  split; [rewrite <- Pe; now apply outer_off |]; rewrite mean_outer, frobenius_outer; fold Sigma0.
  rewrite (missed_eigen _ _ _ V e lambda Pe HE); ring.
Qed.

(* (i) Over blocks of k directions λ_max(P Sigma_0 P) is λ_{k+1} = lambda for the k leading eigenvectors, the columns of
   V, and at least that for every other block V'. Those of F are the eigenvectors left, the
   first of eigenvalue lambda. *)
Theorem no_other_block : forall (d k r : nat) (Sigma0 : mat d d) (V : mat d k) (F : mat d (1 + r)) (a : vec k)
    (b : vec (1 + r)),
  let lambda := b None in
  let e := column F None in
  let missed := fun W : mat d k => mul (complement W) (mul Sigma0 (complement W)) in
  orthonormal V -> orthonormal F -> madd (mul V (transpose V)) (mul F (transpose F)) = identity ->
  mul Sigma0 V = (fun i j => V i j * a j) -> mul Sigma0 F = (fun i j => F i j * b j) ->
  (forall j, lambda <= a j) -> (forall j, b j <= lambda) -> 0 <= lambda ->
  eigenvalues_at_most (missed V) lambda /\ unit e /\ apply (missed V) e = vscale lambda e /\
  forall (V' : mat d k) t, eigenvalues_at_most (missed V') t -> lambda <= t.
Proof.
  intros d k r Sigma0 V F a b lambda e missed HV HF Basis SV SF Ha Hb Hl.
  assert (P : complement V = mul F (transpose F)).
  { unfold complement; rewrite <- Basis; apply mat_ext; intros; unfold msub, madd; ring. }
  assert (VF : mul (transpose V) F = zero).
  { assert (E := complement_off _ _ V HV); rewrite P, mul_assoc in E.
    rewrite <- (identity_mul _ _ (mul (transpose V) F)), <- HF, mul_assoc, E; apply zero_mul. }
  split; [| split; [now apply unit_column | split]].
  - now apply (missed_rest _ _ _ _ _ F b).
  - assert (Pe : apply (complement V) e = e).
    { apply complement_kept, vec_ext; intro j; exact (f_equal (fun K => K j None) VF). }
    assert (Se : apply Sigma0 e = vscale lambda e).
    { apply vec_ext; intro i; transitivity (F i None * lambda); [exact (f_equal (fun K => K i None) SF) |].
      unfold vscale, e, column; ring. }
    unfold missed; now rewrite !apply_mul, Pe, Se, apply_vscale, Pe.
  - intros V' t HV'; set (W := beside e V).
    assert (HW : orthonormal W).
    { apply beside_orthonormal; [now apply unit_column | | easy].
      apply vec_ext; intro j; exact (f_equal (fun K => K j None) VF). }
    assert (SW : mul Sigma0 W = (fun i j => W i j * cons lambda a j)).
    { apply mat_ext; intros i [j|]; [exact (f_equal (fun K => K i j) SV) | exact (f_equal (fun K => K i None) SF)]. }
    apply (any_block _ _ Sigma0 W (cons lambda a) V'); try easy; intros [j|]; [apply Ha | apply Rle_refl].
Qed.

(* (ii) for one input: dW x = y and dW V = 0 cost at least ‖y‖/‖P x‖ ... *)
Theorem cost : forall (m d k : nat) (V : mat d k) (dW : mat m d) (x : vec d) (y : vec m),
  let P := complement V in
  mul dW V = zero -> apply dW x = y -> norm y <= sqrt (frobenius_squared dW) * norm (apply P x).
Proof.
  intros m d k V dW x y P HV HE.
  assert (E : apply dW (apply P x) = y) by (rewrite <- HE, <- apply_mul; unfold P; now rewrite through_complement).
  rewrite <- E at 1; apply frobenius_bound.
Qed.

(* ... which y (P x)ᵀ/‖P x‖² costs. What the old answers then move by at most, (iv), and exactly where P x is the top
   eigenvector. *)
Theorem least : forall (N m d k : nat) (p : vec N) (X : mat N d) (V : mat d k) (x : vec d) (y : vec m) (lambda : R),
  let P := complement V in
  let dW := mscale (/ dot (apply P x) (apply P x)) (outer y (apply P x)) in
  orthonormal V -> 0 < norm (apply P x) ->
  mul dW V = zero /\ apply dW x = y /\ sqrt (frobenius_squared dW) = norm y / norm (apply P x) /\
  (eigenvalues_at_most (mul P (mul (second_moment p X) P)) lambda ->
   mean p X (fun x => dot (apply dW x) (apply dW x)) <= norm y ^ 2 * lambda / norm (apply P x) ^ 2) /\
  (apply (mul P (mul (second_moment p X) P)) (apply P x) = vscale lambda (apply P x) ->
   mean p X (fun x => dot (apply dW x) (apply dW x)) = norm y ^ 2 * lambda / norm (apply P x) ^ 2).
Proof.
  intros N m d k p X V x y lambda P dW HV Hx; set (z := apply P x) in *.
  assert (Z : dot z z = norm z * norm z) by (symmetry; apply norm_sqr).
  assert (Pz : apply P z = z)
    by (unfold z; rewrite <- apply_mul; unfold P at 1 2; now rewrite (proj2 (complement_projection _ _ V HV))).
  assert (Zx : dot z x = dot z z).
  { rewrite <- Pz at 1; rewrite dot_comm, adjoint; unfold P at 1; rewrite complement_symmetric; apply dot_comm. }
  assert (O : mul (outer y z) V = zero) by now apply outer_off.
  assert (H0 : mul dW V = zero) by (unfold dW; rewrite mscale_mul, O; apply mscale_zero).
  assert (F : frobenius_squared dW = norm y * norm y / (norm z * norm z)).
  { unfold dW; rewrite frobenius_mscale, frobenius_outer, Z, <- (norm_sqr _ y); field; lra. }
  split; [easy | split; [| split]].
  - unfold dW; rewrite apply_outer, Zx, Z; apply vec_ext; intro i; unfold vscale; field; lra.
  - rewrite F; replace (norm y * norm y / (norm z * norm z)) with (norm y / norm z * (norm y / norm z)) by (field; lra).
    apply sqrt_square, Rmult_le_pos; [apply norm_nonneg | left; now apply Rinv_0_lt_compat].
  - split; [intro HS; destruct (old_answers N m d k p X V dW lambda H0 HS) as [-> K] |].
    + apply Rle_trans with (1 := K); rewrite F; right; field; lra.
    + intro HE; replace dW with (outer (vscale (/ dot z z) y) z)
        by (apply mat_ext; intros; unfold dW, mscale, outer, vscale; ring).
      rewrite mean_outer, (missed_eigen _ _ _ V z lambda Pz HE), vscale_dot, dot_vscale, Z, <- (norm_sqr _ y); field;
        lra.
Qed.

(* Every matrix has exactly one pseudo-inverse. *)
Theorem has_pseudo_inverse : forall (d n : nat) (Z : mat d n),
  exists G, pseudo_inverse Z G /\ forall G', pseudo_inverse Z G' -> G' = G.
Proof.
  intros d n Z; destruct (pseudo_inverse_exists _ _ Z) as (G & HG); exists G; split; [easy |].
  intros G' H; now apply (pseudo_inverse_unique _ _ Z).
Qed.

(* (ii) several new inputs, P X of full column rank: the least ‖dW‖_F is ‖Y (P X)⁺‖_F. *)
Theorem several_inputs : forall (m d k n : nat) (V : mat d k) (X : mat d n) (Y : mat m n) (G : mat n d),
  let Z := mul (complement V) X in
  orthonormal V -> pseudo_inverse Z G -> full_column_rank Z ->
  mul (mul Y G) V = zero /\ mul (mul Y G) X = Y /\
  forall dW, mul dW V = zero -> mul dW X = Y -> frobenius_squared (mul Y G) <= frobenius_squared dW.
Proof.
  intros m d k n V X Y G Z HV HG Full; apply (pseudo_full_rank _ _ _ _ HG) in Full.
  assert (GV : mul G V = zero) by now apply (pseudo_off _ _ _ V X).
  split; [now rewrite <- mul_assoc, GV, mul_zero | split].
  - rewrite <- mul_assoc, <- (response_through _ _ _ _ V) by easy; fold Z; now rewrite Full, identity_mul.
  - intros dW H E; rewrite <- E, <- (response_through _ _ _ _ V) by easy; fold Z.
    rewrite <- mul_assoc; apply projection_frobenius, (pseudo_projections _ _ _ _ HG).
Qed.

(* ... of any rank: the least misfit ‖dW X − Y‖_F is that of Y on the kernel of P X, which I − (P X)⁺ P X projects
   on; *)
Theorem misfit : forall (m d k n : nat) (V : mat d k) (X : mat d n) (Y : mat m n) (G : mat n d),
  let Z := mul (complement V) X in
  let kernel := msub identity (mul G Z) in
  orthonormal V -> pseudo_inverse Z G ->
  projection kernel /\ (forall c, apply Z c = (fun _ => 0) <-> apply kernel c = c) /\
  (forall dW, mul dW V = zero -> frobenius_squared (mul Y kernel) <= frobenius_squared (msub (mul dW X) Y)) /\
  mul (mul Y G) V = zero /\ frobenius_squared (msub (mul (mul Y G) X) Y) = frobenius_squared (mul Y kernel).
Proof.
  intros m d k n V X Y G Z kernel HV HG.
  assert (GV : mul G V = zero) by now apply (pseudo_off _ _ _ V X).
  assert (ZK : mul Z kernel = zero) by now apply pseudo_kernel.
  assert (Pk : projection kernel) by apply projection_complement, (pseudo_projections _ _ _ _ HG).
  split; [easy | split; [| split; [| split]]].
  - intro c; split; intro H.
    + unfold kernel; rewrite apply_msub, apply_identity, apply_mul, H; apply vec_ext; intro; unfold vsub.
      unfold apply; rewrite dot_zero; ring.
    + now rewrite <- H, <- apply_mul, ZK, apply_zero.
  - intros dW H; rewrite <- (response_through _ _ _ _ V) by easy; fold Z.
    apply Rle_trans with (2 := projection_frobenius _ _ _ _ Pk); right.
    now rewrite msub_mul, <- mul_assoc, ZK, mul_zero, frobenius_swap, msub_zero.
  - now rewrite <- mul_assoc, GV, mul_zero.
  - rewrite frobenius_swap; f_equal; unfold kernel; rewrite mul_msub, identity_mul; f_equal.
    rewrite <- !mul_assoc; f_equal; unfold Z; symmetry; now apply response_through.
Qed.

(* ... so that the task is out of reach iff some combination of new inputs lies in span V and is to be moved. *)
Theorem out_of_reach : forall (m d k n : nat) (V : mat d k) (X : mat d n) (Y : mat m n) (G : mat n d),
  orthonormal V -> pseudo_inverse (mul (complement V) X) G ->
  (~ exists dW, mul dW V = zero /\ mul dW X = Y) <->
  (exists c b, apply X c = apply V b /\ apply Y c <> (fun _ => 0)).
Proof.
  intros m d k n V X Y G HV HG; destruct (misfit m d k n V X Y G HV HG) as (_ & Kernel & _ & YG & _).
  set (Z := mul (complement V) X) in *; set (kernel := msub identity (mul G Z)) in *; split.
  - intro No; destruct (classic (exists c b, apply X c = apply V b /\ apply Y c <> (fun _ => 0))) as [Yes | None];
      [easy | exfalso]; apply No; exists (mul Y G); split; [easy |].
    rewrite <- mul_assoc, <- (response_through _ _ _ _ V) by (now apply (pseudo_off _ _ _ V X)); fold Z.
    apply mat_of_apply; intro c.
    assert (ZK : apply Z (apply kernel c) = fun _ => 0)
      by (rewrite <- apply_mul; unfold kernel; rewrite pseudo_kernel by easy; apply apply_zero).
    assert (YK : apply Y (apply kernel c) = fun _ => 0).
    { destruct (classic (apply Y (apply kernel c) = fun _ => 0)) as [E | N]; [easy | exfalso; apply None].
      exists (apply kernel c), (apply (transpose V) (apply X (apply kernel c))); split; [| easy].
      apply complement_kernel; rewrite <- apply_mul; exact ZK. }
    unfold kernel in YK; rewrite apply_msub, apply_identity, apply_vsub in YK; rewrite !apply_mul.
    apply vec_ext; intro i; pose proof (f_equal (fun x => x i) YK) as E; unfold vsub in E; rewrite !apply_mul in E; lra.
  - intros (c & b & E & N) (dW & H & <-); apply N; now rewrite apply_mul, E, <- apply_mul, H, apply_zero.
Qed.

(* One more input X a + V w with wanted response y costs a misfit of ‖Y a − y‖/√(1 + ‖a‖²). *)
Theorem one_more : forall (m d k n : nat) (V : mat d k) (X : mat d n) (Y : mat m n) (G : mat n d)
    (a : vec n) (w : vec k) (y : vec m),
  let Z := mul (complement V) X in
  let X' := beside (vadd (apply X a) (apply V w)) X in
  let Y' := beside y Y in
  let least := norm (vsub (apply Y a) y) / sqrt (1 + dot a a) in
  orthonormal V -> pseudo_inverse Z G -> full_column_rank Z ->
  (forall dW, mul dW V = zero -> least <= sqrt (frobenius_squared (msub (mul dW X') Y'))) /\
  (exists dW, mul dW V = zero /\ sqrt (frobenius_squared (msub (mul dW X') Y')) = least).
Proof.
  intros m d k n V X Y G a w y Z X' Y' least HV HG Full.
  set (e := vsub (apply Y a) y); set (t := 1 + dot a a).
  assert (Ht : 1 <= t) by (unfold t; pose proof (dot_nonneg _ a); lra).
  assert (Hs : 0 < sqrt t) by (apply sqrt_lt_R0; lra).
  assert (S2 : sqrt t * sqrt t = t) by (apply sqrt_sqrt; lra).
  assert (E := fun dW => misfit_beside _ _ _ _ dW V X Y a w y); fold X' Y' in E.
  split.
  - intros dW H; pose proof (frobenius_bound _ _ (msub (mul dW X') Y') (cons (-1) a)) as K.
    assert (A : norm (cons (-1) a) = sqrt t) by (unfold norm; f_equal; change (-1 * -1 + dot a a = t); unfold t; ring).
    assert (B : apply (msub (mul dW X') Y') (cons (-1) a) = vscale (-1) e).
    { rewrite (E dW H), apply_beside, apply_msub; apply vec_ext; intro; unfold e, vadd, vscale, vsub; ring. }
    rewrite A, B, norm_opposite in K; unfold least; fold e t; apply Rmult_le_reg_r with (sqrt t); [easy |].
    replace (norm e / sqrt t * sqrt t) with (norm e) by (field; lra); exact K.
  - set (D := mscale (- / t) (outer e a)).
    destruct (several_inputs m d k n V X (madd Y D) G HV HG Full) as (H & L & _).
    exists (mul (madd Y D) G); split; [easy |].
    assert (ED : vsub (apply (madd Y D) a) y = vscale (/ t) e).
    { unfold D; rewrite apply_madd, apply_outer; apply vec_ext; intro i; unfold vsub, vadd, vscale, e, vsub.
      replace (dot a a) with (t - 1) by (unfold t; ring); field; lra. }
    rewrite E, L, frobenius_beside, ED, vscale_dot, dot_vscale by easy.
    replace (msub (madd Y D) Y) with D by (apply mat_ext; intros; unfold madd, msub; ring).
    unfold D; rewrite frobenius_mscale, frobenius_outer.
    replace (/ t * (/ t * dot e e) + - / t * - / t * (dot e e * dot a a)) with (norm e / sqrt t * (norm e / sqrt t)).
    + apply sqrt_square, Rmult_le_pos; [apply norm_nonneg | left; now apply Rinv_0_lt_compat].
    + replace (norm e / sqrt t * (norm e / sqrt t)) with (norm e * norm e / (sqrt t * sqrt t)) by (field; lra).
      rewrite S2, norm_sqr; replace (dot a a) with (t - 1) by (unfold t; ring); field; lra.
Qed.

(* (iii) D V = 0: no response along any v in span V, whatever was learnt *)
Theorem no_response : forall (m d k : nat) (V : mat d k) (D : mat m d) (c : vec k),
  mul D V = zero -> apply D (apply V c) = fun _ => 0.
Proof.
  intros m d k V D c H; rewrite <- apply_mul, H; apply vec_ext; intro i.
  unfold apply, zero; rewrite dot_comm; apply dot_zero.
Qed.

(* (iii) least squares on curated inputs of moment Sigma: D = M P + (M V) L with L = Vᵀ Sigma P (P Sigma P)⁺ is best
   among all that keep D V = 0, and the only best one where Sigma is definite off span V. *)
Theorem least_squares : forall (N m d k : nat) (p : vec N) (X : mat N d) (M : mat m d) (V : mat d k) (G : mat d d),
  let Sigma := second_moment p X in
  let P := complement V in
  let D := kept M V (regression V Sigma G) in
  orthonormal V -> (forall i, 0 <= p i) -> pseudo_inverse (mul P (mul Sigma P)) G ->
  mul D V = zero /\ (forall D', mul D' V = zero -> loss M Sigma D <= loss M Sigma D') /\
  ((forall z, apply (transpose V) z = (fun _ => 0) -> dot z (apply Sigma z) = 0 -> z = (fun _ => 0)) ->
   forall D', mul D' V = zero -> loss M Sigma D' <= loss M Sigma D -> D' = D).
Proof.
  intros N m d k p X M V G Sigma P D HV Hp HG.
  assert (DV : mul D V = zero) by now apply kept_off.
  assert (Row : forall D' i, 0 <= dot (msub D' D i) (apply Sigma (msub D' D i)))
    by (intros D' i; now apply moment_nonneg).
  split; [easy | split].
  - intros D' H; pose proof (kept_loss _ _ _ _ p X M D' V G HV Hp HG H) as E; fold Sigma D in E.
    rewrite trace_rows in E; pose proof (sum_nonneg _ _ (Row D')); lra.
  - intros Def D' H Le; pose proof (kept_loss _ _ _ _ p X M D' V G HV Hp HG H) as E; fold Sigma D in E.
    rewrite trace_rows in E; pose proof (sum_nonneg _ _ (Row D')) as S0.
    assert (Z : forall i, msub D' D i = fun _ => 0).
    { intro i; apply Def.
      - apply vec_ext; intro l; transitivity (mul (msub D' D) V i l); [apply dot_comm |].
        rewrite msub_mul, H, DV; unfold msub, zero; ring.
      - apply (sum_nothing _ (fun i => dot (msub D' D i) (apply Sigma (msub D' D i)))); [apply Row | lra]. }
    apply mat_ext; intros i j; pose proof (f_equal (fun x => x j) (Z i)) as Q; unfold msub in Q; lra.
Qed.

(* (iii) a factor F = Σ beta_j u_j v_jᵀ with v_j in span V (columns: beta_j u_j of U, v_j of V B), always on: Vᵀx = w
   for every curated input, P x of mean mu and covariance C. At the mean input the share s of F V w returns: h/(1 + h)
   with h = muᵀ C⁺ mu if mu is in the range of C, 1 if not, and 0 iff mu = 0. *)
Theorem always_on : forall (N m d k r : nat) (p : vec N) (X : mat N d) (V : mat d k) (w : vec k) (T : mat m d)
    (U : mat m r) (B : mat k r) (G C' : mat d d),
  let P := complement V in
  let Sigma := second_moment p X in
  let at_mean := apply (transpose X) p in
  let mu := apply P at_mean in
  let C := second_moment p (fun i => vsub (apply P (X i)) mu) in
  let F := mul U (transpose (mul V B)) in
  let learnt := fun M => kept M V (regression V Sigma G) in
  let s := dot mu (apply G mu) in
  let h := dot mu (apply C' mu) in
  orthonormal V -> (forall i, 0 <= p i) -> sum p = 1 -> (forall i, apply (transpose V) (X i) = w) ->
  pseudo_inverse (mul P (mul Sigma P)) G -> pseudo_inverse C C' ->
  at_mean = vadd (apply V w) mu /\
  vsub (apply (learnt (madd T F)) at_mean) (apply (learnt T) at_mean) = vscale s (apply F (apply V w)) /\
  ((exists z, apply C z = mu) -> s = h / (1 + h)) /\ ((~ exists z, apply C z = mu) -> s = 1) /\
  (s = 0 <-> mu = fun _ => 0).
Proof.
  intros N m d k r p X V w T U B G C' P Sigma at_mean mu C F learnt s h HV Hp P1 Hw HG HC.
  split; [now apply mean_input | split; [| split; [| split]]].
  - assert (FP : mul F P = zero).
    { unfold F, P; rewrite transpose_mul, <- !mul_assoc, complement_off by easy; now rewrite !mul_zero. }
    unfold learnt, kept; rewrite !madd_mul, !apply_madd; fold P; rewrite FP, apply_zero.
    rewrite (apply_mul _ _ _ (mul F V)), (apply_mul _ _ _ F V); unfold at_mean at 4.
    rewrite (regression_at_mean N d k p X V w) by easy; fold at_mean P mu s; rewrite !apply_vscale.
    apply vec_ext; intro; unfold vsub, vadd; ring.
  - intro Yes; now apply (share_in_range N d k p X V).
  - intro No; now apply (share_off_range N d k p X V) with (Cp := C').
  - now apply (share_zero N d k p X V) with (Cp := C').
Qed.

(* (iii) Projecting all u_j but u out on the write side, on the span of Q; T and the others are T + U Wᵀ. Behind P = P_Q
   least squares leaves P M on every input, and of the factor beta ‖P u‖ (vᵀ Sigma v)^½ on curated inputs. *)
Theorem write_side : forall (N m d k r : nat) (p : vec N) (X : mat N d) (Q : mat m k) (T : mat m d) (U : mat m r)
    (W : mat d r) (u : vec m) (v : vec d) (beta : R),
  let P := complement Q in
  let M := planted (madd T (mul U (transpose W))) beta u v in
  let left := mul P (msub M T) in
  orthonormal Q -> mul P U = zero -> 0 <= beta ->
  (forall D x, norm (vsub (apply M x) (apply (mul P M) x)) <= norm (vsub (apply M x) (apply (mul P D) x))) /\
  sqrt (mean p X (fun x => dot (apply left x) (apply left x))) =
    beta * norm (apply P u) * sqrt (dot v (apply (second_moment p X) v)).
Proof.
  intros N m d k r p X Q T U W u v beta P M left HQ HU Hb; split.
  - intros D x; rewrite !apply_mul; now apply projection_nearest, complement_projection.
  - assert (E : left = outer (vscale beta (apply P u)) v).
    { unfold left; replace (msub M T) with (madd (mul U (transpose W)) (mscale beta (outer u v)))
        by (apply mat_ext; intros; unfold M, planted, msub, madd; ring).
      rewrite mul_madd, mul_assoc, HU, zero_mul, mul_mscale, mul_outer.
      apply mat_ext; intros; unfold madd, zero, mscale, outer, vscale; ring. }
    rewrite E, mean_outer, vscale_dot, dot_vscale, <- norm_sqr.
    set (n := norm (apply P u)); assert (N0 : 0 <= beta * n) by (apply Rmult_le_pos; [easy | apply norm_nonneg]).
    replace (beta * (beta * (n * n))) with (beta * n * (beta * n)) by ring.
    now rewrite sqrt_mult_alt, sqrt_square by (easy || apply Rle_0_sqr).
Qed.

(* (iv) after learning Y at X: (E‖dW x‖²)^½ <= ‖Y‖_F √λ_max(P Sigma_0 P)/σ_n(P X) *)
Theorem together : forall (N m d k n : nat) (p : vec N) (old : mat N d) (V : mat d k) (X : mat d n) (Y : mat m n)
    (G : mat n d) (lambda sigma : R),
  let P := complement V in
  let dW := mul Y G in
  orthonormal V -> pseudo_inverse (mul P X) G -> 0 < sigma -> (forall c, sigma * norm c <= norm (apply (mul P X) c)) ->
  0 <= lambda -> eigenvalues_at_most (mul P (mul (second_moment p old) P)) lambda ->
  sqrt (mean p old (fun x => dot (apply dW x) (apply dW x))) <= sqrt (frobenius_squared Y) * sqrt lambda / sigma.
Proof.
  intros N m d k n p old V X Y G lambda sigma P dW HV HG Hs Hc Hl HS; set (Z := mul P X) in *.
  assert (H : mul dW V = zero) by (unfold dW; rewrite <- mul_assoc, (pseudo_off _ _ _ V X) by easy; apply mul_zero).
  destruct (old_answers N m d k p old V dW lambda H HS) as [-> K].
  assert (NG := pseudo_norm _ _ _ _ _ HG Hs Hc).
  assert (Hi : 0 < / sigma) by now apply Rinv_0_lt_compat.
  assert (FG := frobenius_mul _ _ _ Y G (/ sigma) (Rlt_le _ _ Hi) NG); fold dW in FG.
  replace (sqrt (frobenius_squared Y) * sqrt lambda / sigma) with (sqrt (/ sigma * / sigma * frobenius_squared Y *
    lambda)).
  - apply sqrt_le_1_alt, Rle_trans with (1 := K); now apply Rmult_le_compat_r.
  - assert (F0 := frobenius_nonneg _ _ Y); assert (I2 : 0 <= / sigma * / sigma) by nra.
    rewrite sqrt_mult, sqrt_mult, sqrt_square by (lra || now apply Rmult_le_pos); unfold Rdiv; ring.
Qed.
