(* Instances in a plane: vectors and matrices that are 0 outside the first two coordinates. *)

From Coq Require Import Reals Lra Psatz.
From Grasp Require Import vectors matrices.
Open Scope R_scope.

(* (a, b, 0, ..., 0) *)
Definition plane {n} (a b : R) : vec (2 + n) :=
  fun i => match i with None => a | Some None => b | Some (Some _) => 0 end.

(* [[a, b], [c, e]], bordered by zeros *)
Definition block {m d} (a b c e : R) : mat (2 + m) (2 + d) :=
  fun i => match i with None => plane a b | Some None => plane c e | Some (Some _) => plane 0 0 end.

Lemma dot_plane n a b (x : vec (2 + n)) : dot (plane a b) x = a * x None + b * x (Some None).
Proof.
  unfold dot; simpl; rewrite (sum_ext _ _ (fun _ => 0)) by (intro; ring).
  rewrite sum_zero, Rplus_0_r; reflexivity.
Qed.

Lemma dot_planes n a b c e : dot (@plane n a b) (plane c e) = a * c + b * e.
Proof. apply dot_plane. Qed.

Lemma unit_plane n a b : a * a + b * b = 1 -> @unit (2 + n) (plane a b).
Proof. intro H; apply unit_dot; now rewrite dot_planes. Qed.

Lemma plane_ext n a b c e : a = c -> b = e -> @plane n a b = plane c e.
Proof. now intros -> ->. Qed.

Lemma block_ext m d a b c e a' b' c' e' :
  a = a' -> b = b' -> c = c' -> e = e' -> @block m d a b c e = block a' b' c' e'.
Proof. now intros -> -> -> ->. Qed.

Lemma vscale_plane n t a b : vscale t (@plane n a b) = plane (t * a) (t * b).
Proof. apply vec_ext; intros [[|]|]; unfold vscale; simpl; ring. Qed.

Lemma apply_block m d a b c e (x : vec (2 + d)) :
  apply (@block m d a b c e) x = plane (a * x None + b * x (Some None)) (c * x None + e * x (Some None)).
Proof. apply vec_ext; intros [[|]|]; unfold apply; simpl; rewrite (dot_plane d); ring. Qed.

Lemma transpose_block m d a b c e : transpose (@block m d a b c e) = block a c b e.
Proof. apply mat_ext; intros [[|]|] [[|]|]; reflexivity. Qed.

Lemma planted_block m d a b c e beta p q r t :
  planted (@block m d a b c e) beta (plane p q) (plane r t) =
  block (a + beta * (p * r)) (b + beta * (p * t)) (c + beta * (q * r)) (e + beta * (q * t)).
Proof. apply mat_ext; intros [[|]|] [[|]|]; unfold planted, madd, mscale, outer; simpl; ring. Qed.

Lemma block_norm_at_most m d a b c e t :
  0 <= t -> (forall x y, (a * x + b * y) ^ 2 + (c * x + e * y) ^ 2 <= t ^ 2 * (x ^ 2 + y ^ 2)) ->
  norm_at_most (@block m d a b c e) t.
Proof.
  intros Ht H x; rewrite apply_block; set (p := x None); set (q := x (Some None)).
  assert (K : p ^ 2 + q ^ 2 <= dot x x).
  { replace (dot x x) with (p * p + (q * q + sum (fun i => x (Some (Some i)) * x (Some (Some i))))) by reflexivity.
    assert (R : 0 <= sum (fun i => x (Some (Some i)) * x (Some (Some i)))) by (apply sum_nonneg; intro; nra).
    revert R; generalize (sum (fun i => x (Some (Some i)) * x (Some (Some i)))); intros; lra. }
  apply le_of_squares; [apply Rmult_le_pos; [easy | apply norm_nonneg] |].
  replace (t * norm x * (t * norm x)) with (t ^ 2 * (norm x * norm x)) by ring.
  rewrite !norm_sqr, dot_planes.
  pose proof (H p q); assert (t ^ 2 * (p ^ 2 + q ^ 2) <= t ^ 2 * dot x x) by (apply Rmult_le_compat_l; nra).
  lra.
Qed.

Lemma block_triple m d a b c e s p q r t :
  p * p + q * q = 1 -> r * r + t * t = 1 ->
  a * r + b * t = s * p -> c * r + e * t = s * q -> a * p + c * q = s * r -> b * p + e * q = s * t ->
  singular_triple (@block m d a b c e) s (plane p q) (plane r t).
Proof.
  intros Hu Hv H1 H2 H3 H4; repeat split; try now apply unit_plane.
  - rewrite apply_block, vscale_plane; now apply plane_ext.
  - rewrite transpose_block, apply_block, vscale_plane; now apply plane_ext.
Qed.

Lemma angle_plane n a b c e x :
  a * a + b * b = 1 -> c * c + e * e = 1 -> 0 <= x -> 1 - (a * c + b * e) * (a * c + b * e) = x * x ->
  sin (angle (@plane n a b) (plane c e)) = x.
Proof.
  intros H K Hx E; rewrite sin_angle by now apply unit_plane.
  rewrite dot_planes, E; now apply sqrt_square.
Qed.

(* A unit vector is far from one of (c, s, 0, ...), (c, −s, 0, ...): its overlap with it is at most c in size. *)
Lemma far_from_one n (w : vec (2 + n)) c s :
  unit w -> c * c + s * s = 1 -> s * s <= c * c -> 0 <= s ->
  exists x, (x = s \/ x = - s) /\ s <= sin (angle w (plane c x)).
Proof.
  intros Hw H Hs Hs0; set (a := w None); set (b := w (Some None)).
  assert (N : a * a + b * b <= 1).
  { apply unit_dot in Hw; pose proof (cauchy_schwarz _ (plane a b) w) as Q.
    rewrite dot_planes, dot_plane, Hw in Q; fold a b in Q.
    assert (0 <= a * a + b * b) by nra; nra. }
  assert (K : forall x, x * x = s * s -> a * b * (c * x) <= 0 -> s <= sin (angle w (plane c x))).
  { intros x Hx Hab; rewrite sin_angle; [| easy | apply unit_plane; lra].
    rewrite <- (sqrt_square s) by easy; apply sqrt_le_1_alt.
    rewrite dot_comm, dot_plane; fold a b.
    assert ((c * a + x * b) * (c * a + x * b) <= c * c * (a * a) + s * s * (b * b)) by nra.
    nra. }
  destruct (Rle_lt_dec (a * b * (c * s)) 0) as [L | L].
  - exists s; split; [now left | now apply K].
  - exists (- s); split; [now right | apply K; [ring | lra]].
Qed.

(* Some unit vector of the plane is orthogonal to (a, b). *)
Lemma perpendicular (a b : R) : exists p q, p * p + q * q = 1 /\ a * p + b * q = 0.
Proof.
  destruct (Req_dec (a * a + b * b) 0) as [Z | N]; [exists 1, 0; split; [ring | nra] |].
  set (r := sqrt (a * a + b * b)).
  assert (R2 : r * r = a * a + b * b) by (apply sqrt_sqrt; nra).
  assert (r <> 0) by (intro Z; rewrite Z in R2; lra).
  exists (- b / r), (a / r); split; [| field; easy].
  replace (- b / r * (- b / r) + a / r * (a / r)) with ((a * a + b * b) / (r * r)) by (field; easy).
  rewrite R2; field; easy.
Qed.

(* Some unit vector (p, r) of the cap p >= c is arcsin s off (a, b), or orthogonal to it. *)
Lemma cap (a b c s : R) : 0 <= s <= 1 -> 0 <= c -> c * c = 1 - s * s -> a * a + b * b <= 1 ->
  exists p r, p * p + r * r = 1 /\ c <= p /\ (a * p + b * r) * (a * p + b * r) <= c * c.
Proof.
  intros S0 C0 C2 W1; destruct (Rle_lt_dec (a * a) (s * s * (a * a + b * b))) as [In | Out].
  - destruct (Req_dec (a * a + b * b) 0) as [Z | Z].
    { exists 1, 0; assert (a = 0) by nra; assert (b = 0) by nra; subst; repeat split; nra. }
    assert (Cap : forall p r, p * p + r * r = 1 -> a * p + b * r = 0 -> 0 <= p -> c <= p).
    { intros p r N O P; apply le_of_squares; [easy |]; rewrite C2.
      assert (E : (a * a + b * b) * (p * p) = b * b).
      { assert (Q : b * r * (b * r) = a * p * (a * p)) by (replace (b * r) with (- (a * p)) by lra; ring).
        transitivity (b * r * (b * r) + b * b * (p * p)); [rewrite Q; ring |].
        transitivity (b * b * (p * p + r * r)); [ring | rewrite N; ring]. }
      apply Rmult_le_reg_l with (a * a + b * b); [nra |]; rewrite E; lra. }
    destruct (perpendicular a b) as (p & r & N & O).
    destruct (Rle_lt_dec 0 p) as [Pos | Neg]; [exists p, r | exists (- p), (- r)]; repeat split; try lra;
      [apply (Cap p r); lra | rewrite O; nra | apply (Cap (- p) (- r)); lra |].
    replace (a * - p + b * - r) with (- (a * p + b * r)) by ring; rewrite O; nra.
  - assert (K : forall r, r * r = s * s -> a * b * r <= 0 -> (a * c + b * r) * (a * c + b * r) <= c * c).
    { intros r R2 Sign; assert (Small : b * r * (b * r) <= a * c * (a * c)).
      { replace (b * r * (b * r)) with (b * b * (r * r)) by ring.
        replace (a * c * (a * c)) with (a * a * (c * c)) by ring; rewrite R2, C2; lra. }
      assert (Opp : a * c * (b * r) <= 0) by nra.
      assert ((a * c + b * r) * (a * c + b * r) <= a * c * (a * c)); [| nra].
      revert Small Opp; generalize (a * c), (b * r); intros x y Small Opp.
      destruct (Rle_lt_dec 0 x), (Rle_lt_dec 0 y); nra. }
    destruct (Rle_lt_dec (a * b) 0) as [N | N]; [exists c, s | exists c, (- s)]; repeat split; try lra; apply K; nra.
Qed.
