(* A symmetric matrix has an orthonormal basis of eigenvectors, and every matrix a top singular triple. *)

From Coq Require Import Reals Lra Psatz Lia.
From Grasp Require Import vectors matrices dimension moments spectral pseudo_inverse courant_fischer eigenvectors.
Open Scope R_scope.

Lemma shifted (t q r : R) : -1 * q <= t * r -> 0 < r -> 0 < q + (Rabs t + 1) * r.
Proof. intros K H; pose proof (Rle_abs t); nra. Qed.

(* One eigenvector more, orthogonal to the k < d that there are: a top one of P (S + c I) P for a large c. *)
Lemma next_eigenvector d k (S : mat d d) (V : mat d k) (l : vec k) : transpose S = S -> orthonormal V ->
  mul S V = (fun i j => V i j * l j) -> (k < d)%nat ->
  exists t e, unit e /\ apply (transpose V) e = (fun _ => 0) /\ apply S e = vscale t e.
Proof.
  intros Sym HV SV Hk; destruct d as [|n]; [lia |].
  destruct (top_eigenvector n (mscale (-1) S)) as (t0 & _ & _ & _ & Low).
  { change (mscale (-1) (transpose S) = mscale (-1) S); now rewrite Sym. }
  set (c := Rabs t0 + 1); set (A := madd S (mscale c identity)); set (P := complement V).
  assert (EA : forall x, apply A x = vadd (apply S x) (vscale c x))
    by (intro x; unfold A; now rewrite apply_madd, apply_mscale, apply_identity).
  assert (Pos : forall x, x <> (fun _ => 0) -> 0 < dot x (apply A x)).
  { intros x Hx; pose proof (Low x) as K; rewrite apply_mscale, dot_vscale in K; rewrite EA, dot_vadd, dot_vscale.
    assert (0 < dot x x) by (destruct (dot_nonneg _ x) as [L | L]; [easy | exfalso; now apply Hx, zero_of_norm]).
    now apply shifted. }
  destruct (top_eigenvector n (mul P (mul A P))) as (t & e & He & Ee & Top).
  { rewrite !transpose_mul; unfold P; rewrite complement_symmetric; fold P.
    replace (transpose A) with A; [symmetry; apply mul_assoc |].
    unfold A; rewrite transpose_madd, Sym; f_equal.
    change (mscale c identity = mscale c (transpose (@identity (1 + n)))); now rewrite transpose_identity. }
  destruct (unknowns k (1 + n) (transpose V) Hk) as (x & Hx & Vx).
  assert (Px : apply P x = x) by now apply complement_kept.
  assert (Ht : 0 < t).
  { pose proof (Top x) as K; unfold P in K; rewrite missed_form in K; fold P in K; rewrite Px in K.
    pose proof (Pos x Hx); pose proof (dot_nonneg _ x); nra. }
  assert (Pe : apply P e = e) by (apply (missed_stays _ _ A V e t); [easy | lra | exact Ee]).
  assert (Ve : apply (transpose V) e = fun _ => 0).
  { rewrite <- Pe, <- apply_mul; unfold P; rewrite complement_off by easy; apply apply_zero. }
  assert (VA : apply (transpose V) (apply A e) = fun _ => 0).
  { rewrite EA, apply_vadd, apply_vscale, Ve, <- apply_mul.
    assert (E : mul (transpose V) S = transpose (mul S V)) by now rewrite transpose_mul, Sym.
    rewrite E, SV; apply vec_ext; intro j; unfold vadd, vscale; rewrite Rmult_0_r, Rplus_0_r.
    transitivity (l j * apply (transpose V) e j); [| rewrite Ve; ring].
    unfold apply, dot, transpose; rewrite <- sum_mul; apply sum_ext; intro; ring. }
  assert (PA : apply P (apply A e) = apply A e) by now apply complement_kept.
  exists (t - c), e; split; [easy | split; [easy |]].
  rewrite !apply_mul, Pe, PA, EA in Ee.
  apply vec_ext; intro i; pose proof (f_equal (fun y => y i) Ee) as Q; unfold vadd, vscale in *; lra.
Qed.

Lemma eigenvectors_exist d (S : mat d d) k : transpose S = S -> (k <= d)%nat ->
  exists (V : mat d k) l, orthonormal V /\ mul S V = (fun i j => V i j * l j).
Proof.
  intro Sym; induction k as [|k IH]; intro Hk.
  - exists (fun _ _ => 0), (fun _ => 0); split; apply mat_ext; [intros [] | intros i []].
  - destruct IH as (V & l & HV & SV); [lia |].
    destruct (next_eigenvector d k S V l) as (t & e & He & Ve & Se); try easy; [].
    exists (beside e V), (cons t l); split; [now apply beside_orthonormal |].
    rewrite mul_beside, SV, Se; apply mat_ext; intros i [j|]; [reflexivity | apply Rmult_comm].
Qed.

(* Sigma = Q diag(l) Qᵀ *)
Lemma spectral_theorem d (S : mat d d) : transpose S = S -> exists Q l, orthogonal Q /\ S = spectral Q l.
Proof.
  intro Sym; destruct (eigenvectors_exist d S d Sym) as (Q & l & HQ & SQ); [lia |]; exists Q, l.
  assert (I : mul Q (transpose Q) = identity).
  { apply mat_of_apply; intro x; destruct (onto d Q) with (z := x) as (y & <-).
    - intros y H; apply zero_of_norm; now rewrite <- (orthonormal_dot _ _ Q), H, dot_zero.
    - now rewrite apply_identity, apply_mul, <- (apply_mul _ _ _ (transpose Q)), HQ, apply_identity. }
  split; [now split |]; rewrite <- (identity_mul _ _ S), <- I, mul_assoc, SQ; reflexivity.
Qed.

(* The largest singular value of M, with vectors that belong to it. *)
Lemma top_triple_exists m d (M : mat (1 + m) (1 + d)) : exists s uh vh, top_triple M s uh vh.
Proof.
  destruct (top_eigenvector d (mul (transpose M) M)) as (t & v & Hv & Ev & Top); [now rewrite transpose_mul |].
  assert (Form : forall x, dot x (apply (mul (transpose M) M) x) = dot (apply M x) (apply M x))
    by (intro x; now rewrite apply_mul, adjoint).
  assert (Hv1 := Hv); apply unit_dot in Hv1.
  assert (T : t = dot (apply M v) (apply M v)) by (rewrite <- Form, Ev, dot_vscale, Hv1; ring).
  assert (T0 : 0 <= t) by (rewrite T; apply dot_nonneg).
  assert (S2 : sqrt t * sqrt t = t) by now apply sqrt_sqrt.
  assert (N : norm_at_most M (sqrt t)).
  { intro x; apply le_of_squares; [apply Rmult_le_pos; [apply sqrt_pos | apply norm_nonneg] |].
    replace (sqrt t * norm x * (sqrt t * norm x)) with (sqrt t * sqrt t * (norm x * norm x)) by ring.
    rewrite S2, !norm_sqr, <- Form; apply Top. }
  destruct (Req_dec (sqrt t) 0) as [Z | Z].
  - assert (M0 : M = zero).
    { apply mat_of_apply; intro x; rewrite apply_zero; apply zero_of_norm; rewrite <- norm_sqr.
      pose proof (N x) as K; rewrite Z, Rmult_0_l in K; pose proof (norm_nonneg _ (apply M x)); nra. }
    exists (sqrt t), (cons 1 (fun _ => 0)), v; split; [| easy]; rewrite M0, Z; repeat split; try easy.
    + apply unit_dot; rewrite dot_cons, dot_zero; simpl; ring.
    + rewrite apply_zero; apply vec_ext; intro; unfold vscale; ring.
    + change (transpose (@zero (1 + m) (1 + d))) with (@zero (1 + d) (1 + m)).
      rewrite apply_zero; apply vec_ext; intro; unfold vscale; ring.
  - assert (P : 0 < sqrt t) by (pose proof (sqrt_pos t); lra).
    exists (sqrt t), (vscale (/ sqrt t) (apply M v)), v; split; [| easy]; repeat split; try easy.
    + apply unit_dot; rewrite vscale_dot, dot_vscale, <- T.
      transitivity (/ sqrt t * (/ sqrt t * (sqrt t * sqrt t))); [now rewrite S2 | field; lra].
    + apply vec_ext; intro; unfold vscale; field; lra.
    + rewrite apply_vscale, <- apply_mul, Ev; apply vec_ext; intro i; unfold vscale.
      transitivity (/ sqrt t * (sqrt t * sqrt t * v i)); [now rewrite S2 | field; lra].
Qed.
