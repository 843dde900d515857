"""False variants of posthoc-rank-gain: its author's own, and those written blind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..statement import Claim, Sides
from . import Instance, exact_gain, gain, gain_of


def _exactly(value) -> Claim[Instance]:
    """The gain with T ⟂ (u, v), Sigma = I, against value(σ, beta, r) · v_rᵀ Sigma_d v_r."""
    return Claim("=", lambda i: gain_of(i, value))


def _strength(i: Instance) -> float:
    """beta² vᵀ Sigma v."""
    return i.beta**2 * float(i.v @ i.Sigma @ i.v)


def _isotropic(i: Instance) -> Sides:
    """σ_r(T)² without the weight of v_r at deployment."""
    o = i.orthogonal()
    s = o.sigma(o.r, whitened=False)
    return replace(exact_gain(i), bound=s**2 if o.beta > s else 0.0)


def _general(i: Instance) -> float:
    """The right end for every T: σ_r² as soon as the shortcut exceeds it."""
    s = i.sigma(i.r) ** 2
    return s if _strength(i) > s else 0.0


OWN: dict[str, Claim[Instance]] = {
    "right end for every beta": _exactly(lambda s, beta, r: s[r - 1] ** 2),
    "always the right end": gain(lambda i: i.sigma(i.r) ** 2, "="),
    "gain <= σ_r²/2": gain(lambda i: i.sigma(i.r) ** 2 / 2),
    "gain <= σ_r, not squared": gain(lambda i: i.sigma(i.r)),
    "post-hoc is as good": gain(lambda i: 0.0, "="),
}

BLIND: dict[str, Claim[Instance]] = {
    "converse: projecting afterwards never loses": Claim("<=", lambda i: Sides.exact(*i.risks(), scale=i.scale)),
    "gap of squares: σ_r² − σ_{r+1}²": gain(lambda i: i.sigma(i.r) ** 2 - i.sigma(i.r + 1) ** 2),
    "Sigma forgotten: σ_r(P_u T)²": gain(lambda i: i.sigma(i.r, whitened=False) ** 2),
    "both sides projected in the bound": gain(lambda i: replace(i, T=i.T - np.outer(i.T @ i.v, i.v)).sigma(i.r) ** 2),
    "never more than the shortcut itself": gain(lambda i: min(i.sigma(i.r) ** 2, _strength(i))),
    "soft threshold: σ_r² beta²/(beta² + σ_r²)": gain(
        lambda i: i.sigma(i.r) ** 2 * _strength(i) / (_strength(i) + i.sigma(i.r) ** 2)
    ),
    "the right end without T ⟂ (u, v)": gain(_general, ">="),
    "beta has to exceed σ_1": _exactly(lambda s, beta, r: s[r - 1] ** 2 if beta > s[0] else 0.0),
    "squares compared with the value: beta² against σ_r": _exactly(
        lambda s, beta, r: s[r - 1] ** 2 if beta**2 > s[r - 1] else 0.0
    ),
    "a weak shortcut costs its own beta²": _exactly(lambda s, beta, r: min(beta, s[r - 1]) ** 2),
    "beta has to exceed σ_r by a twentieth": _exactly(
        lambda s, beta, r: s[r - 1] ** 2 if beta > 1.05 * s[r - 1] else 0.0
    ),
    "index off by one: σ_{r+1}": _exactly(
        lambda s, beta, r: s[min(r, len(s) - 1)] ** 2 if beta > s[min(r, len(s) - 1)] else 0.0
    ),
    "deployment moment taken for I": Claim("=", _isotropic),
}
