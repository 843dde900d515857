"""The verdict on a spectrum: which components stand out, by a rule that is printed with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .agreement import P_VALUE, Agreement
from .measure import RATIO
from .report import Certificate, Component, Decomposition, Floor, Verdict
from .subspace import Subspace

VERDICTS: tuple[Verdict, ...] = ("none can be told", "one stands out", "several stand out")

RULE = (
    f"A component counts when it lies above the noise floor, is at least {RATIO:g} times the next singular value, and "
    f"its directions agree between layers with p < {P_VALUE:g}; stronger components of the same group, themselves "
    "above the floor and agreeing, count with it. A floor that was not estimated is not passed, nor is an "
    "agreement; it is not estimated after a component whose directions do not agree."
)
CAVEAT = (
    "Standing out is not being spurious: the spectrum cannot tell a shortcut from the task, and a weak shortcut sits "
    "in the tail. Which component is unintended is a hypothesis, to be tested on behaviour."
)


def judge(
    S: Float[ndarray, " q"],
    U: Float[ndarray, "width k"],
    energy: float,
    error: float,
    floor: Floor,
    agreements: Sequence[Agreement | None],
) -> tuple[tuple[Component, ...], Verdict]:
    """The records of the leading components, and the verdict by the rule."""
    count = min(U.shape[1], int(np.count_nonzero(S > max(1e-9 * S[0], error))))
    above = [None if floor.value is None else bool(S[i] > floor.value) for i in range(count)]
    agree = [agreements[i] if i < len(agreements) else None for i in range(count)]
    following = [float(S[i + 1]) if i + 1 < S.size else None for i in range(count)]
    # The last component that the LoRA rank allows has no measured follower: its gap is the rank's doing.
    ratios = [None if f is None else (float(S[i]) / f if f > 0 else float("inf")) for i, f in enumerate(following)]
    outstanding = [False] * count
    for i in reversed(range(count)):
        test = agree[i]
        passes = above[i] is True and test is not None and test.p_value < P_VALUE
        ratio = ratios[i]
        separated = ratio is not None and ratio >= RATIO
        outstanding[i] = passes and (separated or (i + 1 < count and outstanding[i + 1]))
    components = tuple(
        Component(
            index=i,
            singular_value=float(S[i]),
            ratio=ratios[i],
            energy=float(S[i] ** 2 / energy),
            above_floor=above[i],
            agreement=agree[i],
            certificate=Certificate(float(S[i]), following[i] or 0.0),
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
