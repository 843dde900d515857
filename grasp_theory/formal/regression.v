(* Least squares on inputs under D V = 0, and what the rest of an input says of its part in span V. *)

From Coq Require Import Reals Lra Psatz Classical_Prop.
From Grasp Require Import vectors matrices moments pseudo_inverse.
Open Scope R_scope.

(* L = Vᵀ Sigma P (P Sigma P)⁺, G for the pseudo-inverse *)
Definition regression {d k} (V : mat d k) (Sigma G : mat d d) : mat k d :=
  mul (mul (mul (transpose V) Sigma) (complement V)) G.

(* M P + (M V) L *)
Definition kept {m d k} (M : mat m d) (V : mat d k) (L : mat k d) : mat m d :=
  madd (mul M (complement V)) (mul (mul M V) L).

Lemma regression_off d k (V : mat d k) (Sigma G : mat d d) : orthonormal V ->
  pseudo_inverse (mul (complement V) (mul Sigma (complement V))) G -> mul (regression V Sigma G) V = zero.
Proof. intros HV HG; unfold regression; now rewrite <- mul_assoc, (pseudo_off _ _ _ V _ _ HV HG), mul_zero. Qed.

Lemma kept_off m d k (M : mat m d) (V : mat d k) (Sigma G : mat d d) : orthonormal V ->
  pseudo_inverse (mul (complement V) (mul Sigma (complement V))) G -> mul (kept M V (regression V Sigma G)) V = zero.
Proof.
  intros HV HG; unfold kept; rewrite madd_mul, <- !mul_assoc, regression_off, complement_columns by easy.
  now rewrite !mul_zero, madd_zero.
Qed.

(* The normal equations: L Sigma P = Vᵀ Sigma P *)
Lemma regression_normal N d k (p : vec N) (X : mat N d) (V : mat d k) (G : mat d d) :
  let Sigma := second_moment p X in
  let P := complement V in
  orthonormal V -> (forall i, 0 <= p i) -> pseudo_inverse (mul P (mul Sigma P)) G ->
  mul (mul (regression V Sigma G) Sigma) P = mul (mul (transpose V) Sigma) P.
Proof.
  intros Sigma P HV Hp HG; set (S := mul P (mul Sigma P)) in *; set (K := mul (mul (transpose V) Sigma) P).
  assert (GV : mul G V = zero) by exact (pseudo_off _ _ _ V _ _ HV HG).
  assert (E : mul (mul (regression V Sigma G) Sigma) P = mul K (mul G S)).
  { unfold regression; fold P; fold K; rewrite <- !mul_assoc; f_equal.
    rewrite <- (through_complement _ _ _ V G GV) at 1; fold P; unfold S; now rewrite !mul_assoc. }
  rewrite E; apply mat_of_apply; intro c; set (z := apply (msub identity (mul G S)) c).
  assert (Sz : apply S z = fun _ => 0)
    by (unfold z; rewrite <- apply_mul, pseudo_kernel by easy; apply apply_zero).
  assert (Pz : apply Sigma (apply P z) = fun _ => 0).
  { apply moment_kernel; [easy |]; fold Sigma.
    transitivity (dot z (apply S z)); [| rewrite Sz; apply dot_zero].
    unfold S; rewrite !apply_mul, (adjoint _ _ P); unfold P at 3; now rewrite complement_symmetric. }
  assert (Kz : apply K z = fun _ => 0).
  { unfold K; rewrite !apply_mul, Pz; apply vec_ext; intro; apply dot_zero. }
  unfold z in Kz; rewrite apply_msub, apply_identity, apply_vsub in Kz; rewrite apply_mul.
  apply vec_ext; intro i; pose proof (f_equal (fun x => x i) Kz) as Q; unfold vsub in Q; lra.
Qed.

(* What another D' with D' V = 0 loses more. *)
Lemma kept_loss N m d k (p : vec N) (X : mat N d) (M D' : mat m d) (V : mat d k) (G : mat d d) :
  let Sigma := second_moment p X in
  let D := kept M V (regression V Sigma G) in
  orthonormal V -> (forall i, 0 <= p i) -> pseudo_inverse (mul (complement V) (mul Sigma (complement V))) G ->
  mul D' V = zero ->
  loss M Sigma D' = loss M Sigma D + trace (mul (mul (msub D' D) Sigma) (transpose (msub D' D))) / 2.
Proof.
  intros Sigma D HV Hp HG HD'; set (B := msub D' D).
  assert (HB : mul B V = zero).
  { unfold B; rewrite msub_mul, HD'; unfold D; rewrite kept_off by easy; apply msub_self. }
  assert (MD : msub M D = mul (mul M V) (msub (transpose V) (regression V Sigma G))).
  { unfold D, kept, complement; rewrite mul_msub, !mul_msub, identity_mul, mul_assoc.
    apply mat_ext; intros; unfold msub, madd; ring. }
  assert (O : mul (mul (msub M D) Sigma) (transpose B) = zero).
  { rewrite <- (through_complement _ _ _ V B HB), transpose_mul, complement_symmetric, mul_assoc, MD, <- !mul_assoc.
    rewrite (mul_assoc _ _ _ _ Sigma), (mul_assoc _ _ _ _ (msub (transpose V) _)).
    replace (mul (msub (transpose V) (regression V Sigma G)) (mul Sigma (complement V))) with (@zero k d).
    - now rewrite zero_mul, !mul_zero.
    - symmetry; rewrite mul_assoc, !msub_mul; unfold Sigma; rewrite regression_normal by easy; apply msub_self. }
  replace D' with (madd D B) at 1 by (apply mat_ext; intros; unfold B, madd, msub; ring).
  rewrite loss_expanded, O by apply moment_symmetric.
  assert (Z : trace (@zero m m) = 0) by apply sum_zero; rewrite Z; ring.
Qed.

(* * Inputs whose part in span V is constant *)

Section AlwaysOn.
Variables (N d k : nat) (p : vec N) (X : mat N d) (V : mat d k) (w : vec k).
Hypotheses (HV : orthonormal V) (Hp : forall i, 0 <= p i) (P1 : sum p = 1).
Hypothesis Hw : forall i, apply (transpose V) (X i) = w.

Let P := complement V.
Let Sigma := second_moment p X.
Let xbar := apply (transpose X) p.
Let mu := apply P xbar.
Let centred : mat N d := fun i => vsub (apply P (X i)) mu.
Let C := second_moment p centred.
Let S := mul P (mul Sigma P).

Lemma mean_dot (Y : mat N d) z : dot (apply (transpose Y) p) z = sum (fun i => p i * dot (Y i) z).
Proof.
  rewrite dot_comm, adjoint, dot_comm; apply sum_ext; intro i; reflexivity.
Qed.

Lemma mean_in_span : apply (transpose V) xbar = w.
Proof.
  apply vec_ext; intro l; transitivity (dot xbar (fun j => V j l)); [apply dot_comm |].
  unfold xbar; rewrite mean_dot, <- (Rmult_1_r (w l)), <- P1, <- sum_mul; apply sum_ext; intro i.
  rewrite Rmult_comm; f_equal; rewrite <- (Hw i); apply dot_comm.
Qed.

Lemma mean_input : xbar = vadd (apply V w) mu.
Proof.
  unfold mu, P, complement; rewrite apply_msub, apply_identity, apply_mul, mean_in_span.
  apply vec_ext; intro; unfold vadd, vsub; ring.
Qed.

Lemma rest_dot i z : dot (X i) (apply P z) = dot (centred i) z + dot mu z.
Proof.
  unfold centred; rewrite vsub_dot, (adjoint _ _ P); unfold P at 1; rewrite complement_symmetric; fold P; ring.
Qed.

Lemma centred_mean z : sum (fun i => p i * dot (centred i) z) = 0.
Proof.
  assert (E : sum (fun i => p i * dot (X i) (apply P z)) = dot mu z).
  { rewrite <- mean_dot; fold xbar; rewrite adjoint; unfold P at 1; now rewrite complement_symmetric. }
  rewrite (sum_ext _ _ (fun i => p i * dot (centred i) z + dot mu z * p i)) in E
    by (intro; rewrite rest_dot; ring).
  rewrite sum_add, sum_mul, P1 in E; lra.
Qed.

(* P Sigma P = C + mu muᵀ *)
Lemma rest_moment z : apply S z = vadd (apply C z) (vscale (dot mu z) mu).
Proof.
  assert (B : forall y, dot y (apply S z) = dot y (vadd (apply C z) (vscale (dot mu z) mu))).
  { intro y; unfold S; rewrite !apply_mul, (adjoint _ _ P); unfold P at 1; rewrite complement_symmetric; fold P.
    unfold Sigma, C; rewrite dot_vadd, dot_vscale, !bilinear_moment; unfold mean.
    rewrite (sum_ext _ _ (fun i => p i * (dot (centred i) y * dot (centred i) z) +
      (dot mu y * (p i * dot (centred i) z) + (dot mu z * (p i * dot (centred i) y) + dot mu y * dot mu z * p i))))
      by (intro i; rewrite !rest_dot; ring).
    rewrite !sum_add, !sum_mul, !centred_mean, P1, (dot_comm _ y mu); ring. }
  assert (Z : vsub (apply S z) (vadd (apply C z) (vscale (dot mu z) mu)) = fun _ => 0)
    by (apply zero_of_norm; rewrite dot_vsub, B; ring).
  apply vec_ext; intro i; pose proof (f_equal (fun x => x i) Z) as E; unfold vsub in E; lra.
Qed.

(* Vᵀ Sigma P = w muᵀ *)
Lemma span_moment z : apply (mul (mul (transpose V) Sigma) P) z = vscale (dot mu z) w.
Proof.
  rewrite !apply_mul; unfold Sigma; rewrite apply_moment; apply vec_ext; intro l.
  transitivity (dot (fun j => V j l) (apply (transpose X) (fun i => p i * dot (X i) (apply P z)))); [reflexivity |].
  rewrite adjoint; unfold dot at 1, vscale.
  rewrite (sum_ext _ _ (fun i => w l * (p i * dot (centred i) z) + w l * dot mu z * p i)).
  - rewrite sum_add, !sum_mul, centred_mean, P1; ring.
  - intro i; rewrite rest_dot; replace (apply (transpose (transpose X)) (fun j => V j l) i) with (w l); [ring |].
    rewrite <- (Hw i); apply dot_comm.
Qed.

Variables (G Cp : mat d d).
Hypotheses (HG : pseudo_inverse S G) (HC : pseudo_inverse C Cp).
Let s := dot mu (apply G mu).
Let h := dot mu (apply Cp mu).

(* L x = s w at the mean input *)
Lemma regression_at_mean : apply (regression V Sigma G) xbar = vscale s w.
Proof.
  unfold regression; rewrite apply_mul; fold P.
  assert (GV : mul G V = zero) by exact (pseudo_off _ _ _ V _ _ HV HG).
  assert (E : apply G xbar = apply G mu)
    by (rewrite <- (through_complement _ _ _ V G GV) at 1; unfold mu; now rewrite apply_mul).
  now rewrite E, span_moment.
Qed.

Lemma share_of_solution y : apply S y = mu -> s = dot y mu.
Proof.
  intro E; unfold s; rewrite <- E at 2; destruct HG as (SGS & _).
  assert (Sym : transpose S = S).
  { unfold S; rewrite !transpose_mul; unfold P at 1 2; rewrite complement_symmetric; fold P.
    unfold Sigma; rewrite moment_symmetric; symmetry; apply mul_assoc. }
  rewrite <- E at 1; rewrite dot_comm, adjoint, Sym.
  rewrite dot_comm; f_equal; rewrite <- !apply_mul, SGS; exact E.
Qed.

Lemma share_in_range : (exists z, apply C z = mu) -> s = h / (1 + h) /\ 0 <= h /\ (h = 0 -> mu = fun _ => 0).
Proof.
  intros (z & E); assert (H : h = dot z mu).
  { unfold h; rewrite <- E at 1 2; rewrite dot_comm, adjoint.
    replace (transpose C) with C by (symmetry; apply moment_symmetric).
    rewrite dot_comm; f_equal; rewrite <- !apply_mul; destruct HC as (CCC & _); now rewrite CCC. }
  assert (Q : dot z mu = dot z (apply C z)) by now rewrite E.
  assert (H0 : 0 <= h) by (rewrite H, Q; now apply moment_nonneg).
  split; [| split; [easy |]].
  - rewrite (share_of_solution (vscale (/ (1 + h)) z)); [rewrite vscale_dot, <- H; field; lra |].
    rewrite apply_vscale, rest_moment, E, (dot_comm _ mu), <- H.
    apply vec_ext; intro; unfold vscale, vadd; field; lra.
  - intro Z; rewrite <- E; apply moment_kernel; [easy |]; fold C; now rewrite <- Q, <- H.
Qed.

Lemma share_off_range : (~ exists z, apply C z = mu) -> s = 1.
Proof.
  intro No; set (n := vsub mu (apply C (apply Cp mu))).
  assert (Cn : apply C n = fun _ => 0).
  { unfold n; rewrite apply_vsub; destruct HC as (CCC & _ & S1 & _).
    assert (Sym : transpose C = C) by apply moment_symmetric.
    assert (E : mul C (mul C Cp) = C).
    { rewrite <- S1, <- Sym at 1; rewrite <- transpose_mul, CCC; exact Sym. }
    rewrite <- (apply_mul _ _ _ C Cp), <- apply_mul, E; apply vec_ext; intro; unfold vsub; ring. }
  assert (N0 : 0 < dot n n).
  { destruct (dot_nonneg _ n) as [L | L]; [easy | exfalso; apply No; exists (apply Cp mu)].
    assert (Z : n = fun _ => 0) by now apply zero_of_norm.
    apply vec_ext; intro i; pose proof (f_equal (fun x => x i) Z) as Q; unfold n, vsub in Q; lra. }
  assert (M : dot mu n = dot n n).
  { unfold n at 2; rewrite vsub_dot; replace (dot (apply C (apply Cp mu)) n) with 0; [ring |].
    rewrite dot_comm, adjoint; replace (transpose C) with C by (symmetry; apply moment_symmetric).
    rewrite Cn, dot_comm; symmetry; apply dot_zero. }
  rewrite (share_of_solution (vscale (/ dot n n) n)); [rewrite vscale_dot, (dot_comm _ n mu), M; field; lra |].
  rewrite apply_vscale, rest_moment, Cn, M; apply vec_ext; intro; unfold vscale, vadd; field; lra.
Qed.

Lemma share_zero : s = 0 <-> mu = fun _ => 0.
Proof.
  split; intro H; [| unfold s; rewrite H at 1; rewrite dot_comm; apply dot_zero].
  destruct (classic (exists z, apply C z = mu)) as [Yes | No]; [| rewrite share_off_range in H by easy; lra].
  destruct (share_in_range Yes) as (E & H0 & Z); apply Z; rewrite E in H.
  apply Rmult_eq_reg_r with (/ (1 + h)); [unfold Rdiv in H; rewrite H; ring | apply Rinv_neq_0_compat; lra].
Qed.
End AlwaysOn.
