(* A Lipschitz function on [−1, 1]ⁿ has a largest value. *)

From Coq Require Import Reals Lra Psatz.
From Grasp Require Import vectors dimension.
Open Scope R_scope.

Definition in_box {n} (x : vec n) : Prop := forall i, -1 <= x i <= 1.

(* Σ |x_i − y_i| *)
Definition apart {n} (x y : vec n) : R := sum (fun i => Rabs (x i - y i)).

Lemma apart_nonneg n (x y : vec n) : 0 <= apart x y.
Proof. apply sum_nonneg; intro; apply Rabs_pos. Qed.

Lemma apart_cons n a b (x y : vec n) : apart (cons a x) (cons b y) = Rabs (a - b) + apart x y.
Proof. reflexivity. Qed.

Lemma apart_self n (x : vec n) : apart x x = 0.
Proof.
  unfold apart; rewrite (sum_ext _ _ (fun _ => 0)); [apply sum_zero |].
  intro; rewrite Rminus_diag_eq by easy; apply Rabs_R0.
Qed.

(* a, or the end of [−1, 1] that is next to it *)
Definition clip (a : R) : R := Rmax (-1) (Rmin 1 a).

Lemma clip_bounds a : -1 <= clip a <= 1.
Proof. unfold clip, Rmax, Rmin; destruct (Rle_dec 1 a), (Rle_dec _ _); lra. Qed.

Lemma clip_inside a : -1 <= a <= 1 -> clip a = a.
Proof. intro H; unfold clip, Rmax, Rmin; destruct (Rle_dec 1 a), (Rle_dec _ _); lra. Qed.

Lemma clip_lipschitz a b : Rabs (clip a - clip b) <= Rabs (a - b).
Proof.
  unfold clip, Rmax, Rmin, Rabs; destruct (Rle_dec 1 a), (Rle_dec 1 b); repeat match goal with
    | |- context [Rle_dec ?x ?y] => destruct (Rle_dec x y)
    | |- context [Rcase_abs ?x] => destruct (Rcase_abs x)
  end; lra.
Qed.

Lemma lipschitz_continuous (g : R -> R) L : 0 <= L -> (forall a b, Rabs (g a - g b) <= L * Rabs (a - b)) ->
  forall a, continuity_pt g a.
Proof.
  intros HL H a eps He; exists (eps / (L + 1)); split; [apply Rdiv_lt_0_compat; lra |].
  intros b [_ Hb]; simpl in *; unfold R_dist in *; apply Rle_lt_trans with (1 := H b a).
  assert (P := Rabs_pos (b - a)); apply Rle_lt_trans with ((L + 1) * Rabs (b - a)); [nra |].
  apply Rmult_lt_reg_l with (/ (L + 1)); [apply Rinv_0_lt_compat; lra |].
  replace (/ (L + 1) * ((L + 1) * Rabs (b - a))) with (Rabs (b - a)) by (field; lra).
  replace (/ (L + 1) * eps) with (eps / (L + 1)) by (field; lra); exact Hb.
Qed.

Lemma largest_on_box n (F : vec n -> R) L : 0 <= L ->
  (forall x y, in_box x -> in_box y -> Rabs (F x - F y) <= L * apart x y) ->
  exists x, in_box x /\ forall y, in_box y -> F y <= F x.
Proof.
  revert F; induction n as [|n IH]; intros F HL H.
  - exists (fun _ => 0); split; [intros [] |].
    intros y _; right; f_equal; apply vec_ext; intros [].
  - assert (box : forall a (x : vec n), in_box x -> in_box (cons (clip a) x))
      by (intros a x Hx [i|]; [apply Hx | apply clip_bounds]).
    assert (Best : forall a, exists x : vec n,
      in_box x /\ forall y, in_box y -> F (cons (clip a) y) <= F (cons (clip a) x)).
    { intro a; apply (IH (fun x => F (cons (clip a) x)) HL); intros x y Hx Hy.
      apply Rle_trans with (1 := H _ _ (box a x Hx) (box a y Hy)).
      rewrite apart_cons, Rminus_diag_eq, Rabs_R0 by easy; rewrite Rplus_0_l; apply Rle_refl. }
    set (E := fun a v => exists x : vec n, in_box x /\ v = F (cons (clip a) x)).
    assert (B : forall a, bound (E a)).
    { intro a; destruct (Best a) as (x & _ & Hx); exists (F (cons (clip a) x)); intros v (y & Hy & ->); now apply Hx. }
    assert (NE : forall a, exists v, E a v)
      by (intro a; destruct (Best a) as (x & Hx & _); exists (F (cons (clip a) x)); now exists x).
    set (G := fun a => proj1_sig (completeness (E a) (B a) (NE a))).
    assert (Up : forall a (y : vec n), in_box y -> F (cons (clip a) y) <= G a).
    { intros a y Hy; unfold G; destruct (completeness (E a) (B a) (NE a)) as (g & U & Low); apply U; now exists y. }
    assert (At : forall a, exists x : vec n, in_box x /\ G a = F (cons (clip a) x)).
    { intro a; destruct (Best a) as (x & Hx & Hb); exists x; split; [easy |].
      apply Rle_antisym; [| now apply Up].
      unfold G; destruct (completeness (E a) (B a) (NE a)) as (g & U & Low); apply Low.
      intros v (y & Hy & ->); now apply Hb. }
    assert (One : forall a b, G a - G b <= L * Rabs (a - b)).
    { intros a b; destruct (At a) as (x & Hx & ->); pose proof (Up b x Hx) as U.
      pose proof (H _ _ (box a x Hx) (box b x Hx)) as K; rewrite apart_cons, apart_self, Rplus_0_r in K.
      pose proof (clip_lipschitz a b); pose proof (Rle_abs (F (cons (clip a) x) - F (cons (clip b) x))).
      assert (L * Rabs (clip a - clip b) <= L * Rabs (a - b)) by now apply Rmult_le_compat_l.
      lra. }
    assert (C : forall a, continuity_pt G a).
    { apply (lipschitz_continuous G L HL); intros a b; apply Rabs_le; split; [| apply One].
      pose proof (One b a) as K; rewrite Rabs_minus_sym in K; lra. }
    destruct (continuity_ab_maj G (-1) 1) as (a & Top & Ha); [lra | intros; apply C |].
    destruct (At a) as (x & Hx & E1); exists (cons (clip a) x); split; [now apply box |].
    intros y Hy; rewrite <- E1; apply Rle_trans with (G (y None)); [| apply Top, Hy].
    replace y with (cons (clip (y None)) (fun i : index n => y (Some i))) at 1.
    + apply Up; intro i; apply Hy.
    + apply vec_ext; intros [i|]; [reflexivity | apply clip_inside, Hy].
Qed.
