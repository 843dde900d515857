(* Covered: both sides. Below the border, in every size of at least 2q x 2q: for every function from M to q orthonormal
   vectors, some world with ‖T‖₂ <= tau puts a direction of their span ½ arcsin 2 rho off the span of U, and from the
   border on orthogonal to it; the top q singular vectors are never further off; the largest angle is the same from
   either side. For one factor the same in terms of one unit vector. T of rank one, both sides. The fair coin.
   Not covered: nothing of the statement. *)

From Coq Require Import Reals Lra Psatz.
From Grasp Require Import vectors matrices angles planes frames posterior_angle prior_angle top_block.
Open Scope R_scope.

(* The two worlds, u = v = (c, ±s, 0, ...): with beta c s = tau they make one M. *)
Lemma two_worlds m d beta tau c s x :
  c * c + s * s = 1 -> x = s \/ x = - s -> 0 <= tau -> tau = beta * (s * c) ->
  exists T : mat (2 + m) (2 + d), norm_at_most T tau /\
    planted T beta (plane c x) (plane c x) = block (beta * (c * c)) 0 0 (beta * (s * s)).
Proof.
  intros H Hx Ht E; exists (block 0 (- (beta * (c * x))) (- (beta * (c * x))) 0); split.
  - apply block_norm_at_most; [easy |]; intros p q; right; rewrite E; destruct Hx as [-> | ->]; ring.
  - rewrite planted_block; destruct Hx as [-> | ->]; apply block_ext; ring.
Qed.

(* Below the border: whatever an estimator answers to M, in some world with ‖T‖₂ <= tau it is at least ½ arcsin 2 rho
   off u. *)
Theorem below : forall (m d : nat) (beta tau : R), 0 <= tau -> tau < beta / 2 ->
  forall estimator : mat (2 + m) (2 + d) -> vec (2 + m), (forall M, unit (estimator M)) ->
  exists (T : mat (2 + m) (2 + d)) (u : vec (2 + m)) (v : vec (2 + d)),
    unit u /\ unit v /\ norm_at_most T tau /\
    sin (asin (2 * (tau / beta)) / 2) <= sin (angle (estimator (planted T beta u v)) u).
Proof.
  intros m d beta tau Ht Hb estimator He.
  destruct (half_arcsin beta tau Ht (Rlt_le _ _ Hb) ltac:(lra)) as (Hs & Hc & P & E).
  set (theta := asin (2 * (tau / beta)) / 2) in *; set (c := cos theta) in *; set (s := sin theta) in *.
  destruct (far_from_one _ (estimator (block (beta * (c * c)) 0 0 (beta * (s * s)))) c s) as (x & Hx & Far);
    [apply He | lra | lra | lra |].
  destruct (two_worlds m d beta tau c s x) as (T & HT & M); [lra | easy | easy | easy |].
  exists T, (plane c x), (plane c x); rewrite M; repeat split; try easy;
    apply unit_plane; destruct Hx as [-> | ->]; lra.
Qed.

(* From the border on: in some world the answer is orthogonal to u. *)
Theorem beyond : forall (m d : nat) (beta tau : R), 0 < beta -> beta / 2 <= tau ->
  forall estimator : mat (2 + m) (2 + d) -> vec (2 + m), (forall M, unit (estimator M)) ->
  exists (T : mat (2 + m) (2 + d)) (u : vec (2 + m)) (v : vec (2 + d)),
    unit u /\ unit v /\ norm_at_most T tau /\ sin (angle (estimator (planted T beta u v)) u) = 1.
Proof.
  intros m d beta tau Hb Ht estimator He; set (w := estimator (block (beta / 2) 0 0 (beta / 2))).
  assert (Hw : unit w) by apply He.
  destruct (perpendicular (w None) (w (Some None))) as (p & q & N & O).
  exists (block (beta / 2 - beta * (p * p)) (- (beta * (p * q))) (- (beta * (p * q))) (beta / 2 - beta * (q * q))).
  exists (plane p q), (plane p q).
  split; [now apply unit_plane | split; [now apply unit_plane | split]].
  - apply block_norm_at_most; [lra |]; intros x y.
    apply Rle_trans with ((beta / 2) ^ 2 * (x ^ 2 + y ^ 2)); [right | apply Rmult_le_compat_r; nra].
    transitivity ((beta / 2) ^ 2 * (x ^ 2 + y ^ 2) + beta ^ 2 * (p * p + q * q - 1) * (p * x + q * y) ^ 2); [field |].
    rewrite N; ring.
  - rewrite planted_block, (block_ext m d _ _ _ _ (beta / 2) 0 0 (beta / 2)) by ring; fold w.
    rewrite sin_angle by (easy || now apply unit_plane).
    rewrite dot_comm, dot_plane, (Rmult_comm p), (Rmult_comm q), O, Rmult_0_l, Rminus_0_r; apply sqrt_1.
Qed.

(* Attained: an estimator that answers with a top singular vector of M is never further off. *)
Theorem attained : forall (m d : nat) (beta tau : R), tau < beta / 2 ->
  forall estimator : mat m d -> vec m, (forall M, exists s vh, top_triple M s (estimator M) vh) ->
  forall (T : mat m d) (u : vec m) (v : vec d), unit u -> unit v -> norm_at_most T tau ->
  sin (angle (estimator (planted T beta u v)) u) <= sin (asin (2 * (tau / beta)) / 2).
Proof.
  intros m d beta tau Hb estimator He T u v Hu Hv HT; destruct (He (planted T beta u v)) as (s & vh & H).
  apply (prior_angle.bound _ _ _ _ _ _ _ _ _ _ Hu Hv HT Hb H).
Qed.

(* sin Theta is the same from either of two subspaces of one dimension. *)
Theorem either_side : forall (m q : nat) (W U : mat m q) (s : R),
  orthonormal W -> orthonormal U -> (sine_at_least W U s <-> sine_at_least U W s).
Proof. split; now apply sine_symmetric. Qed.

(* Several factors, q = 1 + k: some direction of W(M) is ½ arcsin 2 rho off the span of U. *)
Theorem below_several : forall (k m d : nat) (beta tau : R), 0 <= tau -> tau < beta / 2 ->
  let q := S k in
  forall estimator : mat (q + (q + m)) (q + (q + d)) -> mat (q + (q + m)) q, (forall M, orthonormal (estimator M)) ->
  exists (T : mat (q + (q + m)) (q + (q + d))) (U : mat (q + (q + m)) q) (V : mat (q + (q + d)) q),
    orthonormal U /\ orthonormal V /\ norm_at_most T tau /\
    sine_at_least (estimator (planted_frames T beta U V)) U (sin (asin (2 * (tau / beta)) / 2)).
Proof.
  intros k m d beta tau Ht Hb q estimator He.
  destruct (half_arcsin beta tau Ht (Rlt_le _ _ Hb) ltac:(lra)) as (Hs & Hc & P & E).
  set (theta := asin (2 * (tau / beta)) / 2) in *; set (c := cos theta) in *; set (s := sin theta) in *.
  assert (FL := frame_exists q m); assert (FR := frame_exists q d).
  set (L := select head) in FL; set (K := select (fun i => tail (head i))) in FL.
  set (G := select head) in FR; set (Q := select (fun i => tail (head i))) in FR.
  set (M := blocks L K G Q (fun _ => beta * (c * c)) (fun _ => 0) (fun _ => 0) (fun _ => beta * (s * s))).
  set (z := fun i : index q => match i with None => 1 | Some _ => 0 end); set (w := apply (estimator M) z).
  assert (Hz : unit z).
  { apply unit_dot; unfold dot; simpl; rewrite (sum_ext _ _ (fun _ => 0)) by (intro; ring); rewrite sum_zero; ring. }
  assert (Hw : dot w w = 1) by (unfold w; rewrite orthonormal_dot by apply He; now apply unit_dot).
  set (a := apply (transpose L) w); set (b := apply (transpose K) w).
  assert (B := frame_bessel _ _ L K w FL); fold a b in B; rewrite Hw in B.
  assert (World : exists x, (x = s \/ x = - s) /\ x * dot a b <= 0).
  { destruct (Rle_lt_dec (dot a b) 0) as [N | N]; [exists s | exists (- s)]; (split; [tauto | nra]). }
  destruct World as (x & Hx & Sign); assert (X2 : x * x = s * s) by (destruct Hx as [-> | ->]; ring).
  set (U := turned L K (fun _ => c) (fun _ => x)); set (V := turned G Q (fun _ => c) (fun _ => x)).
  set (T := blocks L K G Q (fun _ => 0) (fun _ => - (beta * (c * x))) (fun _ => - (beta * (c * x))) (fun _ => 0)).
  assert (HU : orthonormal U) by (apply turned_orthonormal; [easy | intro; lra]).
  assert (EM : planted_frames T beta U V = M).
  { unfold T, U, V; rewrite planted_blocks; unfold M; f_equal; apply vec_ext; intro; rewrite ?X2; ring. }
  exists T, U, V; rewrite EM; split; [easy | split; [apply turned_orthonormal; [easy | intro; lra] | split]].
  - apply blocks_norm; try easy; intros _ y t; right; rewrite E.
    transitivity (beta ^ 2 * (c * c) * (x * x) * (y ^ 2 + t ^ 2)); [ring | rewrite X2; ring].
  - exists z; split; [easy |]; fold w.
    apply le_of_squares; [apply norm_nonneg |]; rewrite norm_sqr, complement_norm, Hw by easy.
    unfold U; rewrite apply_turned; fold a b.
    assert (D : dot (fun i => c * a i + x * b i) (fun i => c * a i + x * b i) =
                c * c * dot a a + 2 * c * (x * dot a b) + s * s * dot b b).
    { change (fun i => c * a i + x * b i) with (vadd (vscale c a) (vscale x b)).
      rewrite vadd_dot, !dot_vadd, !vscale_dot, !dot_vscale, (dot_comm _ b a), <- X2; ring. }
    rewrite D; pose proof (dot_nonneg _ a); pose proof (dot_nonneg _ b).
    assert (0 <= c) by (apply cos_ge_0; unfold theta; pose proof (asin_bound (2 * (tau / beta))); pose proof PI_RGT_0;
      lra).
    nra.
Qed.

(* ... and from the border on some direction of W(M) is orthogonal to the span of U. *)
Theorem beyond_several : forall (k m d : nat) (beta tau : R), 0 < beta -> beta / 2 <= tau ->
  let q := S k in
  forall estimator : mat (q + (q + m)) (q + (q + d)) -> mat (q + (q + m)) q, (forall M, orthonormal (estimator M)) ->
  exists (T : mat (q + (q + m)) (q + (q + d))) (U : mat (q + (q + m)) q) (V : mat (q + (q + d)) q),
    orthonormal U /\ orthonormal V /\ norm_at_most T tau /\
    sine_at_least (estimator (planted_frames T beta U V)) U 1.
Proof.
  intros k m d beta tau Hb Ht q estimator He.
  assert (FL := frame_exists q m); assert (FR := frame_exists q d).
  set (L := select head) in FL; set (K := select (fun i => tail (head i))) in FL.
  set (G := select head) in FR; set (Q := select (fun i => tail (head i))) in FR.
  set (M := blocks L K G Q (fun _ => beta / 2) (fun _ => 0) (fun _ => 0) (fun _ => beta / 2)).
  set (z := fun i : index q => match i with None => 1 | Some _ => 0 end); set (w := apply (estimator M) z).
  assert (Hz : unit z).
  { apply unit_dot; unfold dot; simpl; rewrite (sum_ext _ _ (fun _ => 0)) by (intro; ring); rewrite sum_zero; ring. }
  assert (Hw : dot w w = 1) by (unfold w; rewrite orthonormal_dot by apply He; now apply unit_dot).
  set (a := apply (transpose L) w); set (b := apply (transpose K) w).
  destruct (finite_choice q (R * R) (fun i t => fst t * fst t + snd t * snd t = 1 /\ a i * fst t + b i * snd t = 0))
    as (f & Hf); [intro i; destruct (perpendicular (a i) (b i)) as (p & r & N & O); now exists (p, r) |].
  set (p := fun i => fst (f i)); set (r := fun i => snd (f i)).
  set (U := turned L K p r); set (V := turned G Q p r).
  set (T := blocks L K G Q (fun i => beta / 2 - beta * (p i * p i)) (fun i => - (beta * (p i * r i)))
                           (fun i => - (beta * (r i * p i))) (fun i => beta / 2 - beta * (r i * r i))).
  assert (HU : orthonormal U) by (apply turned_orthonormal; [easy | intro; apply Hf]).
  assert (EM : planted_frames T beta U V = M).
  { unfold T, U, V; rewrite planted_blocks; unfold M; f_equal; apply vec_ext; intro; ring. }
  exists T, U, V; rewrite EM; split; [easy | split; [apply turned_orthonormal; [easy | intro; apply Hf] | split]].
  - apply blocks_norm; try easy; [lra |]; intros i x y; destruct (Hf i) as [N _]; fold (p i) (r i) in N.
    apply Rle_trans with ((beta / 2) ^ 2 * (x ^ 2 + y ^ 2)); [right | apply Rmult_le_compat_r; nra].
    transitivity ((beta / 2) ^ 2 * (x ^ 2 + y ^ 2) + beta ^ 2 * (p i * p i + r i * r i - 1) * (p i * x + r i * y) ^ 2);
      [field | rewrite N; ring].
  - exists z; split; [easy |]; fold w.
    apply le_of_squares; [apply norm_nonneg |]; rewrite norm_sqr, complement_norm, Hw by easy.
    unfold U; rewrite apply_turned; fold a b.
    replace (fun i => p i * a i + r i * b i) with (fun _ : index q => 0).
    + rewrite dot_zero; lra.
    + apply vec_ext; intro i; destruct (Hf i) as [_ O]; fold (p i) (r i) in O; lra.
Qed.

(* There are q top singular vectors. *)
Theorem top_vectors : forall (m d q : nat) (M : mat m d), (q <= m)%nat -> (q <= d)%nat ->
  exists s Uh (Vh : mat d q), top_block M s Uh Vh.
Proof. exact top_block_exists. Qed.

(* Attained: q top singular vectors of M are never further off. *)
Theorem attained_several : forall (k m d : nat) (beta tau : R), 0 <= tau -> tau < beta / 2 ->
  let q := S k in
  forall estimator : mat m d -> mat m q, (forall M, exists s Vh, top_block M s (estimator M) Vh) ->
  forall (T : mat m d) (U : mat m q) (V : mat d q), orthonormal U -> orthonormal V -> norm_at_most T tau ->
  forall sine,
    sine_at_least (estimator (planted_frames T beta U V)) U sine -> sine <= sin (asin (2 * (tau / beta)) / 2).
Proof.
  intros k m d beta tau Ht Hb q estimator He T U V HU HV HT sine (z & Hz & Far).
  destruct (He (planted_frames T beta U V)) as (s & Vh & B).
  apply Rle_trans with (1 := Far), (block_angles m d k T U (estimator (planted_frames T beta U V)) V Vh beta tau s z);
    assumption.
Qed.

(* T of rank one, T = t t'ᵀ: the value is min(1, rho). Whatever is answered, in some world it is that far off; *)
Theorem rank_one : forall (m d : nat) (beta tau : R), 0 < beta -> 0 <= tau ->
  forall estimator : mat (2 + m) (2 + d) -> vec (2 + m), (forall M, unit (estimator M)) ->
  exists (t : vec (2 + m)) (t' : vec (2 + d)) (u : vec (2 + m)) (v : vec (2 + d)),
    unit u /\ unit v /\ norm_at_most (outer t t') tau /\
    Rmin 1 (tau / beta) <= sin (angle (estimator (planted (outer t t') beta u v)) u).
Proof.
  intros m d beta tau Hb Ht estimator He; set (s := Rmin 1 (tau / beta)); set (c := sqrt (1 - s * s)).
  assert (Hr : 0 <= tau / beta) by (apply Rmult_le_pos; [easy | left; now apply Rinv_0_lt_compat]).
  assert (S0 : 0 <= s <= 1) by (split; [apply Rmin_glb; lra | apply Rmin_l]).
  assert (Sb : beta * s <= tau).
  { apply Rle_trans with (beta * (tau / beta)); [apply Rmult_le_compat_l; [lra | apply Rmin_r] | right; field; lra]. }
  assert (C0 : 0 <= c) by apply sqrt_pos; assert (C2 : c * c = 1 - s * s) by (apply sqrt_sqrt; nra).
  set (w := estimator (block (beta * c) 0 0 0)); assert (Hw : unit w) by apply He.
  set (a := w None); set (b := w (Some None)).
  assert (W1 : a * a + b * b <= 1).
  { apply unit_dot in Hw; pose proof (cauchy_schwarz _ (plane a b) w) as Q.
    rewrite dot_planes, dot_plane, Hw in Q; fold a b in Q.
    assert (0 <= a * a + b * b) by nra; nra. }
  destruct (cap a b c s) as (p & r & N & Cap & Far); try easy.
  exists (plane (beta * (c - p)) (- (beta * r))), (plane 1 0).
  exists (plane p r), (plane 1 0); split; [now apply unit_plane | split; [apply unit_plane; ring | split]].
  - intro x; apply Rle_trans with (beta * s * norm x); [| apply Rmult_le_compat_r; [apply norm_nonneg | easy]].
    replace (outer (plane (beta * (c - p)) (- (beta * r))) (plane 1 0))
      with (mscale 1 (outer (@plane m (beta * (c - p)) (- (beta * r))) (@plane d 1 0)))
      by (apply mat_ext; intros; unfold mscale; ring).
    rewrite apply_outer, norm_abs, Rmult_1_l, Rmult_comm; apply Rmult_le_compat; try apply norm_nonneg;
      [apply Rabs_pos | |].
    + apply le_of_squares; [apply Rmult_le_pos; lra |]; rewrite norm_sqr, dot_planes.
      replace (beta * (c - p) * (beta * (c - p)) + - (beta * r) * - (beta * r))
        with (beta * beta * (c * c - 2 * (c * p) + (p * p + r * r))) by ring.
      replace (beta * s * (beta * s)) with (beta * beta * (s * s)) by ring; rewrite N.
      apply Rmult_le_compat_l; [apply Rle_0_sqr |].
      pose proof (Rmult_le_compat_l c c p C0 Cap); lra.
    + apply Rle_trans with (norm (@plane d 1 0) * norm x); [apply abs_dot | right].
      rewrite (unit_plane d 1 0) by ring; ring.
  - replace (planted (outer (plane (beta * (c - p)) (- (beta * r))) (plane 1 0)) beta (plane p r) (plane 1 0))
      with (@block m d (beta * c) 0 0 0)
      by (apply mat_ext; intros [[|]|] [[|]|]; unfold planted, madd, mscale, outer; simpl; ring).
    fold w; rewrite sin_angle by (easy || now apply unit_plane).
    rewrite <- (sqrt_square s) by easy; apply sqrt_le_1_alt.
    rewrite dot_comm, dot_plane; fold a b; nra.
Qed.

(* ... and a top singular vector of M is never further. *)
Theorem rank_one_attained : forall (m d : nat) (t : vec m) (t' : vec d) (u : vec m) (v : vec d) (beta tau s : R)
    (uh : vec m) (vh : vec d),
  unit u -> unit v -> 0 < beta -> norm_at_most (outer t t') tau -> top_triple (planted (outer t t') beta u v) s uh vh ->
  sin (angle uh u) <= Rmin 1 (tau / beta).
Proof.
  intros m d t t' u v beta tau s uh vh Hu Hv Hb HT H.
  apply Rmin_glb; [apply SIN_bound |].
  assert (Ht : 0 <= tau) by (apply norm_at_most_nonneg with (1 := Hv) (2 := HT)).
  destruct (Rle_lt_dec beta tau) as [Le | Lt].
  { apply Rle_trans with 1; [apply SIN_bound | apply Rmult_le_reg_r with beta; [easy |]; field_simplify; lra]. }
  assert (Hs : 0 < s) by (pose proof (prior_angle.top_value _ _ _ _ _ _ _ _ _ _ Hu Hv Hb HT H); lra).
  destruct H as [H Top].
  destruct (posterior_angle.angles _ _ _ _ _ _ _ _ _ Hu Hv H Hs) as [-> _].
  assert (A : forall x, apply (outer t t') x = vscale (dot t' x) t).
  { intro x; replace (outer t t') with (mscale 1 (outer t t')) by (apply mat_ext; intros; unfold mscale; ring).
    now rewrite apply_outer, Rmult_1_l. }
  set (D := dot t t - dot u t * dot u t).
  assert (Hu1 := Hu); apply unit_dot in Hu1.
  assert (O : norm (off u t) * norm (off u t) = D).
  { rewrite norm_sqr; unfold off, D; rewrite vsub_dot, !dot_vsub, !vscale_dot, !dot_vscale, Hu1, (dot_comm _ t u);
      ring. }
  assert (OffT : norm (off u (apply (outer t t') vh)) <= norm t' * norm (off u t)).
  { rewrite A; replace (off u (vscale (dot t' vh) t)) with (vscale (dot t' vh) (off u t)).
    - rewrite norm_abs; apply Rmult_le_compat_r; [apply norm_nonneg |].
      destruct H as (_ & Hvh & _); rewrite <- (Rmult_1_r (norm t')), <- Hvh; apply abs_dot.
    - unfold off; rewrite dot_vscale; apply vec_ext; intro; unfold vscale, vsub; ring. }
  assert (Tt : norm t' * norm t <= tau).
  { pose proof (HT t') as K; rewrite A, norm_abs, <- norm_sqr, Rabs_right in K
      by (apply Rle_ge; pose proof (norm_nonneg _ t'); nra).
    destruct (norm_nonneg _ t') as [L | L]; [| rewrite <- L, Rmult_0_l; easy].
    apply Rmult_le_reg_l with (norm t'); [easy |]; lra. }
  assert (Low : beta * norm (off u t) <= s * norm t).
  { destruct (norm_nonneg _ (off u t)) as [L | L].
    2:{ rewrite <- L, Rmult_0_r; apply Rmult_le_pos; [lra | apply norm_nonneg]. }
    set (y := vsub (vscale (dot t t) u) (vscale (dot u t) t)).
    assert (Hy : apply (transpose (planted (outer t t') beta u v)) y = vscale (beta * D) v).
    { rewrite transpose_planted, apply_planted.
      assert (Z : apply (transpose (outer t t')) y = fun _ => 0).
      { apply vec_ext; intro j; unfold apply, transpose, outer.
        transitivity (dot (vscale (t' j) t) y); [apply sum_ext; intro; unfold vscale; ring |].
        unfold y; rewrite vscale_dot, dot_vsub, !dot_vscale, (dot_comm _ t u); ring. }
      assert (E : dot u y = D) by (unfold y, D; rewrite dot_vsub, !dot_vscale, Hu1; ring).
      rewrite Z, E; apply vec_ext; intro; unfold vadd, vscale; ring. }
    assert (Top' : norm_at_most (transpose (planted (outer t t') beta u v)) s) by (apply norm_transpose; [lra | easy]).
    pose proof (Top' y) as K; rewrite Hy, norm_vscale, Hv in K by nra.
    assert (Ny : norm y = norm t * norm (off u t)).
    { apply Rsqr_inj; [apply norm_nonneg | apply Rmult_le_pos; apply norm_nonneg |]; unfold Rsqr.
      replace (norm t * norm (off u t) * (norm t * norm (off u t)))
        with (norm t * norm t * (norm (off u t) * norm (off u t))) by ring.
      rewrite O, !norm_sqr; unfold y, D.
      rewrite vsub_dot, !dot_vsub, !vscale_dot, !dot_vscale, Hu1, (dot_comm _ t u); ring. }
    rewrite Ny in K; apply Rmult_le_reg_r with (norm (off u t)); [easy |]; rewrite <- O in K; lra. }
  apply Rmult_le_reg_r with s; [easy |]; apply Rmult_le_reg_r with beta; [easy |].
  replace (norm (off u (apply (outer t t') vh)) / s * s * beta) with (beta * norm (off u (apply (outer t t') vh)))
    by (field; lra).
  replace (tau / beta * s * beta) with (s * tau) by (field; lra).
  apply Rle_trans with (beta * (norm t' * norm (off u t))); [apply Rmult_le_compat_l; [lra | easy] |].
  apply Rle_trans with (norm t' * (s * norm t)).
  - replace (beta * (norm t' * norm (off u t))) with (norm t' * (beta * norm (off u t))) by ring.
    apply Rmult_le_compat_l; [apply norm_nonneg | easy].
  - replace (norm t' * (s * norm t)) with (s * (norm t' * norm t)) by ring; apply Rmult_le_compat_l; lra.
Qed.

(* A fair coin: the two worlds, u₁ and u₂, show one M, and the answer u₁ or u₂ by a fair coin has the expected sine rho
   in both. *)
Theorem coin : forall (m d : nat) (beta tau : R), 0 <= tau -> tau < beta / 2 ->
  exists (T1 T2 : mat (2 + m) (2 + d)) (u1 u2 : vec (2 + m)) (v1 v2 : vec (2 + d)),
    unit u1 /\ unit u2 /\ unit v1 /\ unit v2 /\ norm_at_most T1 tau /\ norm_at_most T2 tau /\
    planted T1 beta u1 v1 = planted T2 beta u2 v2 /\
    (sin (angle u1 u1) + sin (angle u2 u1)) / 2 = tau / beta /\
    (sin (angle u1 u2) + sin (angle u2 u2)) / 2 = tau / beta.
Proof.
  intros m d beta tau Ht Hb.
  destruct (half_arcsin beta tau Ht (Rlt_le _ _ Hb) ltac:(lra)) as (Hs & Hc & P & E).
  set (theta := asin (2 * (tau / beta)) / 2) in *; set (c := cos theta) in *; set (s := sin theta) in *.
  assert (C0 : 0 <= c)
    by (apply cos_ge_0; unfold theta; pose proof (asin_bound (2 * (tau / beta))); pose proof PI_RGT_0; lra).
  assert (H : c * c + s * s = 1) by lra.
  destruct (two_worlds m d beta tau c s s) as (T1 & HT1 & M1); try tauto.
  destruct (two_worlds m d beta tau c s (- s)) as (T2 & HT2 & M2); try tauto.
  assert (S0 : forall a b, a * a + b * b = 1 -> sin (angle (@plane m a b) (plane a b)) = 0)
    by (intros a b N; apply angle_plane; try lra; rewrite N; ring).
  assert (S1 : forall x y, x * x = s * s -> y = - x -> sin (angle (@plane m c x) (plane c y)) = 2 * (s * c)).
  { intros x y X ->; apply angle_plane; nra. }
  assert (V : tau / beta = s * c) by (rewrite E; field; lra).
  exists T1, T2, (plane c s), (plane c (- s)), (plane c s), (plane c (- s)).
  rewrite M1, M2, !S0, (S1 s (- s)), (S1 (- s) s), V by lra.
  repeat split; try assumption; try (apply unit_plane; lra); field.
Qed.
