"""False variants of angle-forgiveness: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np

from ..statement import Claim
from . import Instance, error_response, norm, response, risk_claim


def _cos(i: Instance, side: str) -> float:
    """|cos θ|."""
    return float(abs(i.v @ i.v_hat if side == "read" else i.u @ i.u_hat))


OWN: dict[str, Claim[Instance]] = {
    "response beta (1 − cos θ)": response("write", lambda i: i.beta * (1 - abs(i.u @ i.u_hat))),
    "norm beta sin²θ": norm("read", lambda i: i.beta * i.sines("read") ** 2),
    "risk without the task lost": risk_claim("read", lambda i: i.beta**2 * i.sines("read") ** 2),
    "risk beta² sin⁴θ + ‖T v̂‖²": risk_claim("read", lambda i: i.beta**2 * i.sines("read") ** 4 + i.task_lost("read")),
    "response of the whole error is second order": error_response(lambda i: i.beta * i.sines("read") ** 2),
}

BLIND: dict[str, Claim[Instance]] = {
    "response first order: beta sin θ": response("read", lambda i: i.beta * i.sines("read")),
    "response beta sin θ cos θ": response("write", lambda i: i.beta * i.sines("write") * _cos(i, "write")),
    "both: complement of the product of cosines": response(
        "both", lambda i: i.beta * (1 - _cos(i, "read") ** 2 * _cos(i, "write") ** 2)
    ),
    "both: the better side alone": response("both", lambda i: i.beta * min(i.sines("read"), i.sines("write")) ** 2),
    "chord 2 sin(θ/2) for sine": norm("read", lambda i: i.beta * np.sqrt(2 - 2 * _cos(i, "read"))),
    "the other side's angle": norm("write", lambda i: i.beta * i.sines("read")),
    "both: geometric mean of the sines": norm("both", lambda i: i.beta * np.sqrt(i.sines("both"))),
    "task lost along v instead of v̂": risk_claim(
        "read", lambda i: i.beta**2 * i.sines("read") ** 2 + float(np.sum((i.T @ i.v) ** 2))
    ),
    "norms add before squaring": risk_claim(
        "read", lambda i: (i.beta * i.sines("read") + np.sqrt(i.task_lost("read"))) ** 2
    ),
    "risk second order: sin⁴": risk_claim("write", lambda i: i.beta**2 * i.sines("write") ** 4 + i.task_lost("write")),
    "both: corner (ûᵀT v̂)² lost twice": risk_claim(
        "both", lambda i: i.beta**2 * i.sines("both") ** 2 + (i.task_lost("read") + i.task_lost("write"))
    ),
    "whole error: uᵀT v for cos θ uᵀT v̂": error_response(lambda i: i.beta * i.sines("read") ** 2 - i.u @ i.T @ i.v),
    "whole error: cos² θ uᵀT v": error_response(
        lambda i: i.beta * i.sines("read") ** 2 - _cos(i, "read") ** 2 * (i.u @ i.T @ i.v)
    ),
    "whole error: cosine forgotten": error_response(
        lambda i: i.beta * i.sines("read") ** 2 - np.sign(i.v @ i.v_hat) * (i.u @ i.T @ i.v_hat)
    ),
}
