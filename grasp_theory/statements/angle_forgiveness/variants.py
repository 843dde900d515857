"""angle-forgiveness: variants written blind."""

from __future__ import annotations

import numpy as np

from ..statement import Claim
from . import Instance, _error_response, _norm, _response, _risk


def _cos(i: Instance, side: str) -> float:
    """|cos θ|."""
    return float(abs(i.v @ i.v_hat if side == "read" else i.u @ i.u_hat))


def _chord(i: Instance, side: str) -> float:
    """2 sin(θ/2), the distance of the unit vectors."""
    return float(np.sqrt(2 - 2 * _cos(i, side)))


def _alone(i: Instance) -> float:
    """‖T v̂‖² + ‖ûᵀT‖², what they share counted twice."""
    return i.task_lost("read") + i.task_lost("write")


MUTANTS: dict[str, Claim[Instance]] = {
    "response first order: beta sin θ": _response("read", lambda i: i.beta * i.sines("read")),
    "response beta sin θ cos θ": _response("write", lambda i: i.beta * i.sines("write") * _cos(i, "write")),
    "both: complement of the product of cosines": _response(
        "both", lambda i: i.beta * (1 - _cos(i, "read") ** 2 * _cos(i, "write") ** 2)
    ),
    "both: the better side alone": _response("both", lambda i: i.beta * min(i.sines("read"), i.sines("write")) ** 2),
    "chord 2 sin(θ/2) for sine": _norm("read", lambda i: i.beta * _chord(i, "read")),
    "the other side's angle": _norm("write", lambda i: i.beta * i.sines("read")),
    "both: geometric mean of the sines": _norm("both", lambda i: i.beta * np.sqrt(i.sines("both"))),
    "task lost along v instead of v̂": _risk(
        "read", lambda i: i.beta**2 * i.sines("read") ** 2 + float(np.sum((i.T @ i.v) ** 2))
    ),
    "norms add before squaring": _risk(
        "read", lambda i: (i.beta * i.sines("read") + np.sqrt(i.task_lost("read"))) ** 2
    ),
    "risk second order: sin⁴": _risk("write", lambda i: i.beta**2 * i.sines("write") ** 4 + i.task_lost("write")),
    "both: corner (ûᵀT v̂)² lost twice": _risk("both", lambda i: i.beta**2 * i.sines("both") ** 2 + _alone(i)),
    "whole error: uᵀT v for cos θ uᵀT v̂": _error_response(lambda i: i.beta * i.sines("read") ** 2 - i.u @ i.T @ i.v),
    "whole error: cos² θ uᵀT v": _error_response(
        lambda i: i.beta * i.sines("read") ** 2 - _cos(i, "read") ** 2 * (i.u @ i.T @ i.v)
    ),
    "whole error: cosine forgotten": _error_response(
        lambda i: i.beta * i.sines("read") ** 2 - np.sign(i.v @ i.v_hat) * (i.u @ i.T @ i.v_hat)
    ),
}
