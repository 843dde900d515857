"""Bad input is refused by the objects and by identification, and the error says what was expected and what came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy import eye, full, inf, nan, ones, zeros
from planted import adapter, mapped
from strategies import problems, update

from grasp_theory import InputError, LowRank, Subspace, Update, diff, identify, trajectory
from grasp_theory.identification.diff import random_overlap
from grasp_theory.identification.floor import (
    factored_edge,
    gavish_donoho_threshold,
    marchenko_pastur_quantile,
    noise_scale,
    tracy_widom_quantile,
    white_edge,
)
from grasp_theory.identification.lanczos import leading_svd
from grasp_theory.identification.matrix import overlap_matrix
from grasp_theory.identification.self_certificate import estimate
from grasp_theory.identification.spectra import (
    critical_strength,
    factored_visible_strength,
    sample_critical_strength,
    sample_threshold,
    spike,
)
from grasp_theory.linear.problem import Stacked, stack
from grasp_theory.linear.solutions import caft, grasp_both, grasp_read, grasp_write, naive_solution
from grasp_theory.linear.training import train
from grasp_theory.lowrank import add, hstack

SOME, TALLER = LowRank(ones((2, 1)), ones((1, 2))), LowRank(ones((3, 1)), ones((1, 2)))
LINE, ELSEWHERE = Subspace(eye(3)[:, :1]), Subspace(eye(4)[:, :1])
PROBLEM = problems((4, 6), 1)[0]
SOLUTIONS = [(solution,) for solution in (naive_solution, grasp_write, grasp_read, grasp_both, caft)]
WRITE, OTHER, READ = adapter(0), adapter(1), [*adapter(0, side="read"), Update.of("classifier", SOME)]


def constant(size: float) -> Update:
    """A 3 x 3 update of rank one with all entries of both factors of this size: ŝ₁ = 3 size²."""
    return update(LowRank(full((3, 1), size), full((1, 3), size)))


def not_a_number(p: LowRank) -> LowRank:
    return LowRank(p.B * nan, p.A)


def of_each(function: Callable[..., Any], *values: tuple[Any, ...]) -> list[Callable[[], Any]]:
    """A call with each of these arguments."""
    return [lambda given=given: function(*given) for given in values]


# what is called (or each of several calls), and words of the refusal
REFUSED: list[tuple[Any, ...]] = [
    (lambda: LowRank([[1.0]], ones((1, 1))), "factor B", "2-D array of floats", "list"),
    (lambda: LowRank(ones((2, 2)), ones(2)), "factor A", "float64 of shape (2,)"),
    (lambda: LowRank(ones((2, 2), int), ones((2, 2))), "factor B", "int64"),
    (lambda: LowRank(ones((2, 2), complex), ones((2, 2))), "factor B", "complex128"),
    (lambda: LowRank(ones((3, 2)), ones((4, 3))), "do not fit", "(3, 2)", "(4, 3)", "(d_out, r)"),
    (lambda: LowRank(ones((2, 1)), ones((1, 2)), nan), "scaling", "finite", "nan"),
    (lambda: LowRank(ones((2, 1)), ones((1, 2)), inf), "scaling", "finite", "inf"),
    (lambda: SOME * inf, "scaling", "finite"),
    (lambda: SOME.svd(-1), "k must not be negative", "-1"),
    (lambda: SOME.norm("nuc"), "ord", '"fro" or 2', "nuc"),
    (lambda: SOME.inner(TALLER), "equal shapes", "(2, 2)", "(3, 2)"),
    (lambda: add([]), "at least one"),
    (lambda: add([SOME, TALLER]), "equal shapes"),
    (lambda: hstack([]), "at least one"),
    (lambda: hstack([SOME, TALLER]), "rows", "(3, 2)"),
    # subspaces
    (lambda: Subspace(eye(3, dtype=np.float32)), "2-D float64", "span"),
    (lambda: Subspace(ones(3)), "2-D float64"),
    (lambda: Subspace([[1.0]]), "2-D float64", "list"),
    (lambda: Subspace(ones((3, 2))), "(3, 2)", "not orthonormal"),
    (lambda: Subspace(full((3, 1), nan)), "not orthonormal"),
    (of_each(Subspace.span, (np.array([[1.0, nan]]),), (np.array([1.0, inf]),)), "NaN or Inf"),
    (lambda: Subspace.span(ones((2, 2, 2))), "columns of a real array", "(2, 2, 2)"),
    (lambda: Subspace.span(ones((2, 2), complex)), "complex128"),
    (lambda: LINE.project(ones(4)), "R^3", "(4,)"),
    (lambda: LINE.reject(ones((4, 2))), "R^3", "(4, 2)"),
    (of_each(lambda of: of(ELSEWHERE), (LINE.angles,), (LINE.union,)), "R^3", "(4, 1)"),
    # identify, and its report
    (of_each(identify, ([],), (iter(()),)), "one or more Update objects"),
    (lambda: identify(WRITE, side="both"), "side must be", "'both'"),
    (lambda: identify(WRITE, pool="all"), "pool must be", "'all'"),
    (lambda: identify(WRITE, top=0), "top must be a positive number", "0"),
    (lambda: identify(WRITE, top=2.0), "top must be a positive number", "2.0"),
    (lambda: identify(WRITE, level=0.4), "level must lie in [0.5, 1)", "0.4"),
    (of_each(lambda level: identify(WRITE, level=level), (1.0,), (nan,)), "level must lie"),
    (lambda: identify(WRITE, side="read"), "no module of this adapter reads", "o_proj", "use side='write'"),
    (lambda: identify(READ, side="write"), "no module of this adapter writes", "q_proj", "classifier", "side='read'"),
    (lambda: identify([update(LowRank(full((3, 2), nan), ones((2, 3))))]), "factor B holds NaN"),
    (lambda: identify(WRITE[:1] * 2), "two updates have the same module name", "one adapter"),
    (lambda: identify([constant(1e72)]), "o_proj has norm 3e+144, whose square leaves", "rescale"),
    (lambda: identify([constant(1e90)]), "o_proj has norm 3e+180, whose square leaves", "rescale"),
    (lambda: identify([constant(1e-75)]), "o_proj has norm 3e-150, whose square leaves", "rescale"),
    (lambda: identify([constant(0.0)]).component(0), "there is no component", "none of the 1 modules has an update"),
    (lambda: identify(WRITE).component(8), "has components 0 … 7", "asked for 8"),
    (lambda: identify(WRITE).component(-1), "has components 0 … 7", "asked for -1"),
    (lambda: identify(WRITE).decomposition("x"), "no decomposition is called 'x'", "write modules, width 40"),
    (lambda: identify(adapter(0, L=9), pool="none").decomposition("x"), "… (9 in all)"),
    # several adapters
    (lambda: diff([], WRITE), "share no module", "first adapts nothing", "second o_proj"),
    (lambda: diff(READ, WRITE), "share no module", "q_proj", "o_proj"),
    (lambda: diff(WRITE, adapter(0, m=41)), "(40, 30)", "(41, 30)", "different base models"),
    (lambda: diff(WRITE, WRITE, side="read"), "no common module is on the read side", "write"),
    (of_each(lambda top: diff(WRITE, WRITE, top=top), (0,), (-1,)), "top"),
    (lambda: trajectory([]), "at least one checkpoint"),
    (of_each(random_overlap, (3, 4, 1), (3, 1, 4)), "dimensions 1 to 3 in R^3, got"),
    (of_each(random_overlap, (5, 0, 0), (5, 2, 0), (5, 2, -1)), "dimensions 1 to 5 in R^5, got"),
    (lambda: overlap_matrix({"a": WRITE}), "two or more runs", "got 1"),
    (lambda: overlap_matrix({"a": WRITE, "b": OTHER}, top=0), "top must be a positive number"),
    (lambda: overlap_matrix({"a": WRITE, "b": OTHER}, side="read"), "no two of the 2 runs", "read side"),
    (lambda: overlap_matrix({"a": WRITE, "bad": mapped(OTHER, not_a_number)}), "bad, model.layers.0", "NaN"),
    # leading triples
    (of_each(lambda *shape: leading_svd([ones(shape)], -1), (500, 600), (50, 60)), "k >= 0 and max_steps >= 1, got -1"),
    (lambda: leading_svd(iter([ones((3, 4))] * 2), 1), "iterated over several times: pass a list"),
    (lambda: leading_svd((x for x in [ones((3, 4))]), 1), "iterated over several times"),
    (lambda: leading_svd([ones((3, 4)), ones((4, 4))], 1), "one number of rows, got shapes [(3, 4), (4, 4)]"),
    (lambda: leading_svd([], 1), "one number of rows"),
    (
        of_each(lambda bad: leading_svd([ones((3, 4)), full((3, 2), bad)], 1), (nan,), (inf,)),
        "a block of shape (3, 2) holds NaN or Inf",
    ),
    # the noise floor
    (of_each(tracy_widom_quantile, (0.0,), (1.0,), (-0.1,), (1.5,), (nan,)), "between 0 and 1"),
    (of_each(white_edge, (0, 3), (3, 0), (-1, 2)), "at least one row and one column"),
    (
        of_each(factored_edge, (0, ones(3)), (5, zeros(3)), (5, zeros(0)), (5, -ones(1))),
        "m >= 1 and a positive eigenvalue",
    ),
    (of_each(factored_edge, (5, np.array([1.0, nan])), (5, np.array([1.0, inf]))), "eigenvalues must be finite"),
    (of_each(marchenko_pastur_quantile, (0.0,), (-0.5,), (1.1,), (nan,)), "(0, 1]"),
    (
        of_each(lambda of: of(ones(2), 5, 3), (noise_scale,), (gavish_donoho_threshold,)),
        "needs all 3 singular values of a 5 x 3 matrix, got 2",
    ),
    (
        of_each(lambda of: of(ones(0), 0, 3), (noise_scale,), (gavish_donoho_threshold,)),
        "needs all 0 singular values of a 0 x 3 matrix, got 0",
    ),
    # the self-certificate
    (lambda: estimate(2.0, np.array([2.0]), (5, 5)), "not above the next"),
    (lambda: estimate(2.0, np.array([1.0]), (1, 5)), "one row or one column"),
    (lambda: estimate(2.0, np.array([0.5, 1.0]), (5, 5)), "descending"),
    (lambda: estimate(2.0, np.array([1.0, 0.5, 0.4]), (3, 5)), "at most 2"),
    # spiked laws
    (lambda: critical_strength(0, 3), "m must be positive", "0"),
    (lambda: critical_strength(3, -1), "d must be positive", "-1"),
    (lambda: critical_strength(3, 3, s=0.0), "s must be positive"),
    (lambda: critical_strength(3, 3, s=inf), "s must be positive and finite"),
    (lambda: critical_strength(3, 3, layers=0), "layers must be positive"),
    (lambda: spike(-1.0, 3, 3), "beta must be finite and not negative", "-1"),
    (lambda: spike(1.0, 3, 3, s=-1.0), "s must be positive"),
    (of_each(spike, (nan, 3, 3), (inf, 3, 3)), "beta"),
    (lambda: sample_threshold(0.0, 3, 3), "beta must be positive"),
    (lambda: sample_threshold(1.0, 3, 3, s=nan), "s must be positive"),
    (lambda: sample_critical_strength(np.array([1.0, 0.0]), 3), "positive eigenvalues", "n < d"),
    (of_each(lambda x: sample_critical_strength(np.array([1.0, x]), 3), (nan,), (inf,)), "positive eigenvalues"),
    (of_each(sample_critical_strength, (zeros(0), 3), (ones((2, 2)), 3)), "positive eigenvalues"),
    (lambda: sample_critical_strength(ones(2), 0), "m must be positive"),
    (lambda: factored_visible_strength(9, ones(4), 4.9), "above the noise edge 5", "4.9"),
    (lambda: factored_visible_strength(9, zeros(4), 4.9), "positive eigenvalue"),
    # linear problems of shape (4, 6), their solutions and their training
    (
        lambda: replace(PROBLEM, W0=ones((6, 4))),
        "W0 must be finite of shape (4, 6) to fit T of shape (4, 6), got (6, 4)",
    ),
    (lambda: replace(PROBLEM, u=ones(6)), "u must be finite of shape (4,) to fit T of shape (4, 6), got (6,)"),
    (lambda: replace(PROBLEM, H=eye(6)), "H must be finite of shape (4, 4)"),
    (lambda: replace(PROBLEM, Sigma=full((6, 6), nan)), "Sigma must be finite of shape (6, 6)"),
    (lambda: replace(PROBLEM, v=2 * PROBLEM.v), "v must be a unit vector, got length 2"),
    (lambda: replace(PROBLEM, u=zeros(4)), "u must be a unit vector, got length 0"),
    (lambda: replace(PROBLEM, Sigma=np.triu(ones((6, 6)))), "Sigma must be symmetric positive semi-definite"),
    (lambda: replace(PROBLEM, Sigma_t=-eye(6)), "Sigma_t must be symmetric positive semi-definite"),
    (lambda: replace(PROBLEM, beta=0.0), "beta must be positive, got 0.0"),
    (lambda: replace(PROBLEM, beta=-1.0), "beta must be positive, got -1.0"),
    (lambda: replace(PROBLEM, beta=inf), "beta must be positive, got inf"),
    (of_each(lambda solution: solution(PROBLEM, 0), *SOLUTIONS), "rank must be at least 1, got 0"),
    (of_each(lambda solution: solution(PROBLEM, -1), *SOLUTIONS), "rank must be at least 1, got -1"),
    (lambda: stack([PROBLEM, *problems((9, 9), 1)]), "one shape"),
    (lambda: stack([]), "one or more"),
    (lambda: Stacked(ones((2, 4, 6)), np.stack([eye(6), -eye(6)])), "Sigma must be symmetric"),
    (lambda: Stacked(ones((2, 4, 6)), np.stack([eye(6), eye(6) + 0.1 * eye(6, k=1)])), "Sigma must be symmetric"),
    (lambda: Stacked(ones((2, 4, 6)), eye(6), eye(5)), "H must be finite of shape"),
    (lambda: Stacked(ones((2, 4, 6)), np.stack([eye(6)] * 3)), "do not broadcast"),
    (lambda: train(stack([PROBLEM] * 2), ones((3, 3, 6)), lr=0.1, steps=1), "do not broadcast"),
    (lambda: train(stack([PROBLEM] * 2), ones((2, 3, 5)), lr=0.1, steps=1), "do not fit a layer"),
    (lambda: train(PROBLEM, ones((2, 3, 6)), lr=np.array([0.1, -0.1]), steps=1), "lr must be positive"),
    (
        lambda: train(PROBLEM, ones((3, 6)), lr=0.1, steps=1, optimizer="lion"),
        "unknown optimizer 'lion' or stage 'parameter'",
    ),
    (lambda: train(PROBLEM, ones((3, 6)), lr=0.1, steps=1, stage="weights"), "optimizer 'sgd' or stage 'weights'"),
]


@pytest.mark.usefixtures("no_contracts")
@pytest.mark.parametrize(
    ("call", "words"), [(call, words) for of, *words in REFUSED for call in (of if isinstance(of, list) else [of])]
)
def test_bad_input_is_refused_with_a_reason(call, words):
    with pytest.raises(InputError) as refusal:
        call()
    assert [word for word in words if word not in str(refusal.value)] == []
