(* Covered: the bound for both angles in every size, in all three forms; that there is a top singular pair; the instance
   that attains the bound, in every size of at least 2 x 2; for tau >= beta/2, an M every direction of whose plane is a
   top singular vector on both sides; and, just beyond, one whose every top singular pair is orthogonal to u and v.
   Not covered: nothing of the statement. *)

From Coq Require Import Reals Lra Psatz.
From Grasp Require Import vectors matrices angles planes decompositions.
Open Scope R_scope.

(* The scalar core: a and b are the overlaps of û with u and of v̂ with v, a the smaller one. *)
Lemma core (a b s beta tau : R) :
  0 <= tau -> tau < beta / 2 -> beta - tau <= s -> a * a <= b * b ->
  b * b <= 1 ->
  s * s + beta * beta * (b * b) - 2 * s * beta * (a * b) <= tau * tau ->
  1 / 2 < a * a /\ beta * beta * (a * a * (1 - a * a)) <= tau * tau.
Proof.
  intros Ht Hb Hs Hab Hb1 H.
  assert (Hp : exists p q, 0 <= p <= q /\ q <= 1 /\ p * p = a * a /\
    s * s + beta * beta * (q * q) - 2 * s * beta * (p * q) <= tau * tau).
  { exists (Rabs a), (Rabs b).
    assert (Ea := abs_square a); assert (Eb := abs_square b).
    assert (0 <= Rabs a) by apply Rabs_pos; assert (0 <= Rabs b) by apply Rabs_pos.
    assert (a * b <= Rabs a * Rabs b) by (rewrite <- Rabs_mult; apply Rle_abs).
    repeat split; try nra.
    assert (0 <= s * beta) by nra; nra. }
  destruct Hp as (p & q & [Hp0 Hpq] & Hq & <- & K).
  assert (Hs0 : beta / 2 < s) by lra.
  destruct (Rle_lt_dec s beta) as [Le | Gt].
  - assert (G : s * s + beta * beta * (p * p) - 2 * s * beta * (p * p) <= tau * tau).
    { assert (0 <= beta * ((q - p) * (beta * (q + p) - 2 * s * p))); [| nra].
      apply Rmult_le_pos; [lra |]; apply Rmult_le_pos; [lra | nra]. }
    assert (S : beta * beta * (p * p * (1 - p * p)) <= tau * tau).
    { pose proof (Rle_0_sqr (s - beta * (p * p))) as Q; unfold Rsqr in Q; nra. }
    split; [| exact S].
    destruct (Rlt_le_dec (1 / 2) (p * p)) as [L | L]; [exact L | exfalso].
    assert (beta * (1 / 2 - p * p) * (2 * s - beta) >= 0)
      by (apply Rle_ge, Rmult_le_pos; [apply Rmult_le_pos; lra | lra]).
    pose proof (Rle_0_sqr (s - beta / 2)) as Q; unfold Rsqr in Q; nra.
  - assert (G : s * s * (1 - p * p) <= tau * tau).
    { pose proof (Rle_0_sqr (beta * q - s * p)) as Q; unfold Rsqr in Q; nra. }
    assert (p * p <= 1) by nra.
    assert (G' : beta * beta * (1 - p * p) <= tau * tau).
    { apply Rle_trans with (2 := G); apply Rmult_le_compat_r; [lra | nra]. }
    assert (tau * tau < beta * beta * (1 / 4)) by nra.
    split; [| nra].
    destruct (Rlt_le_dec (1 / 2) (p * p)) as [L | L]; [exact L | exfalso].
    assert (beta * beta * (1 / 2) <= beta * beta * (1 - p * p)) by (apply Rmult_le_compat_l; nra).
    nra.
Qed.

(* What an overlap of that size says of the angle. *)
Lemma of_overlap n (x y : vec n) beta tau :
  unit x -> unit y -> 0 <= tau -> tau < beta / 2 ->
  1 / 2 < dot x y * dot x y -> beta * beta * (dot x y * dot x y * (1 - dot x y * dot x y)) <= tau * tau ->
  sin (2 * angle x y) <= 2 * tau / beta /\ angle x y < PI / 4 /\
  sin (angle x y) <= sin (asin (2 * (tau / beta)) / 2).
Proof.
  intros Hx Hy Ht Hb A B; set (a := dot x y) in *; set (rho := tau / beta).
  assert (E : tau = rho * beta) by (unfold rho; field; lra).
  assert (R0 : 0 <= rho) by (apply Rmult_le_pos; [easy | left; apply Rinv_0_lt_compat; lra]).
  assert (R1 : rho < 1 / 2) by (apply Rmult_lt_reg_r with beta; lra).
  assert (K : a * a * (1 - a * a) <= rho * rho).
  { apply Rmult_le_reg_l with (beta * beta); [nra |]; rewrite E in B; lra. }
  assert (V : a * a <= 1).
  { unfold a; pose proof (cauchy_schwarz _ x y) as Q; apply unit_dot in Hx, Hy; rewrite Hx, Hy in Q; lra. }
  assert (S : sin (angle x y) = sqrt (1 - a * a)) by now apply sin_angle.
  assert (C : cos (angle x y) = Rabs a) by now apply cos_angle.
  assert (S0 : 0 <= sqrt (1 - a * a)) by apply sqrt_pos.
  assert (SS : sqrt (1 - a * a) * sqrt (1 - a * a) = 1 - a * a) by (apply sqrt_sqrt; lra).
  assert (C0 : 0 <= Rabs a) by apply Rabs_pos; assert (CC := abs_square a).
  split; [| split].
  - rewrite sin_2a, S, C; replace (2 * tau / beta) with (2 * rho) by (unfold rho; field; lra).
    apply le_of_squares; [lra |].
    replace (2 * sqrt (1 - a * a) * Rabs a * (2 * sqrt (1 - a * a) * Rabs a))
      with (4 * (sqrt (1 - a * a) * sqrt (1 - a * a)) * (Rabs a * Rabs a)) by ring.
    rewrite SS, CC; lra.
  - apply cos_decreasing_0; try (pose proof PI_RGT_0; lra); try (apply acos_bound).
    rewrite C, cos_PI4; apply Rsqr_incrst_0; [| | easy].
    + unfold Rsqr; rewrite CC.
      replace (1 / sqrt 2 * (1 / sqrt 2)) with (1 / 2); [lra |].
      assert (sqrt 2 * sqrt 2 = 2) by (apply sqrt_sqrt; lra).
      assert (0 < sqrt 2) by (apply sqrt_lt_R0; lra).
      replace (1 / sqrt 2 * (1 / sqrt 2)) with (1 / (sqrt 2 * sqrt 2)) by (field; lra).
      now rewrite H.
    + left; apply Rdiv_lt_0_compat; [lra | apply sqrt_lt_R0; lra].
  - rewrite S, half_angle by lra; apply sqrt_le_1_alt.
    assert (sqrt (1 - 4 * rho ^ 2) <= 2 * (a * a) - 1); [| lra].
    apply le_of_squares; [lra |]; rewrite sqrt_sqrt; nra.
Qed.

(* The largest singular value is at least beta − tau. *)
Lemma top_value m d (T : mat m d) u v beta s tau uh vh :
  unit u -> unit v -> 0 < beta -> norm_at_most T tau -> top_triple (planted T beta u v) s uh vh -> beta - tau <= s.
Proof.
  intros Hu Hv Hb HT (_ & Top); pose proof (Top v) as K; pose proof (HT v) as L.
  rewrite Hv in K, L.
  assert (E : vscale beta u = vadd (apply (planted T beta u v) v) (vscale (-1) (apply T v))).
  { rewrite apply_planted; apply unit_dot in Hv; rewrite Hv.
    apply vec_ext; intro; unfold vadd, vscale; ring. }
  assert (N : norm (vscale (-1) (apply T v)) = norm (apply T v)).
  { unfold norm; f_equal; rewrite vscale_dot, dot_vscale; ring. }
  pose proof (triangle _ (apply (planted T beta u v) v) (vscale (-1) (apply T v))) as Q.
  rewrite <- E, N, norm_vscale, Hu in Q; lra.
Qed.

(* ‖T v̂‖ <= tau in terms of the overlaps. *)
Lemma overlaps m d (T : mat m d) u v beta s tau uh vh :
  unit u -> norm_at_most T tau -> singular_triple (planted T beta u v) s uh vh ->
  s * s + beta * beta * (dot v vh * dot v vh) - 2 * s * beta * (dot u uh * dot v vh) <= tau * tau.
Proof.
  intros Hu HT (Huh & Hvh & E & _); pose proof (HT vh) as K; rewrite Hvh in K.
  assert (ET : apply T vh = vsub (vscale s uh) (vscale (beta * dot v vh) u)).
  { rewrite <- E, apply_planted; apply vec_ext; intro; unfold vadd, vsub; ring. }
  pose proof (norm_nonneg _ (apply T vh)).
  assert (Q : norm (apply T vh) * norm (apply T vh) <= tau * tau) by nra.
  rewrite norm_sqr, ET in Q; apply unit_dot in Hu, Huh.
  rewrite vsub_dot, !dot_vsub, !vscale_dot, !dot_vscale, (dot_comm _ uh u), Hu, Huh in Q; lra.
Qed.

(* There is a top singular pair. *)
Theorem top_pair : forall (m d : nat) (M : mat (1 + m) (1 + d)), exists s uh vh, top_triple M s uh vh.
Proof. exact top_triple_exists. Qed.

(* sin 2 theta <= 2 tau/beta, theta < 45°, sin theta <= sin(½ arcsin 2 rho), for both sides *)
Theorem bound : forall (m d : nat) (T : mat m d) (u : vec m) (v : vec d) (beta tau s : R) (uh : vec m) (vh : vec d),
  unit u -> unit v -> norm_at_most T tau -> tau < beta / 2 -> top_triple (planted T beta u v) s uh vh ->
  (sin (2 * angle uh u) <= 2 * tau / beta /\ angle uh u < PI / 4 /\
   sin (angle uh u) <= sin (asin (2 * (tau / beta)) / 2)) /\
  (sin (2 * angle vh v) <= 2 * tau / beta /\ angle vh v < PI / 4 /\
   sin (angle vh v) <= sin (asin (2 * (tau / beta)) / 2)).
Proof.
  intros m d T u v beta tau s uh vh Hu Hv HT Hb H.
  assert (Ht : 0 <= tau) by (apply norm_at_most_nonneg with (1 := Hv) (2 := HT)).
  assert (Hb0 : 0 < beta) by lra.
  pose proof (top_value _ _ _ _ _ _ _ _ _ _ Hu Hv Hb0 HT H) as Hs.
  destruct H as [H _].
  pose proof (overlaps _ _ _ _ _ _ _ _ _ _ Hu HT H) as L.
  assert (R : s * s + beta * beta * (dot u uh * dot u uh) - 2 * s * beta * (dot v vh * dot u uh) <= tau * tau).
  { apply overlaps with (T := transpose T); [easy | now apply norm_transpose |].
    rewrite <- transpose_planted; now apply triple_transpose. }
  destruct H as (Huh & Hvh & _).
  assert (A1 : dot u uh * dot u uh <= 1).
  { pose proof (cauchy_schwarz _ u uh) as Q; apply unit_dot in Hu, Huh; rewrite Hu, Huh in Q; lra. }
  assert (B1 : dot v vh * dot v vh <= 1).
  { pose proof (cauchy_schwarz _ v vh) as Q; apply unit_dot in Hv, Hvh; rewrite Hv, Hvh in Q; lra. }
  set (a := dot u uh) in *; set (b := dot v vh) in *.
  assert (G : (1 / 2 < a * a /\ beta * beta * (a * a * (1 - a * a)) <= tau * tau) /\
              (1 / 2 < b * b /\ beta * beta * (b * b * (1 - b * b)) <= tau * tau)).
  { destruct (Rle_lt_dec (a * a) (b * b)) as [Le | Lt].
    - destruct (core a b s beta tau) as [P Q]; try assumption; split; [easy | split; [lra |]].
      assert (b * b * (1 - b * b) <= a * a * (1 - a * a)) by nra; nra.
    - destruct (core b a s beta tau) as [P Q]; try assumption; [lra |]; split; [split; [lra |] | easy].
      assert (a * a * (1 - a * a) <= b * b * (1 - b * b)) by nra; nra. }
  destruct G as [[GA GA'] [GB GB']]; rewrite !(angle_sym _ uh), !(angle_sym _ vh).
  split; apply of_overlap; assumption.
Qed.

(* Attained: T = tau [[−sin 2θ, cos 2θ], [cos 2θ, sin 2θ]], u = v = e₁, in every size of at least two. *)
Theorem attained : forall (m d : nat) (beta tau : R), 0 <= tau -> tau < beta / 2 ->
  let theta := asin (2 * (tau / beta)) / 2 in
  let T : mat (2 + m) (2 + d) :=
    block (- (tau * sin (2 * theta))) (tau * cos (2 * theta)) (tau * cos (2 * theta)) (tau * sin (2 * theta)) in
  let M := planted T beta (plane 1 0) (plane 1 0) in
  let uh := plane (cos theta) (sin theta) in
  let vh := plane (cos theta) (sin theta) in
  norm_at_most T tau /\ top_triple M (beta * cos theta ^ 2) uh vh /\
  sin (angle uh (plane 1 0)) = sin theta /\ sin (angle vh (plane 1 0)) = sin theta.
Proof.
  intros m d beta tau Ht Hb theta T M uh vh.
  destruct (half_arcsin beta tau Ht (Rlt_le _ _ Hb) ltac:(lra)) as (Hs & Hc & P & E'); fold theta in Hs, Hc, P, E'.
  unfold uh, vh, M, T; rewrite planted_block, sin_2a, cos_2a.
  set (c := cos theta) in *; set (s := sin theta) in *.
  assert (C2 : c * c = 1 - s * s) by lra.
  assert (A : sin (angle (@plane m c s) (plane 1 0)) = s) by (apply angle_plane; nra).
  assert (B : sin (angle (@plane d c s) (plane 1 0)) = s) by (apply angle_plane; nra).
  split; [| split; [split |]].
  - apply block_norm_at_most; [easy |]; intros x y.
    replace ((- (tau * (2 * s * c)) * x + tau * (c * c - s * s) * y) ^ 2 +
             (tau * (c * c - s * s) * x + tau * (2 * s * c) * y) ^ 2)
      with (tau ^ 2 * ((s * s + c * c) ^ 2 * (x ^ 2 + y ^ 2))) by ring.
    rewrite P; lra.
  - apply block_triple; try lra; rewrite E'.
    + replace (- (beta * (s * c) * (2 * s * c)) + beta * (1 * 1)) with (beta * (1 - 2 * (s * s) * (c * c))) by ring.
      replace (beta * (s * c) * (c * c - s * s) + beta * (1 * 0)) with (beta * (s * c) * (c * c - s * s)) by ring.
      transitivity (beta * c * (1 - 2 * (s * s) * (c * c) + s * s * (c * c - s * s))); [ring |].
      transitivity (beta * c * (c * c)); [f_equal; rewrite C2; ring | ring].
    + transitivity (beta * s * (c * c * ((c * c - s * s) + 2 * (s * s)))); [ring |].
      transitivity (beta * s * (c * c * (s * s + c * c))); [ring | rewrite P; ring].
    + replace (- (beta * (s * c) * (2 * s * c)) + beta * (1 * 1)) with (beta * (1 - 2 * (s * s) * (c * c))) by ring.
      transitivity (beta * c * (1 - 2 * (s * s) * (c * c) + s * s * (c * c - s * s))); [ring |].
      transitivity (beta * c * (c * c)); [f_equal; rewrite C2; ring | ring].
    + transitivity (beta * s * (c * c * ((c * c - s * s) + 2 * (s * s)))); [ring |].
      transitivity (beta * s * (c * c * (s * s + c * c))); [ring | rewrite P; ring].
  - apply block_norm_at_most; [assert (0 <= beta) by lra; apply Rmult_le_pos; nra |]; intros x y; rewrite E'.
    set (X := c * x + s * y); set (Y := c * y - s * x).
    assert (N : X ^ 2 + Y ^ 2 = x ^ 2 + y ^ 2).
    { transitivity ((s * s + c * c) * (x ^ 2 + y ^ 2)); [unfold X, Y; ring | rewrite P; ring]. }
    assert (F : (- (beta * (s * c) * (2 * s * c)) + beta * (1 * 1)) * x +
                (beta * (s * c) * (c * c - s * s) + beta * (1 * 0)) * y = beta * (c * c * c * X - s * s * s * Y)).
    { unfold X, Y.
      transitivity (beta * (x * (c * c * (c * c) + s * s * (s * s)) + y * (s * c * (c * c - s * s)))); [| ring].
      replace (c * c * (c * c) + s * s * (s * s)) with (1 - 2 * (s * s) * (c * c)) by (rewrite C2; ring).
      ring. }
    assert (G : (beta * (s * c) * (c * c - s * s) + beta * (0 * 1)) * x +
                (beta * (s * c) * (2 * s * c) + beta * (0 * 0)) * y = beta * (c * c * s * X + s * s * c * Y)).
    { unfold X, Y.
      transitivity (beta * (x * (s * c * (c * c - s * s)) + y * (s * s * (c * c) * (s * s + c * c) +
                            s * s * (c * c)))); [rewrite P; ring |].
      transitivity (beta * (x * (s * c * (c * c - s * s)) + y * (s * s * (c * c) * 2))); [rewrite P; ring |].
      ring. }
    rewrite F, G.
    apply Rle_trans with (beta ^ 2 * ((s * s + c * c) * ((c * c) ^ 2 * X ^ 2 + (s * s) ^ 2 * Y ^ 2))); [right; ring |].
    rewrite P, <- N, Rmult_1_l.
    replace ((beta * c ^ 2) ^ 2 * (X ^ 2 + Y ^ 2))
      with (beta ^ 2 * ((c * c) ^ 2 * X ^ 2 + (c * c) ^ 2 * Y ^ 2)) by ring.
    apply Rmult_le_compat_l; [nra |]; apply Rplus_le_compat_l, Rmult_le_compat_r; [nra |]; nra.
  - now split.
Qed.

(* Nothing can be said for tau >= beta/2: every direction (p, q) of the plane is a top singular vector on both sides. *)
Theorem beyond : forall (m d : nat) (beta tau p q : R), 0 < beta -> beta / 2 <= tau -> p * p + q * q = 1 ->
  let T : mat (2 + m) (2 + d) := block (- (beta / 2)) 0 0 (beta / 2) in
  let M := planted T beta (plane 1 0) (plane 1 0) in
  norm_at_most T tau /\ top_triple M (beta / 2) (plane p q) (plane p q) /\
  sin (angle (@plane m p q) (plane 1 0)) = Rabs q /\ sin (angle (@plane d p q) (plane 1 0)) = Rabs q.
Proof.
  intros m d beta tau p q Hb Ht H T M; unfold M, T; rewrite planted_block.
  assert (Q := abs_square q); assert (0 <= Rabs q) by apply Rabs_pos.
  split; [| split; [split |]].
  - apply block_norm_at_most; [lra |]; intros x y.
    assert (beta / 2 * (beta / 2) <= tau * tau) by nra; nra.
  - apply block_triple; lra.
  - apply block_norm_at_most; [lra |]; intros x y; right; field.
  - split; apply angle_plane; nra.
Qed.

(* Just beyond it the factor is lost altogether: no top singular pair has any of it. *)
Theorem lost : forall (m d : nat) (beta tau s : R) (uh : vec (2 + m)) (vh : vec (2 + d)), 0 < beta -> beta / 2 < tau ->
  let T : mat (2 + m) (2 + d) := block (- tau) 0 0 tau in
  norm_at_most T tau /\
  (top_triple (planted T beta (plane 1 0) (plane 1 0)) s uh vh ->
   sin (angle uh (plane 1 0)) = 1 /\ sin (angle vh (plane 1 0)) = 1).
Proof.
  intros m d beta tau s uh vh Hb Ht T; unfold T; rewrite planted_block; split.
  - apply block_norm_at_most; [lra |]; intros x y; nra.
  - intros ((Huh & Hvh & E1 & E2) & Top).
    assert (Hs : tau <= s).
    { pose proof (Top (plane 0 1)) as K; rewrite apply_block, (unit_plane d 0 1) in K by ring.
      apply Rle_trans with (s * 1); [apply Rle_trans with (2 := K) | right; ring].
      apply le_of_squares; [apply norm_nonneg |]; rewrite norm_sqr, dot_planes; right; simpl; ring. }
    assert (A : (beta - tau) * vh None = s * uh None).
    { pose proof (f_equal (fun x => x None) E1) as K; rewrite apply_block in K.
      unfold vscale in K; simpl in K; lra. }
    assert (B : (beta - tau) * uh None = s * vh None).
    { pose proof (f_equal (fun x => x None) E2) as K; rewrite transpose_block, apply_block in K.
      unfold vscale in K; simpl in K; lra. }
    assert (C : forall a b, (beta - tau) * b = s * a -> (beta - tau) * a = s * b -> a = 0).
    { intros a b Ha Hb'; assert (D : a * (s * s - (beta - tau) * (beta - tau)) = 0).
      { replace (a * (s * s - (beta - tau) * (beta - tau))) with (s * (s * a) - (beta - tau) * ((beta - tau) * a)) by
          ring.
        rewrite <- Ha, Hb'; ring. }
      apply Rmult_integral in D as [D | D]; [easy | nra]. }
    split; (rewrite sin_angle by (easy || apply unit_plane; ring)); rewrite dot_comm, dot_plane.
    + rewrite (C _ _ A B), Rmult_0_r, Rmult_0_l, Rplus_0_r, Rmult_0_r, Rminus_0_r; apply sqrt_1.
    + rewrite (C _ _ B A), Rmult_0_r, Rmult_0_l, Rplus_0_r, Rmult_0_r, Rminus_0_r; apply sqrt_1.
Qed.
