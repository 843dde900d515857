(* Covered in part: that dW₁ − dW₀ is one factor plus Delta; the equations and bounds for each of its singular
   triples, and sin 2θ <= 2 delta/beta' for the top one; the converse, for every function of both updates and
   every dW₀. E₁ and E₀ are any matrices, E₁ symmetric, so that e^(−t Sigma) is one case.
   Not covered: that gradient flow gives these updates; length, budget and sample, and so what delta is. *)

From Coq Require Import Reals Lra Psatz.
From Grasp Require Import vectors planes posterior_angle prior_angle minimax_angle.
Open Scope R_scope.

(* Delta = T (E₀ − E₁) + C₁ (I − E₁) − C₀ (I − E₀) *)
Definition rest {m d} (T C1 C0 : mat m d) (E1 E0 : mat d d) : mat m d :=
  msub (madd (mul T (msub E0 E1)) (mul C1 (msub identity E1))) (mul C0 (msub identity E0)).

(* dW₁ − dW₀ for dW₁ = (T + C₁ + beta u vᵀ)(I − E₁), dW₀ = (T + C₀)(I − E₀) *)
Definition difference {m d} (T C1 C0 : mat m d) (E1 E0 : mat d d) (beta : R) (u : vec m) (v : vec d) : mat m d :=
  msub (mul (planted (madd T C1) beta u v) (msub identity E1)) (mul (madd T C0) (msub identity E0)).

(* It is beta' u v'ᵀ + Delta where beta' v' = beta (I − E₁) v. *)
Theorem one_factor : forall (m d : nat) (T C1 C0 : mat m d) (E1 E0 : mat d d) (u : vec m) (v v' : vec d)
    (beta beta' : R),
  transpose E1 = E1 -> vscale beta' v' = vscale beta (apply (msub identity E1) v) ->
  difference T C1 C0 E1 E0 beta u v = planted (rest T C1 C0 E1 E0) beta' u v'.
Proof.
  intros m d T C1 C0 E1 E0 u v v' beta beta' HE Hv.
  assert (F : mul (mscale beta (outer u v)) (msub identity E1) = mscale beta' (outer u v')).
  { apply mat_ext; intros i j; unfold mul.
    assert (R : mscale beta (outer u v) i = vscale (u i) (vscale beta v))
      by (apply vec_ext; intro; unfold mscale, outer, vscale; ring).
    rewrite R, vscale_dot, vscale_dot.
    assert (Q : beta * dot v (fun k => msub identity E1 k j) = beta' * v' j).
    { transitivity (vscale beta (apply (msub identity E1) v) j); [| now rewrite <- Hv].
      unfold vscale, apply; rewrite dot_comm; do 2 f_equal; apply vec_ext; intro k.
      unfold msub, identity; rewrite (same_sym _ k j); f_equal; exact (f_equal (fun K => K j k) HE). }
    rewrite Q; unfold mscale, outer; ring. }
  unfold difference, rest, planted; rewrite !madd_mul, F, !mul_msub, !identity_mul.
  apply mat_ext; intros i j; unfold madd, msub; ring.
Qed.

(* Each singular triple of dW₁ − dW₀: its angles, and delta/ŝ for delta >= ‖Delta‖₂ whatever ‖T‖ is. *)
Theorem each_triple : forall (m d : nat) (T C1 C0 : mat m d) (E1 E0 : mat d d) (u : vec m) (v v' : vec d)
    (beta beta' delta s : R) (uh : vec m) (vh : vec d),
  let Delta := rest T C1 C0 E1 E0 in
  transpose E1 = E1 -> vscale beta' v' = vscale beta (apply (msub identity E1) v) -> unit u -> unit v' ->
  norm_at_most Delta delta -> singular_triple (difference T C1 C0 E1 E0 beta u v) s uh vh -> 0 < s ->
  sin (angle uh u) = norm (off u (apply Delta vh)) / s /\ sin (angle uh u) <= delta / s /\
  sin (angle vh v') = norm (off v' (apply (transpose Delta) uh)) / s /\ sin (angle vh v') <= delta / s.
Proof.
  intros m d T C1 C0 E1 E0 u v v' beta beta' delta s uh vh Delta HE Hv Hu Hv' HD H Hs.
  rewrite (one_factor _ _ _ _ _ _ _ _ _ v' _ beta') in H by assumption; fold Delta in H.
  destruct (posterior_angle.angles _ _ _ _ _ _ _ _ _ Hu Hv' H Hs).
  destruct (posterior_angle.bounds _ _ _ _ _ _ _ _ _ _ Hu Hv' H Hs HD); repeat split; assumption.
Qed.

(* The top triple: sin 2θ <= 2 delta/beta' for both angles, and θ < 45°. *)
Theorem top : forall (m d : nat) (T C1 C0 : mat m d) (E1 E0 : mat d d) (u : vec m) (v v' : vec d)
    (beta beta' delta s : R) (uh : vec m) (vh : vec d),
  transpose E1 = E1 -> vscale beta' v' = vscale beta (apply (msub identity E1) v) -> unit u -> unit v' ->
  norm_at_most (rest T C1 C0 E1 E0) delta -> delta < beta' / 2 ->
  top_triple (difference T C1 C0 E1 E0 beta u v) s uh vh ->
  (sin (2 * angle uh u) <= 2 * delta / beta' /\ angle uh u < PI / 4) /\
  (sin (2 * angle vh v') <= 2 * delta / beta' /\ angle vh v' < PI / 4).
Proof.
  intros m d T C1 C0 E1 E0 u v v' beta beta' delta s uh vh HE Hv Hu Hv' HD Hb H.
  rewrite (one_factor _ _ _ _ _ _ _ _ _ v' _ beta') in H by assumption.
  destruct (prior_angle.bound _ _ _ _ _ _ _ _ _ _ Hu Hv' HD Hb H) as [[L1 [L2 _]] [R1 [R2 _]]].
  repeat split; assumption.
Qed.

(* Converse: whatever is answered to the two updates, and whatever dW₀ is, in some world with ‖Delta‖₂ <= delta the
   answer is ½ arcsin(2 delta/beta') off u, and orthogonal to it once delta >= beta'/2. *)
Theorem nobody : forall (m d : nat) (beta' delta : R) (dW0 : mat (2 + m) (2 + d)), 0 <= delta -> 0 < beta' ->
  forall answer : mat (2 + m) (2 + d) -> mat (2 + m) (2 + d) -> vec (2 + m), (forall M N, unit (answer M N)) ->
  exists (Delta : mat (2 + m) (2 + d)) (u : vec (2 + m)) (v' : vec (2 + d)),
    let sine := sin (angle (answer (madd dW0 (planted Delta beta' u v')) dW0) u) in
    unit u /\ unit v' /\ norm_at_most Delta delta /\
    (delta < beta' / 2 -> sin (asin (2 * (delta / beta')) / 2) <= sine) /\ (beta' / 2 <= delta -> sine = 1).
Proof.
  intros m d beta' delta dW0 Hd Hb answer Ha; set (estimator := fun M => answer (madd dW0 M) dW0).
  destruct (Rlt_le_dec delta (beta' / 2)) as [L | L].
  - destruct (minimax_angle.below m d beta' delta Hd L estimator) as (Delta & u & v & Hu & Hv & HD & H);
      [intro; apply Ha |].
    exists Delta, u, v; intro sine; repeat split; try assumption; [now intro | intro; exfalso; lra].
  - destruct (minimax_angle.beyond m d beta' delta Hb L estimator) as (Delta & u & v & Hu & Hv & HD & H);
      [intro; apply Ha |].
    exists Delta, u, v; intro sine; repeat split; try assumption; [intro; exfalso; lra | now intro].
Qed.
