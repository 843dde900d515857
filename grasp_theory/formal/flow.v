(* Gradient flow of a linear model on quadratic loss, and how much of a task two times of it leave apart. *)

From Coq Require Import Reals Lra Psatz FunctionalExtensionality.
From Grasp Require Import vectors matrices moments spectral.
Open Scope R_scope.

(* dW(0) = 0 and dW' = (G − dW) Sigma, minus the gradient of the loss *)
Definition gradient_flow {m d} (G : mat m d) (Sigma : mat d d) (dW : R -> mat m d) : Prop :=
  dW 0 = zero /\ forall t i j, derivable_pt_lim (fun t => dW t i j) t (mul (msub G (dW t)) Sigma i j).

(* g(κ) = (1 − κ) κ^(κ/(1−κ)); Coq's Rpower 0 0 is 1 *)
Definition left_over (kappa : R) : R := (1 - kappa) * Rpower kappa (kappa / (1 - kappa)).

Lemma derivable_sum n (f : R -> vec n) (f' : vec n) t :
  (forall k, derivable_pt_lim (fun t => f t k) t (f' k)) -> derivable_pt_lim (fun t => sum (f t)) t (sum f').
Proof.
  induction n as [|n IH]; intro H; [apply derivable_pt_lim_const |].
  exact (derivable_pt_lim_plus _ _ _ _ _ (H None) (IH (fun t k => f t (Some k)) _ (fun k => H (Some k)))).
Qed.

Lemma derivable_exp (a t : R) : derivable_pt_lim (fun t => exp (- (t * a))) t (- a * exp (- (t * a))).
Proof.
  rewrite Rmult_comm; apply (derivable_pt_lim_comp (fun t => - (t * a)) exp); [| apply derivable_pt_lim_exp].
  replace (- a) with (- (1 * a + t * 0)) by ring.
  apply (derivable_pt_lim_opp (fun t => t * a)), (derivable_pt_lim_mult (fun t => t) (fun _ => a)).
  - apply derivable_pt_lim_id.
  - apply derivable_pt_lim_const.
Qed.

Lemma constant (f : R -> R) : (forall t, derivable_pt_lim f t 0) -> forall t, f t = f 0.
Proof.
  intros H t; assert (D : derivable f) by (intro x; exists 0; apply H).
  apply (null_derivative_1 f D); intro x; apply derive_pt_eq_0, H.
Qed.

(* G e^(−t Sigma) entry by entry *)
Lemma mul_spectral m d (G : mat m d) (Q : mat d d) (f : vec d) i j :
  mul G (spectral Q f) i j = sum (fun k => mul G Q i k * f k * Q j k).
Proof.
  unfold spectral; rewrite mul_assoc; apply sum_ext; intro k; unfold transpose; f_equal.
  transitivity (f k * mul G Q i k); [| ring].
  unfold mul; rewrite <- dot_vscale; apply sum_ext; intro; unfold vscale; ring.
Qed.

Lemma flow_solution m d (G : mat m d) (Q : mat d d) (l : vec d) :
  orthogonal Q -> gradient_flow G (spectral Q l) (fun t => mul G (msub identity (exponential Q l t))).
Proof.
  intro HQ; assert (I := spectral_one _ _ HQ); split.
  - unfold exponential; rewrite <- I; replace (fun k => exp (- (0 * l k))) with (fun _ : index d => 1).
    + rewrite msub_self; apply mul_zero.
    + apply vec_ext; intro; rewrite Rmult_0_l, Ropp_0, exp_0; reflexivity.
  - intros t i j.
    replace (msub G (mul G (msub identity (exponential Q l t)))) with (mul G (exponential Q l t)).
    2:{ rewrite mul_msub, identity_mul; apply mat_ext; intros; unfold msub; ring. }
    unfold exponential; rewrite <- mul_assoc, spectral_mul by apply HQ; rewrite mul_spectral.
    replace (fun t0 : R => mul G (msub identity (spectral Q (fun k => exp (- (t0 * l k))))) i j)
      with (fun t0 : R => sum (fun k => mul G Q i k * (1 - exp (- (t0 * l k))) * Q j k)).
    2:{ apply functional_extensionality; intro x; rewrite <- I, spectral_msub; symmetry; apply mul_spectral. }
    apply (derivable_sum _ (fun x k => mul G Q i k * (1 - exp (- (x * l k))) * Q j k)); intro k.
    replace (mul G Q i k * (exp (- (t * l k)) * l k) * Q j k)
      with (mul G Q i k * Q j k * (0 - - l k * exp (- (t * l k)))) by ring.
    replace (fun x => mul G Q i k * (1 - exp (- (x * l k))) * Q j k)
      with (mult_real_fct (mul G Q i k * Q j k) (fun x => 1 - exp (- (x * l k))))
      by (apply functional_extensionality; intro; unfold mult_real_fct; ring).
    apply derivable_pt_lim_scal, (derivable_pt_lim_minus (fun _ => 1) (fun x => exp (- (x * l k)))).
    + apply derivable_pt_lim_const.
    + apply derivable_exp.
Qed.

Lemma flow_unique m d (G : mat m d) (Q : mat d d) (l : vec d) (dW : R -> mat m d) :
  orthogonal Q -> gradient_flow G (spectral Q l) dW ->
  forall t, dW t = mul G (msub identity (exponential Q l t)).
Proof.
  intros HQ [H0 H] t; set (Z := fun t => mul (msub G (dW t)) Q).
  assert (K : forall i k t, derivable_pt_lim (fun t => Z t i k) t (- l k * Z t i k)).
  { intros i k x.
    assert (E : - l k * Z x i k = sum (fun j => (0 - mul (msub G (dW x)) (spectral Q l) i j) * Q j k)).
    { transitivity (- (apply (mul (msub G (dW x)) (spectral Q l)) (column Q k) i)).
      - rewrite apply_mul, spectral_column, apply_vscale by apply HQ; unfold vscale, Z, mul, apply, column; ring.
      - unfold apply, dot; replace (- sum (fun j => mul (msub G (dW x)) (spectral Q l) i j * column Q k j))
          with (-1 * sum (fun j => mul (msub G (dW x)) (spectral Q l) i j * column Q k j)) by ring.
        rewrite <- sum_mul; apply sum_ext; intro; unfold column; ring. }
    rewrite E; apply (derivable_sum _ (fun x j => (G i j - dW x i j) * Q j k)); intro j.
    rewrite Rmult_comm.
    replace (fun x => (G i j - dW x i j) * Q j k) with (mult_real_fct (Q j k) (fun x => G i j - dW x i j))
      by (apply functional_extensionality; intro; unfold mult_real_fct; ring).
    apply derivable_pt_lim_scal, (derivable_pt_lim_minus (fun _ => G i j) (fun x => dW x i j));
      [apply derivable_pt_lim_const | apply H]. }
  assert (S : forall i k, Z t i k = mul G Q i k * exp (- (t * l k))).
  { intros i k.
    assert (C : Z t i k * exp (- (t * - l k)) = Z 0 i k * exp (- (0 * - l k))).
    { apply (constant (fun t => Z t i k * exp (- (t * - l k)))); intro x.
      replace 0 with (- l k * Z x i k * exp (- (x * - l k)) + Z x i k * (- - l k * exp (- (x * - l k)))) by ring.
      apply (derivable_pt_lim_mult (fun t => Z t i k) (fun t => exp (- (t * - l k)))); [apply K |].
      apply derivable_exp. }
    rewrite Rmult_0_l, Ropp_0, exp_0, Rmult_1_r in C; unfold Z in C at 2; rewrite H0, msub_zero in C.
    rewrite <- C, Rmult_assoc, <- exp_plus; replace (- (t * - l k) + - (t * l k)) with 0 by ring.
    rewrite exp_0; ring. }
  assert (R : msub G (dW t) = mul G (exponential Q l t)).
  { apply mat_ext; intros i j; unfold exponential; rewrite mul_spectral.
    transitivity (mul (Z t) (transpose Q) i j).
    - unfold Z; rewrite <- mul_assoc; replace (mul Q (transpose Q)) with (@identity d) by (symmetry; apply HQ).
      now rewrite identity_mul.
    - apply sum_ext; intro k; unfold transpose; now rewrite S. }
  rewrite mul_msub, identity_mul, <- R; apply mat_ext; intros; unfold msub; ring.
Qed.

(* e^(κ p + (1 − κ) q) <= κ e^p + (1 − κ) e^q *)
Lemma exp_mean (k p q : R) : 0 <= k <= 1 -> exp (k * p + (1 - k) * q) <= k * exp p + (1 - k) * exp q.
Proof.
  intro Hk; set (r := k * p + (1 - k) * q).
  assert (E : forall x, exp r * (1 + (x - r)) <= exp x).
  { intro x; replace (exp x) with (exp r * exp (x - r)) by (rewrite <- exp_plus; f_equal; ring).
    apply Rmult_le_compat_l; [left; apply exp_pos | apply exp_ineq1_le]. }
  apply Rle_trans with (k * (exp r * (1 + (p - r))) + (1 - k) * (exp r * (1 + (q - r)))).
  - right; unfold r at 3 5; ring.
  - apply Rplus_le_compat; apply Rmult_le_compat_l; try lra; apply E.
Qed.

Lemma left_over_exp (k : R) : left_over k = (1 - k) * exp (k / (1 - k) * ln k).
Proof. reflexivity. Qed.

Lemma left_over_zero : left_over 0 = 1.
Proof. rewrite left_over_exp; unfold Rdiv; rewrite !Rmult_0_l, exp_0; ring. Qed.

(* y^κ − y <= g(κ) for y = e^(−a) *)
Lemma share (a k : R) : 0 <= a -> 0 <= k <= 1 -> 0 <= exp (- (k * a)) - exp (- a) <= left_over k.
Proof.
  intros Ha Hk; split.
  - assert (exp (- a) <= exp (- (k * a))); [| lra].
    assert (L : - a <= - (k * a)) by nra.
    destruct L as [L | L]; [left; now apply exp_increasing | right; now f_equal].
  - destruct (Req_dec k 0) as [-> | N0].
    { rewrite left_over_zero, Rmult_0_l, Ropp_0, exp_0; pose proof (exp_pos (- a)); lra. }
    destruct (Req_dec k 1) as [-> | N1]; [rewrite left_over_exp, Rmult_1_l; right; ring |].
    pose proof (exp_mean k (- a - ln k) (k / (1 - k) * ln k) Hk) as M.
    replace (k * (- a - ln k) + (1 - k) * (k / (1 - k) * ln k)) with (- (k * a)) in M by (field; lra).
    replace (k * exp (- a - ln k)) with (exp (- a)) in M; [rewrite left_over_exp; lra |].
    unfold Rminus; rewrite exp_plus, (exp_Ropp (ln k)), exp_ln by lra; field; lra.
Qed.

(* at y = κ^(1/(1−κ)) it is g(κ) *)
Lemma share_attained (a k : R) : 0 < k < 1 -> a = - ln k / (1 - k) -> exp (- (k * a)) - exp (- a) = left_over k.
Proof.
  intros Hk ->; rewrite left_over_exp; set (x := k / (1 - k) * ln k).
  replace (- (k * (- ln k / (1 - k)))) with x by (unfold x; field; lra).
  replace (- (- ln k / (1 - k))) with (x + ln k) by (unfold x; field; lra).
  rewrite exp_plus, exp_ln by lra; ring.
Qed.

Lemma left_over_half : left_over (1 / 2) = 1 / 4.
Proof.
  rewrite left_over_exp; replace (1 / 2 / (1 - 1 / 2) * ln (1 / 2)) with (ln (1 / 2)) by field.
  rewrite exp_ln by lra; field.
Qed.

(* (1 − κ)/e <= g(κ) <= (1 − κ) e^(−κ) *)
Lemma left_over_near_one (k : R) : 0 < k < 1 -> (1 - k) * exp (-1) <= left_over k <= (1 - k) * exp (- k).
Proof.
  intro Hk; rewrite left_over_exp.
  assert (U : ln k <= k - 1) by (pose proof (exp_ineq1_le (ln k)) as E; rewrite exp_ln in E; lra).
  assert (L : k - 1 <= k * ln k).
  { pose proof (exp_ineq1_le (- ln k)) as E; rewrite (exp_Ropp (ln k)), exp_ln in E by lra.
    apply Rmult_le_compat_l with (r := k) in E; [| lra]; rewrite Rinv_r in E; lra. }
  assert (mono : forall x y, x <= y -> exp x <= exp y)
    by (intros x y [H | H]; [left; now apply exp_increasing | right; now f_equal]).
  split; apply Rmult_le_compat_l; try lra; apply mono;
    apply Rmult_le_reg_l with (1 - k); try lra; field_simplify; nra.
Qed.

(* |e^(−t₀ λ) − e^(−t₁ λ)| <= g(κ) *)
Lemma two_times (t1 t0 a : R) :
  0 <= a -> 0 <= t1 -> 0 <= t0 -> 0 < Rmax t1 t0 ->
  Rabs (exp (- (t0 * a)) - exp (- (t1 * a))) <= left_over (Rmin t1 t0 / Rmax t1 t0).
Proof.
  assert (K : forall s t, 0 <= a -> 0 <= s <= t -> 0 < t ->
    0 <= exp (- (s * a)) - exp (- (t * a)) <= left_over (s / t)).
  { intros s t Ha Hs Ht; replace (s * a) with (s / t * (t * a)) by (field; lra); apply share; [nra |]; split.
    - apply Rmult_le_pos; [easy | left; now apply Rinv_0_lt_compat].
    - apply Rmult_le_reg_r with t; [easy |]; field_simplify; lra. }
  intros Ha H1 H0; unfold Rmin, Rmax; destruct (Rle_dec t1 t0) as [L | L]; intro Hm.
  - rewrite Rabs_minus_sym, Rabs_right; [| apply Rle_ge]; apply K; lra.
  - rewrite Rabs_right; [| apply Rle_ge]; apply K; lra.
Qed.

Lemma left_over_nonneg (t1 t0 : R) :
  0 <= t1 -> 0 <= t0 -> 0 < Rmax t1 t0 -> 0 <= left_over (Rmin t1 t0 / Rmax t1 t0).
Proof.
  intros H1 H0 Hm; apply Rle_trans with (2 := two_times t1 t0 0 (Rle_refl 0) H1 H0 Hm), Rabs_pos.
Qed.

Lemma two_times_attained (t1 t0 a : R) :
  let kappa := Rmin t1 t0 / Rmax t1 t0 in
  0 < Rmax t1 t0 -> 0 < kappa < 1 -> a = - ln kappa / (1 - kappa) / Rmax t1 t0 ->
  exp (- (Rmin t1 t0 * a)) - exp (- (Rmax t1 t0 * a)) = left_over kappa /\ 0 <= left_over kappa.
Proof.
  intros kappa Hm Hk Ha; split.
  - rewrite <- (share_attained (Rmax t1 t0 * a) kappa); [| easy | rewrite Ha; field; lra].
    do 3 f_equal; unfold kappa; field; lra.
  - rewrite left_over_exp; pose proof (exp_pos (kappa / (1 - kappa) * ln kappa)); nra.
Qed.
