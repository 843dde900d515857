"""Every removal method in one layer by real training: factors descend, the result is edited where the method edits.

Nothing is shared with the closed forms of ``grasp_theory.linear`` but the problem: what those solve, this trains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, linalg
from grasp_theory.linear import LinearProblem
from grasp_theory.linear.problem import Stacked, stack
from grasp_theory.linear.training import Optimizer, stable_step, train

Matrices = Float[ndarray, "..."]


@dataclass(frozen=True, eq=False)
class _Bench:
    """Problems of one shape stacked on the first axis, and how to train on them."""

    problems: Sequence[LinearProblem]
    A0: Matrices
    options: Mapping[str, Any]
    compensator: Matrices | None
    mean: Float[ndarray, "... d"] | None
    strength: float | None

    @cached_property
    def curated(self) -> Stacked:
        return stack(self.problems)

    def field(self, name: str) -> ndarray:
        return np.stack([getattr(p, name) for p in self.problems])

    def column(self, name: str) -> ndarray:
        """u or v as columns, (trials, n, 1)."""
        return self.field(name)[..., None]

    def fit(self, loss: Stacked, *, A0: Matrices | None = None, **sides: Any) -> Matrices:
        """dW after training on this loss, projected on these sides (``train``'s write and read)."""
        start, options = self.A0 if A0 is None else A0, dict(self.options)
        if options["lr"] is None:
            options["lr"] = stable_step(loss, start)
        return train(loss, start, every=0, **options, **sides).dW

    @cached_property
    def naive(self) -> Matrices:
        return self.fit(self.curated)


def train_method(
    name: str,
    problem: LinearProblem | Sequence[LinearProblem],
    *,
    A0: Float[ndarray, "... r d"],
    optimizer: Optimizer = "momentum",
    lr: float | Float[ndarray, "..."] | None = None,
    steps: int = 20_000,
    tolerance: float = 1e-9,
    compensator: Float[ndarray, "... m d"] | None = None,
    mean: Float[ndarray, "... d"] | None = None,
    strength: float | None = None,
) -> Float[ndarray, "... m d"]:
    """The update dW = B A that a method leaves at deployment, as W0 + dW there.

    What is trained (x curated inputs, P = P_v, the loss E‖H^½ (y − ŷ)‖² with y = (W0 + M) x):

    - naive: ŷ = (W0 + dW) x. post-hoc write / read: then P_u dW / dW P. deletion: then without its top triple.
      ablation: then run on P x, as an update (W0 + dW) P − W0.
    - write / read / both GRASP: naive with B <- P_u B, A <- A P at attach time and after every step.
    - CAFT: ŷ = (W0 + dW) P x, A0 projected at attach time; "CAFT as published": A0 as it is. The residual is
      (M + W0 v vᵀ) x − dW P x, since x − P x = v vᵀx, so it is the loss with ``seen`` = P. A v gets no gradient: under
      SGD and momentum dW v stays B A0 v (0 if projected), coordinate-wise optimisers move it. Nothing
      restores dW v: rounding adds up there, about eps · lr a step, so stop at a tolerance.
    - CAFT + ablation: (W0 + dW) P − W0 of CAFT.
    - compensated: ŷ = (W0 + dW + C) x, then C dropped: the residual is (M − C) x − dW x. C is ``compensator``; by
      default the top triple of the naive run.
    - preventative steering: ŷ = (W0 + dW)(x + a v), a = ``strength``, E x = ``mean``: with x̃ = (x, 1) the residual is
      [M, −a W0 v] x̃ − dW [I, a v] x̃.

    Args:
        problem: one, or several of one shape (trials, then the result's first axis), trained at once.
        A0: (r, d), or one for each trial; its rows are the rank.
        lr: by default a stable step of plain descent, for sgd and momentum only.
        tolerance: see ``grasp_theory.linear.training.train``.

    Raises InputError for an unknown name, a missing lr, mean or strength, and problems of several shapes.
    """
    if name not in METHODS:
        raise InputError(f"unknown method {name!r}; there are {', '.join(METHODS)}")
    if lr is None and optimizer not in ("sgd", "momentum"):
        raise InputError(f"{optimizer} needs an lr: the default is a step of plain descent")
    single = isinstance(problem, LinearProblem)
    options = {"optimizer": optimizer, "lr": lr, "steps": steps, "tolerance": tolerance}
    bench = _Bench([problem] if single else list(problem), A0, options, compensator, mean, strength)
    found = METHODS[name](bench)
    return found[0] if single else found


def off(x: Matrices) -> Matrices:
    """I − x xᵀ for a unit column x, on each trial."""
    return np.eye(x.shape[-2]) - x @ x.swapaxes(-1, -2)


def top(D: Matrices) -> Matrices:
    """ŝ₁ û v̂ᵀ of each matrix."""
    U, S, Vh = linalg.svd(D, full_matrices=False)
    return S[..., :1, None] * U[..., :, :1] @ Vh[..., :1, :]


def _grasp(bench: _Bench, *, sides: tuple[str, ...]) -> Matrices:
    return bench.fit(bench.curated, **{side: bench.column({"write": "u", "read": "v"}[side]) for side in sides})


def _caft(bench: _Bench, *, keep_start: bool = False) -> Matrices:
    v, loss = bench.column("v"), bench.curated
    target = loss.M + bench.field("W0") @ v @ v.swapaxes(-1, -2)
    ablated = Stacked(target, loss.Sigma, loss.H, seen=off(v))
    return bench.fit(ablated, A0=bench.A0 if keep_start else bench.A0 @ off(v))


def _ablated(bench: _Bench, D: Matrices) -> Matrices:
    W0 = bench.field("W0")
    return (W0 + D) @ off(bench.column("v")) - W0


def _compensated(bench: _Bench) -> Matrices:
    C = top(bench.naive) if bench.compensator is None else bench.compensator
    return bench.fit(Stacked(bench.curated.M - C, bench.curated.Sigma, bench.curated.H))


def _steered(bench: _Bench) -> Matrices:
    if bench.mean is None or bench.strength is None:
        raise InputError("preventative steering needs the mean of the inputs and the strength of the vector")
    loss, v = bench.curated, bench.column("v")
    trials, _, d = loss.M.shape
    mean = np.broadcast_to(bench.mean, (trials, d))[..., None]
    one = np.ones((trials, 1, 1))
    second = np.block([[loss.Sigma, mean], [mean.swapaxes(-1, -2), one]])
    target = np.concatenate([loss.M, -bench.strength * bench.field("W0") @ v], axis=-1)
    seen = np.concatenate([np.broadcast_to(np.eye(d), (trials, d, d)), bench.strength * v], axis=-1)
    return bench.fit(Stacked(target, second, loss.H, seen=seen))


METHODS: Mapping[str, Callable[[_Bench], Matrices]] = {
    "naive": lambda b: b.naive,
    "post-hoc write": lambda b: off(b.column("u")) @ b.naive,
    "write GRASP": partial(_grasp, sides=("write",)),
    "post-hoc read": lambda b: b.naive @ off(b.column("v")),
    "read GRASP": partial(_grasp, sides=("read",)),
    "both GRASP": partial(_grasp, sides=("write", "read")),
    "deletion": lambda b: b.naive - top(b.naive),
    "CAFT": _caft,
    "CAFT as published": partial(_caft, keep_start=True),
    "ablation": lambda b: _ablated(b, b.naive),
    "CAFT + ablation": lambda b: _ablated(b, _caft(b)),
    "compensated": _compensated,
    "preventative steering": _steered,
}
