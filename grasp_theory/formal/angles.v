(* The angle ½ arcsin 2 rho. *)

From Coq Require Import Reals Lra Psatz.
Open Scope R_scope.

(* sin(½ arcsin 2 rho) = √((1 − √(1 − 4 rho²))/2) for 0 <= rho <= ½ *)
Lemma half_angle (rho : R) :
  0 <= rho <= 1 / 2 -> sin (asin (2 * rho) / 2) = sqrt ((1 - sqrt (1 - 4 * rho ^ 2)) / 2).
Proof.
  intros [H0 H1]; set (t := asin (2 * rho)).
  assert (B : - (PI / 2) <= t <= PI / 2) by (apply asin_bound).
  assert (P : 0 <= t).
  { destruct (Rlt_le_dec t 0) as [L | L]; [exfalso | exact L].
    assert (sin t < 0) by (apply sin_lt_0_var; lra).
    unfold t in H; rewrite sin_asin in H; lra. }
  assert (S : 0 <= sin (t / 2)) by (apply sin_ge_0; lra).
  assert (C : cos t = sqrt (1 - 4 * rho ^ 2)).
  { unfold t; rewrite cos_asin by lra; f_equal; unfold Rsqr; ring. }
  rewrite <- C; replace t with (2 * (t / 2)) at 2 by field; rewrite cos_2a_sin.
  replace ((1 - (1 - 2 * sin (t / 2) * sin (t / 2))) / 2) with (sin (t / 2) * sin (t / 2)) by field.
  now rewrite sqrt_square.
Qed.

(* It is at most 45°, and tau = beta sin cos of it. *)
Lemma half_arcsin (beta tau : R) : 0 <= tau -> tau <= beta / 2 -> 0 < beta ->
  let theta := asin (2 * (tau / beta)) / 2 in
  0 <= sin theta /\ sin theta * sin theta <= cos theta * cos theta /\
  sin theta * sin theta + cos theta * cos theta = 1 /\ tau = beta * (sin theta * cos theta).
Proof.
  intros Ht Hb H theta.
  assert (R1 : 0 <= tau / beta <= 1 / 2).
  { split; [apply Rmult_le_pos; [easy | left; now apply Rinv_0_lt_compat] |].
    apply Rmult_le_reg_r with beta; [easy |]; field_simplify; lra. }
  assert (D : 2 * theta = asin (2 * (tau / beta))) by (unfold theta; field).
  assert (P := sin2_cos2 theta); unfold Rsqr in P.
  split; [unfold theta; rewrite half_angle by easy; apply sqrt_pos |]; split; [| split; [exact P |]].
  - assert (K : 0 <= cos (2 * theta)) by (rewrite D, cos_asin by lra; apply sqrt_pos).
    rewrite cos_2a in K; lra.
  - assert (K : beta * sin (2 * theta) = 2 * tau) by (rewrite D, sin_asin by lra; field; lra).
    rewrite sin_2a in K; lra.
Qed.
