"""projection-invariance (identity). Projecting the parameters keeps the pretrained behaviour, at every step, exactly.

Statement. Orthonormal Q (m × k), V (d × k). If each factor is replaced, after each step of any optimiser, by

    B <- (I − QQᵀ) B  (write side)   or   A <- A (I − VVᵀ)  (read side),

and by the same when it is attached (or B0 = 0), while W0 stays frozen, then at every step, the start included,

    Qᵀ(W0 + dW) = QᵀW0,   respectively   (W0 + dW) V = W0 V:

neither acquires new reliance, and what was pretrained along them stays. No property of the loss, the data, the
optimiser (momentum, moments, factor decay) or the rank is used: only *direct* reliance is meant, other directions
may imitate it (``rerouting-share``).

Assumes: parameters projected after each step; attached projected, or B0 = 0; Q, V orthonormal; W0 frozen.

Proof (here). Qᵀ(I − QQᵀ) = 0 as QᵀQ = I, so QᵀB = 0 after each projection, hence QᵀdW = s (QᵀB) A = 0; likewise
dW V = s B (A V) = 0. At the start either the factor is projected or B0 = 0. ∎

Sharper than "A0 itself must be projected": with B0 = 0 the first projection after a step does it; attaching late
changes only B's first step (it sees A0 V) and is harmless for this statement. What does not suffice is projecting
the gradients (``optimizer-leak``) or the increments: A0 V stays, and dW V = s B A0 V. Adam and AdamW are those of
torch, checked against it by the second route. Projected on both sides, all that is learnt lies off both:
W0 + dW = W0 + (I − QQᵀ) dW (I − VVᵀ).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.problem import LinearProblem, draw_problem
from ...linear.training import Optimizer, Stage, train
from ..shared.autograd import train_by_autograd
from ..shared.draws import log_uniform, orthonormal, unit
from ..statement import Claim, Route, Sides, Statement

STEPS = 25


@dataclass(frozen=True, eq=False)
class Instance:
    """A training run with one or two projected sides.

    Q, V : spanning what is to be kept. stage, attach : as in ``train``. W0_decay : decoupled decay of W0 itself, as in
    full fine-tuning; 0 for LoRA. a, b : where the kept responses are looked at.
    """

    problem: LinearProblem
    A0: Float[ndarray, "r d"]
    B0: Float[ndarray, "m r"]
    Q: Float[ndarray, "m k"]
    V: Float[ndarray, "d k"]
    optimizer: Optimizer
    lr: float
    scaling: float
    decay: float
    a: Float[ndarray, " d"]
    b: Float[ndarray, " m"]
    stage: Stage = "parameter"
    attach: bool = True
    W0_decay: float = 0.0

    def weights(self, stage: Stage, *, write: bool = True, read: bool = True) -> Float[ndarray, "n m d"]:
        """W0 + dW at the start and after each step."""
        options = {"lr": self.lr, "steps": STEPS, "scaling": self.scaling, "decay": self.decay, "B0": self.B0}
        sides = {"write": self.Q if write else None, "read": self.V if read else None}
        options |= {"optimizer": self.optimizer, "stage": stage, "attach": self.attach}
        run = train(self.problem, self.A0, **sides, **options)
        kept = (1 - self.lr * self.W0_decay) ** np.arange(len(run.trajectory))
        return kept[:, None, None] * self.problem.W0 + run.trajectory

    @cached_property
    def both(self) -> Float[ndarray, "n m d"]:
        """The run with both sides projected."""
        return self.weights(self.stage)


OPTIMIZERS: tuple[Optimizer, ...] = ("sgd", "momentum", "adam", "adamw", "sign")


def draw(rng: np.random.Generator) -> Instance:
    """Any optimiser, rank, metric; B0 = 0 (half attached late) or trained; the factor among one or two directions."""
    problem = draw_problem(rng, sizes=(3, 7), condition=4.0, metric=True)
    m, d = problem.shape
    r, k = int(rng.integers(1, min(m, d) + 2)), int(rng.integers(1, 3))
    optimizer = OPTIMIZERS[int(rng.integers(len(OPTIMIZERS)))]
    gentle = 0.03 if optimizer in ("adam", "adamw", "sign") else 0.001
    fresh = rng.random() < 0.5
    return Instance(
        problem=problem,
        A0=rng.standard_normal((r, d)) / np.sqrt(d),
        B0=np.zeros((m, r)) if fresh else 0.3 * rng.standard_normal((m, r)),
        Q=_containing(rng, problem.u, k),
        V=_containing(rng, problem.v, k),
        optimizer=optimizer,
        lr=gentle * log_uniform(rng, 0.5, 2),
        scaling=log_uniform(rng, 0.5, 2),
        decay=0.1 if optimizer == "adamw" else 0.0,
        a=unit(rng, d),
        b=unit(rng, m),
        attach=not (fresh and rng.random() < 0.5),
    )


def _containing(rng: np.random.Generator, x: ndarray, k: int) -> ndarray:
    """Orthonormal columns whose span contains x, no column being x."""
    span = np.linalg.qr(np.column_stack([x, rng.standard_normal((len(x), k - 1))]))[0]
    return span @ orthonormal(rng, k, k)


def _trained(rng: np.random.Generator, **changes) -> Instance:
    i = draw(rng)
    m, d = i.problem.shape
    start = {"A0": rng.standard_normal((2, d)), "B0": rng.standard_normal((m, 2)), "attach": True}
    return replace(i, optimizer="adamw", lr=0.02, decay=0.1, **{**start, **changes})


def worst(values: ndarray, before: float) -> float:
    """The value along the run that is furthest from the one before."""
    return float(values[np.argmax(np.abs(values - before))])


def write_claim(run) -> Claim[Instance]:
    """uᵀ(W0 + dW) a at every step of ``run(instance)``; u in span(Q)."""

    def sides(i: Instance) -> Sides:
        before = float(i.problem.u @ i.problem.W0 @ i.a)
        return Sides.exact(worst(i.problem.u @ run(i) @ i.a, before), before)

    return Claim("=", sides)


def read_claim(run) -> Claim[Instance]:
    """bᵀ(W0 + dW) v at every step; v in span(V)."""

    def sides(i: Instance) -> Sides:
        before = float(i.b @ i.problem.W0 @ i.problem.v)
        return Sides.exact(worst(np.einsum("m,nmd,d->n", i.b, run(i), i.problem.v), before), before)

    return Claim("=", sides)


def elsewhere(i: Instance) -> Sides:
    """bᵀ(W0 + dW) a at the end, against W0's and what dW has off Q and V."""
    W0, W = i.problem.W0, i.both[-1]
    b, a = i.b - i.Q @ (i.Q.T @ i.b), i.a - i.V @ (i.V.T @ i.a)
    return Sides.exact(i.b @ W @ i.a, i.b @ W0 @ i.a + b @ (W - W0) @ a, scale=float(np.linalg.norm(W)))


def by_torch(i: Instance) -> float:
    """bᵀ(W0 + dW) a by torch's optimisers on the loss as written, both factors projected."""
    keep = (np.eye(len(i.Q)) - i.Q @ i.Q.T, np.eye(len(i.V)) - i.V @ i.V.T)
    options = {"lr": i.lr, "steps": STEPS, "scaling": i.scaling, "decay": i.decay, "attach": i.attach}
    dW = train_by_autograd(i.problem, (i.B0, i.A0), optimizer=i.optimizer, keep=keep, **options)
    return float(i.b @ (i.problem.W0 + dW) @ i.a)


STATEMENT = Statement(
    key="projection-invariance",
    kind="identity",
    law="projecting the parameters keeps (W0 + dW) v = W0 v, uᵀ(W0 + dW) = uᵀW0 at every step of any optimiser",
    basis="proved here",
    assumptions={
        "parameters projected after each step": lambda i: i.stage == "parameter",
        "attached projected, or B0 = 0": lambda i: i.attach or not i.B0.any(),
        "Q, V orthonormal": lambda i: all(np.allclose(X.T @ X, np.eye(X.shape[1]), atol=1e-10) for X in (i.Q, i.V)),
        "W0 frozen": lambda i: i.W0_decay == 0,
    },
    draw=draw,
    claims={
        "write": write_claim(lambda i: i.weights(i.stage, read=False)),
        "read": read_claim(lambda i: i.weights(i.stage, write=False)),
        "both, write": write_claim(lambda i: i.both),
        "both, read": read_claim(lambda i: i.both),
        "both, elsewhere": Claim("=", elsewhere),
    },
    violators={
        "parameters projected after each step": lambda rng: _trained(rng, stage="gradient"),
        "attached projected, or B0 = 0": lambda rng: _trained(rng, attach=False),
        "Q, V orthonormal": lambda rng: replace(i := _trained(rng), Q=1.2 * i.Q, V=1.2 * i.V),
        "W0 frozen": lambda rng: _trained(rng, W0_decay=0.1),
    },
    route=Route(
        "both, elsewhere",
        by_torch,
        lambda i: 1e-9 * float(np.linalg.norm(i.both[-1])),
        "measured",
        ("LinearProblem.M", "LinearProblem.shape"),
    ),
    draws=120,
)
