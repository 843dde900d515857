(* Fewer linear equations than unknowns have a solution that is not zero; an injective square matrix is onto. *)

From Coq Require Import Reals Lra Psatz Lia.
From Grasp Require Import vectors matrices.
Open Scope R_scope.

(* (a, x) *)
Definition cons {n} (a : R) (x : vec n) : vec (1 + n) := fun i => match i with None => a | Some i => x i end.

(* [x X] *)
Definition beside {d n} (x : vec d) (X : mat d n) : mat d (1 + n) := fun i => cons (x i) (X i).

Lemma dot_cons n (r : vec (1 + n)) a (x : vec n) : dot r (cons a x) = r None * a + dot (fun i => r (Some i)) x.
Proof. reflexivity. Qed.

(* The matrix whose first row is r. *)
Definition rows {m d} (r : vec d) (B : mat m d) : mat (1 + m) d := fun i => match i with None => r | Some i => B i end.

Lemma apply_rows m d (r : vec d) (B : mat m d) (y : vec d) : apply (rows r B) y = cons (dot r y) (apply B y).
Proof. apply vec_ext; intros [i|]; reflexivity. Qed.

Lemma cons_zero n a (x : vec n) : cons a x = (fun _ => 0) -> a = 0 /\ x = fun _ => 0.
Proof.
  intro H; split; [exact (f_equal (fun x => x None) H) |].
  apply vec_ext; intro i; exact (f_equal (fun x => x (Some i)) H).
Qed.

(* The solutions of one equation r·x = 0 in 1 + n unknowns have n parameters. *)
Lemma hyperplane n (r : vec (1 + n)) :
  exists B : mat (1 + n) n, (forall y, dot r (apply B y) = 0) /\ (forall y, apply B y = (fun _ => 0) -> y = fun _ => 0).
Proof.
  induction n as [|n IH].
  - exists (fun _ _ => 0); split; [| intros y _; apply vec_ext; intros []].
    intro y; replace (apply _ y) with (fun _ : index 1 => 0); [apply dot_zero | reflexivity].
  - destruct (Req_dec (r None) 0) as [Z | N].
    + destruct (IH (fun i => r (Some i))) as (B & HB & Inj).
      exists (rows (cons 1 (fun _ => 0)) (fun i => cons 0 (B i))).
      assert (E : forall y : vec (1 + n), apply (rows (cons 1 (fun _ => 0)) (fun i => cons 0 (B i))) y =
                                          cons (y None) (apply B (fun i => y (Some i)))).
      { intro y; rewrite apply_rows; f_equal; [rewrite dot_comm, dot_cons, dot_zero; ring |].
        apply vec_ext; intro i; unfold apply; rewrite dot_comm, dot_cons, dot_comm; ring. }
      split; intro y; rewrite E.
      * transitivity (r None * y None + 0); [| rewrite Z; ring].
        rewrite dot_cons; apply Rplus_eq_compat_l, HB.
      * intro H; apply cons_zero in H as [H1 H2]; apply Inj in H2.
        apply vec_ext; intros [i|]; [exact (f_equal (fun x => x i) H2) | exact H1].
    + exists (rows (vscale (- / r None) (fun k : index (1 + n) => r (Some k))) identity).
      split; intro y; rewrite apply_rows, apply_identity.
      * rewrite dot_cons, vscale_dot; set (b := dot (fun k : index (1 + n) => r (Some k)) y).
        transitivity (r None * (- / r None * b) + b); [reflexivity | field; easy].
      * intro H; now apply cons_zero in H as [_ H].
Qed.

Lemma unknowns k n (A : mat k n) : (k < n)%nat -> exists c, c <> (fun _ => 0) /\ apply A c = fun _ => 0.
Proof.
  revert n A; induction k as [|k IH]; intros n A H; (destruct n as [|n]; [lia |]).
  - exists (fun _ => 1); split; [| apply vec_ext; intros []].
    intro E; pose proof (f_equal (fun x => x None) E) as Q; simpl in Q; lra.
  - destruct (hyperplane n (A None)) as (B & HB & Inj).
    destruct (IH n (mul (fun i => A (Some i)) B)) as (y & Hy & E); [lia |].
    exists (apply B y); split; [intro K; now apply Hy, Inj |].
    rewrite apply_mul in E; apply vec_ext; intros [i|]; [exact (f_equal (fun x => x i) E) | apply HB].
Qed.

Lemma onto q (A : mat q q) :
  (forall y, apply A y = (fun _ => 0) -> y = fun _ => 0) -> forall z, exists y, apply A y = z.
Proof.
  intros Inj z; destruct (unknowns q (1 + q) (beside z A)) as (c & Hc & E); [lia |].
  set (c' := fun i => c (Some i)).
  assert (K : forall i, z i * c None + apply A c' i = 0)
    by (intro i; exact (f_equal (fun x => x i) E)).
  destruct (Req_dec (c None) 0) as [Z | N].
  - exfalso; apply Hc; apply vec_ext; intros [i|]; [| easy].
    assert (Y : c' = fun _ => 0) by (apply Inj, vec_ext; intro j; pose proof (K j) as Q; rewrite Z in Q; lra).
    exact (f_equal (fun x => x i) Y).
  - exists (vscale (- / c None) c'); rewrite apply_vscale; apply vec_ext; intro i; unfold vscale.
    replace (apply A c' i) with (- (z i * c None)) by (pose proof (K i); lra); field; easy.
Qed.

Lemma mul_beside m d n (M : mat m d) (x : vec d) (X : mat d n) : mul M (beside x X) = beside (apply M x) (mul M X).
Proof. apply mat_ext; intros i [j|]; reflexivity. Qed.

Lemma msub_beside d n (x y : vec d) (X Y : mat d n) :
  msub (beside x X) (beside y Y) = beside (vsub x y) (msub X Y).
Proof. apply mat_ext; intros i [j|]; reflexivity. Qed.

Lemma apply_beside d n (x : vec d) (X : mat d n) a c : apply (beside x X) (cons a c) = vadd (vscale a x) (apply X c).
Proof.
  apply vec_ext; intro i; unfold vadd, vscale; rewrite (Rmult_comm a); reflexivity.
Qed.

(* What an update that is 0 on V makes of one more input, X a + V w, and its answer. *)
Lemma misfit_beside m d k n (dW : mat m d) (V : mat d k) (X : mat d n) (Y : mat m n) (a : vec n) (w : vec k) (y : vec m) :
  mul dW V = zero -> msub (mul dW (beside (vadd (apply X a) (apply V w)) X)) (beside y Y) =
                     beside (vsub (apply (mul dW X) a) y) (msub (mul dW X) Y).
Proof.
  intro H; rewrite mul_beside, msub_beside, apply_vadd, <- !apply_mul, H, apply_zero; f_equal.
  apply vec_ext; intro; unfold vsub, vadd; ring.
Qed.

Lemma frobenius_beside d n (x : vec d) (X : mat d n) :
  frobenius_squared (beside x X) = dot x x + frobenius_squared X.
Proof. rewrite !frobenius_rows; unfold dot at 2; rewrite <- sum_add; reflexivity. Qed.

Lemma beside_orthonormal d k (e : vec d) (V : mat d k) :
  unit e -> apply (transpose V) e = (fun _ => 0) -> orthonormal V -> orthonormal (beside e V).
Proof.
  intros He O HV; apply unit_dot in He; apply mat_ext; intros [i|] [j|]; unfold identity; simpl.
  - exact (f_equal (fun K => K i j) HV).
  - exact (f_equal (fun y => y i) O).
  - rewrite <- (f_equal (fun y => y j) O : apply (transpose V) e j = 0); apply dot_comm.
  - exact He.
Qed.
