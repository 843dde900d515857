"""Residual nets: exact gradients, methods that keep what they promise, and the theory's lines in real training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from scipy.special import expit, wrightomega
from tolerance import backward

from grasp_theory.linear.training import Optimizer
from grasp_theory.statements.shared import residual_net
from synthetic.training.net_training import Method, gradients, train_net
from synthetic.training.nets import Net, NetSpec, along, draw_net, forward

OPTIMIZERS = get_args(Optimizer)
SMALL = NetSpec(width=5, blocks=3, rank=2, adapted=(0, 2), metric=5.0, samples=12, trials=2)
BLOCK = NetSpec(width=6, blocks=1, rank=6, start="orthonormal", samples=48, trials=3)  # trained in B: full fine-tuning


def net_of(spec: NetSpec) -> Net:
    return draw_net(spec, rng=np.random.default_rng(0))


def factors(net: Net):
    """LoRA factors in the middle of training."""
    rng = np.random.default_rng(1)
    return 0.5 * rng.standard_normal(net.B0.shape), net.A0 + 0.3 * rng.standard_normal(net.A0.shape)


def allowed(*arrays, scale: float = 1.0) -> float:
    shape = [n for x in arrays for n in x.shape[1:]]
    return backward(shape, float, scale * max(1.0, *(float(np.abs(x).max()) for x in arrays)))


def slopes(value, B, A, h: float):
    """Central differences of a function of both factors that returns one number per trial."""
    for place, x in enumerate((B, A)):
        for index in np.ndindex(x.shape[1:]):
            shift = np.zeros_like(x)
            shift[(slice(None), *index)] = h
            up, down = (value(*((B + s * shift, A) if place == 0 else (B, A + s * shift))) for s in (1, -1))
            yield place, index, (up - down) / (2 * h)


@pytest.mark.parametrize("phi", ["identity", "tanh"])
@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("method", ["none", "caft", "compensated", "caft+compensated"])
def test_net_gradients_are_those_of_the_loss(phi, loss, method):
    net, h = net_of(replace(SMALL, phi=phi, loss=loss)), 1e-5
    removal, (B, A) = Method(method, net.u, net.v, 0.6), factors(net)
    value, *found = gradients(net, removal, B, A)
    atol = backward((12, 5), float, float(value.max()) / h)  # rounding of a difference; h² is smaller
    assert atol < 1e-6 * min(np.abs(g).max() for g in found)
    for place, index, slope in slopes(lambda B, A: gradients(net, removal, B, A)[0], B, A, h):
        np.testing.assert_allclose(found[place][(slice(None), *index)], slope, rtol=0, atol=atol)


@pytest.mark.parametrize("phi", ["identity", "tanh"])
def test_net_stream_gradients_take_the_stream_along_u_as_constant(phi):
    net, h = net_of(replace(SMALL, phi=phi)), 1e-5
    removal, (B, A) = Method("stream", net.u, net.v), factors(net)
    value, *found = gradients(net, removal, B, A)
    frozen = [along(net.u, x) for x in forward(net, net.weights(B, A), net.X)[0]]

    def held(B, A):
        W, x = net.weights(B, A), net.X
        for k in range(3):
            z = W[:, k] @ x
            x = x + (z if phi == "identity" else np.tanh(z))
            x = x - along(net.u, x) + frozen[k + 1]
        E = x - net.clean(net.X) - net.spec.beta * net.u[..., None] * (net.v[:, None] @ net.X)
        return 0.5 * np.sum(E * (net.H @ E), axis=(1, 2)) / net.X.shape[-1]

    np.testing.assert_allclose(held(B, A), value, rtol=0, atol=allowed(net.X, value))
    for place, index, slope in slopes(held, B, A, h):
        atol = backward((12, 5), float, float(value.max()) / h)
        np.testing.assert_allclose(found[place][(slice(None), *index)], slope, rtol=0, atol=atol)
    naive = gradients(net, Method("none", net.u, net.v), B, A)
    assert np.abs(naive[1] - found[0]).max() > 1e-2


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("method", ["none", "stream+write", "read", "caft", "compensated"])
@pytest.mark.usefixtures("no_contracts")
def test_net_training_of_many_trials_is_each_alone(optimizer, method):
    net = net_of(replace(SMALL, phi="tanh", trials=3))
    options: dict[str, Any] = {"method": method, "optimizer": optimizer, "lr": 0.02, "steps": 25, "every": 10}
    together = train_net(net, **options)
    np.testing.assert_array_equal(together.steps, [0, 10, 20, 25])
    for i in range(3):
        alone = train_net(net.trial(i), **options)
        for name in ("B", "A"):
            np.testing.assert_array_equal(getattr(together, name)[i], getattr(alone, name)[0])
        for name in ("loss", "reliance", "task_error", "risk", "leak"):
            np.testing.assert_array_equal(getattr(together, name)[:, i], getattr(alone, name)[:, 0])


@pytest.mark.parametrize("optimizer", residual_net.OPTIMISERS)
@pytest.mark.parametrize("phi", ["identity", "tanh"])
@pytest.mark.parametrize(("method", "blocks"), [("none", 3), ("write", 3), ("stream", 1), ("compensated", 2)])
def test_net_training_is_that_of_the_statements_net(optimizer, phi, method, blocks):
    """Against the separately written training in ``rerouting-share``; its stream projection is at the last output."""
    net = net_of(replace(SMALL, phi=phi, blocks=blocks, adapted=None, task_blocks=None, trials=1))
    other = residual_net.Net(net.W[0], net.A0[0], linear=phi == "identity")
    P, shortcut = np.eye(5) - np.outer(net.u[0], net.u[0]), net.spec.beta * np.outer(net.u[0], net.v[0]) @ net.X[0]
    Y = net.clean(net.X)[0] + (0 if method == "compensated" else shortcut)
    sides: dict[str, Any] = {"stream": {"backward": P}, "write": {"write": P}}.get(method, {})
    F = other.train(net.X[0], lambda F: net.H[0] @ (F - Y), steps=30, lr=0.03, optimiser=optimizer, **sides)
    run = train_net(net, method=method, optimizer=optimizer, lr=0.03, steps=30)
    found = net.output(net.weights(run.B, run.A), net.X)[0]
    np.testing.assert_allclose(found, F[-1], rtol=0, atol=100 * allowed(F))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("phi", ["identity", "tanh"])
@pytest.mark.usefixtures("no_contracts")
def test_net_write_and_read_removal_hold_on_the_weights(optimizer, phi):
    net = net_of(replace(SMALL, phi=phi, trials=4))
    options: dict[str, Any] = {
        "optimizer": optimizer,
        "lr": 0.003 if optimizer == "momentum" else 0.02,
        "steps": 60,
        "decay": 0.1,
    }
    written, free = (train_net(net, method=m, **options) for m in ("write", "none"))
    atol = allowed(written.A, written.B)
    np.testing.assert_allclose(written.leak, 0, atol=atol)
    np.testing.assert_allclose(net.u[:, None, None] @ written.B @ written.A, 0, atol=atol)
    assert free.leak[-1].min() > 1e-3
    run = train_net(net, method="read", **options)
    np.testing.assert_allclose(run.B @ run.A @ net.v[:, None, :, None], 0, atol=atol)
    assert np.abs(free.B @ free.A @ net.v[:, None, :, None]).max(axis=(1, 2, 3)).min() > 1e-3


def test_net_read_removal_starts_at_attach_time():
    """The first step already sees A0 without v."""
    net = net_of(SMALL)
    attached = net.A0 - (net.A0 @ net.v[:, None, :, None]) * net.v[:, None, None]
    first, same, naive = (
        train_net(n, method=m, lr=0.1, steps=1).B
        for n, m in ((net, "read"), (replace(net, A0=attached), "none"), (net, "none"))
    )
    np.testing.assert_allclose(first, same, rtol=0, atol=allowed(net.A0, net.X))
    assert np.abs(first - naive).max(axis=(1, 2, 3)).min() > 1e-3


def test_net_write_removal_of_a_given_direction_keeps_off_that_one():
    net = net_of(SMALL)
    other = net.u + 0.3 * np.random.default_rng(4).standard_normal(net.u.shape)
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    run = train_net(net, method="write", lr=0.02, steps=50, u=other)
    np.testing.assert_allclose(other[:, None, None] @ run.B @ run.A, 0, atol=allowed(run.B, run.A))
    assert np.abs(net.u[:, None, None] @ run.B @ run.A).max(axis=(1, 2, 3)).min() > 1e-3


def test_net_reliance_task_error_and_risk_of_a_converged_naive_run():
    """The shortcut is learnt in full: reliance beta, no task error, and a risk of beta² E(vᵀx)²."""
    net = net_of(replace(BLOCK, beta=0.8))
    run = train_net(net, lr=0.5, steps=400, every=100, train_A=False)
    atol = allowed(net.X, scale=20)
    np.testing.assert_allclose(run.reliance[-1], 0.8, rtol=0, atol=atol)
    np.testing.assert_allclose(run.task_error[-1], 0, atol=atol)
    np.testing.assert_allclose(
        run.risk[-1], 0.64 * np.mean((net.v[:, None] @ net.fresh)[:, 0] ** 2, axis=-1), rtol=0, atol=atol
    )
    task = (net.u[:, None] @ net.T[:, 0] @ net.v[..., None])[:, 0, 0]
    np.testing.assert_allclose(run.reliance[0], -task, rtol=0, atol=atol)
    assert run.task_error[0].min() > 0.1


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("phi", ["identity", "tanh"])
@pytest.mark.usefixtures("no_contracts")
def test_net_stream_removal_never_sees_beta_iff_the_metric_keeps_u(optimizer, phi):
    for aligned in (True, False):
        net = net_of(replace(SMALL, phi=phi, aligned=aligned))
        runs = [
            train_net(
                replace(net, spec=replace(net.spec, beta=b)), method="stream", optimizer=optimizer, lr=0.02, steps=3
            )
            for b in (0.0, 2.0)
        ]
        gap = np.abs(runs[0].B - runs[1].B).max(axis=(1, 2, 3))
        if aligned:
            np.testing.assert_allclose(gap, 0, atol=1e4 * allowed(runs[0].B, net.X))
        else:
            assert gap.min() > 1e-3


@pytest.mark.usefixtures("no_contracts")
def test_net_write_removal_is_rerouted_iff_a_later_block_turns_u():
    for frozen in ("closed", "open"):
        spec = NetSpec(width=6, rank=6, frozen=frozen, weight=1.0, samples=48, trials=3)
        net = net_of(spec)
        run = train_net(net, method="write", lr=0.05, steps=600, every=600)
        moved = run.reliance[-1] - run.reliance[0]
        if frozen == "closed":
            np.testing.assert_allclose(moved, 0, atol=allowed(net.X, net.output(net.W, net.X), scale=20))
            assert (run.loss[-1] < 0.9 * run.loss[0]).all()  # the rest is learnt
        else:
            assert (moved > 0.5 * (spec.beta - run.reliance[0])).all()


@pytest.mark.usefixtures("no_contracts")
def test_net_of_one_block_reroutes_the_share_of_the_theory():
    """Task 0, loss all the shortcut's: write projection recovers 1 − 1/((uᵀHu)(uᵀH⁻¹u)) of it; none if u is kept."""
    for aligned in (False, True):
        net = net_of(replace(BLOCK, metric=8.0, task=0.0, aligned=aligned))
        run = train_net(net, method="write", lr=0.15, steps=2000, every=2000, train_A=False)
        product = [(u @ H @ u) * (u @ np.linalg.solve(H, u)) for u, H in zip(net.u, net.H, strict=True)]
        share = 1 - 1 / np.array(product)
        np.testing.assert_allclose(1 - run.loss[-1] / run.loss[0], share, rtol=0, atol=allowed(net.H, scale=20))
        assert aligned == (share < 0.01).all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.usefixtures("no_contracts")
def test_net_compensated_in_full_trains_as_without_the_shortcut(optimizer):
    net = net_of(replace(SMALL, phi="tanh"))
    options: dict[str, Any] = {"optimizer": optimizer, "lr": 0.02, "steps": 3}
    clean = train_net(replace(net, spec=replace(net.spec, beta=0.0)), **options)
    compensated = train_net(net, method="compensated", **options)
    atol = 1e4 * allowed(clean.B, net.X)
    np.testing.assert_allclose(compensated.B, clean.B, rtol=0, atol=atol)
    assert np.abs(train_net(net, **options).B - clean.B).max() > 100 * atol


@pytest.mark.parametrize("strength", [0.0, 1.0, 2.0])
@pytest.mark.usefixtures("no_contracts")
def test_net_compensated_learns_the_reliance_of_the_theory(strength):
    """Always-on trait, full fine-tuning: logistic e^(a+b) + b = e^a + t; squared (beta − a)(1 − (1 − lr)^steps)."""
    lr, steps, beta = 0.05, 200, 1.5
    a, t = strength * beta, lr * steps
    options: dict[str, Any] = {
        "method": "compensated",
        "strength": strength,
        "lr": lr,
        "steps": steps,
        "every": steps,
        "train_A": False,
    }
    spec = replace(BLOCK, inputs="always-on", beta=beta, task=0.0)
    b = train_net(net_of(replace(spec, loss="logistic", task=0.5)), **options).reliance[-1]
    discrete = 0.0
    for _ in range(steps):
        discrete += lr * expit(-(a + discrete))
    np.testing.assert_allclose(b, discrete, rtol=0, atol=steps * backward((6, 48), float, 1.0))
    flow = np.log(wrightomega(np.exp(a) + t + a).real) - a
    # Euler: the field falls in b, so local errors lr²|b''|/2 add up; |b''| = σ²(1 − σ) <= 4/27
    np.testing.assert_allclose(b, flow, rtol=0, atol=lr * t * 2 / 27)
    assert (b > 0).all()
    squared = train_net(net_of(spec), **options).reliance[-1]
    expected = (beta - a) * (1 - (1 - lr) ** steps)
    np.testing.assert_allclose(squared, expected, rtol=0, atol=steps * backward((6, 48), float, 1.0))


def test_net_draws_are_what_the_spec_says():
    spec = NetSpec(width=7, rank=3, frozen="closed", metric=9.0, inputs="always-on", start="orthonormal", trials=3)
    net, one = net_of(spec), net_of(replace(spec, trials=1))
    for name in ("W", "T", "A0", "H", "u", "v", "X", "fresh"):
        np.testing.assert_array_equal(getattr(net, name)[:1], getattr(one, name))
    atol = allowed(net.W, net.X)
    turned = net.u[:, None, None] @ net.W
    along_u = (turned @ net.u[:, None, :, None]) * net.u[:, None, None]
    np.testing.assert_allclose(turned[:, 1:], along_u[:, 1:], rtol=0, atol=atol)
    assert np.abs(turned[:, 0] - along_u[:, 0]).max() > 0.1
    np.testing.assert_allclose(np.linalg.cond(net.H), 9, rtol=atol)
    np.testing.assert_allclose(net.v[:, None] @ net.X, 1, rtol=0, atol=atol)
    np.testing.assert_allclose(net.X.mean(axis=-1), net.v, rtol=0, atol=atol)
    np.testing.assert_allclose(net.A0 @ net.A0.swapaxes(-1, -2), np.broadcast_to(np.eye(3), (3, 3, 3, 3)), atol=atol)
    np.testing.assert_allclose(np.linalg.norm(net.T, 2, axis=(-2, -1)), 0.5, rtol=0, atol=atol)
    np.testing.assert_array_equal(np.linalg.matrix_rank(net.T), 2)
    H = net_of(replace(spec, aligned=True)).H
    np.testing.assert_allclose(H @ net.u[..., None], along(net.u, H @ net.u[..., None]), rtol=0, atol=allowed(H))
    shifted = net_of(replace(spec, task_blocks=(1,)))
    np.testing.assert_array_equal(np.abs(shifted.T).max(axis=(0, 2, 3)) > 0, [False, True, False])
