(* Projections and pseudo-inverses: least squares by their equations. *)

From Coq Require Import Reals Lra Psatz.
From Grasp Require Import vectors matrices.
Open Scope R_scope.

(* G = Z⁺, by the four equations of Penrose *)
Definition pseudo_inverse {d n} (Z : mat d n) (G : mat n d) : Prop :=
  mul (mul Z G) Z = Z /\ mul (mul G Z) G = G /\ transpose (mul Z G) = mul Z G /\ transpose (mul G Z) = mul G Z.

(* Z c = 0 only for c = 0 *)
Definition full_column_rank {d n} (Z : mat d n) : Prop := forall c, apply Z c = (fun _ => 0) -> c = fun _ => 0.

(* Onto its range, along what is orthogonal to it. *)
Definition projection {n} (E : mat n n) : Prop := transpose E = E /\ mul E E = E.

Lemma mat_of_apply m d (M N : mat m d) : (forall x, apply M x = apply N x) -> M = N.
Proof.
  intro H; assert (E : forall (K : mat m d) i j, apply K (fun k => identity k j) i = K i j)
    by (intros K i j; exact (f_equal (fun K => K i j) (identity_mul _ _ K))).
  apply mat_ext; intros i j; now rewrite <- E, H, E.
Qed.

Lemma mul_row m d n (M : mat m d) (E : mat d n) i : mul M E i = apply (transpose E) (M i).
Proof. apply vec_ext; intro j; apply dot_comm. Qed.

(* ‖x‖² = ‖E x‖² + ‖x − E x‖² *)
Lemma projection_norm n (E : mat n n) (x : vec n) : projection E ->
  dot x x = dot (apply E x) (apply E x) + dot (vsub x (apply E x)) (vsub x (apply E x)).
Proof.
  intros [S I]; assert (K : dot x (apply E x) = dot (apply E x) (apply E x)).
  { rewrite (adjoint _ _ E x (apply E x)), S, <- apply_mul, I; apply dot_comm. }
  rewrite vsub_dot, !dot_vsub, (dot_comm _ (apply E x) x), K; ring.
Qed.

Lemma projection_complement n (E : mat n n) : projection E -> projection (msub identity E).
Proof.
  intros [S I]; split; [now rewrite transpose_msub, transpose_identity, S |].
  rewrite msub_mul, mul_identity, mul_msub, identity_mul, I; apply mat_ext; intros; unfold msub; ring.
Qed.

(* ‖M E‖_F <= ‖M‖_F *)
Lemma projection_frobenius m n (M : mat m n) (E : mat n n) :
  projection E -> frobenius_squared (mul M E) <= frobenius_squared M.
Proof.
  intro H; rewrite !frobenius_rows; apply sum_le; intro i; rewrite mul_row, (proj1 H).
  rewrite (projection_norm _ E (M i) H); pose proof (dot_nonneg _ (vsub (M i) (apply E (M i)))); lra.
Qed.

Lemma pseudo_projections d n (Z : mat d n) G : pseudo_inverse Z G -> projection (mul Z G) /\ projection (mul G Z).
Proof.
  intros (ZGZ & GZG & S1 & S2); split; (split; [easy |]).
  - now rewrite mul_assoc, ZGZ.
  - now rewrite mul_assoc, GZG.
Qed.

(* Z (I − G Z) = 0 *)
Lemma pseudo_kernel d n (Z : mat d n) G : pseudo_inverse Z G -> mul Z (msub identity (mul G Z)) = zero.
Proof. intros (ZGZ & _); now rewrite mul_msub, identity_mul, mul_assoc, ZGZ, msub_self. Qed.

Lemma pseudo_full_rank d n (Z : mat d n) G : pseudo_inverse Z G -> full_column_rank Z -> mul G Z = identity.
Proof.
  intros HG Full; apply mat_of_apply; intro c; rewrite apply_identity.
  assert (K : apply (msub identity (mul G Z)) c = fun _ => 0)
    by (apply Full; rewrite <- apply_mul, pseudo_kernel by easy; apply apply_zero).
  rewrite apply_msub, apply_identity in K.
  apply vec_ext; intro i; pose proof (f_equal (fun x => x i) K) as E; unfold vsub in E; lra.
Qed.

Lemma complement_columns d k (V : mat d k) : orthonormal V -> mul (complement V) V = zero.
Proof.
  intro H; rewrite <- (complement_symmetric _ _ V).
  change (mul (transpose (complement V)) (transpose (transpose V)) = transpose zero).
  now rewrite <- transpose_mul, complement_off.
Qed.

(* E a is nearest to a of all that E projects to. *)
Lemma projection_nearest n (E : mat n n) (a b : vec n) : projection E ->
  norm (vsub a (apply E a)) <= norm (vsub a (apply E b)).
Proof.
  intro HE; apply le_of_squares; [apply norm_nonneg |].
  rewrite !norm_sqr, (projection_norm _ _ (vsub a (apply E b)) HE).
  replace (vsub (vsub a (apply E b)) (apply E (vsub a (apply E b)))) with (vsub a (apply E a)).
  - pose proof (dot_nonneg _ (apply E (vsub a (apply E b)))); lra.
  - rewrite apply_vsub, <- (apply_mul _ _ _ E E), (proj2 HE); apply vec_ext; intro; unfold vsub; ring.
Qed.

Lemma complement_projection d k (V : mat d k) : orthonormal V -> projection (complement V).
Proof.
  intro H; split; [apply complement_symmetric |].
  unfold complement at 2; now rewrite mul_msub, identity_mul, mul_assoc, complement_columns, zero_mul, msub_zero.
Qed.

(* dW P = dW where dW V = 0 *)
Lemma through_complement m d k (V : mat d k) (dW : mat m d) : mul dW V = zero -> mul dW (complement V) = dW.
Proof. intro H; unfold complement; now rewrite mul_msub, identity_mul, mul_assoc, H, zero_mul, msub_zero. Qed.

(* y (P x)ᵀ V = 0 *)
Lemma outer_off m d k (V : mat d k) (x : vec d) (y : vec m) :
  orthonormal V -> mul (outer y (apply (complement V) x)) V = zero.
Proof.
  intro H; apply mat_ext; intros i l; unfold mul; change (outer y (apply (complement V) x) i)
    with (vscale (y i) (apply (complement V) x)).
  rewrite vscale_dot, dot_comm, adjoint, complement_symmetric.
  replace (apply (complement V) (fun j => V j l)) with (fun _ : index d => 0).
  - rewrite dot_comm, dot_zero; unfold zero; ring.
  - apply vec_ext; intro j; symmetry; exact (f_equal (fun K => K j l) (complement_columns _ _ V H)).
Qed.

(* (P X)⁺ V = 0 *)
Lemma pseudo_off d k n (V : mat d k) (X : mat d n) (G : mat n d) :
  orthonormal V -> pseudo_inverse (mul (complement V) X) G -> mul G V = zero.
Proof.
  intros HV (_ & GZG & S & _); set (Z := mul (complement V) X) in *.
  assert (E : mul G (mul (transpose G) (transpose Z)) = G) by now rewrite <- transpose_mul, S, mul_assoc.
  assert (O : mul (transpose Z) V = zero).
  { unfold Z; now rewrite transpose_mul, complement_symmetric, <- mul_assoc, complement_columns, mul_zero. }
  now rewrite <- E, <- !mul_assoc, O, !mul_zero.
Qed.

(* dW X = dW (P X) where dW V = 0 *)
Lemma response_through m d k n (V : mat d k) (dW : mat m d) (X : mat d n) :
  mul dW V = zero -> mul dW (mul (complement V) X) = mul dW X.
Proof. intro H; now rewrite mul_assoc, through_complement. Qed.

(* ‖Z⁺‖ <= 1/σ where ‖Z c‖ >= σ ‖c‖ *)
Lemma pseudo_norm d n (Z : mat d n) G sigma :
  pseudo_inverse Z G -> 0 < sigma -> (forall c, sigma * norm c <= norm (apply Z c)) -> norm_at_most G (/ sigma).
Proof.
  intros HG Hs Hc z; apply Rmult_le_reg_l with sigma; [easy |].
  replace (sigma * (/ sigma * norm z)) with (norm z) by (field; lra); apply Rle_trans with (1 := Hc _).
  rewrite <- apply_mul; apply le_of_squares; [apply norm_nonneg |]; rewrite !norm_sqr.
  rewrite (projection_norm _ (mul Z G) z) by apply (pseudo_projections _ _ _ _ HG).
  pose proof (dot_nonneg _ (vsub z (apply (mul Z G) z))); lra.
Qed.

(* ‖M G‖_F <= t ‖M‖_F for ‖G‖₂ <= t *)
Lemma frobenius_mul m d n (M : mat m n) (G : mat n d) t :
  0 <= t -> norm_at_most G t -> frobenius_squared (mul M G) <= t * t * frobenius_squared M.
Proof.
  intros Ht HG; rewrite !frobenius_rows, <- sum_mul; apply sum_le; intro i; rewrite mul_row, <- !norm_sqr.
  assert (B := norm_transpose _ _ G t Ht HG (M i)).
  pose proof (norm_nonneg _ (apply (transpose G) (M i))); pose proof (norm_nonneg _ (M i)); nra.
Qed.

(* P x = 0 only in span V *)
Lemma complement_kernel d k (V : mat d k) x :
  apply (complement V) x = (fun _ => 0) -> x = apply V (apply (transpose V) x).
Proof.
  unfold complement; rewrite apply_msub, apply_identity, apply_mul; intro H.
  apply vec_ext; intro i; pose proof (f_equal (fun x => x i) H) as E; unfold vsub in E; lra.
Qed.
