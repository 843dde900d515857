(* The half of Courant and Fischer's theorem that needs no compactness: k directions leave an eigenvalue of at least the
   (k+1)-th. *)

From Coq Require Import Reals Lra Psatz.
From Grasp Require Import vectors matrices dimension moments pseudo_inverse.
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

(* An eigenvector of P S P whose eigenvalue is not 0 is orthogonal to V. *)
Lemma missed_stays d k (S : mat d d) (V : mat d k) e t : orthonormal V -> t <> 0 ->
  apply (mul (complement V) (mul S (complement V))) e = vscale t e -> apply (complement V) e = e.
Proof.
  intros HV Ht E; assert (K : vscale t (apply (complement V) e) = vscale t e).
  { rewrite <- apply_vscale, <- E, <- apply_mul, mul_assoc; now rewrite (proj2 (complement_projection _ _ V HV)). }
  apply vec_ext; intro i; apply Rmult_eq_reg_l with t; [exact (f_equal (fun x => x i) K) | easy].
Qed.

(* P S P where V and F are an orthonormal basis, F of eigenvectors whose eigenvalues are at most lambda. *)
Lemma missed_rest d k n (S : mat d d) (V : mat d k) (F : mat d n) (b : vec n) lambda :
  complement V = mul F (transpose F) -> orthonormal F -> mul S F = (fun i j => F i j * b j) ->
  (forall j, b j <= lambda) -> 0 <= lambda ->
  eigenvalues_at_most (mul (complement V) (mul S (complement V))) lambda.
Proof.
  intros P HF SF Hb Hl z; rewrite missed_form, P, apply_mul; set (y := apply (transpose F) z).
  rewrite (eigen_combination _ _ _ _ b) by easy; apply Rle_trans with (lambda * dot y y).
  - unfold dot; rewrite <- sum_mul; apply sum_le; intro j; apply Rmult_le_compat_r; [apply Rle_0_sqr | apply Hb].
  - apply Rmult_le_compat_l; [easy |]; rewrite <- !norm_sqr; pose proof (bessel _ _ F z HF) as K; fold y in K.
    pose proof (norm_nonneg _ y); nra.
Qed.

Lemma any_block d k (S : mat d d) (W : mat d (1 + k)) (l : vec (1 + k)) (V : mat d k) lambda t :
  orthonormal W -> mul S W = (fun i j => W i j * l j) -> (forall j, lambda <= l j) ->
  eigenvalues_at_most (mul (complement V) (mul S (complement V))) t -> lambda <= t.
Proof.
  intros HW SW Hl HV; destruct (unknowns _ _ (mul (transpose V) W)) as (c & Hc & E); [constructor |].
  set (x := apply W c).
  assert (Px : apply (complement V) x = x).
  { apply complement_kept; unfold x; now rewrite <- apply_mul. }
  pose proof (HV x) as K; rewrite missed_form, Px in K; unfold x in K.
  rewrite (eigen_combination _ _ _ _ l), orthonormal_dot in K by easy.
  assert (C0 : 0 < dot c c).
  { destruct (dot_nonneg _ c) as [L | L]; [easy | exfalso; now apply Hc, zero_of_norm]. }
  apply Rmult_le_reg_r with (dot c c); [easy |]; apply Rle_trans with (2 := K).
  change (dot c c) with (sum (fun j => c j * c j)); rewrite <- sum_mul; apply sum_le; intro j.
  apply Rmult_le_compat_r; [apply Rle_0_sqr | apply Hl].
Qed.
