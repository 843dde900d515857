(* Covered: the two equations and the two bounds for every singular triple of M with ŝ > 0, in every size, from its
   equations M v̂ = ŝ û, Mᵀ û = ŝ v̂ alone.
   Not covered: ŝ₂ <= ‖T‖₂ (Weyl); that both bounds are attained at once; the example of a LoRA that is not M. *)

From Coq Require Import Reals Lra Psatz.
From Grasp Require Import vectors planes.
Open Scope R_scope.

Lemma left_of_any m d (T : mat m d) u v beta s uh vh :
  unit u -> unit v -> singular_triple (planted T beta u v) s uh vh -> 0 < s ->
  sin (angle uh u) = norm (off u (apply T vh)) / s.
Proof.
  intros Hu Hv (Huh & Hvh & E & _) Hs; rewrite sin_off by assumption.
  assert (K : vscale s (off u uh) = off u (apply T vh)).
  { rewrite apply_planted in E; apply unit_dot in Hu; apply vec_ext; intro i; unfold off.
    assert (Ei : s * uh i = apply T vh i + beta * dot v vh * u i)
      by (symmetry; exact (f_equal (fun x => x i) E)).
    assert (Eu : s * dot u uh = dot u (apply T vh) + beta * dot v vh)
      by (rewrite <- dot_vscale, <- E, dot_vadd, dot_vscale, Hu; ring).
    unfold vscale, vsub; nra. }
  rewrite <- K, norm_vscale by lra; field; lra.
Qed.

(* sin ∠(û, u) = ‖P_u T v̂‖/ŝ  and  sin ∠(v̂, v) = ‖P_v Tᵀ û‖/ŝ *)
Theorem angles : forall (m d : nat) (T : mat m d) (u : vec m) (v : vec d) (beta s : R) (uh : vec m) (vh : vec d),
  unit u -> unit v -> singular_triple (planted T beta u v) s uh vh -> 0 < s ->
  sin (angle uh u) = norm (off u (apply T vh)) / s /\
  sin (angle vh v) = norm (off v (apply (transpose T) uh)) / s.
Proof.
  intros m d T u v beta s uh vh Hu Hv H Hs; split; [now apply left_of_any with (v := v) (beta := beta) |].
  apply left_of_any with (v := u) (beta := beta); [easy | easy | | easy].
  rewrite <- transpose_planted; now apply triple_transpose.
Qed.

(* both are at most tau/ŝ for every tau >= ‖T‖₂ *)
Theorem bounds : forall (m d : nat) (T : mat m d) (u : vec m) (v : vec d) (beta s tau : R) (uh : vec m) (vh : vec d),
  unit u -> unit v -> singular_triple (planted T beta u v) s uh vh -> 0 < s -> norm_at_most T tau ->
  sin (angle uh u) <= tau / s /\ sin (angle vh v) <= tau / s.
Proof.
  intros m d T u v beta s tau uh vh Hu Hv H Hs HT.
  destruct (angles m d T u v beta s uh vh) as [L R]; try assumption.
  assert (Ht : 0 <= tau) by (apply norm_at_most_nonneg with (1 := Hv) (2 := HT)).
  destruct H as (Huh & Hvh & _); unfold unit in Huh, Hvh.
  rewrite L, R; split; apply Rmult_le_compat_r; try (left; now apply Rinv_0_lt_compat).
  - pose proof (HT vh) as K; rewrite Hvh in K; pose proof (off_norm _ u (apply T vh) Hu); lra.
  - pose proof (norm_transpose _ _ _ _ Ht HT uh) as K; rewrite Huh in K.
    pose proof (off_norm _ v (apply (transpose T) uh) Hv); lra.
Qed.
