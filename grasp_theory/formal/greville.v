(* Every matrix has exactly one pseudo-inverse: by one column after the other (Greville). *)

From Coq Require Import Reals Lra Psatz.
From Grasp Require Import vectors matrices dimension pseudo_inverse.
Open Scope R_scope.

Lemma cons_split n (y : vec (1 + n)) : y = cons (y None) (fun i => y (Some i)).
Proof. apply vec_ext; intros [i|]; reflexivity. Qed.

Lemma dot_conses n a b (x y : vec n) : dot (cons a x) (cons b y) = a * b + dot x y.
Proof. reflexivity. Qed.

Lemma symmetric_of_form n (A : mat n n) : (forall y z, dot y (apply A z) = dot z (apply A y)) -> transpose A = A.
Proof.
  intro H; apply mat_of_apply; intro z.
  assert (E : vsub (apply (transpose A) z) (apply A z) = fun _ => 0).
  { apply zero_of_norm; set (y := vsub _ _); unfold y at 2; rewrite dot_vsub.
    rewrite (dot_comm _ y (apply (transpose A) z)), <- adjoint, (H y z); ring. }
  apply vec_ext; intro i; pose proof (f_equal (fun x => x i) E) as K; unfold vsub in K; lra.
Qed.

(* [bᵀ; G − a bᵀ] y *)
Lemma apply_bordered n d (G : mat d n) (a : vec d) (b y : vec n) :
  apply (rows b (msub G (outer a b))) y = cons (dot b y) (vsub (apply G y) (vscale (dot b y) a)).
Proof.
  rewrite apply_rows, apply_msub; f_equal; f_equal.
  apply vec_ext; intro i; unfold apply; change (outer a b i) with (vscale (a i) b).
  rewrite vscale_dot; unfold vscale; ring.
Qed.

(* One column x more: with a = Z⁺x and c = x − Z a, [x Z]⁺ = [bᵀ; Z⁺ − a bᵀ] for a b as below. *)
Lemma one_column n d (x : vec n) (Z : mat n d) (G : mat d n) (b : vec n) :
  let a := apply G x in
  let c := vsub x (apply Z a) in
  let t := dot b x in
  pseudo_inverse Z G -> apply (transpose Z) b = vscale (1 - t) a ->
  (forall y z, dot b z * dot c y = dot b y * dot c z) -> vscale (1 - t) c = (fun _ => 0) ->
  vscale (1 - t) (apply (transpose G) a) = vscale ((1 - t) * (1 + dot a a)) b ->
  pseudo_inverse (beside x Z) (rows b (msub G (outer a b))).
Proof.
  intros a c t (ZGZ & GZG & S1 & S2) Zb Sym Cut Row.
  assert (bZ : forall v, dot b (apply Z v) = (1 - t) * dot a v) by (intro v; now rewrite adjoint, Zb, vscale_dot).
  assert (GZa : apply G (apply Z a) = a) by (unfold a; now rewrite <- !apply_mul, GZG).
  assert (Gc : apply G c = fun _ => 0).
  { unfold c; rewrite apply_vsub, GZa; fold a; apply vec_ext; intro; unfold vsub; ring. }
  set (G' := rows b (msub G (outer a b))); set (Z' := beside x Z).
  assert (Zy : forall y, apply Z' (apply G' y) = vadd (apply Z (apply G y)) (vscale (dot b y) c)).
  { intro y; unfold G', Z'; rewrite apply_bordered, apply_beside, apply_vsub, apply_vscale.
    apply vec_ext; intro; unfold c, vadd, vscale, vsub; ring. }
  assert (Gw : forall s v, dot b (vadd (vscale s x) (apply Z v)) = s * t + (1 - t) * dot a v)
    by (intros; now rewrite dot_vadd, dot_vscale, bZ).
  assert (Gx : forall s v, apply G (vadd (vscale s x) (apply Z v)) = vadd (vscale s a) (apply (mul G Z) v))
    by (intros; now rewrite apply_vadd, apply_vscale, apply_mul).
  repeat split.
  - apply mat_of_apply; intro y; rewrite (cons_split _ y); generalize (y None) (fun i : index d => y (Some i));
      intros s v.
    rewrite <- mul_assoc, !apply_mul, Zy; unfold Z'; rewrite apply_beside, Gw, Gx, apply_vadd, apply_vscale.
    rewrite <- (apply_mul _ _ _ Z (mul G Z) v), mul_assoc, ZGZ.
    apply vec_ext; intro i; pose proof (f_equal (fun x => x i) Cut) as Q; unfold vadd, vscale in *.
    transitivity (s * apply Z a i + s * c i + apply Z v i - (s - dot a v) * ((1 - t) * c i)); [ring |].
    rewrite Q; unfold c, vsub; ring.
  - apply mat_of_apply; intro y; rewrite <- mul_assoc, !apply_mul, Zy; unfold G'; rewrite !apply_bordered.
    assert (B : dot b (vadd (apply Z (apply G y)) (vscale (dot b y) c)) = dot b y).
    { rewrite dot_vadd, dot_vscale, bZ, adjoint.
      assert (Q : (1 - t) * dot (apply (transpose G) a) y = (1 - t) * (1 + dot a a) * dot b y)
        by (rewrite <- !vscale_dot, Row; reflexivity).
      rewrite Q; unfold c; rewrite dot_vsub, bZ; fold t; ring. }
    rewrite B, apply_vadd, apply_vscale, Gc, <- !apply_mul, GZG; f_equal.
    apply vec_ext; intro; unfold vsub, vadd, vscale; ring.
  - apply symmetric_of_form; intros y z; rewrite !apply_mul, !Zy, !dot_vadd, !dot_vscale.
    assert (Q : dot y (apply Z (apply G z)) = dot z (apply Z (apply G y)))
      by (rewrite <- !apply_mul, adjoint, S1; apply dot_comm).
    rewrite Q, !(dot_comm _ _ c), Sym; reflexivity.
  - apply symmetric_of_form; intros y z; rewrite (cons_split _ y), (cons_split _ z), !apply_mul; unfold Z', G'.
    rewrite !apply_beside, !apply_bordered, !Gw, !Gx, !dot_conses, !dot_vsub, !dot_vadd, !dot_vscale.
    generalize (y None) (fun i : index d => y (Some i)) (z None) (fun i : index d => z (Some i)).
    intros s v r w.
    assert (Q : dot v (apply (mul G Z) w) = dot w (apply (mul G Z) v)) by (rewrite adjoint, S2; apply dot_comm).
    rewrite Q, !(dot_comm _ _ a); ring.
Qed.

Lemma pseudo_inverse_exists n d (Z : mat n d) : exists G, pseudo_inverse Z G.
Proof.
  induction d as [|d IH].
  - exists (fun _ _ => 0); repeat split; apply mat_ext; intros i j; solve [destruct i | destruct j | reflexivity].
  - pose (Y := (fun i j => Z i (Some j)) : mat n d); destruct (IH Y) as (G & HG).
    set (x := column Z None); assert (E : Z = beside x Y) by (apply mat_ext; intros i [j|]; reflexivity).
    clearbody Y; rewrite E; assert (H := HG); destruct H as (ZGZ & GZG & S1 & S2).
    set (a := apply G x); set (c := vsub x (apply Y a)).
    destruct (Req_dec (dot c c) 0) as [C | C].
    + assert (C0 : c = fun _ => 0) by now apply zero_of_norm.
      set (r := 1 + dot a a); assert (R0 : 0 < r) by (unfold r; pose proof (dot_nonneg _ a); lra).
      set (b := vscale (/ r) (apply (transpose G) a)); exists (rows b (msub G (outer a b))).
      assert (T : dot b x = 1 - / r).
      { unfold b; rewrite vscale_dot, <- adjoint; fold a; replace (dot a a) with (r - 1) by (unfold r; ring).
        field; lra. }
      assert (T1 : 1 - dot b x = / r) by (rewrite T; ring).
      apply one_column; fold a; fold c; rewrite ?T1; try easy.
      * unfold b; rewrite apply_vscale; f_equal; rewrite <- apply_mul, <- transpose_mul, S2.
        unfold a; now rewrite <- apply_mul, GZG.
      * intros y z; rewrite C0, !(dot_comm _ (fun _ => 0)), !dot_zero; ring.
      * rewrite C0; apply vec_ext; intro; unfold vscale; ring.
      * unfold b; fold r; apply vec_ext; intro; unfold vscale; field; lra.
    + set (b := vscale (/ dot c c) c); exists (rows b (msub G (outer a b))).
      assert (Yc : apply (transpose Y) c = fun _ => 0).
      { unfold c; rewrite apply_vsub; unfold a; rewrite <- (apply_mul _ _ _ Y G), <- apply_mul.
        assert (K : mul (transpose Y) (mul Y G) = transpose Y) by (rewrite <- S1, <- transpose_mul, ZGZ; reflexivity).
        rewrite K; apply vec_ext; intro; unfold vsub; ring. }
      assert (X : dot c x = dot c c).
      { unfold c at 3; rewrite dot_vsub, adjoint, Yc, (dot_comm _ (fun _ => 0)), dot_zero; ring. }
      assert (T : 1 - dot b x = 0) by (unfold b; rewrite vscale_dot, X; field; easy).
      apply one_column; fold a; fold c; rewrite ?T; try easy.
      * unfold b; rewrite apply_vscale, Yc; apply vec_ext; intro; unfold vscale; ring.
      * intros y z; unfold b; rewrite !vscale_dot; ring.
      * apply vec_ext; intro; unfold vscale; ring.
      * apply vec_ext; intro; unfold vscale; ring.
Qed.

Lemma pseudo_inverse_unique n d (Z : mat n d) G H : pseudo_inverse Z G -> pseudo_inverse Z H -> G = H.
Proof.
  intros (G1 & G2 & G3 & G4) (H1 & H2 & H3 & H4).
  assert (L : mul Z G = mul Z H).
  { transitivity (mul (mul Z H) (mul Z G)); [now rewrite mul_assoc, H1 |].
    rewrite <- H3, <- G3, <- transpose_mul, mul_assoc, G1; reflexivity. }
  assert (R : mul G Z = mul H Z).
  { transitivity (mul (mul G Z) (mul H Z)); [now rewrite <- mul_assoc, (mul_assoc _ _ _ _ Z), H1 |].
    rewrite <- G4, <- H4, <- transpose_mul, <- mul_assoc, (mul_assoc _ _ _ _ Z), G1; reflexivity. }
  now rewrite <- G2, R, <- mul_assoc, L, mul_assoc.
Qed.
