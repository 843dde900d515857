"""False variants of projection-invariance: its author's own, and those written blind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..statement import Claim, Sides
from . import Instance, read_claim, worst, write_claim


def _late(i: Instance) -> Instance:
    """Attached after the start, to factors that say something already."""
    return replace(i, attach=False, B0=np.full_like(i.B0, 0.1))


def _skew(X: np.ndarray) -> np.ndarray:
    """Another basis of the span, not orthonormal."""
    return X + 0.3 * X[:, [-1]]


def _removed(response: Callable[[Instance], np.ndarray]) -> Claim[Instance]:
    """Nothing is said along the direction at any step."""
    return Claim("=", lambda i: Sides.exact(worst(response(i), 0.0), 0.0))


OWN: dict[str, Claim[Instance]] = {
    "a trained start may be attached unprojected": read_claim(
        lambda i: replace(i, attach=False).weights("parameter", write=False)
    ),
}

BLIND: dict[str, Claim[Instance]] = {
    "write: projected gradients will do": write_claim(lambda i: i.weights("gradient", read=False)),
    "write: projecting the read side will do": write_claim(lambda i: i.weights(i.stage, write=False)),
    "write: the first vector of Q will do": write_claim(
        lambda i: replace(i, Q=i.Q[:, :1]).weights(i.stage, read=False)
    ),
    "write: any basis of the span": write_claim(lambda i: replace(i, Q=_skew(i.Q)).weights(i.stage, read=False)),
    "write: attached late to any B": write_claim(lambda i: _late(i).weights(i.stage, read=False)),
    "write: nothing is left along u": _removed(lambda i: i.problem.u @ i.weights(i.stage, read=False) @ i.a),
    "read: projected increments will do": read_claim(lambda i: i.weights("update", write=False)),
    "read: projected gradients will do": read_claim(lambda i: i.weights("gradient", write=False)),
    "read: projecting the write side will do": read_claim(lambda i: i.weights(i.stage, read=False)),
    "read: the first vector of V will do": read_claim(lambda i: replace(i, V=i.V[:, :1]).weights(i.stage, write=False)),
    "read: V of columns 5% too long": read_claim(lambda i: replace(i, V=1.05 * i.V).weights(i.stage, write=False)),
    "read: nothing is left along v": _removed(
        lambda i: np.einsum("m,nmd,d->n", i.b, i.weights(i.stage, write=False), i.problem.v)
    ),
    "both, write: also while W0 decays": write_claim(lambda i: replace(i, W0_decay=0.1).both),
    "both, write: projected gradients on both sides": write_claim(lambda i: replace(i, stage="gradient").both),
}
