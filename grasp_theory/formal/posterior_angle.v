(* Covered: the two equations and the two bounds for every singular triple of M with ŝ > 0, in every size, from its
   equations M v̂ = ŝ û, Mᵀ û = ŝ v̂ alone; ŝ₂ <= ‖T‖₂; the instance where both bounds are attained at once.
   Not covered: the example of a LoRA that is not M. *)

From Coq Require Import Reals Lra Psatz.
From Grasp Require Import vectors matrices planes.
Open Scope R_scope.

Lemma left_of_any m d (T : mat m d) u v beta s uh vh :
  unit u -> unit v -> singular_triple (planted T beta u v) s uh vh -> 0 < s ->
  sin (angle uh u) = norm (off u (apply T vh)) / s.
Proof.
  intros Hu Hv (Huh & Hvh & E & _) Hs; rewrite sin_off by assumption.
  assert (K : vscale s (off u uh) = off u (apply T vh)).
  { rewrite apply_planted in E; apply unit_dot in Hu; apply vec_ext; intro i; unfold off.
    assert (Ei : s * uh i = apply T vh i + beta * dot v vh * u i)
      by (symmetry; exact (f_equal (fun x => x i) E)).
    assert (Eu : s * dot u uh = dot u (apply T vh) + beta * dot v vh)
      by (rewrite <- dot_vscale, <- E, dot_vadd, dot_vscale, Hu; ring).
    unfold vscale, vsub; nra. }
  rewrite <- K, norm_vscale by lra; field; lra.
Qed.

(* sin ∠(û, u) = ‖P_u T v̂‖/ŝ  and  sin ∠(v̂, v) = ‖P_v Tᵀ û‖/ŝ *)
Theorem angles : forall (m d : nat) (T : mat m d) (u : vec m) (v : vec d) (beta s : R) (uh : vec m) (vh : vec d),
  unit u -> unit v -> singular_triple (planted T beta u v) s uh vh -> 0 < s ->
  sin (angle uh u) = norm (off u (apply T vh)) / s /\
  sin (angle vh v) = norm (off v (apply (transpose T) uh)) / s.
Proof.
  intros m d T u v beta s uh vh Hu Hv H Hs; split; [now apply left_of_any with (v := v) (beta := beta) |].
  apply left_of_any with (v := u) (beta := beta); [easy | easy | | easy].
  rewrite <- transpose_planted; now apply triple_transpose.
Qed.

(* both are at most tau/ŝ for every tau >= ‖T‖₂ *)
Theorem bounds : forall (m d : nat) (T : mat m d) (u : vec m) (v : vec d) (beta s tau : R) (uh : vec m) (vh : vec d),
  unit u -> unit v -> singular_triple (planted T beta u v) s uh vh -> 0 < s -> norm_at_most T tau ->
  sin (angle uh u) <= tau / s /\ sin (angle vh v) <= tau / s.
Proof.
  intros m d T u v beta s tau uh vh Hu Hv H Hs HT.
  destruct (angles m d T u v beta s uh vh) as [L R]; try assumption.
  assert (Ht : 0 <= tau) by (apply norm_at_most_nonneg with (1 := Hv) (2 := HT)).
  destruct H as (Huh & Hvh & _); unfold unit in Huh, Hvh.
  rewrite L, R; split; apply Rmult_le_compat_r; try (left; now apply Rinv_0_lt_compat).
  - pose proof (HT vh) as K; rewrite Hvh in K; pose proof (off_norm _ u (apply T vh) Hu); lra.
  - pose proof (norm_transpose _ _ _ _ Ht HT uh) as K; rewrite Huh in K.
    pose proof (off_norm _ v (apply (transpose T) uh) Hv); lra.
Qed.

(* The second singular value says only ŝ₂ <= ‖T‖₂: pairs of triples, orthogonal to each other, ŝ₁ >= ŝ₂. *)
Theorem second_value : forall (m d : nat) (T : mat m d) (u : vec m) (v : vec d) (beta s1 s2 tau : R)
    (uh1 uh2 : vec m) (vh1 vh2 : vec d),
  singular_triple (planted T beta u v) s1 uh1 vh1 -> singular_triple (planted T beta u v) s2 uh2 vh2 ->
  dot uh1 uh2 = 0 -> dot vh1 vh2 = 0 -> 0 <= s2 <= s1 -> norm_at_most T tau -> s2 <= tau.
Proof.
  intros m d T u v beta s1 s2 tau uh1 uh2 vh1 vh2 (U1 & V1 & E1 & _) (U2 & V2 & E2 & _) OU OV [S2 S1] HT.
  assert (Ht : 0 <= tau) by (apply norm_at_most_nonneg with (1 := V1) (2 := HT)).
  apply unit_dot in U1, V1, U2, V2.
  assert (K : forall a b, 0 < a * a + b * b -> a * dot v vh1 + b * dot v vh2 = 0 -> s2 <= tau).
  { intros a b N O; pose proof (HT (vadd (vscale a vh1) (vscale b vh2))) as H.
    set (x := vadd (vscale a vh1) (vscale b vh2)) in *.
    assert (Z : dot v x = 0) by (unfold x; rewrite dot_vadd, !dot_vscale; exact O).
    assert (X : dot x x = a * a + b * b).
    { unfold x; rewrite vadd_dot, !dot_vadd, !vscale_dot, !dot_vscale, (dot_comm _ vh2 vh1), V1, V2, OV; ring. }
    assert (E : apply T x = vadd (vscale (a * s1) uh1) (vscale (b * s2) uh2)).
    { transitivity (apply (planted T beta u v) x).
      - rewrite apply_planted, Z; apply vec_ext; intro; unfold vadd, vscale; ring.
      - unfold x; rewrite apply_vadd, !apply_vscale, E1, E2; apply vec_ext; intro; unfold vadd, vscale; ring. }
    assert (Y : dot (apply T x) (apply T x) = a * a * (s1 * s1) + b * b * (s2 * s2)).
    { rewrite E, vadd_dot, !dot_vadd, !vscale_dot, !dot_vscale, (dot_comm _ uh2 uh1), U1, U2, OU; ring. }
    assert (S : s2 * s2 * (a * a + b * b) <= tau * tau * (a * a + b * b)).
    { rewrite <- X at 2; rewrite <- (norm_sqr _ x).
      apply Rle_trans with (norm (apply T x) * norm (apply T x)).
      - rewrite norm_sqr, Y; assert (s2 * s2 <= s1 * s1) by nra; nra.
      - pose proof (norm_nonneg _ (apply T x)); pose proof (norm_nonneg _ x); nra. }
    apply Rmult_le_reg_r in S; [nra | exact N]. }
  destruct (Req_dec (dot v vh1) 0) as [Z | N].
  - apply (K 1 0); [lra | rewrite Z; ring].
  - apply (K (- dot v vh2) (dot v vh1)); [nra | ring].
Qed.

(* Both bounds are attained at once: T = tau [[−rho, √(1−rho²)], [√(1−rho²), rho]], u = v = e₁, rho = tau/beta. *)
Theorem attained : forall (m d : nat) (beta tau : R), 0 < beta -> 0 <= tau <= beta ->
  let rho := tau / beta in
  let q := sqrt (1 - rho ^ 2) in
  let T : mat (2 + m) (2 + d) := block (- (tau * rho)) (tau * q) (tau * q) (tau * rho) in
  let uh := plane q rho in
  let vh := plane q rho in
  norm_at_most T tau /\ singular_triple (planted T beta (plane 1 0) (plane 1 0)) beta uh vh /\
  sin (angle uh (plane 1 0)) = tau / beta /\ sin (angle vh (plane 1 0)) = tau / beta.
Proof.
  intros m d beta tau Hb [H0 H1] rho q T uh vh.
  assert (E : tau = rho * beta) by (unfold rho; field; lra).
  assert (R : 0 <= rho <= 1).
  { split; apply Rmult_le_reg_r with beta; lra. }
  assert (Q : q * q = 1 - rho * rho) by (unfold q; rewrite sqrt_sqrt; nra).
  fold rho; unfold T, uh, vh; rewrite planted_block; split; [| split; [| split; apply angle_plane; nra]].
  - apply block_norm_at_most; [easy |]; intros x y; right.
    transitivity (tau ^ 2 * ((rho * rho + q * q) * (x ^ 2 + y ^ 2))); [ring | rewrite Q; ring].
  - apply block_triple; [lra | lra | | | |]; rewrite E.
    + transitivity (beta * q * (1 - rho * rho + rho * rho)); [ring | ring].
    + transitivity (beta * rho * (q * q + rho * rho)); [ring | rewrite Q; ring].
    + transitivity (beta * q * (1 - rho * rho + rho * rho)); [ring | ring].
    + transitivity (beta * rho * (q * q + rho * rho)); [ring | rewrite Q; ring].
Qed.
