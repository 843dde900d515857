"""The verdict on a spectrum: which components stand out, by a rule that is printed with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..subspace import Subspace
from .agreement import Agreement
from .report import Certificate, Component, Decomposition, Floor, Verdict
from .rule import P_VALUE, RATIO, SPREAD

VERDICTS: tuple[Verdict, ...] = ("none can be told", "one stands out", "several stand out")


def judge(
    S: Float[ndarray, " q"],
    U: Float[ndarray, "width k"],
    *,
    energy: float,
    errors: float | Float[ndarray, " q"],
    floor: Floor,
    agreements: Sequence[Agreement | None],
    layers: Sequence[float | None],
    begun: bool = True,
) -> tuple[tuple[Component, ...], Verdict]:
    """The records of the leading components, and the verdict by the rule (see rule.py).

    Args:
        energy: ‖·‖_F² of the decomposed matrix.
        errors: bounds on the errors of S; whatever depends on S takes the side that promises less.
        layers: effective number of layers of each component, None where that does not apply.
        begun: whether training has begun; nothing stands out before.
    """
    error = np.broadcast_to(errors, S.shape)
    count = min(U.shape[1], int(np.count_nonzero(S > np.maximum(1e-9 * S.max(initial=0.0), error))))
    above = [None if floor.value is None else bool(S[i] - error[i] > floor.value) for i in range(count)]
    agree = [agreements[i] if i < len(agreements) else None for i in range(count)]
    # The last component that the LoRA rank allows has no measured follower: its gap is the rank's doing.
    following = [float(S[i + 1]) if i + 1 < S.size else None for i in range(count)]
    off = [float(error[min(i + 1, S.size - 1)]) for i in range(count)]  # the error of these
    ratios = [float(S[i]) / f if f is not None and f > off[i] else None for i, f in enumerate(following)]
    separated = [None if f is None else bool(S[i] >= RATIO * f) for i, f in enumerate(following)]
    outstanding = [False] * count
    for i in reversed(range(count)):
        test, spread = agree[i], layers[i]
        passes = (
            begun
            and above[i] is True
            and test is not None
            and test.p_value < P_VALUE
            and (spread is None or spread >= SPREAD)
        )
        outstanding[i] = passes and (separated[i] is True or (i + 1 < count and outstanding[i + 1]))
    components = tuple(
        Component(
            index=i,
            singular_value=float(S[i]),
            ratio=ratios[i],
            separated=separated[i],
            energy=float(S[i] ** 2 / energy),
            above_floor=above[i],
            agreement=agree[i],
            layers=layers[i],
            certificate=Certificate(float(S[i]), min((following[i] or 0.0) + off[i], float(S[i]))),
            stands_out=outstanding[i],
            subspace=Subspace.span(U[:, i]),
        )
        for i in range(count)
    )
    return components, VERDICTS[min(sum(outstanding), 2)]


def overall(decompositions: Sequence[Decomposition]) -> Verdict:
    """The strongest verdict among the decompositions."""
    for verdict in reversed(VERDICTS):
        if any(d.verdict == verdict for d in decompositions):
            return verdict
    return "nothing to decompose"
