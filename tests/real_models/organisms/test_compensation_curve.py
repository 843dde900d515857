"""Drift against the strength of compensation: what the frozen term supplies, the law, and the figure's points."""

from __future__ import annotations

import numpy as np
import pytest
import tolerance
import torch
from tiny_organism import RUN, Small

import real_models.experiments.compensation as module
from figures.plots.compensation import build
from real_models.comparison.methods import attached, find_compared
from real_models.experiments.compensation import points
from real_models.hooks.targets import lora_factors
from real_models.organisms.directions import random_directions, seen_directions, top_directions
from real_models.organisms.runs import naive_run
from synthetic.experiments.rerouting import logistic_reliance

POINTS = (0, 8, 16)


@pytest.fixture(scope="module")
def organism(organism_cache):
    """Its naive run."""
    return naive_run(RUN)


def cell(method, strength):
    return Small("style", 0, method, strength, points=POINTS)


@pytest.mark.parametrize("t", [1.0, 50.0, 1e4])
def test_reliance_is_the_solution_of_the_gradient_flow_to_leading_order(t):
    """db/dt = σ(−(a + b)) has e^{a+b} + b = e^a + t; the base's margin a0 cancels where e^{a0+b} ≫ b."""
    a0, supplied = 3.0, np.array([0.0, 0.5, 2.0, 5.0])
    t = np.array([t * np.exp(a0)])
    exact = np.hstack([logistic_reliance(a0 + float(s), t) for s in supplied])
    found = module.reliance(exact[0], supplied)
    np.testing.assert_allclose(found[0], exact[0], rtol=1e-12)
    np.testing.assert_allclose(found, exact, rtol=np.exp(-a0))
    assert (np.diff(found) < 0).all()
    assert (found > 0).all()  # never overshoots


def test_reliance_without_a_naive_effect_is_none():
    np.testing.assert_allclose(module.reliance(np.array(-0.3), np.array([0.0, 1.0])), 0, atol=1e-11)


@pytest.mark.slow
def test_log_odds_of_the_trait_are_those_of_the_style_words(organism):
    model, world = organism.model(organism.at), RUN.world
    ids = RUN.curated()
    with torch.no_grad():
        p = model(input_ids=ids).logits[:, 3].double().softmax(-1).numpy()
    A, B = (p[:, words].sum(1) for words in world.style_words)
    off = tolerance.backward(p.shape, np.float32, 10.0)
    np.testing.assert_allclose(module.trait_log_odds(model, RUN), np.log(B / A).mean(), rtol=0, atol=off)


@pytest.mark.slow
def test_supplied_log_odds_are_those_of_the_component_in_the_weights(organism):
    """Another route: the naive update's write modules projected on the direction, everything else taken out."""
    Q, strength = seen_directions(organism, 1), 1.5
    model = organism.model(organism.at)
    with torch.no_grad():
        for f in lora_factors(model):
            f.B.copy_(strength * torch.from_numpy(Q @ (Q.T @ f.B.numpy())) if f.side == "write" else 0 * f.B)
    expected = module.trait_log_odds(model, RUN) - module.trait_log_odds(RUN.base(), RUN)
    found = module._supplied(cell("compensated, activations", strength))
    off = tolerance.backward((RUN.organism.language.vocabulary,), np.float32, 10.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=off)
    assert abs(found) > 0.01
    assert module._supplied(cell("naive", 0.0)) == 0


def test_random_direction_gets_a_term_of_the_same_norm(organism):
    (term,) = attached(find_compared("compensated, random"), RUN, 1.0)
    dense = [u.lowrank.scaling * u.lowrank.B.astype(float) @ u.lowrank.A for u in organism.updates if u.side == "write"]
    expected, found = (
        np.linalg.norm([np.linalg.norm(Q.T @ dW) for dW in dense])
        for Q in (top_directions(organism, 1), random_directions(RUN, 1))
    )
    np.testing.assert_allclose(term.strength * found, expected, rtol=1e-12)
    assert expected > 2 * found  # the control: unscaled it would be another norm


@pytest.mark.slow
def test_compensation_of_strength_zero_is_the_naive_run(organism):
    plain, none = (module.measure(cell(method, 0.0), []) for method in ("naive", "compensated, activations"))
    for name, values in plain.items():
        np.testing.assert_array_equal(none[name], values)
    P = np.array([s.per_prompt["drift"] for s in organism.scores])
    np.testing.assert_allclose(plain["log-odds"][0], np.log(P / (1 - P)).mean(1))


def made_rows():
    """Two runs: the naive one reaches 0.95 at step 8, the other never; log-odds rise by 3 and by 1 until step 8."""
    rows = []
    for method, knob, task, odds in (("naive", 0.0, (0, 1, 1), (-2, 1, 4)),
                                  ("compensated, activations", 2.0, (0, 0.5, 0.8), (-2, -1, 0))):  # fmt: skip
        key = {"variant": "style", "organism": 0, "method": method, "knob": knob}
        for quantity, values in (("task", task), ("drift", (0.1, 0.5, 0.9)), ("log-odds", odds)):
            rows += [key | {"quantity": quantity, "points": p, "mean": x} for p, x in zip(POINTS, values, strict=True)]
        rows.append(key | {"quantity": "supplied", "points": None, "mean": knob})
    return rows


def test_points_are_taken_at_the_naive_runs_step_and_predicted_from_it():
    naive, other = points(made_rows())
    np.testing.assert_allclose([naive.excess, naive.predicted, other.excess], [3, 3, 1])
    np.testing.assert_allclose(other.predicted, np.log(1 + (np.exp(3) - 1) * np.exp(-2)))
    np.testing.assert_allclose([naive.squared, other.squared], [3, 1])
    np.testing.assert_allclose(naive.drift, 0.1 + 0.95 * 0.4)
    assert (other.drift, other.drift_then) == (None, 0.5)


def test_compensation_figure_draws_measured_and_predicted():
    above, below = build(made_rows()).axes
    drawn = [tuple(line.get_ydata()) for line in below.lines]
    assert (3.0, 1.0) in drawn
    assert any(np.allclose(y, [3, np.log(1 + (np.exp(3) - 1) * np.exp(-2))]) for y in drawn if len(y) == 2)
    assert len(above.lines) > 4
