(* Second moments of inputs, and the quadratic loss. *)

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

(* ½ tr((G − dW) Sigma (G − dW)ᵀ), which is ½ E‖(G − dW) x‖² for inputs x of second moment Sigma *)
Definition loss {m d} (G : mat m d) (Sigma : mat d d) (dW : mat m d) : R :=
  trace (mul (mul (msub G dW) Sigma) (transpose (msub G dW))) / 2.

(* yᵀ Sigma z = E (yᵀx)(xᵀz) *)
Lemma bilinear_moment N d (p : vec N) (X : mat N d) (y z : vec d) :
  dot y (apply (second_moment p X) z) = mean p X (fun x => dot x y * dot x z).
Proof.
  unfold second_moment; rewrite apply_mul, adjoint.
  unfold mean, dot at 1; apply sum_ext; intro k.
  change (dot (X k) y * dot (vscale (p k) (X k)) z = p k * (dot (X k) y * dot (X k) z)); rewrite vscale_dot; ring.
Qed.

Lemma mean_response N m d (p : vec N) (X : mat N d) (W : mat m d) :
  mean p X (fun x => dot (apply W x) (apply W x)) = trace (mul (mul W (second_moment p X)) (transpose W)).
Proof.
  rewrite trace_rows.
  rewrite (sum_ext _ (fun i => dot (W i) _) (fun i => sum (fun k => p k * (dot (X k) (W i) * dot (X k) (W i)))))
    by (intro; apply bilinear_moment).
  rewrite sum_swap; unfold mean; apply sum_ext; intro k; rewrite sum_mul; f_equal.
  apply sum_ext; intro i; unfold apply; rewrite !(dot_comm _ (W i)); reflexivity.
Qed.

(* loss(dW + D) = loss(dW) − ⟨(G − dW) Sigma, D⟩ + ½ tr(D Sigma Dᵀ) *)
Lemma loss_expanded m d (G W D : mat m d) (Sigma : mat d d) :
  transpose Sigma = Sigma ->
  loss G Sigma (madd W D) = loss G Sigma W - trace (mul (mul (msub G W) Sigma) (transpose D)) +
                            trace (mul (mul D Sigma) (transpose D)) / 2.
Proof.
  intro H; unfold loss; set (A := msub G W).
  replace (msub G (madd W D)) with (msub A D) by (apply mat_ext; intros; unfold A, msub, madd; ring).
  assert (S : trace (mul (mul D Sigma) (transpose A)) = trace (mul (mul A Sigma) (transpose D))).
  { rewrite <- trace_transpose, !transpose_mul, H; fold (transpose (transpose A)).
    now rewrite mul_assoc. }
  assert (E : mul (mul (msub A D) Sigma) (transpose (msub A D)) =
              madd (msub (mul (mul A Sigma) (transpose A)) (mul (mul A Sigma) (transpose D)))
                   (msub (mul (mul D Sigma) (transpose D)) (mul (mul D Sigma) (transpose A)))).
  { rewrite transpose_msub, msub_mul, msub_mul, !mul_msub; apply mat_ext; intros; unfold madd, msub; ring. }
  rewrite E, trace_madd, !trace_msub, S; field.
Qed.

(* E‖(y zᵀ) x‖² = ‖y‖² zᵀ Sigma z *)
Lemma mean_outer N m d (p : vec N) (X : mat N d) (y : vec m) (z : vec d) :
  mean p X (fun x => dot (apply (outer y z) x) (apply (outer y z) x)) = dot y y * dot z (apply (second_moment p X) z).
Proof.
  rewrite bilinear_moment; unfold mean; rewrite <- sum_mul; apply sum_ext; intro k.
  replace (apply (outer y z) (X k)) with (vscale (dot (X k) z) y).
  - rewrite vscale_dot, dot_vscale; ring.
  - apply vec_ext; intro i; unfold apply; change (outer y z i) with (vscale (y i) z).
    rewrite vscale_dot, (dot_comm _ z); unfold vscale; ring.
Qed.

Lemma moment_symmetric N d (p : vec N) (X : mat N d) : transpose (second_moment p X) = second_moment p X.
Proof.
  apply mat_ext; intros i j; apply sum_ext; intro k; unfold transpose, vscale; ring.
Qed.

Lemma apply_moment N d (p : vec N) (X : mat N d) (z : vec d) :
  apply (second_moment p X) z = apply (transpose X) (fun k => p k * dot (X k) z).
Proof.
  unfold second_moment; rewrite apply_mul; f_equal; apply vec_ext; intro k; exact (vscale_dot _ (p k) (X k) z).
Qed.

Lemma sum_nothing n (f : vec n) : (forall i, 0 <= f i) -> sum f = 0 -> forall i, f i = 0.
Proof.
  induction n as [|n IH]; intros P S; [intros [] |].
  destruct (Rplus_eq_R0 (f None) (sum (fun i => f (Some i)))) as [A B];
    [apply P | apply sum_nonneg; intro; apply P | exact S |].
  intros [i|]; [exact (IH (fun i => f (Some i)) (fun i => P (Some i)) B i) | exact A].
Qed.

Lemma moment_nonneg N d (p : vec N) (X : mat N d) (z : vec d) :
  (forall k, 0 <= p k) -> 0 <= dot z (apply (second_moment p X) z).
Proof.
  intro Hp; rewrite bilinear_moment; apply sum_nonneg; intro k.
  apply Rmult_le_pos; [apply Hp | apply Rle_0_sqr].
Qed.

(* zᵀ Sigma z = 0 only where Sigma z = 0 *)
Lemma moment_kernel N d (p : vec N) (X : mat N d) (z : vec d) :
  (forall k, 0 <= p k) -> dot z (apply (second_moment p X) z) = 0 -> apply (second_moment p X) z = fun _ => 0.
Proof.
  intros Hp H; rewrite bilinear_moment in H; rewrite apply_moment.
  replace (fun k => p k * dot (X k) z) with (fun _ : index N => 0); [apply vec_ext; intro; apply dot_zero |].
  apply vec_ext; intro k; symmetry.
  assert (E : p k * (dot (X k) z * dot (X k) z) = 0).
  { apply (sum_nothing _ (fun k => p k * (dot (X k) z * dot (X k) z))); [| exact H].
    intro i; apply Rmult_le_pos; [apply Hp | apply Rle_0_sqr]. }
  apply Rmult_integral in E as [-> | E]; [ring |]; apply Rsqr_0_uniq in E; rewrite E; ring.
Qed.
