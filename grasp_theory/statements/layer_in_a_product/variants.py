"""False variants of layer-in-a-product: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np

from ..shared.draws import sine
from ..statement import Claim, exact
from . import Instance, between, cos2, left_law, left_over, opposite, right_law, spread


def _ratio(T: np.ndarray, M: np.ndarray) -> float:
    return float(np.linalg.norm(T, 2) / np.linalg.norm(M, 2))


def _right(i: Instance, late: bool) -> float:
    """Sine between v̂ and the wrong direction on the right side: L v early, L⁻¹v late."""
    v_hat = np.linalg.svd(i.seen(i.M, late))[2][0]
    return sine(v_hat, i.inverses[1] @ i.v if late else i.L @ i.v)


def _doubled(i: Instance) -> float:
    """cos² ∠(u, RRᵀu)."""
    Ku = i.R @ i.R.T @ i.u
    return float((i.u @ Ku) ** 2 / (Ku @ Ku))


OWN: dict[str, Claim[Instance]] = {
    "late estimates Rᵀu too": exact("<=", lambda i: i.sine(True, target=False), lambda i: i.certificate(True)),
    "cos in place of cos²": exact("=", lambda i: np.sqrt(max(cos2(i, 0), 0.0)), lambda i: left_law(i, i.R @ i.R.T)),
}

BLIND: dict[str, Claim[Instance]] = {
    "one step estimates the direction of convergence": exact(
        "<=", lambda i: i.sine(False, target=True), lambda i: i.certificate(False)
    ),
    "one step with the certificate of convergence": exact("<=", lambda i: i.sine(False), lambda i: i.certificate(True)),
    "one step: the task seen without the inputs' covariance": exact(
        "<=", lambda i: i.sine(False), lambda i: _ratio(i.R.T @ i.T @ i.L.T, i.R.T @ i.M @ i.L.T)
    ),
    "one step: the right vector estimates L v": exact("<=", lambda i: _right(i, False), lambda i: i.certificate(False)),
    "convergence with the certificate of the whole product": exact(
        "<=", lambda i: i.sine(True), lambda i: _ratio(i.T, i.M)
    ),
    "convergence: the right vector estimates the inverse, untransposed, on v": exact(
        "<=", lambda i: _right(i, True), lambda i: i.certificate(True)
    ),
    "left cosine without its square": exact("=", lambda i: cos2(i, 0), lambda i: np.sqrt(left_law(i, i.R @ i.R.T))),
    "left cosine between u and RR'u": exact("=", lambda i: cos2(i, 0), _doubled),
    "left cosine with R'R": exact("=", lambda i: cos2(i, 0), lambda i: left_law(i, i.R.T @ i.R)),
    "right cosine for white inputs": exact(
        "=", lambda i: cos2(i, 1), lambda i: right_law(i, np.eye(len(i.v)), i.L.T @ i.L)
    ),
    "right cosine with LL'": exact("=", lambda i: cos2(i, 1), lambda i: right_law(i, i.Sigma, i.L @ i.L.T)),
    "the sine of RR'u off u": between("=", lambda i: np.sqrt(max(1 - _doubled(i), 0.0))),
    "the opposite side over the wrong leg, a tangent": between(
        "=", lambda i: opposite(i) / np.sqrt(max(1 - opposite(i) ** 2, 1e-12))
    ),
    "disagreement bounded with cond(R) unsquared": between("<=", lambda i: spread(np.linalg.cond(i.R))),
    "projecting the late direction removes the response": exact("=", lambda i: left_over(i, True), lambda i: 0.0),
}
