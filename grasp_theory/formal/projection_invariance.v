(* Covered: all of it. A step of the optimiser is any function of both factors and of whatever else it keeps; the proof
   goes by induction over the steps.
   Not covered: arithmetic in floating point, as everywhere here. *)

From Coq Require Import Reals.
From Grasp Require Import vectors matrices.
Open Scope R_scope.

(* (I − QQᵀ) B *)
Definition off_left {m k r} (Q : mat m k) (B : mat m r) : mat m r := msub B (mul Q (mul (transpose Q) B)).

(* A (I − VVᵀ) *)
Definition off_right {d k r} (V : mat d k) (A : mat r d) : mat r d := msub A (mul (mul A V) (transpose V)).

(* Both factors, and whatever else the optimiser keeps: moments, a count of steps, data, a random state. *)
Record state (memory : Type) (m r d : nat) := State { kept : memory; factor_B : mat m r; factor_A : mat r d }.
Arguments State {memory m r d}.
Arguments kept {memory m r d}.
Arguments factor_B {memory m r d}.
Arguments factor_A {memory m r d}.

Definition project_write {memory m r d k} (Q : mat m k) (s : state memory m r d) : state memory m r d :=
  State (kept s) (off_left Q (factor_B s)) (factor_A s).

Definition project_read {memory m r d k} (V : mat d k) (s : state memory m r d) : state memory m r d :=
  State (kept s) (factor_B s) (off_right V (factor_A s)).

(* The state after n steps: any function is a step, and the projection follows each. *)
Fixpoint run {S : Type} (step project : S -> S) (start : S) (n : nat) : S :=
  match n with O => start | Datatypes.S k => project (step (run step project start k)) end.

(* dW = s B A *)
Definition update {memory m r d} (s : R) (x : state memory m r d) : mat m d :=
  mscale s (mul (factor_B x) (factor_A x)).

Lemma run_invariant (S : Type) (P : S -> Prop) step project start :
  P start -> (forall x, P (project x)) -> forall n, P (run step project start n).
Proof. intros H0 H n; induction n as [|n _]; [exact H0 | apply H]. Qed.

Lemma off_left_off m k r (Q : mat m k) (B : mat m r) : orthonormal Q -> mul (transpose Q) (off_left Q B) = zero.
Proof. intro H; unfold off_left; now rewrite mul_msub, mul_assoc, H, mul_identity, msub_self. Qed.

Lemma off_right_off d k r (V : mat d k) (A : mat r d) : orthonormal V -> mul (off_right V A) V = zero.
Proof.
  intro H; unfold off_right; now rewrite msub_mul, <- mul_assoc, H, identity_mul, msub_self.
Qed.

Lemma write_kept memory m r d k (Q : mat m k) (W0 : mat m d) s (x : state memory m r d) :
  mul (transpose Q) (factor_B x) = zero -> mul (transpose Q) (madd W0 (update s x)) = mul (transpose Q) W0.
Proof.
  intro H; unfold update; now rewrite mul_madd, mul_mscale, mul_assoc, H, zero_mul, mscale_zero, madd_zero.
Qed.

Lemma read_kept memory m r d k (V : mat d k) (W0 : mat m d) s (x : state memory m r d) :
  mul (factor_A x) V = zero \/ factor_B x = zero -> mul (madd W0 (update s x)) V = mul W0 V.
Proof.
  intro H; unfold update; rewrite madd_mul, mscale_mul.
  destruct H as [H | H]; rewrite <- mul_assoc, H, ?mul_zero, ?zero_mul, mscale_zero, madd_zero; reflexivity.
Qed.

(* Write side: Qᵀ(W0 + dW) = QᵀW0 at every step. *)
Theorem write : forall (memory : Type) (m r d k : nat) (Q : mat m k) (W0 : mat m d) (s : R)
    (step : state memory m r d -> state memory m r d) (start : state memory m r d),
  orthonormal Q -> (exists B0, factor_B start = off_left Q B0) \/ factor_B start = zero ->
  forall n, mul (transpose Q) (madd W0 (update s (run step (project_write Q) start n))) = mul (transpose Q) W0.
Proof.
  intros memory m r d k Q W0 s step start HQ H0 n; apply write_kept.
  apply run_invariant with (P := fun x => mul (transpose Q) (factor_B x) = zero); [| intro; now apply off_left_off].
  destruct H0 as [[B0 ->] | ->]; [now apply off_left_off | apply mul_zero].
Qed.

(* Read side: (W0 + dW) V = W0 V at every step. *)
Theorem read : forall (memory : Type) (m r d k : nat) (V : mat d k) (W0 : mat m d) (s : R)
    (step : state memory m r d -> state memory m r d) (start : state memory m r d),
  orthonormal V -> (exists A0, factor_A start = off_right V A0) \/ factor_B start = zero ->
  forall n, mul (madd W0 (update s (run step (project_read V) start n))) V = mul W0 V.
Proof.
  intros memory m r d k V W0 s step start HV H0 n; apply read_kept.
  apply run_invariant with (P := fun x => mul (factor_A x) V = zero \/ factor_B x = zero);
    [| intro; left; now apply off_right_off].
  destruct H0 as [[A0 ->] | ->]; [left; now apply off_right_off | now right].
Qed.

(* Both sides: the same, and all that is learnt lies off both, dW = (I − QQᵀ) dW (I − VVᵀ). *)
Theorem both : forall (memory : Type) (m r d k l : nat) (Q : mat m k) (V : mat d l) (W0 : mat m d) (s : R)
    (step : state memory m r d -> state memory m r d) (start : state memory m r d),
  orthonormal Q -> orthonormal V ->
  (exists B0 A0, factor_B start = off_left Q B0 /\ factor_A start = off_right V A0) \/ factor_B start = zero ->
  forall n, let dW := update s (run step (fun x => project_read V (project_write Q x)) start n) in
    mul (transpose Q) (madd W0 dW) = mul (transpose Q) W0 /\ mul (madd W0 dW) V = mul W0 V /\
    dW = off_right V (off_left Q dW).
Proof.
  intros memory m r d k l Q V W0 s step start HQ HV H0 n dW.
  assert (HB : mul (transpose Q) dW = zero /\ mul dW V = zero).
  { unfold dW; pose (P := fun x : state memory m r d =>
      mul (transpose Q) (factor_B x) = zero /\ (mul (factor_A x) V = zero \/ factor_B x = zero)).
    assert (H : P (run step (fun x => project_read V (project_write Q x)) start n)).
    { apply run_invariant; [| intro; split; [now apply off_left_off | left; now apply off_right_off]].
      destruct H0 as [(B0 & A0 & EB & EA) | EB]; unfold P; rewrite EB; [rewrite EA |];
        split; [now apply off_left_off | left; now apply off_right_off | apply mul_zero | now right]. }
    destruct H as [HB HA]; unfold update; rewrite mul_mscale, mul_assoc, HB, zero_mul, mscale_zero; split; [easy |].
    rewrite mscale_mul, <- mul_assoc.
    destruct HA as [-> | ->]; rewrite ?mul_zero, ?zero_mul; apply mscale_zero. }
  destruct HB as [HL HR]; rewrite mul_madd, madd_mul, HL, HR, !madd_zero; repeat split.
  unfold off_left, off_right; now rewrite HL, mul_zero, msub_zero, HR, zero_mul, msub_zero.
Qed.
