"""projection-invariance: variants written blind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..statement import Claim, Sides
from . import Instance, _read, _worst, _write


def _late(i: Instance) -> Instance:
    """Attached after the start, to factors that say something already."""
    return replace(i, attach=False, B0=np.full_like(i.B0, 0.1))


def _skew(X: np.ndarray) -> np.ndarray:
    """Another basis of the span, not orthonormal."""
    return X + 0.3 * X[:, [-1]]


def _removed(response: Callable[[Instance], np.ndarray]) -> Claim[Instance]:
    """Nothing is said along the direction at any step."""
    return Claim("=", lambda i: Sides.exact(_worst(response(i), 0.0), 0.0))


MUTANTS: dict[str, Claim[Instance]] = {
    "write: projected gradients will do": _write(lambda i: i.weights("gradient", read=False)),
    "write: projecting the read side will do": _write(lambda i: i.weights(i.stage, write=False)),
    "write: the first vector of Q will do": _write(lambda i: replace(i, Q=i.Q[:, :1]).weights(i.stage, read=False)),
    "write: any basis of the span": _write(lambda i: replace(i, Q=_skew(i.Q)).weights(i.stage, read=False)),
    "write: attached late to any B": _write(lambda i: _late(i).weights(i.stage, read=False)),
    "write: nothing is left along u": _removed(lambda i: i.problem.u @ i.weights(i.stage, read=False) @ i.a),
    "read: projected increments will do": _read(lambda i: i.weights("update", write=False)),
    "read: projected gradients will do": _read(lambda i: i.weights("gradient", write=False)),
    "read: projecting the write side will do": _read(lambda i: i.weights(i.stage, read=False)),
    "read: the first vector of V will do": _read(lambda i: replace(i, V=i.V[:, :1]).weights(i.stage, write=False)),
    "read: V of columns 5% too long": _read(lambda i: replace(i, V=1.05 * i.V).weights(i.stage, write=False)),
    "read: nothing is left along v": _removed(
        lambda i: np.einsum("m,nmd,d->n", i.b, i.weights(i.stage, write=False), i.problem.v)
    ),
    "both, write: also while W0 decays": _write(lambda i: replace(i, W0_decay=0.1).both),
    "both, write: projected gradients on both sides": _write(lambda i: replace(i, stage="gradient").both),
    "both, read: projected increments on both sides": _read(lambda i: replace(i, stage="update").both),
    "both, read: attached late to any B": _read(lambda i: _late(i).both),
}
