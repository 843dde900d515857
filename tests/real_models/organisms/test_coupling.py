"""The loss metric at the last block, what it says of re-routing, and what a run brings back."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tolerance
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import rotation
from tiny_organism import RUN

import real_models.experiments.coupling as module
from figures.plots.coupling import build
from grasp_theory import InputError
from real_models.hooks.stream import find_stream
from real_models.organisms.runs import naive_run
from synthetic.experiment import generators, table


class Small(module.Cell):
    """Of the small organism."""

    run_spec = RUN


CELL = Small("style", 0, "write", "identified", points=(0, 8, 16))


@pytest.fixture(scope="module")
def organism(organism_cache):
    return naive_run(RUN)


def metric(seed: int, d: int, condition: float) -> tuple[np.ndarray, np.ndarray]:
    """(H, Q): H = Q diag(values) Qᵀ with a dense basis."""
    rng = np.random.default_rng(seed)
    Q = rotation(rng, d)
    return Q * np.geomspace(1, condition, d) @ Q.T, Q


@given(seed=st.integers(0, 10**6), d=st.integers(2, 12), condition=st.floats(2, 100))
def test_share_is_what_the_rest_explains(seed, d, condition):
    """Two routes: the Schur complement of u's coordinate. The bound of ``rerouting-share`` holds."""
    H, _ = metric(seed, d, condition)
    u = np.random.default_rng(seed + 1).standard_normal(d)
    basis = np.linalg.svd(u[:, None])[0]
    G = basis.T @ H @ basis
    explained = G[0, 1:] @ np.linalg.solve(G[1:, 1:], G[1:, 0]) / G[0, 0]
    off = tolerance.backward((d,), np.float64, condition)
    found = module.share(H, u, ridge=0.0)
    np.testing.assert_allclose(found, explained, rtol=0, atol=off)
    assert -off <= found <= ((condition - 1) / (condition + 1)) ** 2 + off
    assert module.share(H, u, ridge=10.0) < max(found, off)


@given(seed=st.integers(0, 10**6))
def test_coupling_is_none_along_eigenvectors_alone(seed):
    H, Q = metric(seed, 6, 10.0)
    off = tolerance.backward((6,), np.float64, 10.0)
    for u in Q.T:
        np.testing.assert_allclose([module.coupling(H, 3 * u), module.share(H, 3 * u, ridge=0.0)], 0, atol=off)
    u = Q[:, 0] + Q[:, 5]
    np.testing.assert_allclose(module.coupling(H, u), (10 - 1) / (10 + 1))
    np.testing.assert_allclose(module.share(H, u, ridge=0.0), ((10 - 1) / (10 + 1)) ** 2)  # Kantorovich's extremal


@pytest.mark.slow
def test_loss_metric_is_the_mean_outer_product_of_gradients_over_the_models_own_labels(organism):
    """Fisher's identity, by autograd through the model's own head: Σ_y p_y ∇log p_y ∇log p_yᵀ."""
    model = organism.model(organism.at)
    blocks, head = find_stream(model).blocks, model.get_base_model()
    seen = []
    handle = blocks[-1].register_forward_hook(lambda m, a, out: seen.append(out[0] if isinstance(out, tuple) else out))
    count = len(RUN.curated())
    batch = RUN.batch_of(np.arange(count))
    with torch.no_grad():
        model(input_ids=batch["input_ids"])
    handle.remove()
    H, n = torch.zeros(RUN.width, RUN.width, dtype=torch.float64), 0
    for row, labels in zip(seen[0], batch["labels"], strict=True):
        for place in range(len(labels) - 1):
            if labels[place + 1] != -100:
                h = row[place]
                logp = head.lm_head(head.model.norm(h)).log_softmax(-1)
                J = torch.autograd.functional.jacobian(lambda x: head.lm_head(head.model.norm(x)).log_softmax(-1), h)
                H, n = H + (J.double().T * logp.double().exp()) @ J.double(), n + 1
    expected = (H / n).detach().numpy()
    off = tolerance.backward((n,), np.float32, np.linalg.norm(expected))
    np.testing.assert_allclose(module.loss_metric(model, RUN), expected, rtol=0, atol=off)
    assert n == 2 * count


def test_came_back_is_all_for_the_naive_run_and_nothing_for_the_base(organism, monkeypatch):
    monkeypatch.setattr(module, "_summary", lambda s: {"task": s, "drift": 2 * s + 0.1, "log-odds": 3 * s - 2})
    found = module._came_back([0.0, 0.5, 1.0], [0.0, 0.5, 1.0], CELL)
    np.testing.assert_allclose([found["share of drift"], found["share of log-odds"], found["reached"]], 1)
    found = module._came_back([0.0, 0.5, 1.0], [0.0, 0.0, 0.0], CELL)
    np.testing.assert_allclose([found["share of drift"], found["share of log-odds"], found["reached"]], 0)


@pytest.fixture(scope="module")
def measured(organism):
    ways = [("write", "identified"), ("stream+write", "supervised"), ("compensated", "identified")]
    cells = [dataclasses.replace(CELL, way=way, direction=direction) for way, direction in ways]
    return {cell: module.measure(cell, generators("coupling", cell, 1)) for cell in cells}


@pytest.mark.slow
def test_coupling_measures_every_way(measured):
    write, other, compensated = measured.values()
    assert write["coupling start"] == compensated["coupling start"] != other["coupling start"]
    assert write["share of log-odds"] != compensated["share of log-odds"]
    for values in measured.values():
        for when in ("start", "crossing"):
            shares = [values[f"share {when} {ridge:g}"][0] for ridge in module.RIDGES]
            assert 1 > shares[0] > shares[1] > shares[2] > 0


def test_coupling_figure_draws_a_point_for_every_run(measured):
    rows = [row for cell, values in measured.items() for row in table(module.EXPERIMENT, cell, values)]
    axes = build(rows).axes
    assert len(axes) == 3
    for cell, values in measured.items():
        x, y = values["coupling crossing"][0], values["share of log-odds"][0]
        points = [line.get_xydata()[0] for line in axes[2].lines if len(line.get_xdata()) == 1]
        assert any(np.allclose(p, (x, y), rtol=1e-6) for p in points), cell.way


@pytest.mark.parametrize(("field", "value"), [("way", "prayer"), ("direction", "up"), ("variant", "loud")])
def test_coupling_cell_refuses_what_is_no_run(field, value, no_contracts):
    with pytest.raises(InputError, match=field):
        module.Cell(**{"variant": "style", "organism": 0, "way": "write", "direction": "identified", field: value})
