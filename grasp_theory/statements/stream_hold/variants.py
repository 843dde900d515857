"""False variants of stream-hold: its author's own, and those written blind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..statement import Claim, Sides
from . import Instance, along, left, moves


def _moves_of(change) -> Claim[Instance]:
    """What is said of the held net, of another one."""
    return Claim("=", lambda i: moves(change(i)))


def _projected_moves(i: Instance) -> Sides:
    other = i.write_projected()
    found = along(other, other.free())
    return Sides.exact(float(np.abs(found).max()), 0.0, scale=float(np.linalg.norm(i.X)))


def _last_alone(i: Instance) -> Instance:
    return replace(i, held=(False,) * (len(i.held) - 1) + (True,))


OWN: dict[str, Claim[Instance]] = {
    "write projection holds the stream": Claim("=", _projected_moves),
    "held at the last block, held everywhere": _moves_of(_last_alone),
    "size with the update of U in the place of U": Claim(
        "<=",
        lambda i: Sides.exact(
            float(np.linalg.norm(left(i))), float(np.linalg.norm(i.dU[0].T @ i.u) * np.linalg.norm(i.dV[0] @ i.X))
        ),
    ),
}

BLIND: dict[str, Claim[Instance]] = {}
