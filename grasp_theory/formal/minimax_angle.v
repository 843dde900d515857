(* Covered in part: the lower bound for one factor (q = 1): for every function from M to a unit vector, in every size
   of at least 2 x 2, some world with ‖T‖₂ <= tau puts it ½ arcsin 2 rho off u if tau < beta/2, and orthogonal to
   u if not. That the top singular vector is never further off than the first is prior_angle.bound.
   Not covered: q > 1; T of rank one; answers with a coin. *)

From Coq Require Import Reals Lra Psatz.
From Grasp Require Import vectors matrices angles planes.
Open Scope R_scope.

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
