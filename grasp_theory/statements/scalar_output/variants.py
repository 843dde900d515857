"""False variants of scalar-output: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np

from ..shared.draws import sharp
from ..statement import Claim, exact
from . import Instance, worst


def _sine(right) -> Claim[Instance]:
    return exact("=", lambda i: i.sine, right)


def _at_most(bound) -> Claim[Instance]:
    return exact("<=", lambda i: i.sine, bound)


OWN: dict[str, Claim[Instance]] = {
    "one output cannot work: at least 45°": exact(">=", lambda i: i.sine, lambda i: np.sqrt(0.5)),
    "complexity helps: ‖t‖/(√2 beta)": _at_most(lambda i: min(1.0, i.task / (np.sqrt(2) * i.strength))),
}

BLIND: dict[str, Claim[Instance]] = {
    "the task not projected off v": _sine(lambda i: min(1.0, i.task / np.linalg.norm(i.seen))),
    "the cross term of task and factor forgotten": _sine(lambda i: i.off() / np.hypot(i.task, i.strength)),
    "off over along with the task left out, a tangent": _sine(lambda i: min(1.0, i.off() / max(i.strength, 1e-12))),
    "the whole matrix in the denominator, the projector forgotten": _sine(lambda i: i.off() / np.linalg.norm(i.M)),
    "worst case at the whole strength, the head's share of u forgotten": _at_most(lambda i: min(1.0, i.task / i.beta)),
    "worst case of a matrix spread over two directions": _at_most(
        lambda i: sharp(i.task / np.sqrt(2) / max(i.strength, 1e-12))
    ),
    "worst case at a right angle between task and factor": _at_most(lambda i: i.task / np.hypot(i.task, i.strength)),
    "worst case: the task off v is all that counts": _at_most(lambda i: min(1.0, i.off() / max(i.strength, 1e-12))),
    "worst case squared": _at_most(lambda i: worst(i) ** 2),
    "one component: task and factor add up orthogonally": exact(
        "=", lambda i: i.svd[0].sum(), lambda i: np.hypot(i.task, i.strength)
    ),
    "one component for each of task and factor": exact("=", lambda i: i.svd[0].sum(), lambda i: i.task + i.strength),
    "one component of the whole matrix": exact("=", lambda i: i.svd[0].sum(), lambda i: np.linalg.norm(i.M, 2)),
}
