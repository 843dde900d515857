"""False variants of factored-svd: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from ...lowrank import EPS, LowRank
from ..statement import Claim, Sides
from . import Instance, at, compare, dense_values, gauge, rebuilt, slack


def _cholesky(i: Instance) -> ndarray:
    """Singular values of Lbᵀ La with Gram matrices Lb Lbᵀ = BᵀB, La Laᵀ = AAᵀ; NaN where a factorisation fails."""
    try:
        Lb, La = np.linalg.cholesky(i.B.T @ i.B), np.linalg.cholesky(i.A @ i.A.T)
    except np.linalg.LinAlgError:
        return np.full(i.B.shape[1], np.nan)
    return np.linalg.svd(i.scaling * Lb.T @ La, compute_uv=False)


def _untransposed_core(i: Instance) -> ndarray:
    pad = np.zeros((i.B.shape[1],) * 2)
    Rb, Ra = (np.linalg.qr(np.vstack([X, pad]), mode="r") for X in (i.B, i.A.T))
    return np.linalg.svd(i.scaling * Rb @ Ra, compute_uv=False)[: len(i.factored.S)]


def _factor_by_factor(i: Instance) -> ndarray:
    values = [np.linalg.svd(X, compute_uv=False) for X in (i.B, i.A)]
    return abs(i.scaling) * np.multiply(*(s[: len(i.factored.S)] for s in values))


def _rebuilt(values, sign=lambda i: 1.0) -> Claim[Instance]:
    def sides(i: Instance) -> Sides:
        f = i.factored
        return rebuilt(i, (f.U * values(f.S)) @ f.Vh - sign(i) * i.dense)

    return Claim("=", sides)


def _filled(count) -> Claim[Instance]:
    """‖U‖_F², the number of orthonormal columns."""
    return Claim("=", lambda i: Sides(float(np.sum(i.factored.U**2)), float(count(i)), 1e-6))


def _relative(i: Instance) -> Sides:
    f = i.factored
    off = np.abs(dense_values(i)[: len(f.S)] - f.S) / np.maximum(f.S, 1e-300)
    return Sides(float(off.max()), 0.0, 2 * i.eta / max(i.K, 1e-300))


def _transposed_gauge(i: Instance) -> Sides:
    S = LowRank(i.B @ i.G, i.G.T @ i.A, i.scaling).svd(0, rtol=0).S
    return Sides(at(S, i.index), at(i.factored.S, i.index), slack(i, 2 * i.cond * EPS * i.K))


OWN: dict[str, Claim[Instance]] = {
    "Gram + Cholesky": compare(_cholesky),
    "scaling forgotten": compare(lambda i: i.factored.S / abs(i.scaling)),
}

BLIND: dict[str, Claim[Instance]] = {
    "singular values carry the sign of the scaling": compare(lambda i: np.sign(i.scaling) * i.factored.S),
    "singular values of B times those of A": compare(_factor_by_factor),
    "core with Ra in place of its transpose": compare(_untransposed_core),
    "a second square root of the core": compare(lambda i: np.sqrt(i.factored.S * i.factored.S[0])),
    "rebuilt from the leading triple alone": _rebuilt(lambda S: S * (np.arange(len(S)) == 0)),
    "rebuilt with squared values, in units of the first": _rebuilt(lambda S: S**2 / max(S.max(), 1e-300)),
    "rebuilt up to the sign of the scaling": _rebuilt(lambda S: S, lambda i: -1.0 if i.scaling < 0 else 1.0),
    "as many orthonormal columns as the factors have": _filled(lambda i: i.B.shape[1]),
    "a square orthogonal U": _filled(lambda i: i.B.shape[0]),
    "every value accurate relative to itself": Claim("=", _relative),
    "gauge: the root of cond(G)": Claim("=", lambda i: gauge(0.5, i)),
    "gauge: the transpose for the inverse, as if G were orthogonal": Claim("=", _transposed_gauge),
}
