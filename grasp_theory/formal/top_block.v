(* The top q singular vectors, and the largest angle between their span and that of U in M = T + beta U Vᵀ. *)

From Coq Require Import Reals Lra Psatz Lia Classical_Prop.
From Grasp Require Import vectors matrices angles dimension frames moments pseudo_inverse courant_fischer eigenvectors.
From Grasp Require Import prior_angle.
Open Scope R_scope.

(* The q largest singular values s of M, with orthonormal vectors that belong to them. *)
Definition top_block {m d q} (M : mat m d) (s : vec q) (Uh : mat m q) (Vh : mat d q) : Prop :=
  orthonormal Uh /\ orthonormal Vh /\ (forall j, 0 <= s j) /\
  mul M Vh = (fun i j => Uh i j * s j) /\ mul (transpose M) Uh = (fun i j => Vh i j * s j) /\
  forall x, apply (transpose Vh) x = (fun _ => 0) -> forall j, norm (apply M x) <= s j * norm x.

Lemma apply_scaled m q (U : mat m q) (s w : vec q) : apply (fun i j => U i j * s j) w = apply U (fun j => s j * w j).
Proof. apply vec_ext; intro i; apply sum_ext; intro; ring. Qed.

Lemma not_onto q (A : mat q q) j : A j = (fun _ => 0) -> exists y, y <> (fun _ => 0) /\ apply A y = fun _ => 0.
Proof.
  intro Row; destruct (classic (exists y, y <> (fun _ => 0) /\ apply A y = fun _ => 0)) as [Yes | No]; [easy | exfalso].
  destruct (onto q A) with (z := fun i => identity i j) as (y & Hy).
  - intros y Hy; destruct (classic (y = fun _ => 0)) as [E | E]; [easy | exfalso; apply No; now exists y].
  - pose proof (f_equal (fun x => x j) Hy) as E; unfold apply, identity in E; cbv beta in E.
    rewrite Row, same_self, dot_comm, dot_zero in E; lra.
Qed.

(* ‖(T + beta U Vᵀ) x‖ >= (beta − tau) ‖x‖ on the span of V *)
Lemma large_on_span m d q (T : mat m d) (U : mat m q) (V : mat d q) beta tau y :
  orthonormal U -> orthonormal V -> norm_at_most T tau -> 0 <= beta ->
  (beta - tau) * norm y <= norm (apply (planted_frames T beta U V) (apply V y)).
Proof.
  intros HU HV HT Hb; set (x := apply V y).
  assert (E : vscale beta (apply U y) = vadd (apply (planted_frames T beta U V) x) (vscale (-1) (apply T x))).
  { unfold planted_frames; rewrite apply_madd, apply_mscale, apply_mul; unfold x at 2.
    rewrite <- (apply_mul _ _ _ (transpose V)), HV, apply_identity.
    apply vec_ext; intro; unfold vadd, vscale; ring. }
  pose proof (triangle _ (apply (planted_frames T beta U V) x) (vscale (-1) (apply T x))) as K.
  rewrite <- E, norm_vscale, (orthonormal_norm _ _ U), norm_opposite in K by easy.
  pose proof (HT x) as L; unfold x in L at 2; rewrite (orthonormal_norm _ _ V) in L by easy; lra.
Qed.

(* Each of the q largest singular values is at least beta − tau. *)
Lemma block_values m d q (T : mat m d) (U Uh : mat m q) (V Vh : mat d q) beta tau (s : vec q) j :
  orthonormal U -> orthonormal V -> norm_at_most T tau -> 0 <= beta ->
  top_block (planted_frames T beta U V) s Uh Vh -> beta - tau <= s j.
Proof.
  intros HU HV HT Hb (HUh & HVh & S0 & MV & MU & Top); set (M := planted_frames T beta U V) in *.
  set (A := fun i => if same j i then (fun _ => 0) else mul (transpose Vh) V i).
  destruct (not_onto q A j) as (y & Hy & Ay); [unfold A; now rewrite same_self |].
  set (x := apply V y); set (v := column Vh j); set (u := column Uh j); set (a := dot v x).
  set (x' := vsub x (vscale a v)).
  assert (Uv : dot v v = 1) by (apply unit_dot; now apply unit_column).
  assert (Uu : dot u u = 1) by (apply unit_dot; now apply unit_column).
  assert (Off : apply (transpose Vh) x' = fun _ => 0).
  { apply vec_ext; intro i; change (dot (column Vh i) x' = 0); unfold x'; rewrite dot_vsub, dot_vscale.
    unfold v; rewrite orthonormal_column by easy; unfold identity; destruct (same i j) eqn:E.
    - apply same_true in E as ->; fold v; fold a; ring.
    - pose proof (f_equal (fun y => y i) Ay) as K; unfold A, apply in K; cbv beta in K.
      rewrite (same_sym _ j i), E in K.
      assert (Q : dot (column Vh i) x = 0) by (rewrite <- K; unfold x; exact (eq_sym (f_equal (fun w => w i)
        (apply_mul _ _ _ (transpose Vh) V y)))).
      rewrite Q; ring. }
  assert (Mv : apply M v = vscale (s j) u).
  { apply vec_ext; intro i; transitivity (Uh i j * s j); [exact (f_equal (fun K => K i j) MV) |].
    unfold vscale, u, column; ring. }
  assert (uM : dot u (apply M x') = 0).
  { rewrite adjoint; transitivity (dot (vscale (s j) v) x').
    - f_equal; apply vec_ext; intro i; transitivity (Vh i j * s j); [exact (f_equal (fun K => K i j) MU) |].
      unfold vscale, v, column; ring.
    - rewrite vscale_dot; replace (dot v x') with (apply (transpose Vh) x' j) by reflexivity; rewrite Off; ring. }
  assert (Ex : apply M x = vadd (vscale (a * s j) u) (apply M x')).
  { unfold x'; rewrite apply_vsub, apply_vscale, Mv; apply vec_ext; intro; unfold vadd, vsub, vscale; ring. }
  assert (Nx : dot x x = a * a + dot x' x').
  { unfold x'; rewrite vsub_dot, !dot_vsub, !vscale_dot, !dot_vscale, (dot_comm _ x v), Uv; fold a; ring. }
  assert (Nm : dot (apply M x) (apply M x) <= s j * s j * dot x x).
  { rewrite Ex, vadd_dot, !dot_vadd, !vscale_dot, !dot_vscale, (dot_comm _ (apply M x') u), uM, Uu, Nx.
    pose proof (Top x' Off j) as K; pose proof (norm_nonneg _ (apply M x')); pose proof (norm_nonneg _ x').
    rewrite <- !norm_sqr; pose proof (S0 j); nra. }
  pose proof (large_on_span _ _ _ T U V beta tau y HU HV HT Hb) as K; fold M x in K.
  assert (Ny : 0 < norm y).
  { destruct (norm_nonneg _ y) as [L | L]; [easy | exfalso; apply Hy, zero_of_norm; rewrite <- norm_sqr, <- L; ring]. }
  assert (Nxy : norm x = norm y) by (unfold x; now rewrite orthonormal_norm).
  assert (L : norm (apply M x) <= s j * norm y).
  { pose proof (S0 j); apply le_of_squares; [apply Rmult_le_pos; lra |].
    replace (s j * norm y * (s j * norm y)) with (s j * s j * (norm y * norm y)) by ring.
    rewrite <- Nxy, !norm_sqr; exact Nm. }
  apply Rmult_le_reg_r with (norm y); [easy | lra].
Qed.

(* The direction of the span of Uh with the smallest part c in the span of U,
   if no direction of Vh has a smaller one. *)
Lemma smallest_part m d q (Uh U : mat m q) (Vh V : mat d q) (s : vec q) beta tau z :
  orthonormal Uh -> orthonormal U -> orthonormal Vh -> orthonormal V -> 0 <= tau -> tau < beta / 2 ->
  (forall j, beta - tau <= s j) ->
  (forall w, norm (vsub (apply Uh (fun j => s j * w j)) (vscale beta (apply U (apply (mul (transpose V) Vh) w))))
             <= tau * norm w) ->
  unit z ->
  (forall w, norm (apply (mul (transpose U) Uh) z) * norm w <= norm (apply (mul (transpose V) Vh) w)) ->
  let c := norm (apply (mul (transpose U) Uh) z) in
  1 / 2 < c * c /\ beta * beta * (c * c * (1 - c * c)) <= tau * tau.
Proof.
  intros HUh HU HVh HV Ht Hb Hs HT Hz Least c.
  set (D := mul (transpose V) Vh) in *; set (w := fun j => z j / s j).
  assert (Sw : (fun j => s j * w j) = z)
    by (apply vec_ext; intro j; unfold w; pose proof (Hs j); field; lra).
  set (n := norm w); set (e := norm (apply D w)).
  assert (Nz : dot z z = 1) by now apply unit_dot.
  assert (Nn : (beta - tau) * n <= 1).
  { apply le_of_squares; [lra |]; replace ((beta - tau) * n * ((beta - tau) * n)) with ((beta - tau) * (beta - tau) *
      (n * n))
      by ring.
    unfold n; rewrite norm_sqr, Rmult_1_l, <- Nz; change (dot w w) with (sum (fun j => w j * w j)).
    rewrite <- sum_mul; apply sum_le; intro j; pose proof (Hs j).
    replace (z j * z j) with (s j * s j * (w j * w j)) by (unfold w; field; lra).
    apply Rmult_le_compat_r; [apply Rle_0_sqr | nra]. }
  assert (N0 : 0 < n).
  { destruct (norm_nonneg _ w) as [L | L]; [easy | exfalso].
    assert (W : w = fun _ => 0) by (apply zero_of_norm; rewrite <- norm_sqr, <- L; ring).
    assert (Z : z = fun _ => 0).
    { rewrite <- Sw; apply vec_ext; intro j; rewrite (f_equal (fun x => x j) W : w j = 0); ring. }
    rewrite Z, dot_zero in Nz; lra. }
  assert (E1 : e <= n).
  { unfold e, D; rewrite apply_mul; apply Rle_trans with (1 := bessel _ _ V _ HV); rewrite orthonormal_norm by easy.
    apply Rle_refl. }
  pose proof (Least w) as Ce; fold c n e in Ce.
  assert (C0 : 0 <= c) by apply norm_nonneg; assert (E0 : 0 <= e) by apply norm_nonneg.
  assert (K : 1 + beta * beta * (e * e) - 2 * beta * (c * e) <= tau * tau * (n * n)).
  { pose proof (HT w) as K; rewrite Sw in K; fold n in K.
    assert (K2 : norm (vsub (apply Uh z) (vscale beta (apply U (apply D w)))) *
                 norm (vsub (apply Uh z) (vscale beta (apply U (apply D w)))) <= tau * n * (tau * n))
      by (apply Rmult_le_compat; easy || apply norm_nonneg).
    rewrite norm_sqr, vsub_dot, !dot_vsub, !vscale_dot, !dot_vscale in K2.
    rewrite (orthonormal_dot _ _ Uh), (orthonormal_dot _ _ U), Nz in K2 by easy.
    rewrite (dot_comm _ (apply U _) (apply Uh z)) in K2.
    assert (X : dot (apply Uh z) (apply U (apply D w)) <= c * e).
    { rewrite adjoint, <- apply_mul; apply dot_le_norms. }
    replace (dot (apply D w) (apply D w)) with (e * e) in K2 by apply norm_sqr.
    apply (Rmult_le_compat_l (2 * beta)) in X; lra. }
  assert (R1 : 0 < / n) by now apply Rinv_0_lt_compat.
  apply (core c (e * / n) (/ n) beta tau); try easy.
  - apply Rmult_le_reg_r with n; [easy |]; rewrite Rinv_l; lra.
  - assert (c <= e * / n); [| nra].
    apply Rmult_le_reg_r with n; [easy |]; rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra; exact Ce.
  - assert (0 <= e * / n <= 1); [| nra].
    split; [nra |]; apply Rmult_le_reg_r with n; [easy |]; rewrite Rmult_assoc, Rinv_l; lra.
  - apply (Rmult_le_compat_l (/ n * / n)) in K; [| nra].
    replace (/ n * / n * (tau * tau * (n * n))) with (tau * tau) in K by (field; lra).
    replace (/ n * / n * (1 + beta * beta * (e * e) - 2 * beta * (c * e)))
      with (/ n * / n + beta * beta * (e * / n * (e * / n)) - 2 * / n * beta * (c * (e * / n))) in K by ring.
    exact K.
Qed.

(* Some unit z has the smallest ‖C z‖. *)
Lemma smallest_image k (C : mat (1 + k) (1 + k)) :
  exists z, unit z /\ forall w, norm (apply C z) * norm w <= norm (apply C w).
Proof.
  assert (F : forall x, dot x (apply (mscale (-1) (mul (transpose C) C)) x) = -1 * dot (apply C x) (apply C x))
    by (intro x; rewrite apply_mscale, dot_vscale, apply_mul, adjoint; reflexivity).
  destruct (top_eigenvector k (mscale (-1) (mul (transpose C) C))) as (t & z & Hz & E & Top).
  { change (mscale (-1) (transpose (mul (transpose C) C)) = mscale (-1) (mul (transpose C) C));
      now rewrite transpose_mul. }
  exists z; split; [easy |]; intro w; apply unit_dot in Hz.
  assert (T : t = -1 * dot (apply C z) (apply C z)) by (rewrite <- F, E, dot_vscale, Hz; ring).
  pose proof (Top w) as K; rewrite F, T in K; apply le_of_squares; [apply norm_nonneg |].
  replace (norm (apply C z) * norm w * (norm (apply C z) * norm w))
    with (norm (apply C z) * norm (apply C z) * (norm w * norm w)) by ring.
  rewrite !norm_sqr; lra.
Qed.

Lemma off_by_at_most m q (Uh U : mat m q) beta tau c z :
  orthonormal Uh -> orthonormal U -> 0 <= tau -> tau < beta / 2 -> 0 <= c ->
  1 / 2 < c * c -> beta * beta * (c * c * (1 - c * c)) <= tau * tau ->
  unit z -> c <= norm (apply (mul (transpose U) Uh) z) ->
  norm (apply (complement U) (apply Uh z)) <= sin (asin (2 * (tau / beta)) / 2).
Proof.
  intros HUh HU Ht Hb C0 C1 C2 Hz Hc; set (rho := tau / beta).
  assert (E : tau = rho * beta) by (unfold rho; field; lra).
  assert (R0 : 0 <= rho) by (apply Rmult_le_pos; [easy | left; apply Rinv_0_lt_compat; lra]).
  assert (R1 : rho < 1 / 2) by (apply Rmult_lt_reg_r with beta; lra).
  assert (K : c * c * (1 - c * c) <= rho * rho)
    by (apply Rmult_le_reg_l with (beta * beta); [nra |]; rewrite E in C2; lra).
  rewrite half_angle by lra; unfold norm; apply sqrt_le_1_alt; rewrite complement_norm, orthonormal_dot by easy.
  apply unit_dot in Hz; rewrite Hz; rewrite <- apply_mul, <- norm_sqr.
  assert (c * c <= norm (apply (mul (transpose U) Uh) z) * norm (apply (mul (transpose U) Uh) z))
    by (apply Rmult_le_compat; easy).
  assert (sqrt (1 - 4 * rho ^ 2) <= 2 * (c * c) - 1); [| lra].
  apply le_of_squares; [lra |]; rewrite sqrt_sqrt; nra.
Qed.

Lemma block_angles m d k (T : mat m d) (U Uh : mat m (1 + k)) (V Vh : mat d (1 + k)) beta tau s z :
  orthonormal U -> orthonormal V -> 0 <= tau -> norm_at_most T tau -> tau < beta / 2 ->
  top_block (planted_frames T beta U V) s Uh Vh -> unit z ->
  norm (apply (complement U) (apply Uh z)) <= sin (asin (2 * (tau / beta)) / 2) /\
  norm (apply (complement V) (apply Vh z)) <= sin (asin (2 * (tau / beta)) / 2).
Proof.
  intros HU HV Ht HT Hb B Hz.
  assert (S : forall j, beta - tau <= s j) by (intro j; apply (block_values _ _ _ T U Uh V Vh beta tau s); easy || lra).
  destruct B as (HUh & HVh & _ & MV & MU & _); set (M := planted_frames T beta U V) in *.
  set (C := mul (transpose U) Uh); set (D := mul (transpose V) Vh).
  assert (Left : forall w, norm (vsub (apply Uh (fun j => s j * w j)) (vscale beta (apply U (apply D w)))) <=
    tau * norm w).
  { intro w; rewrite <- (orthonormal_norm _ _ Vh w HVh); apply Rle_trans with (2 := HT _); right; f_equal.
    rewrite <- apply_scaled, <- MV, apply_mul; unfold M, planted_frames.
    rewrite apply_madd, apply_mscale, apply_mul; unfold D; rewrite apply_mul.
    apply vec_ext; intro; unfold vsub, vadd; ring. }
  assert (Right : forall w, norm (vsub (apply Vh (fun j => s j * w j)) (vscale beta (apply V (apply C w)))) <=
    tau * norm w).
  { intro w; rewrite <- (orthonormal_norm _ _ Uh w HUh).
    apply Rle_trans with (2 := norm_transpose _ _ _ _ Ht HT _); right; f_equal.
    rewrite <- apply_scaled, <- MU, apply_mul.
    replace (transpose M) with (madd (transpose T) (mscale beta (mul V (transpose U)))).
    - rewrite apply_madd, apply_mscale, apply_mul; unfold C; rewrite apply_mul.
      apply vec_ext; intro; unfold vsub, vadd; ring.
    - unfold M, planted_frames; rewrite transpose_madd; f_equal.
      change (mscale beta (mul V (transpose U)) = mscale beta (transpose (mul U (transpose V)))).
      now rewrite transpose_mul. }
  destruct (smallest_image k C) as (y & Hy & Cy), (smallest_image k D) as (x & Hx & Dx).
  assert (Best : exists c, 0 <= c /\ 1 / 2 < c * c /\ beta * beta * (c * c * (1 - c * c)) <= tau * tau /\
    c <= norm (apply C z) /\ c <= norm (apply D z)).
  { pose proof (Cy z) as Cz; pose proof (Dx z) as Dz; rewrite Hz, Rmult_1_r in Cz, Dz.
    destruct (Rle_lt_dec (norm (apply C y)) (norm (apply D x))) as [Le | Lt].
    - destruct (smallest_part _ _ _ Uh U Vh V s beta tau y) as [P Q]; try easy.
      { intro w; apply Rle_trans with (2 := Dx w); apply Rmult_le_compat_r; [apply norm_nonneg | easy]. }
      exists (norm (apply C y)); repeat split; try easy; [apply norm_nonneg | lra].
    - destruct (smallest_part _ _ _ Vh V Uh U s beta tau x) as [P Q]; try easy.
      { intro w; apply Rle_trans with (2 := Cy w); apply Rmult_le_compat_r; [apply norm_nonneg | fold D; lra]. }
      exists (norm (apply D x)); repeat split; try easy; [apply norm_nonneg | lra]. }
  destruct Best as (c & C0 & C1 & C2 & Cz & Dz).
  split; now apply (off_by_at_most _ _ _ _ beta tau c).
Qed.

Lemma unit_along n (x : vec n) : x <> (fun _ => 0) -> unit (vscale (/ norm x) x).
Proof.
  intro H; assert (N : 0 < norm x).
  { destruct (norm_nonneg _ x) as [L | L]; [easy | exfalso; apply H, zero_of_norm; rewrite <- norm_sqr, <- L; ring]. }
  unfold unit; rewrite norm_vscale by (left; now apply Rinv_0_lt_compat); field; lra.
Qed.

Lemma unit_orthogonal n k (V : mat n k) : (k < n)%nat -> exists e, unit e /\ apply (transpose V) e = fun _ => 0.
Proof.
  intro H; destruct (unknowns k n (transpose V) H) as (x & Hx & E); exists (vscale (/ norm x) x).
  split; [now apply unit_along |]; rewrite apply_vscale, E; apply vec_ext; intro; unfold vscale; ring.
Qed.

(* The largest value of ‖M x‖² on the unit vectors orthogonal to V. *)
Lemma top_off m d k (M : mat m d) (V : mat d k) : orthonormal V -> (k < d)%nat -> exists t e,
  0 <= t /\ (forall x, apply (transpose V) x = (fun _ => 0) -> dot (apply M x) (apply M x) <= t * dot x x) /\
  (0 < t -> unit e /\ apply (complement V) e = e /\
            apply (complement V) (apply (transpose M) (apply M e)) = vscale t e).
Proof.
  intros HV Hk; destruct d as [|n]; [lia |]; set (P := complement V); set (S := mul (transpose M) M).
  assert (Form : forall x, dot x (apply (mul P (mul S P)) x) = dot (apply M (apply P x)) (apply M (apply P x)))
    by (intro x; unfold P; rewrite missed_form; unfold S; now rewrite apply_mul, adjoint).
  destruct (top_eigenvector n (mul P (mul S P))) as (t & e & He & Ee & Top).
  { rewrite !transpose_mul; unfold P; rewrite complement_symmetric; fold P.
    replace (transpose S) with S by (unfold S; now rewrite transpose_mul); symmetry; apply mul_assoc. }
  exists t, e; split; [| split].
  - replace t with (dot (apply M (apply P e)) (apply M (apply P e))); [apply dot_nonneg |].
    rewrite <- Form; transitivity (dot e (vscale t e)); [now rewrite <- Ee |].
    rewrite dot_vscale, (proj1 (unit_dot _ e) He); ring.
  - intros x Vx; assert (Px : apply P x = x) by now apply complement_kept.
    pose proof (Top x) as K; rewrite Form, Px in K; exact K.
  - intro Ht; split; [easy |].
    assert (Pe : apply P e = e) by (apply (missed_stays _ _ S V e t); [easy | lra | exact Ee]).
    split; [easy |]; transitivity (apply (mul P (mul S P)) e); [| exact Ee].
    rewrite !apply_mul, Pe; unfold S; now rewrite apply_mul.
Qed.

Lemma top_block_exists m d q (M : mat m d) : (q <= m)%nat -> (q <= d)%nat -> exists s Uh Vh, @top_block m d q M s Uh Vh.
Proof.
  induction q as [|k IH]; intros Hm Hd.
  - exists (fun _ => 0), (fun _ _ => 0), (fun _ _ => 0); repeat split; try (apply mat_ext; intros i j; destruct j);
      try (apply mat_ext; intros i; destruct i); try (intros []).
    intros x _ [].
  - destruct IH as (s & U & V & HU & HV & S0 & MV & MU & Top); [lia | lia |].
    destruct (top_off m d k M V HV) as (t & e & Ht & Off & E); [lia |].
    assert (Next : exists sigma u v, 0 <= sigma /\ unit u /\ unit v /\ apply (transpose U) u = (fun _ => 0) /\
      apply (transpose V) v = (fun _ => 0) /\ apply M v = vscale sigma u /\ apply (transpose M) u = vscale sigma v /\
      sigma * sigma = t).
    { destruct Ht as [Ht | Ht].
      - destruct (E Ht) as (He & Pe & Se); clear E.
        assert (Ve : apply (transpose V) e = fun _ => 0)
          by (rewrite <- Pe, <- apply_mul, complement_off by easy; apply apply_zero).
        assert (UMe : apply (transpose U) (apply M e) = fun _ => 0).
        { rewrite <- apply_mul; replace (mul (transpose U) M) with (transpose (mul (transpose M) U))
            by now rewrite transpose_mul.
          rewrite MU; apply vec_ext; intro j; transitivity (s j * apply (transpose V) e j); [| rewrite Ve; ring].
          unfold apply, dot, transpose; rewrite <- sum_mul; apply sum_ext; intro; ring. }
        assert (MMe : apply (transpose M) (apply M e) = vscale t e).
        { rewrite <- Se; symmetry; apply complement_row; intro j; rewrite dot_comm.
          change (apply (transpose V) (apply (transpose M) (apply M e)) j = 0); rewrite <- apply_mul.
          replace (mul (transpose V) (transpose M)) with (transpose (mul M V)) by apply transpose_mul.
          rewrite MV; transitivity (s j * apply (transpose U) (apply M e) j); [| rewrite UMe; ring].
          unfold apply at 1 3; unfold dot at 1 2; unfold transpose; rewrite <- sum_mul; apply sum_ext; intro; ring. }
        assert (R : 0 < sqrt t) by now apply sqrt_lt_R0.
        assert (R2 : sqrt t * sqrt t = t) by (apply sqrt_sqrt; lra).
        exists (sqrt t), (vscale (/ sqrt t) (apply M e)), e.
        split; [lra | split; [| split; [easy | split; [| split; [easy | split; [| split; [| easy]]]]]]].
        + apply unit_dot; rewrite vscale_dot, dot_vscale, adjoint, MMe, vscale_dot, (proj1 (unit_dot _ e) He).
          transitivity (/ sqrt t * (/ sqrt t * (sqrt t * sqrt t))); [rewrite R2; ring | field; lra].
        + rewrite apply_vscale, UMe; apply vec_ext; intro; unfold vscale; ring.
        + apply vec_ext; intro; unfold vscale; field; lra.
        + rewrite apply_vscale, MMe; apply vec_ext; intro i; unfold vscale.
          transitivity (/ sqrt t * (sqrt t * sqrt t * e i)); [now rewrite R2 | field; lra].
      - destruct (unit_orthogonal m k U) as (u & Hu & Uu); [lia |].
        destruct (unit_orthogonal d k V) as (v & Hv & Vv); [lia |].
        assert (M0 : forall x, apply (transpose V) x = (fun _ => 0) -> apply M x = fun _ => 0).
        { intros x Vx; apply zero_of_norm; apply Rle_antisym; [| apply dot_nonneg].
          pose proof (Off x Vx) as K; rewrite <- Ht, Rmult_0_l in K; exact K. }
        exists 0, u, v; repeat split; try easy; try ring; [lra | | |].
        + rewrite M0 by easy; apply vec_ext; intro; unfold vscale; ring.
        + replace (vscale 0 v) with (fun _ : index d => 0) by (apply vec_ext; intro; unfold vscale; ring).
          apply zero_of_norm; set (w := apply (transpose M) u); unfold w at 1; rewrite <- adjoint.
          set (r := apply (transpose V) w).
          assert (Ew : w = vadd (apply V r) (apply (complement V) w)).
          { unfold complement; rewrite apply_msub, apply_identity, apply_mul; fold r.
            apply vec_ext; intro; unfold vadd, vsub; ring. }
          rewrite Ew, apply_vadd, dot_vadd, (M0 (apply (complement V) w)), dot_zero, Rplus_0_r.
          * rewrite <- apply_mul, MV, apply_scaled, adjoint, Uu, dot_comm; apply dot_zero.
          * rewrite <- apply_mul, complement_off by easy; apply apply_zero.
        + rewrite <- Ht; ring. }
    destruct Next as (sigma & u & v & Sg & Hu & Hv & Uu & Vv & Mv & Mu & S2).
    exists (cons sigma s), (beside u U), (beside v V); split; [now apply beside_orthonormal |].
    split; [now apply beside_orthonormal |]; split; [| split; [| split]].
    + intros [j|]; [apply S0 | exact Sg].
    + rewrite mul_beside, Mv, MV; apply mat_ext; intros i [j|]; [reflexivity | apply Rmult_comm].
    + rewrite mul_beside, Mu, MU; apply mat_ext; intros i [j|]; [reflexivity | apply Rmult_comm].
    + intros x Hx; assert (Vx : apply (transpose V) x = fun _ => 0)
        by (apply vec_ext; intro j; exact (f_equal (fun y => y (Some j)) Hx)).
      intros [j|]; [exact (Top x Vx j) |]; change (norm (apply M x) <= sigma * norm x).
      apply le_of_squares; [apply Rmult_le_pos; [easy | apply norm_nonneg] |].
      replace (sigma * norm x * (sigma * norm x)) with (sigma * sigma * (norm x * norm x)) by ring.
      rewrite S2, !norm_sqr; now apply Off.
Qed.
