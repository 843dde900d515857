"""False variants of stream-hold: its author's own, and those written blind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..statement import Claim, Sides, exact
from . import Instance, along, handed_on, left, missed, moved, moves, same, size


def _projected_moves(i: Instance) -> Sides:
    other = i.write_projected()
    found = along(other, other.free())
    return Sides.exact(float(np.abs(found).max()), 0.0, scale=float(np.linalg.norm(i.X)))


def _moves_under(step) -> Claim[Instance]:
    """Said of the tuned net with another rule ``step(i, k, h, plain)`` from h_{k−1} and h⁰_k to h_k."""

    def sides(i: Instance) -> Sides:
        h, streams = i.X, []
        for k, plain in enumerate(i.base()):
            h = step(i, k, h, plain)
            streams.append(h)
        return Sides.exact(float(np.abs(along(i, streams)).max()), 0.0, scale=max(np.linalg.norm(h) for h in streams))

    return Claim("=", sides)


def _block(i: Instance, k: int, h):
    """h with what the tuned block k writes of it."""
    return h + (i.U[k] + i.dU[k]) @ i.act((i.V[k] + i.dV[k]) @ h)


def _to_zero(i: Instance, k: int, h, plain):
    h = _block(i, k, h)
    return h - np.outer(i.u, i.u @ h)


def _same_input(i: Instance, k: int, h, plain):
    """The block's own change alone is taken off: what it writes less what the base's block would write of the same."""
    after = _block(i, k, h)
    return after - np.outer(i.u, i.u @ (after - h - i.U[k] @ i.act(i.V[k] @ h)))


def _readers(i: Instance, k: int, h, plain):
    """Block k reads the held stream; the stream goes on as it is."""
    before = i.base()[k - 1] if k else i.X
    seen = h - np.outer(i.u, i.u @ (h - before))
    return h + _block(i, k, seen) - seen


def _linear(i: Instance):
    """uᵀU (φ'(V X) ∘ dV X)."""
    slope = i.slope / np.cosh(i.slope * (i.V[0] @ i.X)) ** 2
    return (i.u @ i.U[0] @ (slope * (i.dV[0] @ i.X)))[None]


def _output(right) -> Claim[Instance]:
    """The held net's output is another one."""
    return same(lambda i: i.hold()[-1], right)


OWN: dict[str, Claim[Instance]] = {
    "write projection holds the stream": Claim("=", _projected_moves),
    "held at the last block, held everywhere": Claim(
        "=", lambda i: moves(replace(i, held=(False,) * (len(i.held) - 1) + (True,)))
    ),
    "size with the update of U in the place of U": size(
        lambda i: np.linalg.norm(i.dU[0].T @ i.u) * np.linalg.norm(i.dV[0] @ i.X)
    ),
}

BLIND: dict[str, Claim[Instance]] = {
    "held to zero, as ablation does": _moves_under(_to_zero),
    "each block held to the base's block on the same input": _moves_under(_same_input),
    "blocks read the held stream, which itself is not held": _moves_under(_readers),
    "one block's output for every depth": _output(lambda i: i.free()[-1] - np.outer(i.u, along(i, i.free())[-1])),
    "holding is write projection": _output(lambda i: i.write_projected().free()[-1]),
    "write projection: φ'(V X) ∘ dV X for the difference of φ": same(left, _linear),
    "write projection of all blocks leaves what the first hands on": same(
        lambda i: along(i, i.write_projected().free())[-1:], handed_on
    ),
    "projected where it reads and where it writes, nothing is left": same(
        lambda i: left(replace(i, dV=i.dV - np.einsum("lmj,j,k->lmk", i.dV, i.u, i.u))), lambda i: 0 * left(i)
    ),
    "size ‖uᵀU dV X‖, the norm of the product": size(lambda i: np.linalg.norm(i.u @ i.U[0] @ i.dV[0] @ i.X)),
    "size with the spectral norm of dV X": size(
        lambda i: np.linalg.norm(i.U[0].T @ i.u) * np.linalg.norm(i.dV[0] @ i.X, 2)
    ),
    "price of the whole update": exact("<=", lambda i: np.linalg.norm(i.free()[-1] - i.base()[-1]), missed),
    "price at most ‖uᵀ(h_L − h⁰_L)‖": exact("<=", missed, moved),
}
