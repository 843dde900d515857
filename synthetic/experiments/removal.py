"""The excess risk of every removal method, trained, against six knobs of one layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError
from grasp_theory.linear import LinearProblem

from ..experiment import Experiment, Prediction
from ..fields import require_known
from ..generators.inputs import InputSpec, draw_inputs
from ..generators.linear import ProblemSpec, draw_problem
from ..generators.task_updates import TaskSpec, haar
from ..training.one_layer import off, top, train_method

Panel = Literal["response", "rho", "beta", "rank", "angle", "condition"]
SHAPE = 12, 16
PROBLEM = 27605  # seed of the one problem whose knobs are turned
SAMPLES = 400  # deployment inputs of a trial
MEAN, STRENGTH = 0.5, 1.0  # of vᵀx on curated inputs, and of the preventative vector
STOP = 1e-6  # gradient, relative to the first, at which training ends
TRAINED = ("naive", "write GRASP", "read GRASP", "both GRASP", "CAFT", "preventative steering")


@dataclass(frozen=True)
class Cell:
    """One problem of 12 x 16 with ‖T‖₂ = tau = 1 and its knobs; panel names the one that is turned.

    Attributes:
        response: ‖W0 v‖.
        rho: correlation of vᵀx with the rest.
        beta: strength.
        rank: of LoRA.
        angle: in degrees, between the directions that are removed and u, v.
        condition: condition number of the metric H.
    """

    panel: Panel
    response: float = 1.0
    rho: float = 0.4
    beta: float = 1.5
    rank: int = 12
    angle: float = 0.0
    condition: float = 1.0

    def __post_init__(self) -> None:
        require_known(self, panel=get_args(Panel))
        if not 1 <= self.rank <= min(SHAPE):
            raise InputError(f"rank must be 1 to {min(SHAPE)}, got {self.rank}")
        if not 0 <= self.angle <= 90:
            raise InputError(f"angle must be 0 to 90 degrees, got {self.angle}")
        if not -np.sqrt(1 - MEAN**2) < self.rho < np.sqrt(1 - MEAN**2):
            raise InputError(f"rho must stay below {np.sqrt(1 - MEAN**2):.3f} for vᵀx of mean {MEAN}, got {self.rho}")
        self.spec()

    def spec(self) -> ProblemSpec:
        """The law that the problem is drawn from."""
        return ProblemSpec(
            *SHAPE,
            self.beta,
            task=TaskSpec(norm="spectral"),
            inputs=InputSpec("correlated", rho=self.rho),
            condition=self.condition,
            alignment=self.response,
        )


def cells(quick: bool) -> list[Cell]:
    """Every knob alone, the others at their standard."""
    knobs = {
        "response": np.linspace(0, 3, 10),
        "rho": np.linspace(0, 0.8, 9),
        "beta": np.geomspace(0.2, 6, 11),
        "rank": (1, 2, 3, 4, 5, 6, 8, 10, 12),
        "angle": np.linspace(0, 90, 11),
        "condition": np.geomspace(1, 16, 7),
    }
    step = 5 if quick else 1
    kind = {"rank": int}
    return [
        Cell(**{"panel": knob, knob: kind.get(knob, float)(np.round(x, 4))})
        for knob, values in knobs.items()
        for x in values[::step]
    ]


def problems(cell: Cell) -> tuple[LinearProblem, LinearProblem]:
    """(the problem, the same data as seen by who takes û, v̂ for u, v: same M, other split)."""
    rng = np.random.default_rng(PROBLEM)
    p = draw_problem(cell.spec(), rng=rng)
    if cell.angle == 0:
        return p, p
    turn, rng = np.radians(cell.angle), np.random.default_rng([PROBLEM, 1])
    u, v = (np.cos(turn) * x + np.sin(turn) * _orthogonal(x, rng) for x in (p.u, p.v))
    return p, replace(p, u=u, v=v, T=p.M - p.beta * np.outer(u, v))


def _orthogonal(x: Float[ndarray, " n"], rng: np.random.Generator) -> Float[ndarray, " n"]:
    y = rng.standard_normal(len(x))
    y -= x * (x @ y)
    return y / np.linalg.norm(y)


def turned(problem: LinearProblem, Q: Float[ndarray, "m m"], R: Float[ndarray, "d d"]) -> LinearProblem:
    """The problem in other orthonormal bases of outputs and inputs; every method commutes with that."""
    fields = {name: Q @ getattr(problem, name) @ R.T for name in ("W0", "T")}
    fields |= {name: _symmetric(R @ getattr(problem, name) @ R.T) for name in ("Sigma", "Sigma_t")}
    u, v = Q @ problem.u, R @ problem.v
    H = _symmetric(Q @ problem.H @ Q.T)
    return LinearProblem(beta=problem.beta, u=u / np.linalg.norm(u), v=v / np.linalg.norm(v), H=H, **fields)


def _symmetric(X: Float[ndarray, "n n"]) -> Float[ndarray, "n n"]:
    return 0.5 * (X + X.T)


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> Mapping[str, Float[ndarray, " trials"]]:
    """Mean squared error at deployment beyond the noise, by method: each trial has its own bases, A0 and test inputs.

    Every method is trained to convergence (momentum); post-hoc edits and ablation act on the naive run, compensation
    uses its top triple. random is post-hoc write with a uniform direction instead of û.
    """
    true, believed = problems(cell)
    frames = [[haar((n, n), rng=rng) for n in SHAPE] for rng in rngs]
    believed = [turned(believed, *frame) for frame in frames]
    true = [turned(true, *frame) for frame in frames]
    A0 = np.stack([rng.standard_normal((cell.rank, SHAPE[1])) / np.sqrt(SHAPE[1]) for rng in rngs])
    w = np.stack([haar((SHAPE[0], 1), rng=rng) for rng in rngs])
    mean = np.stack([MEAN * p.v for p in true])
    D = {n: train_method(n, believed, A0=A0, mean=mean, strength=STRENGTH, tolerance=STOP) for n in TRAINED}
    C = top(D["naive"])
    D["compensated"] = train_method("compensated", believed, A0=A0, compensator=C, tolerance=STOP)
    u, v, W0 = (np.stack([getattr(p, name) for p in believed]) for name in ("u", "v", "W0"))
    P_u, P_v = off(u[..., None]), off(v[..., None])
    D |= {"post-hoc write": P_u @ D["naive"], "post-hoc read": D["naive"] @ P_v, "random": off(w) @ D["naive"]}
    D |= {"deletion": D["naive"] - C, "ablation": (W0 + D["naive"]) @ P_v - W0}
    D["CAFT + ablation"] = (W0 + D["CAFT"]) @ P_v - W0
    X = np.stack([draw_inputs(p.Sigma_t, SAMPLES, rng=rng) for p, rng in zip(true, rngs, strict=True)])
    T = np.stack([p.T for p in true])
    return {name: np.sum(((d - T) @ X) ** 2, axis=(1, 2)) / SAMPLES for name, d in D.items()}


def theory(cell: Cell) -> dict[str, Prediction]:
    """Excess risks of the closed forms of ``grasp_theory.linear``.

    At full rank they are ``regimes.risk_table`` (statement ``who-wins``), at rank r those of ``naive-solution``,
    ``write-removal``, ``read-removal`` and ``caft-gap``; preventative steering has one at full rank only. random: with
    E w wᵀ = I/m the expected risk of P_w D is ‖D − T‖_t² + (‖D‖_t² − 2⟨D, D − T⟩_t)/m for the naive D. finite: 1e-5 of
    ‖M‖_t², where descent stops.
    """
    from grasp_theory.linear import excess_risk
    from grasp_theory.linear.solutions import (
        ablated,
        caft,
        caft_ablated,
        compensated,
        delete_component,
        grasp_both,
        grasp_read,
        grasp_write,
        naive_solution,
        own_component,
        posthoc_read,
        posthoc_write,
        preventative,
    )

    true, p = problems(cell)
    rank = cell.rank
    D = naive_solution(p, rank)
    updates = {
        "naive": D,
        "write GRASP": grasp_write(p, rank),
        "read GRASP": grasp_read(p, rank),
        "both GRASP": grasp_both(p, rank),
        "CAFT": caft(p, rank),
        "compensated": compensated(p, own_component(D), rank),
        "post-hoc write": posthoc_write(p, D),
        "post-hoc read": posthoc_read(p, D),
        "deletion": delete_component(D),
        "ablation": ablated(p, D),
        "CAFT + ablation": caft_ablated(p, rank),
    }
    if rank == min(SHAPE):
        updates["preventative steering"] = preventative(p, MEAN * true.v, STRENGTH)
    finite = 1e-5 * float(np.sum(true.M @ true.Sigma_t * true.M))
    lines = {name: Prediction(excess_risk(true, update), "=", finite) for name, update in updates.items()}
    inner = float(np.sum(D @ true.Sigma_t * (2 * true.T - D))) / SHAPE[0]
    return lines | {"random": Prediction(excess_risk(true, D) + inner, "=", finite)}


EXPERIMENT = Experiment(name="removal", cells=cells, measure=measure, theory=theory, trials=(40, 20))
