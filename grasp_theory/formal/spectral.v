(* Symmetric matrices by their eigenvalues, and functions of them. *)

From Coq Require Import Reals Lra Psatz.
From Grasp Require Import vectors matrices.
Open Scope R_scope.

(* QᵀQ = Q Qᵀ = I *)
Definition orthogonal {d} (Q : mat d d) : Prop := orthonormal Q /\ orthonormal (transpose Q).

(* Q diag(f) Qᵀ: the columns of Q are eigenvectors, of eigenvalues f. *)
Definition spectral {d} (Q : mat d d) (f : vec d) : mat d d := mul (fun i k => Q i k * f k) (transpose Q).

(* e^(−t Sigma) of Sigma = Q diag(l) Qᵀ *)
Definition exponential {d} (Q : mat d d) (l : vec d) (t : R) : mat d d := spectral Q (fun k => exp (- (t * l k))).

Lemma apply_spectral d (Q : mat d d) (f : vec d) (x : vec d) :
  apply (spectral Q f) x = apply Q (fun k => f k * apply (transpose Q) x k).
Proof.
  unfold spectral; rewrite apply_mul; apply vec_ext; intro i; apply sum_ext; intro k; ring.
Qed.

Lemma spectral_one d (Q : mat d d) : orthogonal Q -> spectral Q (fun _ => 1) = identity.
Proof.
  intros [_ H]; rewrite <- H; apply mat_ext; intros i j; apply sum_ext; intro k.
  unfold transpose; ring.
Qed.

Lemma spectral_msub d (Q : mat d d) (f g : vec d) : msub (spectral Q f) (spectral Q g) = spectral Q (vsub f g).
Proof.
  unfold spectral; rewrite <- msub_mul; f_equal; apply mat_ext; intros; unfold msub, vsub; ring.
Qed.

Lemma spectral_symmetric d (Q : mat d d) (f : vec d) : transpose (spectral Q f) = spectral Q f.
Proof.
  apply mat_ext; intros i j; apply sum_ext; intro k; unfold transpose; ring.
Qed.

Lemma spectral_mul d (Q : mat d d) (f g : vec d) :
  orthonormal Q -> mul (spectral Q f) (spectral Q g) = spectral Q (fun k => f k * g k).
Proof.
  intro H; unfold spectral at 1 2.
  replace (fun i k => Q i k * g k) with (mul Q (fun k l => g k * identity k l)).
  2:{ apply mat_ext; intros i l; rewrite <- (sum_identity _ l (fun k => Q i k * g k)); apply sum_ext; intro k.
      unfold identity; rewrite (same_sym _ k l); ring. }
  rewrite mul_assoc, <- (mul_assoc _ _ _ _ _ (transpose Q)), (mul_assoc _ _ _ _ (transpose Q)), H, mul_identity.
  unfold spectral; f_equal; apply mat_ext; intros i l.
  rewrite <- (sum_identity _ l (fun k => Q i k * (f k * g k))); apply sum_ext; intro k.
  unfold identity; rewrite (same_sym _ k l); ring.
Qed.

(* ‖f(Sigma)‖ <= max |f| *)
Lemma spectral_norm d (Q : mat d d) (f : vec d) t :
  orthonormal Q -> 0 <= t -> (forall k, Rabs (f k) <= t) -> norm_at_most (spectral Q f) t.
Proof.
  intros H Ht Hf x; rewrite apply_spectral, orthonormal_norm by easy.
  apply Rle_trans with (t * norm (apply (transpose Q) x)).
  - rewrite <- norm_vscale by easy; apply le_of_squares; [apply norm_nonneg |]; rewrite !norm_sqr.
    apply sum_le; intro k; unfold vscale; set (z := apply (transpose Q) x k).
    replace (f k * z * (f k * z)) with (Rabs (f k) * Rabs (f k) * (z * z)) by (rewrite abs_square; ring).
    pose proof (Rabs_pos (f k)); pose proof (Hf k); pose proof (Rle_0_sqr z) as Z; unfold Rsqr in Z.
    replace (t * z * (t * z)) with (t * t * (z * z)) by ring; apply Rmult_le_compat_r; [easy | nra].
  - apply Rmult_le_compat_l; [easy | now apply bessel].
Qed.

Lemma spectral_column d (Q : mat d d) (f : vec d) j :
  orthonormal Q -> apply (spectral Q f) (column Q j) = vscale (f j) (column Q j).
Proof.
  intro H; rewrite apply_spectral; apply vec_ext; intro i; unfold vscale, column at 2.
  rewrite <- (sum_identity _ j (fun k => f k * Q i k)); apply sum_ext; intro k.
  replace (apply (transpose Q) (column Q j) k) with (@identity d j k); [ring |].
  transitivity (@identity d k j); [unfold identity; now rewrite same_sym |].
  symmetry; exact (orthonormal_column _ _ Q k j H).
Qed.

(* Columns j and k of Q. *)
Definition two_columns {d} (Q : mat d d) (j k : index d) : mat d 2 :=
  fun i l => match l with None => Q i j | Some _ => Q i k end.

Lemma two_columns_orthonormal d (Q : mat d d) j k : orthonormal Q -> j <> k -> orthonormal (two_columns Q j k).
Proof.
  intros H N; assert (A := orthonormal_column _ _ Q j j H); assert (B := orthonormal_column _ _ Q j k H).
  assert (C := orthonormal_column _ _ Q k k H).
  unfold identity in A, B, C; rewrite same_self in A, C; rewrite same_other in B by easy.
  apply mat_ext; intros [[[]|]|] [[[]|]|]; unfold identity; simpl; try exact A; try exact B; try exact C.
  rewrite <- B; apply dot_comm.
Qed.

Lemma apply_two_columns d (Q : mat d d) (f : vec d) j k (x : vec 2) :
  orthonormal Q -> f j = 1 -> f k = 1 ->
  apply (spectral Q f) (apply (two_columns Q j k) x) = apply (two_columns Q j k) x.
Proof.
  intros H Hj Hk.
  assert (E : apply (two_columns Q j k) x = vadd (vscale (x None) (column Q j)) (vscale (x (Some None)) (column Q k)))
    by (apply vec_ext; intro; unfold apply, dot, two_columns, vadd, vscale, column; simpl; ring).
  rewrite E, apply_vadd, !apply_vscale, !spectral_column, Hj, Hk by easy.
  apply vec_ext; intro; unfold vadd, vscale; ring.
Qed.
