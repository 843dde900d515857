(* What the statements need of matrices: products, transposes, the identity, and projections. *)

From Coq Require Import Reals Lra Psatz.
From Grasp Require Import vectors.
Open Scope R_scope.

Lemma apply_vscale m d (M : mat m d) (a : R) (x : vec d) : apply M (vscale a x) = vscale a (apply M x).
Proof. apply vec_ext; intro; apply dot_vscale. Qed.

Lemma apply_vadd m d (M : mat m d) (x y : vec d) : apply M (vadd x y) = vadd (apply M x) (apply M y).
Proof. apply vec_ext; intro; apply dot_vadd. Qed.

Lemma apply_madd m d (M N : mat m d) (x : vec d) : apply (madd M N) x = vadd (apply M x) (apply N x).
Proof. apply vec_ext; intro i; apply (vadd_dot _ (M i) (N i) x). Qed.

Lemma apply_outer m d (a : R) (u : vec m) (v x : vec d) : apply (mscale a (outer u v)) x = vscale (a * dot v x) u.
Proof.
  apply vec_ext; intro i; unfold apply, vscale.
  replace (mscale a (outer u v) i) with (vscale (a * u i) v)
    by (apply vec_ext; intro; unfold mscale, outer, vscale; ring).
  rewrite vscale_dot; ring.
Qed.

Lemma apply_planted m d (T : mat m d) beta (u : vec m) (v x : vec d) :
  apply (planted T beta u v) x = vadd (apply T x) (vscale (beta * dot v x) u).
Proof. unfold planted; now rewrite apply_madd, apply_outer. Qed.

Lemma transpose_planted m d (T : mat m d) beta (u : vec m) (v : vec d) :
  transpose (planted T beta u v) = planted (transpose T) beta v u.
Proof. apply mat_ext; intros; unfold planted, transpose, madd, mscale, outer; ring. Qed.

(* yᵀ(M x) = (Mᵀ y)ᵀ x *)
Lemma adjoint m d (M : mat m d) (x : vec d) (y : vec m) : dot y (apply M x) = dot (apply (transpose M) y) x.
Proof.
  unfold dot, apply, transpose.
  rewrite (sum_ext _ _ (fun i => sum (fun j => y i * (M i j * x j)))) by (intro; now rewrite sum_mul).
  rewrite sum_swap; apply sum_ext; intro j; unfold dot.
  rewrite Rmult_comm, <- sum_mul; apply sum_ext; intro; ring.
Qed.

(* ‖Mᵀ‖₂ <= ‖M‖₂ *)
Lemma norm_transpose m d (M : mat m d) t : 0 <= t -> norm_at_most M t -> norm_at_most (transpose M) t.
Proof.
  intros Ht H y; set (z := apply (transpose M) y).
  pose proof (dot_le_norms _ y (apply M z)) as K; rewrite adjoint in K; fold z in K; rewrite <- norm_sqr in K.
  pose proof (H z); pose proof (norm_nonneg _ z); pose proof (norm_nonneg _ y).
  destruct (Req_dec (norm z) 0) as [E | N]; [rewrite E; nra |].
  assert (norm z * norm z <= t * norm y * norm z); [| nra].
  apply Rle_trans with (1 := K); replace (t * norm y * norm z) with (norm y * (t * norm z)) by ring.
  now apply Rmult_le_compat_l.
Qed.

Lemma norm_at_most_nonneg m d (M : mat m d) t (v : vec d) : unit v -> norm_at_most M t -> 0 <= t.
Proof. intros Hv H; pose proof (H v) as K; rewrite Hv in K; pose proof (norm_nonneg _ (apply M v)); lra. Qed.

Lemma triple_transpose m d (M : mat m d) s uh vh :
  singular_triple M s uh vh -> singular_triple (transpose M) s vh uh.
Proof. unfold singular_triple; tauto. Qed.

Lemma sum_identity n (i : index n) (f : vec n) : sum (fun j => identity i j * f j) = f i.
Proof.
  unfold identity; induction n as [|n IH]; [destruct i |]; destruct i as [i|]; simpl.
  - rewrite Rmult_0_l, Rplus_0_l; exact (IH i (fun j => f (Some j))).
  - rewrite (sum_ext _ _ (fun _ => 0)) by (intro; ring); rewrite sum_zero, Rmult_1_l, Rplus_0_r; reflexivity.
Qed.

Lemma same_sym n (i j : index n) : same i j = same j i.
Proof. induction n as [|n IH]; [destruct i |]; destruct i, j; simpl; easy || apply IH. Qed.

Lemma same_self n (i : index n) : same i i = true.
Proof. induction n as [|n IH]; [destruct i |]; destruct i; [apply IH | reflexivity]. Qed.

Lemma same_other n (i j : index n) : i <> j -> same i j = false.
Proof. induction n as [|n IH]; [destruct i |]; destruct i, j; intro H; simpl; try easy; apply IH; congruence. Qed.

Lemma same_true n (i j : index n) : same i j = true -> i = j.
Proof.
  induction n as [|n IH]; [destruct i |]; destruct i, j; simpl; intro H; try easy; now f_equal; apply IH.
Qed.

Lemma mul_identity m d (M : mat m d) : mul identity M = M.
Proof. apply mat_ext; intros i j; apply (sum_identity _ i (fun k => M k j)). Qed.

Lemma identity_mul m d (M : mat m d) : mul M identity = M.
Proof.
  apply mat_ext; intros i j; rewrite <- (sum_identity _ j (M i)); apply sum_ext; intro k.
  unfold identity; now rewrite (same_sym _ k j), Rmult_comm.
Qed.

Lemma mul_assoc m p q d (L : mat m p) (M : mat p q) (N : mat q d) : mul L (mul M N) = mul (mul L M) N.
Proof.
  apply mat_ext; intros i j; unfold mul, dot.
  rewrite (sum_ext _ _ (fun k => sum (fun l => L i k * (M k l * N l j)))) by (intro; now rewrite sum_mul).
  rewrite sum_swap; apply sum_ext; intro l.
  rewrite Rmult_comm, <- sum_mul; apply sum_ext; intro; ring.
Qed.

Lemma mul_msub m r d (L : mat m r) (M N : mat r d) : mul L (msub M N) = msub (mul L M) (mul L N).
Proof. apply mat_ext; intros i j; exact (dot_vsub _ (L i) (fun k => M k j) (fun k => N k j)). Qed.

Lemma msub_mul m r d (L M : mat m r) (N : mat r d) : mul (msub L M) N = msub (mul L N) (mul M N).
Proof. apply mat_ext; intros i j; exact (vsub_dot _ (L i) (M i) (fun k => N k j)). Qed.

Lemma mul_madd m r d (L : mat m r) (M N : mat r d) : mul L (madd M N) = madd (mul L M) (mul L N).
Proof. apply mat_ext; intros i j; exact (dot_vadd _ (L i) (fun k => M k j) (fun k => N k j)). Qed.

Lemma madd_mul m r d (L M : mat m r) (N : mat r d) : mul (madd L M) N = madd (mul L N) (mul M N).
Proof. apply mat_ext; intros i j; exact (vadd_dot _ (L i) (M i) (fun k => N k j)). Qed.

Lemma mul_mscale m r d a (M : mat m r) (N : mat r d) : mul M (mscale a N) = mscale a (mul M N).
Proof. apply mat_ext; intros i j; exact (dot_vscale _ a (M i) (fun k => N k j)). Qed.

Lemma mscale_mul m r d a (M : mat m r) (N : mat r d) : mul (mscale a M) N = mscale a (mul M N).
Proof. apply mat_ext; intros i j; exact (vscale_dot _ a (M i) (fun k => N k j)). Qed.

Lemma mul_outer m r d (M : mat m r) (x : vec r) (y : vec d) : mul M (outer x y) = outer (apply M x) y.
Proof.
  apply mat_ext; intros i j; unfold mul, outer, apply.
  rewrite Rmult_comm, <- dot_vscale; apply sum_ext; intro; unfold vscale; ring.
Qed.

Lemma mul_zero m r d (M : mat m r) : mul M (@zero r d) = zero.
Proof. apply mat_ext; intros i j; exact (dot_zero _ (M i)). Qed.

Lemma zero_mul m r d (N : mat r d) : mul (@zero m r) N = zero.
Proof. apply mat_ext; intros i j; unfold mul; rewrite dot_comm; exact (dot_zero _ (fun k => N k j)). Qed.

Lemma mscale_zero m d a : mscale a (@zero m d) = zero.
Proof. apply mat_ext; intros; unfold mscale, zero; ring. Qed.

Lemma madd_zero m d (M : mat m d) : madd M zero = M.
Proof. apply mat_ext; intros; unfold madd, zero; ring. Qed.

Lemma msub_zero m d (M : mat m d) : msub M zero = M.
Proof. apply mat_ext; intros; unfold msub, zero; ring. Qed.

Lemma msub_self m d (M : mat m d) : msub M M = zero.
Proof. apply mat_ext; intros; unfold msub, zero; ring. Qed.

Lemma apply_mul m r d (M : mat m r) (N : mat r d) (x : vec d) : apply (mul M N) x = apply M (apply N x).
Proof.
  pose proof (mul_assoc _ _ _ 1 M N (fun j _ => x j)) as H.
  apply vec_ext; intro i; symmetry; exact (f_equal (fun K => K i None) H).
Qed.

Lemma apply_zero m d (x : vec d) : apply (@zero m d) x = fun _ => 0.
Proof. apply vec_ext; intro; unfold apply, zero; rewrite dot_comm; apply dot_zero. Qed.

Lemma apply_identity d (x : vec d) : apply identity x = x.
Proof. apply vec_ext; intro i; exact (sum_identity _ i x). Qed.

Lemma apply_msub m d (M N : mat m d) (x : vec d) : apply (msub M N) x = vsub (apply M x) (apply N x).
Proof. apply vec_ext; intro i; exact (vsub_dot _ (M i) (N i) x). Qed.

Lemma apply_vsub m d (M : mat m d) (x y : vec d) : apply M (vsub x y) = vsub (apply M x) (apply M y).
Proof. apply vec_ext; intro; apply dot_vsub. Qed.

Lemma apply_mscale m d a (M : mat m d) (x : vec d) : apply (mscale a M) x = vscale a (apply M x).
Proof. apply vec_ext; intro i; exact (vscale_dot _ a (M i) x). Qed.

Lemma transpose_mul m r d (M : mat m r) (N : mat r d) : transpose (mul M N) = mul (transpose N) (transpose M).
Proof. apply mat_ext; intros i j; apply dot_comm. Qed.

Lemma transpose_identity n : transpose (@identity n) = identity.
Proof. apply mat_ext; intros i j; unfold transpose, identity; now rewrite same_sym. Qed.

Lemma transpose_msub m d (M N : mat m d) : transpose (msub M N) = msub (transpose M) (transpose N).
Proof. reflexivity. Qed.

Lemma transpose_madd m d (M N : mat m d) : transpose (madd M N) = madd (transpose M) (transpose N).
Proof. reflexivity. Qed.

(* * Traces *)

Lemma trace_madd n (M N : mat n n) : trace (madd M N) = trace M + trace N.
Proof. apply (sum_add _ (fun i => M i i) (fun i => N i i)). Qed.

Lemma trace_msub n (M N : mat n n) : trace (msub M N) = trace M - trace N.
Proof.
  unfold trace, msub; replace (sum (fun i => N i i)) with (- (-1 * sum (fun i => N i i))) by ring.
  rewrite <- sum_mul; unfold Rminus; rewrite Ropp_involutive, <- sum_add; apply sum_ext; intro; ring.
Qed.

Lemma trace_transpose n (M : mat n n) : trace (transpose M) = trace M.
Proof. reflexivity. Qed.

Lemma frobenius_rows m d (M : mat m d) : frobenius_squared M = sum (fun i => dot (M i) (M i)).
Proof. reflexivity. Qed.

Lemma frobenius_nonneg m d (M : mat m d) : 0 <= frobenius_squared M.
Proof. rewrite frobenius_rows; apply sum_nonneg; intro; apply dot_nonneg. Qed.

Lemma trace_rows m d (W : mat m d) (S : mat d d) :
  trace (mul (mul W S) (transpose W)) = sum (fun i => dot (W i) (apply S (W i))).
Proof.
  apply sum_ext; intro i; rewrite adjoint; unfold mul at 1; unfold mul, transpose; f_equal.
  apply vec_ext; intro j; unfold apply; apply dot_comm.
Qed.

Lemma frobenius_mscale m d a (M : mat m d) : frobenius_squared (mscale a M) = a * a * frobenius_squared M.
Proof.
  rewrite !frobenius_rows, <- sum_mul; apply sum_ext; intro i.
  change (mscale a M i) with (vscale a (M i)); rewrite vscale_dot, dot_vscale; ring.
Qed.

Lemma frobenius_outer m d (x : vec m) (y : vec d) : frobenius_squared (outer x y) = dot x x * dot y y.
Proof.
  rewrite frobenius_rows, Rmult_comm; unfold dot at 3; rewrite <- sum_mul; apply sum_ext; intro i.
  change (outer x y i) with (vscale (x i) y); rewrite vscale_dot, dot_vscale; ring.
Qed.

Lemma frobenius_swap m d (M N : mat m d) : frobenius_squared (msub M N) = frobenius_squared (msub N M).
Proof.
  replace (msub M N) with (mscale (-1) (msub N M)) by (apply mat_ext; intros; unfold mscale, msub; ring).
  rewrite frobenius_mscale; ring.
Qed.

(* ‖M x‖ <= ‖M‖_F ‖x‖ *)
Lemma frobenius_bound m d (M : mat m d) (x : vec d) : norm (apply M x) <= sqrt (frobenius_squared M) * norm x.
Proof.
  apply le_of_squares; [apply Rmult_le_pos; [apply sqrt_pos | apply norm_nonneg] |].
  replace (sqrt (frobenius_squared M) * norm x * (sqrt (frobenius_squared M) * norm x))
    with (norm x * norm x * (sqrt (frobenius_squared M) * sqrt (frobenius_squared M))) by ring.
  rewrite sqrt_sqrt by apply frobenius_nonneg; rewrite !norm_sqr, frobenius_rows, <- sum_mul.
  apply sum_le; intro i; rewrite (Rmult_comm (dot x x)); apply cauchy_schwarz.
Qed.

(* * Norms *)

Lemma norm_mul m r d (M : mat m r) (N : mat r d) a b :
  0 <= a -> norm_at_most M a -> norm_at_most N b -> norm_at_most (mul M N) (a * b).
Proof.
  intros Ha HM HN x; rewrite apply_mul, Rmult_assoc; apply Rle_trans with (1 := HM _).
  now apply Rmult_le_compat_l.
Qed.

Lemma norm_madd m d (M N : mat m d) a b : norm_at_most M a -> norm_at_most N b -> norm_at_most (madd M N) (a + b).
Proof.
  intros HM HN x; rewrite apply_madd, Rmult_plus_distr_r; apply Rle_trans with (1 := triangle _ _ _).
  now apply Rplus_le_compat.
Qed.

Lemma norm_opposite n (x : vec n) : norm (vscale (-1) x) = norm x.
Proof. unfold norm; f_equal; rewrite vscale_dot, dot_vscale; ring. Qed.

Lemma norm_msub m d (M N : mat m d) a b : norm_at_most M a -> norm_at_most N b -> norm_at_most (msub M N) (a + b).
Proof.
  intros HM HN; replace (msub M N) with (madd M (mscale (-1) N))
    by (apply mat_ext; intros; unfold madd, msub, mscale; ring).
  apply norm_madd; [easy |]; intro x; rewrite apply_mscale, norm_opposite; apply HN.
Qed.

Lemma norm_abs n (a : R) (x : vec n) : norm (vscale a x) = Rabs a * norm x.
Proof.
  rewrite <- norm_vscale by apply Rabs_pos; unfold norm; f_equal.
  rewrite !vscale_dot, !dot_vscale, <- !Rmult_assoc, abs_square; ring.
Qed.

Lemma abs_dot n (x y : vec n) : Rabs (dot x y) <= norm x * norm y.
Proof.
  apply Rabs_le; split; [| apply dot_le_norms].
  pose proof (dot_le_norms _ (vscale (-1) x) y) as K; rewrite vscale_dot, norm_opposite in K; lra.
Qed.

Lemma norm_zero n : norm (fun _ : index n => 0) = 0.
Proof. unfold norm; rewrite dot_zero; apply sqrt_0. Qed.

Lemma zero_of_norm n (x : vec n) : dot x x = 0 -> x = fun _ => 0.
Proof.
  intro H; apply vec_ext; induction n as [|n IH]; [intros [] |].
  destruct (Rplus_eq_R0 (x None * x None) (dot (fun i => x (Some i)) (fun i => x (Some i)))) as [A B];
    [apply Rle_0_sqr | apply dot_nonneg | exact H |].
  intros [i|]; [exact (IH (fun i => x (Some i)) B i) | exact (Rsqr_0_uniq _ A)].
Qed.

(* * Orthonormal columns *)

Lemma orthonormal_dot d k (V : mat d k) (x y : vec k) : orthonormal V -> dot (apply V x) (apply V y) = dot x y.
Proof. intro H; now rewrite adjoint, <- apply_mul, H, apply_identity. Qed.

Lemma orthonormal_norm d k (V : mat d k) (x : vec k) : orthonormal V -> norm (apply V x) = norm x.
Proof. intro H; unfold norm; now rewrite orthonormal_dot. Qed.

(* ‖Vᵀx‖ <= ‖x‖ *)
Lemma bessel d k (V : mat d k) (x : vec d) : orthonormal V -> norm (apply (transpose V) x) <= norm x.
Proof.
  intro H; rewrite <- (Rmult_1_l (norm x)); apply (norm_transpose _ _ V); [lra |].
  intro y; rewrite orthonormal_norm by easy; lra.
Qed.

Lemma orthonormal_column d k (V : mat d k) j l : orthonormal V -> dot (column V j) (column V l) = identity j l.
Proof. intro H; exact (f_equal (fun K => K j l) H). Qed.

Lemma unit_column d k (V : mat d k) j : orthonormal V -> unit (column V j).
Proof.
  intro H; apply unit_dot; rewrite orthonormal_column by easy; unfold identity.
  now rewrite same_self.
Qed.

Lemma complement_row d k (V : mat d k) (w : vec d) :
  (forall l, dot w (fun j => V j l) = 0) -> apply (complement V) w = w.
Proof.
  intro H; apply vec_ext; intro i; unfold apply, complement.
  replace (msub identity (mul V (transpose V)) i) with (vsub (identity i) (mul V (transpose V) i)) by reflexivity.
  rewrite vsub_dot; unfold dot at 1; rewrite sum_identity.
  replace (dot (mul V (transpose V) i) w) with (apply V (apply (transpose V) w) i)
    by (rewrite <- apply_mul; reflexivity).
  replace (apply (transpose V) w) with (fun _ : index k => 0)
    by (apply vec_ext; intro l; rewrite <- (H l); apply dot_comm).
  unfold apply; rewrite dot_zero; ring.
Qed.

Lemma complement_kept d k (V : mat d k) (x : vec d) :
  apply (transpose V) x = (fun _ => 0) -> apply (complement V) x = x.
Proof. intro E; apply complement_row; intro j; rewrite dot_comm; exact (f_equal (fun y => y j) E). Qed.

Lemma complement_symmetric d k (V : mat d k) : transpose (complement V) = complement V.
Proof.
  apply mat_ext; intros i j; unfold transpose, complement, msub, identity; rewrite (same_sym _ j i); f_equal.
  apply dot_comm.
Qed.

Lemma complement_off d k (V : mat d k) : orthonormal V -> mul (transpose V) (complement V) = zero.
Proof.
  intro H; unfold complement; now rewrite mul_msub, identity_mul, mul_assoc, H, mul_identity, msub_self.
Qed.
