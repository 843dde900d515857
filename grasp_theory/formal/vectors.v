(* Vectors and matrices over the reals, of every size, and what the statements need of them.

   A vector of n entries is a function from a type of n elements to R; a matrix is a function of two indices. Nothing
   lies outside the given size, and two vectors are equal if their entries are. *)

From Coq Require Import Reals Lra Psatz FunctionalExtensionality.
Open Scope R_scope.

(* * Definitions *)

(* The type of n elements: index (1 + n) has one element, None, more than index n. *)
Fixpoint index (n : nat) : Type := match n with O => Empty_set | S k => option (index k) end.

Definition vec (n : nat) := index n -> R.
Definition mat (m d : nat) := index m -> index d -> R.

Fixpoint sum {n : nat} : vec n -> R :=
  match n with O => fun _ => 0 | S k => fun f => f None + sum (fun i => f (Some i)) end.

Definition dot {n} (x y : vec n) : R := sum (fun i => x i * y i).
Definition norm {n} (x : vec n) : R := sqrt (dot x x).
Definition unit {n} (x : vec n) : Prop := norm x = 1.

Definition vadd {n} (x y : vec n) : vec n := fun i => x i + y i.
Definition vsub {n} (x y : vec n) : vec n := fun i => x i - y i.
Definition vscale {n} (a : R) (x : vec n) : vec n := fun i => a * x i.

Definition madd {m d} (M N : mat m d) : mat m d := fun i j => M i j + N i j.
Definition msub {m d} (M N : mat m d) : mat m d := fun i j => M i j - N i j.
Definition mscale {m d} (a : R) (M : mat m d) : mat m d := fun i j => a * M i j.
Definition outer {m d} (x : vec m) (y : vec d) : mat m d := fun i j => x i * y j. (* x yᵀ *)
Definition transpose {m d} (M : mat m d) : mat d m := fun j i => M i j.
Definition apply {m d} (M : mat m d) (x : vec d) : vec m := fun i => dot (M i) x. (* M x *)
Definition mul {m r d} (M : mat m r) (N : mat r d) : mat m d := fun i j => dot (M i) (fun k => N k j). (* M N *)

Definition zero {m d} : mat m d := fun _ _ => 0.

Fixpoint same {n : nat} : index n -> index n -> bool :=
  match n with
  | O => fun i _ => match i with end
  | S k => fun i j => match i, j with None, None => true | Some i, Some j => same i j | _, _ => false end
  end.

Definition identity {n} : mat n n := fun i j => if same i j then 1 else 0.

Definition trace {n} (M : mat n n) : R := sum (fun i => M i i).

(* ‖M‖_F² *)
Definition frobenius_squared {m d} (M : mat m d) : R := trace (mul M (transpose M)).

(* VᵀV = I *)
Definition orthonormal {d k} (V : mat d k) : Prop := mul (transpose V) V = identity.

(* The projection I − V Vᵀ, onto what is orthogonal to the columns of V where these are orthonormal. *)
Definition complement {d k} (V : mat d k) : mat d d := msub identity (mul V (transpose V)).

Definition column {m d} (M : mat m d) (j : index d) : vec m := fun i => M i j. (* column j *)

(* ‖M‖₂ <= t *)
Definition norm_at_most {m d} (M : mat m d) (t : R) : Prop := forall x, norm (apply M x) <= t * norm x.

(* The angle between the lines of two unit vectors, in [0, 90°]. *)
Definition angle {n} (x y : vec n) : R := acos (Rabs (dot x y)).

(* P_u x = (I − u uᵀ) x *)
Definition off {n} (u x : vec n) : vec n := vsub x (vscale (dot u x) u).

(* Unit vectors with M vh = s uh and Mᵀ uh = s vh. *)
Definition singular_triple {m d} (M : mat m d) (s : R) (uh : vec m) (vh : vec d) : Prop :=
  unit uh /\ unit vh /\ apply M vh = vscale s uh /\ apply (transpose M) uh = vscale s vh.

(* One that belongs to the largest singular value. *)
Definition top_triple {m d} (M : mat m d) (s : R) (uh : vec m) (vh : vec d) : Prop :=
  singular_triple M s uh vh /\ norm_at_most M s.

(* M = T + beta u vᵀ *)
Definition planted {m d} (T : mat m d) (beta : R) (u : vec m) (v : vec d) : mat m d :=
  madd T (mscale beta (outer u v)).

(* * Sums *)

Lemma sum_ext n (f g : vec n) : (forall i, f i = g i) -> sum f = sum g.
Proof. intro H; f_equal; exact (functional_extensionality _ _ H). Qed.

Lemma sum_add n (f g : vec n) : sum (fun i => f i + g i) = sum f + sum g.
Proof.
  induction n as [|n IH]; simpl; [ring |]. rewrite IH; ring.
Qed.

Lemma sum_mul n (a : R) (f : vec n) : sum (fun i => a * f i) = a * sum f.
Proof.
  induction n as [|n IH]; simpl; [ring |]. rewrite IH; ring.
Qed.

Lemma sum_zero n : sum (fun _ : index n => 0) = 0.
Proof.
  induction n as [|n IH]; simpl; [ring |]. rewrite IH; ring.
Qed.

Lemma sum_nonneg n (f : vec n) : (forall i, 0 <= f i) -> 0 <= sum f.
Proof.
  induction n as [|n IH]; simpl; intro H; [apply Rle_refl |].
  apply Rplus_le_le_0_compat; [apply H | apply IH; intro; apply H].
Qed.

Lemma sum_le n (f g : vec n) : (forall i, f i <= g i) -> sum f <= sum g.
Proof.
  induction n as [|n IH]; simpl; intro H; [apply Rle_refl |].
  apply Rplus_le_compat; [apply H | apply IH; intro; apply H].
Qed.

Lemma sum_swap m d (M : mat m d) : sum (fun i => sum (M i)) = sum (fun j => sum (fun i => M i j)).
Proof.
  induction m as [|m IH]; simpl; [now rewrite sum_zero |].
  rewrite (IH (fun i => M (Some i))), <- sum_add; reflexivity.
Qed.

(* * Vectors *)

Lemma vec_ext n (x y : vec n) : (forall i, x i = y i) -> x = y.
Proof. intro H; exact (functional_extensionality _ _ H). Qed.

Lemma mat_ext m d (M N : mat m d) : (forall i j, M i j = N i j) -> M = N.
Proof. intro H; apply functional_extensionality; intro i; exact (functional_extensionality _ _ (H i)). Qed.

Lemma dot_comm n (x y : vec n) : dot x y = dot y x.
Proof. apply sum_ext; intro; ring. Qed.

Lemma dot_vadd n (x y z : vec n) : dot x (vadd y z) = dot x y + dot x z.
Proof. unfold dot, vadd; rewrite <- sum_add; apply sum_ext; intro; ring. Qed.

Lemma dot_vscale n (a : R) (x y : vec n) : dot x (vscale a y) = a * dot x y.
Proof. unfold dot, vscale; rewrite <- sum_mul; apply sum_ext; intro; ring. Qed.

Lemma dot_vsub n (x y z : vec n) : dot x (vsub y z) = dot x y - dot x z.
Proof.
  replace (vsub y z) with (vadd y (vscale (-1) z)) by (apply vec_ext; intro; unfold vsub, vadd, vscale; ring).
  rewrite dot_vadd, dot_vscale; ring.
Qed.

Lemma dot_zero n (x : vec n) : dot x (fun _ => 0) = 0.
Proof.
  transitivity (sum (fun _ : index n => 0)); [| apply sum_zero];  apply sum_ext; intro; ring.
Qed.

Lemma vadd_dot n (x y z : vec n) : dot (vadd x y) z = dot x z + dot y z.
Proof. rewrite dot_comm, dot_vadd, (dot_comm _ z x), (dot_comm _ z y); ring. Qed.

Lemma vsub_dot n (x y z : vec n) : dot (vsub x y) z = dot x z - dot y z.
Proof. rewrite dot_comm, dot_vsub, (dot_comm _ z x), (dot_comm _ z y); ring. Qed.

Lemma vscale_dot n (a : R) (x y : vec n) : dot (vscale a x) y = a * dot x y.
Proof. rewrite dot_comm, dot_vscale, (dot_comm _ y x); ring. Qed.

Lemma dot_nonneg n (x : vec n) : 0 <= dot x x.
Proof. apply sum_nonneg; intro; nra. Qed.

Lemma norm_nonneg n (x : vec n) : 0 <= norm x.
Proof. apply sqrt_pos. Qed.

Lemma norm_sqr n (x : vec n) : norm x * norm x = dot x x.
Proof. apply sqrt_sqrt, dot_nonneg. Qed.

Lemma unit_dot n (x : vec n) : unit x <-> dot x x = 1.
Proof.
  unfold unit; split; intro H.
  - rewrite <- norm_sqr, H; ring.
  - unfold norm; rewrite H; apply sqrt_1.
Qed.

Lemma le_of_squares (a b : R) : 0 <= b -> a * a <= b * b -> a <= b.
Proof. nra. Qed.

(* (xᵀy)² <= xᵀx yᵀy *)
Lemma cauchy_schwarz n (x y : vec n) : dot x y * dot x y <= dot x x * dot y y.
Proof.
  set (a := dot x x); set (b := dot x y); set (c := dot y y).
  assert (H : forall t, 0 <= a - 2 * t * b + t * t * c).
  { intro t; pose proof (dot_nonneg _ (vsub x (vscale t y))) as H.
    rewrite vsub_dot, !dot_vsub, !vscale_dot, !dot_vscale, (dot_comm _ y x) in H.
    fold a b c in H; lra. }
  assert (Hc : 0 <= c) by apply dot_nonneg.
  destruct (Req_dec c 0) as [E | N].
  - rewrite E in *; destruct (Req_dec b 0) as [Eb | Nb]; [rewrite Eb; nra |].
    pose proof (H ((a + 1) / (2 * b))) as K.
    replace (a - 2 * ((a + 1) / (2 * b)) * b + (a + 1) / (2 * b) * ((a + 1) / (2 * b)) * 0) with (-1) in K
      by (field; assumption).
    lra.
  - pose proof (H (b / c)) as K.
    replace (a - 2 * (b / c) * b + b / c * (b / c) * c) with ((a * c - b * b) / c) in K by (field; assumption).
    assert (0 < c) by lra.
    assert (0 <= a * c - b * b); [| lra].
    replace (a * c - b * b) with ((a * c - b * b) / c * c) by (field; assumption).
    now apply Rmult_le_pos.
Qed.

Lemma dot_le_norms n (x y : vec n) : dot x y <= norm x * norm y.
Proof.
  apply le_of_squares; [apply Rmult_le_pos; apply norm_nonneg |].
  replace (norm x * norm y * (norm x * norm y)) with (norm x * norm x * (norm y * norm y)) by ring.
  rewrite !norm_sqr; apply cauchy_schwarz.
Qed.

Lemma norm_vscale n (a : R) (x : vec n) : 0 <= a -> norm (vscale a x) = a * norm x.
Proof.
  intro H; unfold norm; rewrite vscale_dot, dot_vscale, <- Rmult_assoc, sqrt_mult, sqrt_square; [easy | easy | |].
  - nra.
  - apply dot_nonneg.
Qed.

Lemma triangle n (x y : vec n) : norm (vadd x y) <= norm x + norm y.
Proof.
  apply le_of_squares; [pose proof (norm_nonneg _ x); pose proof (norm_nonneg _ y); lra |].
  rewrite norm_sqr, vadd_dot, !dot_vadd, (dot_comm _ y x), <- !norm_sqr.
  pose proof (dot_le_norms _ x y); lra.
Qed.

(* * Unit vectors and angles *)

Lemma unit_overlap n (x y : vec n) : unit x -> unit y -> 0 <= Rabs (dot x y) <= 1.
Proof.
  rewrite !unit_dot; intros Hx Hy; split; [apply Rabs_pos |].
  pose proof (cauchy_schwarz _ x y) as H; rewrite Hx, Hy in H.
  apply Rabs_le; split; nra.
Qed.

Lemma abs_square (a : R) : Rabs a * Rabs a = a * a.
Proof. rewrite <- Rabs_mult; apply Rabs_right; nra. Qed.

Lemma cos_angle n (x y : vec n) : unit x -> unit y -> cos (angle x y) = Rabs (dot x y).
Proof. intros Hx Hy; pose proof (unit_overlap _ x y Hx Hy); apply cos_acos; lra. Qed.

Lemma sin_angle n (x y : vec n) : unit x -> unit y -> sin (angle x y) = sqrt (1 - dot x y * dot x y).
Proof.
  intros Hx Hy; pose proof (unit_overlap _ x y Hx Hy); unfold angle.
  rewrite sin_acos by lra; unfold Rsqr; now rewrite abs_square.
Qed.

Lemma angle_sym n (x y : vec n) : angle x y = angle y x.
Proof. unfold angle; now rewrite dot_comm. Qed.

(* ‖P_u x‖ is the sine of the angle between unit x and u. *)
Lemma sin_off n (x u : vec n) : unit x -> unit u -> sin (angle x u) = norm (off u x).
Proof.
  intros Hx Hu; rewrite sin_angle by assumption; unfold norm, off; f_equal.
  rewrite unit_dot in Hx, Hu.
  rewrite vsub_dot, !dot_vsub, !vscale_dot, !dot_vscale, Hx, Hu, (dot_comm _ u x); ring.
Qed.

Lemma off_norm n (u x : vec n) : unit u -> norm (off u x) <= norm x.
Proof.
  rewrite unit_dot; intro Hu; apply le_of_squares; [apply norm_nonneg |]; rewrite !norm_sqr; unfold off.
  rewrite vsub_dot, !dot_vsub, !vscale_dot, !dot_vscale, Hu, (dot_comm _ u x); nra.
Qed.
