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
