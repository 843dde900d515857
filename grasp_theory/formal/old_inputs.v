(* Covered in part: of (i) the equation, the bound and that y eᵀ attains it; of (ii) one new input: the least cost
   and the update that has it; of (iii) that nothing learnt responds along span V; of (iv) one new input. The mean
   over old inputs is a weighted sum over finitely many.
   Not covered: that no other k directions promise less (Courant–Fischer); several new inputs, pseudo-inverses and
   misfit in (ii) and (iv); that one new input attains (iv); least squares and always-on factors in (iii). *)

From Coq Require Import Reals Lra Psatz.
From Grasp Require Import vectors matrices.
Open Scope R_scope.

(* E f(x) over N inputs x_k, the rows of X, that occur with probabilities or weights p_k. *)
Definition mean {N d} (p : vec N) (X : mat N d) (f : vec d -> R) : R := sum (fun k => p k * f (X k)).

(* Sigma = E x xᵀ, uncentred: Xᵀ diag(p) X *)
Definition second_moment {N d} (p : vec N) (X : mat N d) : mat d d :=
  mul (transpose X) (fun k => vscale (p k) (X k)).

(* λ_max(S) <= t for symmetric S *)
Definition eigenvalues_at_most {d} (S : mat d d) (t : R) : Prop := forall z, dot z (apply S z) <= t * dot z z.

Lemma quadratic_moment N d (p : vec N) (X : mat N d) (w : vec d) :
  dot w (apply (second_moment p X) w) = mean p X (fun x => dot x w * dot x w).
Proof.
  unfold second_moment; rewrite apply_mul, adjoint.
  unfold mean, dot at 1; apply sum_ext; intro k.
  change (dot (X k) w * dot (vscale (p k) (X k)) w = p k * (dot (X k) w * dot (X k) w)); rewrite vscale_dot; ring.
Qed.

Lemma mean_response N m d (p : vec N) (X : mat N d) (W : mat m d) :
  mean p X (fun x => dot (apply W x) (apply W x)) = trace (mul (mul W (second_moment p X)) (transpose W)).
Proof.
  rewrite trace_rows.
  rewrite (sum_ext _ (fun i => dot (W i) _) (fun i => sum (fun k => p k * (dot (X k) (W i) * dot (X k) (W i)))))
    by (intro; apply quadratic_moment).
  rewrite sum_swap; unfold mean; apply sum_ext; intro k; rewrite sum_mul; f_equal.
  apply sum_ext; intro i; unfold apply; rewrite !(dot_comm _ (W i)); reflexivity.
Qed.

(* (i) E‖dW x‖² = tr(dW Sigma_0 dWᵀ) <= ‖dW‖_F² λ_max(P Sigma_0 P) where dW V = 0 *)
Theorem old_answers : forall (N m d k : nat) (p : vec N) (X : mat N d) (V : mat d k) (dW : mat m d) (lambda : R),
  let Sigma0 := second_moment p X in
  let P := complement V in
  mul dW V = zero -> eigenvalues_at_most (mul P (mul Sigma0 P)) lambda ->
  mean p X (fun x => dot (apply dW x) (apply dW x)) = trace (mul (mul dW Sigma0) (transpose dW)) /\
  trace (mul (mul dW Sigma0) (transpose dW)) <= frobenius_squared dW * lambda.
Proof.
  intros N m d k p X V dW lambda Sigma0 P HV HS; split; [apply mean_response |].
  rewrite trace_rows, frobenius_rows, Rmult_comm, <- sum_mul; apply sum_le; intro i.
  assert (E : apply P (dW i) = dW i)
    by (apply complement_row; intro l; exact (f_equal (fun K => K i l) HV)).
  pose proof (HS (dW i)) as K; rewrite !apply_mul, E, adjoint in K.
  unfold P in K; rewrite complement_symmetric in K; fold P in K; now rewrite E in K.
Qed.

(* (i) attained by y eᵀ where e is an eigenvector of that largest eigenvalue *)
Theorem old_answers_attained : forall (N m d k : nat) (p : vec N) (X : mat N d) (V : mat d k) (e : vec d) (y : vec m)
    (lambda : R),
  let Sigma0 := second_moment p X in
  let P := complement V in
  orthonormal V -> unit e -> lambda <> 0 -> apply (mul P (mul Sigma0 P)) e = vscale lambda e ->
  mul (outer y e) V = zero /\
  mean p X (fun x => dot (apply (outer y e) x) (apply (outer y e) x)) = frobenius_squared (outer y e) * lambda.
Proof.
  intros N m d k p X V e y lambda Sigma0 P HV He Hl HE.
  assert (O : apply (transpose V) e = fun _ => 0).
  { apply vec_ext; intro l; apply Rmult_eq_reg_l with lambda; [rewrite Rmult_0_r | easy].
    assert (Q : apply (transpose V) (vscale lambda e) l = 0).
    { rewrite <- HE, apply_mul, <- apply_mul; unfold P; rewrite complement_off by easy.
      unfold apply, zero; rewrite dot_comm; apply dot_zero. }
    rewrite apply_vscale in Q; exact Q. }
  assert (R : forall i, outer y e i = vscale (y i) e) by reflexivity.
  split.
  - apply mat_ext; intros i l; unfold mul; rewrite R, vscale_dot.
    replace (dot e (fun j => V j l)) with (apply (transpose V) e l) by apply dot_comm.
    rewrite O; unfold zero; ring.
  - rewrite mean_response, trace_rows, frobenius_rows, Rmult_comm, <- sum_mul; apply sum_ext; intro i.
    rewrite R, apply_vscale, !vscale_dot, !dot_vscale.
    assert (E : apply P e = e) by (apply complement_row; intro l; rewrite dot_comm; exact (f_equal (fun f => f l) O)).
    assert (K : dot e (apply Sigma0 e) = lambda).
    { pose proof (f_equal (dot e) HE) as K; rewrite dot_vscale, !apply_mul, E, adjoint in K.
      unfold P in K; rewrite complement_symmetric in K; fold P in K; rewrite E in K.
      apply unit_dot in He; rewrite He in K; lra. }
    fold Sigma0; rewrite K; apply unit_dot in He; rewrite He; ring.
Qed.

(* (ii) for one input: dW x = y and dW V = 0 cost at least ‖y‖/‖P x‖ ... *)
Theorem cost : forall (m d k : nat) (V : mat d k) (dW : mat m d) (x : vec d) (y : vec m),
  let P := complement V in
  mul dW V = zero -> apply dW x = y -> norm y <= sqrt (frobenius_squared dW) * norm (apply P x).
Proof.
  intros m d k V dW x y P HV HE.
  assert (E : forall i, y i = dot (dW i) (apply P x)).
  { intro i; rewrite <- HE; unfold apply at 1; rewrite adjoint; unfold P; rewrite complement_symmetric.
    rewrite complement_row; [reflexivity |]; intro l; exact (f_equal (fun K => K i l) HV). }
  assert (F0 : 0 <= frobenius_squared dW) by (rewrite frobenius_rows; apply sum_nonneg; intro; apply dot_nonneg).
  apply le_of_squares; [apply Rmult_le_pos; [apply sqrt_pos | apply norm_nonneg] |].
  replace (sqrt (frobenius_squared dW) * norm (apply P x) * (sqrt (frobenius_squared dW) * norm (apply P x)))
    with (sqrt (frobenius_squared dW) * sqrt (frobenius_squared dW) * (norm (apply P x) * norm (apply P x))) by ring.
  rewrite sqrt_sqrt, !norm_sqr by easy; rewrite frobenius_rows, Rmult_comm, <- sum_mul.
  unfold dot at 1; apply sum_le; intro i; rewrite E, (Rmult_comm (dot (apply P x) _)); apply cauchy_schwarz.
Qed.

(* ... which y (P x)ᵀ/‖P x‖² costs, and what the old answers then move by at most, (iv) *)
Theorem least : forall (N m d k : nat) (p : vec N) (X : mat N d) (V : mat d k) (x : vec d) (y : vec m) (lambda : R),
  let P := complement V in
  let dW := mscale (/ dot (apply P x) (apply P x)) (outer y (apply P x)) in
  orthonormal V -> 0 < norm (apply P x) ->
  mul dW V = zero /\ apply dW x = y /\ sqrt (frobenius_squared dW) = norm y / norm (apply P x) /\
  (eigenvalues_at_most (mul P (mul (second_moment p X) P)) lambda ->
   mean p X (fun x => dot (apply dW x) (apply dW x)) <= norm y ^ 2 * lambda / norm (apply P x) ^ 2).
Proof.
  intros N m d k p X V x y lambda P dW HV Hx; set (z := apply P x) in *.
  assert (Z : dot z z = norm z * norm z) by (symmetry; apply norm_sqr).
  assert (O : forall l, dot z (fun j => V j l) = 0).
  { intro l; transitivity (apply (transpose V) z l); [apply dot_comm |].
    unfold z; rewrite <- apply_mul; unfold P; rewrite complement_off by easy.
    unfold apply, zero; rewrite dot_comm; apply dot_zero. }
  assert (Zx : dot z x = dot z z).
  { change (dot z x = dot z (apply P x)); rewrite adjoint; unfold P at 1.
    rewrite complement_symmetric, complement_row; easy. }
  assert (R : forall i, dW i = vscale (/ dot z z * y i) z).
  { intro i; apply vec_ext; intro; unfold dW, mscale, outer, vscale; fold z; ring. }
  assert (H0 : mul dW V = zero).
  { apply mat_ext; intros i l; unfold mul; rewrite R, vscale_dot, O; apply Rmult_0_r. }
  assert (F : frobenius_squared dW = norm y * norm y / (norm z * norm z)).
  { rewrite frobenius_rows, norm_sqr; unfold Rdiv; rewrite (Rmult_comm (dot y y)); unfold dot at 2; rewrite <- sum_mul.
    apply sum_ext; intro i; rewrite R, vscale_dot, dot_vscale, Z; field; lra. }
  split; [easy | split; [| split]].
  - apply vec_ext; intro i; unfold apply; rewrite R, vscale_dot, Zx, Z; field; lra.
  - rewrite F; replace (norm y * norm y / (norm z * norm z)) with (norm y / norm z * (norm y / norm z)) by (field; lra).
    apply sqrt_square, Rmult_le_pos; [apply norm_nonneg | left; now apply Rinv_0_lt_compat].
  - intro HS; destruct (old_answers N m d k p X V dW lambda H0 HS) as [-> K].
    apply Rle_trans with (1 := K); rewrite F; right; field; lra.
Qed.

(* (iii) D V = 0: no response along any v in span V, whatever was learnt *)
Theorem no_response : forall (m d k : nat) (V : mat d k) (D : mat m d) (c : vec k),
  mul D V = zero -> apply D (apply V c) = fun _ => 0.
Proof.
  intros m d k V D c H; rewrite <- apply_mul, H; apply vec_ext; intro i.
  unfold apply, zero; rewrite dot_comm; apply dot_zero.
Qed.
