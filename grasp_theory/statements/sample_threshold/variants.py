"""sample-threshold: variants written blind."""

from __future__ import annotations

import numpy as np

from ...identification.spectra import Spike, critical_strength, spike
from ..statement import Claim, Sides
from . import Instance, _claim, _expansion, _white_border


def _white(i: Instance, samples: float, width: int | None = None) -> Spike:
    """The white law with so many samples."""
    return spike(i.beta * float(np.sqrt(samples)), i.m, width or i.d, s=i.s)


def _border(law) -> Claim[Instance]:
    return Claim("=", lambda i: Sides.exact(i.border, law(i)))


def _offset(factor) -> Claim[Instance]:
    """n_c with factor(√c) d for its offset."""
    return _expansion(lambda beta, m, d, s: s**2 * (m * d) ** 0.5 / beta**2 + factor((m / d) ** 0.5) * d)


def _base(i: Instance) -> float:
    return i.s**2 * (i.m * i.d) ** 0.5 / i.beta**2


MUTANTS: dict[str, Claim[Instance]] = {
    "raw, û: white noise of variance s²/n": _claim(0, lambda i: _white(i, i.n).left),
    "raw, û: the overlap of v̂": _claim(0, lambda i: i.raw[1]),
    "raw, v̂: white noise of the mean variance s²/(n − d)": _claim(1, lambda i: _white(i, i.n - i.d).right),
    "raw, v̂: the overlap of û": _claim(1, lambda i: i.raw[0]),
    "raw, v̂: not squared": _claim(1, lambda i: np.sqrt(i.raw[1])),
    "whitened: noise as wide as the samples are many": _claim(2, lambda i: _white(i, i.n, i.n).left),
    "whitened: d samples are used up": _claim(2, lambda i: _white(i, i.n - i.d).left),
    "whitened: the right overlap": _claim(2, lambda i: _white(i, i.n).right),
    "border of white noise, λ = n": _border(lambda i: critical_strength(i.m, i.d, s=i.s) / np.sqrt(i.n)),
    "border of white noise of the mean variance": _border(
        lambda i: critical_strength(i.m, i.d, s=i.s) * np.sqrt(np.mean(1 / i.fits[1][0]))
    ),
    "raw n_c: offset d, the parameter count": _offset(lambda root: 1.0),
    "raw n_c: ½ forgotten in the offset": _offset(lambda root: (1 + root) * (3 + root)),
    "raw n_c: c for √c in the offset": _offset(lambda root: 0.5 * (1 + root**2) * (3 + root**2)),
    "raw n_c: offset 4d for every shape": _offset(lambda root: 4.0),
    "raw n_c: c = d/m in the offset": _offset(lambda root: 0.5 * (1 + 1 / root) * (3 + 1 / root)),
    "whitened n_c: first branch also where n < d": _white_border(_base),
    "whitened n_c: s⁴d/beta⁴ in the second branch": _white_border(
        lambda i: _base(i) if _base(i) >= i.d else i.s**4 * i.d / i.beta**4
    ),
}
