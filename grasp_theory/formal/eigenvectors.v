(* A symmetric matrix has an orthonormal basis of eigenvectors, and every matrix a largest singular triple. *)

From Coq Require Import Reals Lra Psatz Lia.
From Grasp Require Import vectors matrices dimension spectral frames pseudo_inverse extremes.
Open Scope R_scope.

Lemma term_le_sum n (f : vec n) i : (forall j, 0 <= f j) -> f i <= sum f.
Proof.
  induction n as [|n IH]; [destruct i |]; intro P; destruct i as [i|]; simpl.
  - apply Rle_trans with (1 := IH (fun j => f (Some j)) i (fun j => P (Some j))).
    rewrite <- Rplus_0_l at 1; apply Rplus_le_compat_r, P.
  - rewrite <- Rplus_0_r at 1; apply Rplus_le_compat_l, sum_nonneg; intro; apply P.
Qed.

Lemma abs_sum n (f : vec n) : Rabs (sum f) <= sum (fun i => Rabs (f i)).
Proof.
  induction n as [|n IH]; simpl; [rewrite Rabs_R0; lra |].
  apply Rle_trans with (1 := Rabs_triang _ _), Rplus_le_compat_l, IH.
Qed.

(* Σ_ij |S_ij| *)
Definition size {n} (S : mat n n) : R := sum (fun i => sum (fun j => Rabs (S i j))).

Lemma size_nonneg n (S : mat n n) : 0 <= size S.
Proof. apply sum_nonneg; intro; apply sum_nonneg; intro; apply Rabs_pos. Qed.

Lemma form_sums n (S : mat n n) (x : vec n) : dot x (apply S x) = sum (fun i => sum (fun j => S i j * (x i * x j))).
Proof. apply sum_ext; intro i; unfold apply, dot; rewrite <- sum_mul; apply sum_ext; intro; ring. Qed.

Lemma size_bound n (S t : mat n n) b :
  0 <= b -> (forall i j, Rabs (t i j) <= b) -> Rabs (sum (fun i => sum (fun j => S i j * t i j))) <= size S * b.
Proof.
  intros Hb Ht; apply Rle_trans with (1 := abs_sum _ _); unfold size; rewrite Rmult_comm, <- sum_mul.
  apply sum_le; intro i; apply Rle_trans with (1 := abs_sum _ _); rewrite <- sum_mul; apply sum_le; intro j.
  rewrite Rabs_mult, Rmult_comm; apply Rmult_le_compat_r; [apply Rabs_pos | apply Ht].
Qed.

Lemma product_bound a b : -1 <= a <= 1 -> -1 <= b <= 1 -> Rabs (a * b) <= 1.
Proof. intros Ha Hb; apply Rabs_le; nra. Qed.

Lemma abs_at_most a : Rabs a <= 1 -> -1 <= a <= 1.
Proof. unfold Rabs; destruct (Rcase_abs a); lra. Qed.

Lemma form_bound n (S : mat n n) (x : vec n) : in_box x -> Rabs (dot x (apply S x)) <= size S.
Proof.
  intro Hx; rewrite form_sums, <- (Rmult_1_r (size S)).
  apply (size_bound _ S (fun i j => x i * x j)); [lra |]; intros; now apply product_bound.
Qed.

Lemma form_lipschitz n (S : mat n n) (x y : vec n) : in_box x -> in_box y ->
  Rabs (dot x (apply S x) - dot y (apply S y)) <= size S * (2 * apart x y).
Proof.
  intros Hx Hy; rewrite !form_sums.
  replace (sum (fun i => sum (fun j => S i j * (x i * x j))) - sum (fun i => sum (fun j => S i j * (y i * y j))))
    with (sum (fun i => sum (fun j => S i j * (x i * x j - y i * y j)))).
  - apply (size_bound _ S (fun i j => x i * x j - y i * y j)); [pose proof (apart_nonneg _ x y); lra |]; intros i j.
    assert (T : forall k, Rabs (x k - y k) <= apart x y)
      by (intro k; apply (term_le_sum _ (fun k => Rabs (x k - y k))); intro; apply Rabs_pos).
    replace (x i * x j - y i * y j) with (x i * (x j - y j) + y j * (x i - y i)) by ring.
    apply Rle_trans with (1 := Rabs_triang _ _); rewrite !Rabs_mult.
    assert (A : Rabs (x i) <= 1) by (apply Rabs_le, Hx); assert (B : Rabs (y j) <= 1) by (apply Rabs_le, Hy).
    pose proof (T i); pose proof (T j); pose proof (Rabs_pos (x i - y i)); pose proof (Rabs_pos (x j - y j)); nra.
  - unfold Rminus; rewrite <- (Rmult_1_l (sum (fun i => sum (fun j => S i j * (y i * y j))))).
    rewrite Ropp_mult_distr_l, <- sum_mul, <- sum_add; apply sum_ext; intro i; rewrite <- sum_mul, <- sum_add.
    apply sum_ext; intro; ring.
Qed.

(* y with 1 in the place of y_i *)
Definition face {n} (i : index n) (y : vec n) : vec n := fun j => if same i j then 1 else y j.

Lemma face_box n (i : index n) y : in_box y -> in_box (face i y).
Proof. intros H j; unfold face; destruct (same i j); [lra | apply H]. Qed.

Lemma face_apart n (i : index n) x y : apart (face i x) (face i y) <= apart x y.
Proof.
  apply sum_le; intro j; unfold face; destruct (same i j); [| apply Rle_refl].
  rewrite Rminus_diag_eq, Rabs_R0 by easy; apply Rabs_pos.
Qed.

Lemma face_norm n (i : index n) y : 1 <= dot (face i y) (face i y).
Proof.
  apply Rle_trans with (face i y i * face i y i); [unfold face; rewrite same_self; lra |].
  apply (term_le_sum _ (fun j => face i y j * face i y j)); intro; apply Rle_0_sqr.
Qed.

(* xᵀS x/xᵀx *)
Definition rayleigh {n} (S : mat n n) (x : vec n) : R := dot x (apply S x) / dot x x.

Lemma rayleigh_lipschitz n (S : mat n n) x y : in_box x -> in_box y -> 1 <= dot x x -> 1 <= dot y y ->
  Rabs (rayleigh S x - rayleigh S y) <= (2 * size S + size S * (2 * size (@identity n))) * apart x y.
Proof.
  intros Hx Hy Dx Dy; pose proof (form_lipschitz _ S x y Hx Hy) as N; pose proof (form_bound _ S y Hy) as B.
  pose proof (form_lipschitz _ identity y x Hy Hx) as D; rewrite !apply_identity in D.
  pose proof (size_nonneg _ S) as P; unfold rayleigh.
  set (p := dot x (apply S x)) in *; set (q := dot y (apply S y)) in *; set (u := dot x x) in *;
    set (v := dot y y) in *.
  replace (apart y x) with (apart x y) in D by (apply sum_ext; intro; apply Rabs_minus_sym).
  assert (I : forall w, 1 <= w -> 0 < / w <= 1).
  { intros w Hw; split; [apply Rinv_0_lt_compat; lra |]; rewrite <- Rinv_1; apply Rinv_le_contravar; lra. }
  replace (p / u - q / v) with ((p - q) * / u + q * (v - u) * (/ u * / v)) by (field; lra).
  destruct (I u Dx), (I v Dy); apply Rle_trans with (1 := Rabs_triang _ _); rewrite !Rabs_mult.
  rewrite (Rabs_right (/ u)), (Rabs_right (/ v)) by lra.
  assert (Rabs (p - q) * / u <= Rabs (p - q)) by (pose proof (Rabs_pos (p - q)); nra).
  assert (Rabs q * Rabs (v - u) * (/ u * / v) <= Rabs q * Rabs (v - u)).
  { assert (0 <= Rabs q * Rabs (v - u)) by (apply Rmult_le_pos; apply Rabs_pos).
    assert (/ u * / v <= 1) by nra; nra. }
  assert (Rabs q * Rabs (v - u) <= size S * (size (@identity n) * (2 * apart x y)))
    by (apply Rmult_le_compat; (apply Rabs_pos || easy)).
  lra.
Qed.

Lemma largest_entry n (f : vec (1 + n)) : exists i, forall j, f j <= f i.
Proof.
  induction n as [|n IH].
  - exists None; intros [[]|]; apply Rle_refl.
  - destruct (IH (fun i => f (Some i))) as (i & H); destruct (Rle_lt_dec (f None) (f (Some i))) as [L | L].
    + exists (Some i); intros [j|]; [apply H | exact L].
    + exists None; intros [j|]; [apply Rle_trans with (f (Some i)); [apply H | lra] | apply Rle_refl].
Qed.

(* Some z is not 0 and has the largest zᵀS z/zᵀz. *)
Lemma largest_rayleigh n (S : mat (1 + n) (1 + n)) :
  exists z, 1 <= dot z z /\ forall x, dot x (apply S x) <= rayleigh S z * dot x x.
Proof.
  set (L := 2 * size S + size S * (2 * size (@identity (1 + n)))).
  assert (HL : 0 <= L)
    by (unfold L; pose proof (size_nonneg _ S); pose proof (size_nonneg _ (@identity (1 + n))); nra).
  assert (Best : forall i, exists y, in_box y /\ forall x, in_box x -> rayleigh S (face i x) <= rayleigh S (face i y)).
  { intro i; apply (largest_on_box _ (fun y => rayleigh S (face i y)) L HL); intros x y Hx Hy.
    apply Rle_trans with (L * apart (face i x) (face i y)).
    - apply rayleigh_lipschitz; try (now apply face_box); apply face_norm.
    - apply Rmult_le_compat_l; [easy | apply face_apart]. }
  destruct (finite_choice _ _
    (fun i y => in_box y /\ forall x, in_box x -> rayleigh S (face i x) <= rayleigh S (face i y))
    Best) as (y & Hy).
  destruct (largest_entry _ (fun i => rayleigh S (face i (y i)))) as (i & Hi); cbv beta in Hi.
  exists (face i (y i)); split; [apply face_norm |]; intro x.
  destruct (largest_entry _ (fun j => Rabs (x j))) as (j & Hj); cbv beta in Hj.
  destruct (Req_dec (x j) 0) as [Z | N].
  { replace x with (fun _ : index (1 + n) => 0); [rewrite !(dot_comm _ (fun _ => 0)), !dot_zero; lra |].
    apply vec_ext; intro k; symmetry; pose proof (Hj k) as K; rewrite Z, Rabs_R0 in K.
    destruct (Req_dec (x k) 0) as [E | E]; [easy | apply Rabs_pos_lt in E; lra]. }
  set (w := vscale (/ x j) x).
  assert (Ew : face j w = w).
  { apply vec_ext; intro k; unfold face; destruct (same j k) eqn:E; [| easy].
    apply same_true in E as ->; unfold w, vscale; symmetry; now apply Rinv_l. }
  assert (Bw : in_box w).
  { intro k; apply abs_at_most; unfold w, vscale; rewrite Rabs_mult, Rabs_inv.
    apply Rmult_le_reg_l with (Rabs (x j)); [now apply Rabs_pos_lt |].
    rewrite <- Rmult_assoc, Rinv_r, Rmult_1_l, Rmult_1_r by (now apply Rabs_no_R0); apply Hj. }
  assert (Le : rayleigh S w <= rayleigh S (face i (y i))).
  { rewrite <- Ew; apply Rle_trans with (2 := Hi j); now apply (proj2 (Hy j)). }
  pose proof (face_norm _ j w) as D; rewrite Ew in D.
  assert (Form : dot x (apply S x) = x j * x j * (rayleigh S w * dot w w)).
  { unfold rayleigh; replace (dot w (apply S w) / dot w w * dot w w) with (dot w (apply S w)) by (field; lra).
    unfold w; rewrite apply_vscale, vscale_dot, dot_vscale; field; easy. }
  assert (Norm : dot x x = x j * x j * dot w w) by (unfold w; rewrite vscale_dot, dot_vscale; field; easy).
  rewrite Form, Norm; assert (0 <= x j * x j) by apply Rle_0_sqr.
  replace (rayleigh S (face i (y i)) * (x j * x j * dot w w)) with (x j * x j * (rayleigh S (face i (y i)) * dot w w))
    by ring.
  apply Rmult_le_compat_l; [easy | apply Rmult_le_compat_r; lra].
Qed.

(* A form that is never negative vanishes only on its kernel. *)
Lemma form_kernel n (B : mat n n) z : transpose B = B -> (forall x, 0 <= dot x (apply B x)) -> dot z (apply B z) = 0 ->
  apply B z = fun _ => 0.
Proof.
  intros Sym Pos Z; set (h := apply B z); apply zero_of_norm; set (w := dot h h); set (q := dot h (apply B h)).
  assert (W : 0 <= w) by apply dot_nonneg; assert (Q : 0 <= q) by apply Pos.
  assert (K : forall t, 0 <= t * t * q - 2 * t * w).
  { intro t; pose proof (Pos (vsub z (vscale t h))) as P.
    rewrite apply_vsub, apply_vscale, vsub_dot, !dot_vsub, !vscale_dot, !dot_vscale, Z, (adjoint _ _ B h z), Sym in P.
    fold h w q in P; lra. }
  pose proof (K (w / (q + 1))) as P; destruct W as [W | W]; [exfalso | easy].
  replace (w / (q + 1) * (w / (q + 1)) * q - 2 * (w / (q + 1)) * w) with (- (w * w * (q + 2)) / ((q + 1) * (q + 1)))
    in P
    by (field; lra).
  assert (0 < w * w * (q + 2) / ((q + 1) * (q + 1))) by (apply Rdiv_lt_0_compat; repeat apply Rmult_lt_0_compat; lra).
  unfold Rdiv in *; lra.
Qed.

Lemma top_eigenvector n (S : mat (1 + n) (1 + n)) : transpose S = S ->
  exists t e, unit e /\ apply S e = vscale t e /\ forall x, dot x (apply S x) <= t * dot x x.
Proof.
  intro Sym; destruct (largest_rayleigh n S) as (z & Hz & Top); set (t := rayleigh S z) in *.
  set (B := msub (mscale t identity) S).
  assert (EB : forall x, apply B x = vsub (vscale t x) (apply S x))
    by (intro x; unfold B; now rewrite apply_msub, apply_mscale, apply_identity).
  assert (Kz : apply B z = fun _ => 0).
  { apply form_kernel.
    - unfold B; rewrite transpose_msub, Sym; f_equal.
      change (mscale t (transpose (@identity (1 + n))) = mscale t identity); now rewrite transpose_identity.
    - intro x; rewrite EB, dot_vsub, dot_vscale; pose proof (Top x); lra.
    - rewrite EB, dot_vsub, dot_vscale; unfold t, rayleigh; field; lra. }
  assert (Sz : apply S z = vscale t z).
  { rewrite EB in Kz; apply vec_ext; intro i; pose proof (f_equal (fun x => x i) Kz) as Q; unfold vsub in Q; lra. }
  assert (N : 0 < norm z) by (apply sqrt_lt_R0; lra).
  exists t, (vscale (/ norm z) z); split; [| split; [| easy]].
  - unfold unit; rewrite norm_vscale by (left; now apply Rinv_0_lt_compat); field; lra.
  - rewrite apply_vscale, Sz; apply vec_ext; intro; unfold vscale; ring.
Qed.
