"""What small deep nets learn of a shortcut that is projected out or compensated while they train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, cast, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError

from ..experiment import Experiment, Prediction
from ..fields import require_at_least, require_known
from ..generators.task_updates import haar
from ..training.net_training import METHODS, NetRun, train_net
from ..training.nets import Net, NetSpec, draw_net

Panel = Literal["net", "share", "strength"]
Optimizer = Literal["sgd", "momentum", "adam"]
LR = {"sgd": 0.05, "momentum": 0.02, "adam": 0.01}
STEPS = (0, 20, 40, 60, 80, 120, 160, 240, 320, 480, 640)
LAYERS = 5  # drawn for each trial of a share


@dataclass(frozen=True)
class Cell:
    """Nets of ``synthetic.training.nets`` with a planted task and a shortcut beta u vᵀ, trained under a removal method.

    Attributes:
        panel: net (three blocks with LoRA), share (one layer, no task, metric of condition number ``metric``) or
            strength (one layer, always-on trait, ``strength`` times the shortcut as compensator).
        random: the method is given random directions (control).
        frozen: "closed" makes u a left eigenvector of the frozen blocks after the first.
        aligned: u is an eigenvector of the metric.
        phi, loss, width, beta: of the net.
    """

    panel: str
    method: str
    random: bool = False
    frozen: str = "open"
    phi: str = "identity"
    loss: str = "squared"
    optimizer: str = "sgd"
    metric: float = 1.0
    aligned: bool = False
    strength: float = 1.0
    beta: float = 1.5
    width: int = 12
    steps: tuple[int, ...] = STEPS

    def __post_init__(self) -> None:
        require_known(self, panel=get_args(Panel), method=METHODS, optimizer=get_args(Optimizer))
        require_known(self, frozen=("open", "closed"), phi=("identity", "tanh"), loss=("squared", "logistic"))
        require_at_least(self, metric=1.0, strength=0.0, beta=0.0)
        if self.width < 5 or self.beta == 0:
            raise InputError(f"width must be at least 5 and beta positive, got {self.width} and {self.beta}")
        if len(self.steps) < 2 or self.steps[0] != 0 or (np.diff(self.steps) < 1).any():
            raise InputError(f"steps must increase from 0, got {self.steps}")

    @property
    def spec(self) -> NetSpec:
        """Three blocks with LoRA of rank 4; or one layer, trained in B against orthonormal rows: full fine-tuning."""
        same = {name: getattr(self, name) for name in ("width", "beta", "metric", "aligned", "phi", "loss", "frozen")}
        if self.panel == "net":
            return NetSpec(**same)
        inputs = "always-on" if self.panel == "strength" else "gaussian"
        return NetSpec(**same, blocks=1, rank=self.width, start="orthonormal", task=0.0, task_rank=1, inputs=inputs)


def cells(quick: bool) -> list[Cell]:
    """Methods on two kinds of nets; shares against condition number; strengths of the compensator under two losses."""
    steps = STEPS[:7] if quick else STEPS
    ways: list[dict[str, Any]] = [{"method": name} for name in METHODS if name != "caft"]
    ways += [{"method": "stream", "random": True}, {"method": "write", "frozen": "closed"}]
    ways += [{"method": "stream", "metric": 10.0, "aligned": aligned} for aligned in (True, False)]
    kinds = (("identity", "sgd"), ("tanh", "adam"))
    nets = [Cell("net", **way, phi=phi, optimizer=o, steps=steps) for phi, o in kinds for way in ways]
    far, spreads = (600, (2.0, 8.0)) if quick else (1000, tuple(2.0 ** np.arange(0.5, 5, 0.5)))
    grid = [(float(k), False) for k in spreads] + [(float(k), True) for k in spreads[::4]]
    shares = [Cell("share", "write", metric=k, aligned=a, optimizer="momentum", steps=(0, far)) for k, a in grid]
    long = (0, 20, 60, 200) if quick else (0, 20, 60, 200, 600, 2000)
    strengths = [float(x) for x in np.linspace(0, 2, 3 if quick else 9)]
    options = [(loss, x, r) for loss in ("squared", "logistic") for x in strengths for r in (False, True)]
    made = [Cell("strength", "compensated", loss=c, strength=x, random=r, steps=long) for c, x, r in options]
    return nets + shares + made


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, Float[ndarray, "trials ..."]]:
    """What training acquires of the shortcut, by panel.

    Net, all less the same run without a shortcut: ``acquired``, the reliance per beta, 1 if all of it is learnt;
    ``cost``, the error off u on fresh inputs per beta² (the rest imitates the shortcut). Share: part of the loss of the
    shortcut that training recovers, mean and largest of ``LAYERS`` layers. Strength: ``reliance``, the response to a
    unit step along v.
    """
    if cell.panel == "share":
        run = _trained(cell, *_drawn(cell, [rng for rng in rngs for _ in range(LAYERS)]))
        shares = (1 - run.loss[-1] / run.loss[0]).reshape(len(rngs), LAYERS)
        return {"share": shares.mean(axis=1), "largest share": shares.max(axis=1)}
    net, u, v = _drawn(cell, rngs)
    run = _trained(cell, net, u, v)
    at = np.searchsorted(run.steps, cell.steps)
    if cell.panel == "strength":
        return {"reliance": run.reliance[at].T}
    without = _trained(cell, replace(net, spec=replace(net.spec, beta=0.0)), u, v)
    acquired = (run.reliance - without.reliance)[at].T / cell.beta
    return {"acquired": acquired, "cost": (run.task_error - without.task_error)[at].T / cell.beta**2}


def _drawn(cell: Cell, rngs: Sequence[np.random.Generator]) -> tuple[Net, ndarray, ndarray]:
    """One net from each generator, with its own inputs, side by side; the directions u, v that the method is given."""
    drawn = [draw_net(cell.spec, rng=rng) for rng in rngs]
    arrays = {f.name: np.concatenate([getattr(n, f.name) for n in drawn]) for f in fields(Net) if f.name != "spec"}
    net = Net(spec=replace(cell.spec, trials=len(drawn)), **arrays)
    if not cell.random:
        return net, net.u, net.v
    u, v = (np.concatenate([haar((cell.width, 1), rng=rng).T for rng in rngs]) for _ in range(2))
    return net, u, v


def _trained(cell: Cell, net: Net, u: ndarray, v: ndarray) -> NetRun:
    return train_net(
        net,
        method=cell.method,
        optimizer=cast("Optimizer", cell.optimizer),
        lr=LR[cell.optimizer],
        steps=cell.steps[-1],
        every=int(np.gcd.reduce(cell.steps)),
        strength=cell.strength,
        train_A=cell.panel == "net",
        u=u,
        v=v,
    )


def theory(cell: Cell) -> dict[str, Prediction]:
    """Statements ``rerouting-share`` and ``compensation-removes-pressure``; nothing is predicted of random directions.

    Net: 0 for a stream whose metric keeps u, for an exact compensator, and for a closed linear net under write
    projection. Share: mean of
    1 − 1/((uᵀHu)(uᵀH⁻¹u)) over uniform u, itself a mean over many u (finite: 5 standard errors), and at most
    ((κ−1)/(κ+1))². Strength, with a = strength · beta, t = lr · step: squared loss (beta − a)(1 − (1 − lr)^step)
    exactly; logistic loss the root b of e^(a+b) + b = e^a + t, which Euler's steps miss by at most lr t 2/27.
    """
    if cell.random:
        return {}
    if cell.panel == "share":
        return _share_theory(cell)
    steps, lr = np.array(cell.steps), LR[cell.optimizer]
    if cell.panel == "strength":
        a = (cell.strength if cell.method == "compensated" else 0.0) * cell.beta
        if cell.optimizer != "sgd" or cell.method not in ("compensated", "none"):
            return {}
        if cell.loss == "squared":
            return {"reliance": Prediction((cell.beta - a) * (1 - (1 - lr) ** steps))}
        return {"reliance": Prediction(logistic_reliance(a, lr * steps), "=", lr * lr * steps * 2 / 27)}
    unseen = cell.loss == "squared" and (
        (cell.method == "stream" and (cell.metric == 1 or cell.aligned))
        or (cell.method == "compensated" and cell.strength == 1)
        or (cell.method == "write" and cell.frozen == "closed" and cell.phi == "identity")
    )
    if not unseen:
        return {}
    return {name: Prediction(0.0) for name in ("acquired", "cost") if cell.method != "write" or name == "acquired"}


def logistic_reliance(a: float, t: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    """The root b of e^(a+b) + b = e^a + t: with w = e^(a+b), w + log w = e^a + t + a."""
    from scipy.special import wrightomega

    return np.log(wrightomega(np.exp(a) + t + a).real) - a


def _share_theory(cell: Cell) -> dict[str, Prediction]:
    kappa, n = cell.metric, cell.width
    bound = Prediction(((kappa - 1) / (kappa + 1)) ** 2, "<=")
    if cell.method != "write":
        return {}
    if cell.aligned:
        return {"share": Prediction(0.0, "=", 1e-12), "largest share": bound}
    values = np.exp(np.linspace(-0.5, 0.5, n) * np.log(kappa))
    weights = np.random.default_rng(0).standard_normal((50_000, n)) ** 2
    shares = 1 - weights.sum(axis=1) ** 2 / ((weights @ values) * (weights @ (1 / values)))
    finite = 5 * float(shares.std()) / np.sqrt(len(shares))
    return {"share": Prediction(float(shares.mean()), "=", finite), "largest share": bound}


EXPERIMENT = Experiment(name="rerouting", cells=cells, measure=measure, theory=theory, trials=(20, 10), along="steps")
