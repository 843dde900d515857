(* Subspaces given by matrices with orthonormal columns, their largest angle, and instances in q planes at once. *)

From Coq Require Import Reals Lra Psatz.
From Grasp Require Import vectors matrices dimension.
Open Scope R_scope.

(* sin Theta(W, U) >= s: a direction w = W z of the span of W is that far off the span of U, ‖(I − U Uᵀ) w‖ >= s. *)
Definition sine_at_least {m q} (W U : mat m q) (s : R) : Prop :=
  exists z, unit z /\ s <= norm (apply (complement U) (apply W z)).

(* T + beta U Vᵀ *)
Definition planted_frames {m d q} (T : mat m d) (beta : R) (U : mat m q) (V : mat d q) : mat m d :=
  madd T (mscale beta (mul U (transpose V))).

(* [L K] has orthonormal columns. *)
Definition frame {m q} (L K : mat m q) : Prop := orthonormal L /\ orthonormal K /\ mul (transpose L) K = zero.

(* L diag(p) + K diag(r): column j is p_j l_j + r_j k_j *)
Definition turned {m q} (L K : mat m q) (p r : vec q) : mat m q := fun i j => p j * L i j + r j * K i j.

(* [[a_j, b_j], [c_j, e_j]] in the planes of l_j, k_j and r_j, q_j, all j *)
Definition blocks {m d q} (L K : mat m q) (R Q : mat d q) (a b c e : vec q) : mat m d :=
  madd (mul L (transpose (turned R Q a b))) (mul K (transpose (turned R Q c e))).

(* ‖(I − U Uᵀ) x‖² = ‖x‖² − ‖Uᵀx‖² *)
Lemma complement_norm m q (U : mat m q) (x : vec m) : orthonormal U ->
  dot (apply (complement U) x) (apply (complement U) x) =
  dot x x - dot (apply (transpose U) x) (apply (transpose U) x).
Proof.
  intro H; unfold complement; rewrite apply_msub, apply_identity, apply_mul, vsub_dot, !dot_vsub.
  set (z := apply (transpose U) x); assert (E : dot x (apply U z) = dot z z) by apply adjoint.
  rewrite orthonormal_dot, (dot_comm _ (apply U z) x), E by easy; ring.
Qed.

(* The largest angle is the same from either side, so that sine_at_least says of the one what it says of the other. *)
Lemma sine_symmetric m q (W U : mat m q) s :
  orthonormal W -> orthonormal U -> sine_at_least W U s -> sine_at_least U W s.
Proof.
  intros HW HU (z & Hz & Far); destruct (Rle_lt_dec s 0) as [Neg | Pos].
  { exists z; split; [easy | apply Rle_trans with (1 := Neg), norm_nonneg]. }
  apply unit_dot in Hz.
  assert (F : s * s <= 1 - dot (apply (transpose U) (apply W z)) (apply (transpose U) (apply W z))).
  { rewrite <- Hz, <- (orthonormal_dot _ _ W z z HW), <- (complement_norm _ _ U) by easy; rewrite <- norm_sqr.
    apply Rmult_le_compat; lra. }
  set (A := mul (transpose W) U).
  assert (Near : forall y, unit y -> norm (apply (complement W) (apply U y)) < s ->
    1 - s * s < dot (apply A y) (apply A y)).
  { intros y Hy N; assert (K := complement_norm _ _ W (apply U y) HW).
    rewrite (orthonormal_dot _ _ U) in K by easy; apply unit_dot in Hy; rewrite Hy, <- norm_sqr in K.
    unfold A; rewrite apply_mul; pose proof (norm_nonneg _ (apply (complement W) (apply U y))); nra. }
  destruct (Classical_Prop.classic (sine_at_least U W s)) as [Yes | No]; [easy | exfalso].
  assert (All : forall y, unit y -> 1 - s * s < dot (apply A y) (apply A y)).
  { intros y Hy; apply Near; [easy |].
    destruct (Rlt_le_dec (norm (apply (complement W) (apply U y))) s) as [L | L]; [easy | exfalso].
    apply No; now exists y. }
  assert (Scaled : forall y, y <> (fun _ => 0) -> (1 - s * s) * dot y y < dot (apply A y) (apply A y)).
  { intros y Hy; set (n := norm y).
    assert (Hn : 0 < n).
    { destruct (norm_nonneg _ y) as [L | L]; [easy | exfalso; apply Hy, zero_of_norm; rewrite <- norm_sqr, <- L;
        ring]. }
    assert (Hi : 0 < / n) by now apply Rinv_0_lt_compat.
    pose proof (All (vscale (/ n) y)) as K.
    rewrite apply_vscale, vscale_dot, dot_vscale in K.
    rewrite <- norm_sqr; fold n; apply Rmult_lt_reg_l with (/ n * / n); [nra |].
    replace (/ n * / n * ((1 - s * s) * (n * n))) with (1 - s * s) by (field; lra).
    rewrite Rmult_assoc; apply K; unfold unit; rewrite norm_vscale by lra; fold n; field; lra. }
  assert (Le1 : s * s <= 1) by (pose proof (dot_nonneg _ (apply (transpose U) (apply W z))); lra).
  destruct (onto q A) with (z := z) as (y & Hy).
  { intros y Hy; destruct (Classical_Prop.classic (y = fun _ => 0)) as [E | N]; [easy | exfalso].
    pose proof (Scaled y N) as K; rewrite Hy, dot_zero in K; pose proof (dot_nonneg _ y); nra. }
  assert (N : y <> fun _ => 0).
  { intros ->; assert (E : z = fun _ => 0) by (rewrite <- Hy; apply vec_ext; intro; apply dot_zero).
    rewrite E, dot_zero in Hz; lra. }
  pose proof (Scaled y N) as K; rewrite Hy, Hz in K.
  assert (E : dot (apply (transpose U) (apply W z)) y = 1).
  { rewrite <- Hz; transitivity (dot z (apply A y)); [| now rewrite Hy].
    unfold A; rewrite apply_mul, adjoint, adjoint; reflexivity. }
  pose proof (cauchy_schwarz _ (apply (transpose U) (apply W z)) y) as C; rewrite E in C.
  pose proof (dot_nonneg _ y); pose proof (dot_nonneg _ (apply (transpose U) (apply W z))).
  nra.
Qed.

Lemma frame_bessel m q (L K : mat m q) (x : vec m) : frame L K ->
  dot (apply (transpose L) x) (apply (transpose L) x) + dot (apply (transpose K) x) (apply (transpose K) x) <= dot x x.
Proof.
  intros (HL & HK & O); set (a := apply (transpose L) x); set (b := apply (transpose K) x).
  pose proof (dot_nonneg _ (vsub x (vadd (apply L a) (apply K b)))) as P.
  assert (LK : dot (apply L a) (apply K b) = 0).
  { now rewrite dot_comm, adjoint, <- apply_mul, O, apply_zero, dot_comm, dot_zero. }
  assert (XL : dot x (apply L a) = dot a a) by (unfold a at 2; apply adjoint).
  assert (XK : dot x (apply K b) = dot b b) by (unfold b at 2; apply adjoint).
  rewrite !vsub_dot, !dot_vsub, !vadd_dot, !dot_vadd, (dot_comm _ (apply L a) x), (dot_comm _ (apply K b) x) in P.
  rewrite XL, XK, (dot_comm _ (apply K b)), LK, (orthonormal_dot _ _ L), (orthonormal_dot _ _ K) in P by easy; lra.
Qed.

Lemma frame_norm m q (L K : mat m q) (y z : vec q) : frame L K ->
  dot (vadd (apply L y) (apply K z)) (vadd (apply L y) (apply K z)) = dot y y + dot z z.
Proof.
  intros (HL & HK & O).
  assert (E : dot (apply L y) (apply K z) = 0)
    by now rewrite dot_comm, adjoint, <- apply_mul, O, apply_zero, dot_comm, dot_zero.
  rewrite vadd_dot, !dot_vadd, (dot_comm _ (apply K z)), E, (orthonormal_dot _ _ L), (orthonormal_dot _ _ K) by easy;
    ring.
Qed.

Lemma turned_orthonormal m q (L K : mat m q) (p r : vec q) :
  frame L K -> (forall k, p k * p k + r k * r k = 1) -> orthonormal (turned L K p r).
Proof.
  intros (HL & HK & O) N; apply mat_ext; intros i j.
  assert (C : forall k, column (turned L K p r) k = vadd (vscale (p k) (column L k)) (vscale (r k) (column K k)))
    by reflexivity.
  change (dot (column (turned L K p r) i) (column (turned L K p r) j) = identity i j); rewrite !C.
  rewrite vadd_dot, !dot_vadd, !vscale_dot, !dot_vscale, !orthonormal_column by easy.
  assert (Z : forall k l, dot (column L k) (column K l) = 0) by (intros k l; exact (f_equal (fun M => M k l) O)).
  rewrite Z, (dot_comm _ (column K i)), Z; unfold identity; destruct (same i j) eqn:S; [| ring].
  apply same_true in S as ->; pose proof (N j); lra.
Qed.

Lemma apply_turned m q (R Q : mat m q) (a b : vec q) (x : vec m) :
  apply (transpose (turned R Q a b)) x = fun k => a k * apply (transpose R) x k + b k * apply (transpose Q) x k.
Proof.
  apply vec_ext; intro k.
  change (dot (vadd (vscale (a k) (column R k)) (vscale (b k) (column Q k))) x =
          a k * dot (column R k) x + b k * dot (column Q k) x).
  now rewrite vadd_dot, !vscale_dot.
Qed.

Lemma blocks_norm m d q (L K : mat m q) (R Q : mat d q) (a b c e : vec q) t : frame L K -> frame R Q -> 0 <= t ->
  (forall k x y, (a k * x + b k * y) ^ 2 + (c k * x + e k * y) ^ 2 <= t ^ 2 * (x ^ 2 + y ^ 2)) ->
  norm_at_most (blocks L K R Q a b c e) t.
Proof.
  intros HL HR Ht H x; unfold blocks; rewrite apply_madd, !apply_mul, !apply_turned.
  apply le_of_squares; [apply Rmult_le_pos; [easy | apply norm_nonneg] |].
  rewrite norm_sqr, frame_norm by easy.
  set (y := apply (transpose R) x); set (z := apply (transpose Q) x).
  replace (t * norm x * (t * norm x)) with (t ^ 2 * (norm x * norm x)) by ring; rewrite norm_sqr.
  apply Rle_trans with (t ^ 2 * (dot y y + dot z z)).
  - unfold dot; rewrite <- !sum_add, <- sum_mul; apply sum_le; intro k; pose proof (H k (y k) (z k)); lra.
  - apply Rmult_le_compat_l; [nra | now apply frame_bessel].
Qed.

Lemma planted_blocks m d q (L K : mat m q) (R Q : mat d q) (a b c e p r p' r' : vec q) beta :
  planted_frames (blocks L K R Q a b c e) beta (turned L K p r) (turned R Q p' r') =
  blocks L K R Q (fun k => a k + beta * (p k * p' k)) (fun k => b k + beta * (p k * r' k))
                 (fun k => c k + beta * (r k * p' k)) (fun k => e k + beta * (r k * r' k)).
Proof.
  apply mat_ext; intros i j; unfold planted_frames, blocks, madd, mscale, mul, dot, transpose, turned.
  rewrite <- sum_mul, <- !sum_add; apply sum_ext; intro k; ring.
Qed.

(* The first q and the last r of q + r indices. *)
Fixpoint head {q r : nat} : index q -> index (q + r) :=
  match q with
  | O => fun i => match i with end
  | S k => fun i => match i with None => None | Some i => Some (head i) end
  end.

Fixpoint tail {q r : nat} : index r -> index (q + r) :=
  match q with O => fun i => i | S k => fun i => Some (tail i) end.

(* The columns e_f(1), e_f(2), ... *)
Definition select {m q} (f : index q -> index m) : mat m q := fun i j => identity i (f j).

Lemma same_head q r (i j : index q) : same (@head q r i) (head j) = same i j.
Proof. induction q as [|q IH]; [destruct i |]; destruct i, j; simpl; easy || apply IH. Qed.

Lemma same_tail q r (i j : index r) : same (@tail q r i) (tail j) = same i j.
Proof. induction q as [|q IH]; [reflexivity | exact IH]. Qed.

Lemma head_tail q r (i : index q) (j : index r) : same (head i) (tail j) = false.
Proof. induction q as [|q IH]; [destruct i |]; destruct i; simpl; easy || apply IH. Qed.

Lemma select_mul m q (f g : index q -> index m) i j : mul (transpose (select f)) (select g) i j = identity (f i) (g j).
Proof.
  transitivity (sum (fun k => identity (f i) k * identity k (g j))).
  2:{ exact (sum_identity _ (f i) (fun k => identity k (g j))). }
  apply sum_ext; intro k; unfold transpose, select, identity; now rewrite (same_sym _ k (f i)).
Qed.

(* There are frames where the size is at least 2q. *)
Lemma frame_exists q m : @frame (q + (q + m)) q (select head) (select (fun i => tail (head i))).
Proof.
  repeat split; apply mat_ext; intros i j; rewrite select_mul; unfold identity, zero.
  - now rewrite same_head.
  - now rewrite same_tail, same_head.
  - now rewrite head_tail.
Qed.

Lemma finite_choice n A (P : index n -> A -> Prop) : (forall i, exists a, P i a) -> exists f, forall i, P i (f i).
Proof.
  induction n as [|n IH]; intro H; [exists (fun i : Empty_set => match i with end); intros [] |].
  destruct (H None) as (a & Ha), (IH (fun i => P (Some i))) as (f & Hf); [intro; apply H |].
  exists (fun i => match i with None => a | Some i => f i end); intros [i|]; [apply Hf | exact Ha].
Qed.
