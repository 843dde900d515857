(* The half of Courant and Fischer's theorem that needs no compactness: k directions leave an eigenvalue of at least the
   (k+1)-th. *)

From Coq Require Import Reals Lra Psatz.
From Grasp Require Import vectors matrices dimension moments.
Open Scope R_scope.

Lemma eigen_combination d n (S : mat d d) (W : mat d n) (l : vec n) (c : vec n) :
  orthonormal W -> mul S W = (fun i j => W i j * l j) ->
  dot (apply W c) (apply S (apply W c)) = sum (fun j => l j * (c j * c j)).
Proof.
  intros HW HS; rewrite <- apply_mul, HS.
  replace (apply (fun i j => W i j * l j) c) with (apply W (fun j => l j * c j))
    by (apply vec_ext; intro; apply sum_ext; intro; ring).
  rewrite orthonormal_dot by easy; apply sum_ext; intro; ring.
Qed.

(* zᵀ P S P z = (P z)ᵀ S (P z) *)
Lemma missed_form d k (S : mat d d) (V : mat d k) z :
  dot z (apply (mul (complement V) (mul S (complement V))) z) =
  dot (apply (complement V) z) (apply S (apply (complement V) z)).
Proof. rewrite !apply_mul, (adjoint _ _ (complement V)); now rewrite complement_symmetric. Qed.

Lemma missed_eigen d k (S : mat d d) (V : mat d k) z t :
  apply (complement V) z = z -> apply (mul (complement V) (mul S (complement V))) z = vscale t z ->
  dot z (apply S z) = t * dot z z.
Proof. intros Pz E; pose proof (missed_form _ _ S V z) as K; now rewrite E, Pz, dot_vscale in K. Qed.

Lemma any_block d k (S : mat d d) (W : mat d (1 + k)) (l : vec (1 + k)) (V : mat d k) lambda t :
  orthonormal W -> mul S W = (fun i j => W i j * l j) -> (forall j, lambda <= l j) ->
  eigenvalues_at_most (mul (complement V) (mul S (complement V))) t -> lambda <= t.
Proof.
  intros HW SW Hl HV; destruct (unknowns _ _ (mul (transpose V) W)) as (c & Hc & E); [constructor |].
  set (x := apply W c).
  assert (Px : apply (complement V) x = x).
  { apply complement_row; intro j; rewrite dot_comm; rewrite apply_mul in E; exact (f_equal (fun y => y j) E). }
  pose proof (HV x) as K; rewrite missed_form, Px in K; unfold x in K.
  rewrite (eigen_combination _ _ _ _ l), orthonormal_dot in K by easy.
  assert (C0 : 0 < dot c c).
  { destruct (dot_nonneg _ c) as [L | L]; [easy | exfalso; now apply Hc, zero_of_norm]. }
  apply Rmult_le_reg_r with (dot c c); [easy |]; apply Rle_trans with (2 := K).
  change (dot c c) with (sum (fun j => c j * c j)); rewrite <- sum_mul; apply sum_le; intro j.
  apply Rmult_le_compat_r; [apply Rle_0_sqr | apply Hl].
Qed.
