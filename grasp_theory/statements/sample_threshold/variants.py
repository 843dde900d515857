"""False variants of sample-threshold: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np

from ...identification.spectra import Spike, critical_strength, sample_threshold, spike
from ..statement import Claim
from . import Instance, border, claim, expansion, interpolating, white_border


def _white(i: Instance, samples: float, width: int | None = None) -> Spike:
    """The white law with so many samples."""
    return spike(i.beta * float(np.sqrt(samples)), i.m, width or i.d, s=i.s)


def _offset(factor) -> Claim[Instance]:
    """n_c with factor(√c) d for its offset."""
    return expansion(lambda beta, m, d, s: s**2 * (m * d) ** 0.5 / beta**2 + factor((m / d) ** 0.5) * d)


def _base(i: Instance) -> float:
    return i.s**2 * (i.m * i.d) ** 0.5 / i.beta**2


OWN: dict[str, Claim[Instance]] = {
    "whitened, n < d: noise as wide as there are inputs": interpolating(lambda i: (i.m, i.d)),
    "no offset": expansion(lambda beta, m, d, s: s**2 * np.sqrt(m * d) / beta**2),
    "c is 1/c": expansion(lambda beta, m, d, s: sample_threshold(beta, d, m, s=s)),
    "whitened pays the offset": white_border(lambda i: sample_threshold(i.beta, i.m, i.d, s=i.s)),
    "raw noise white": claim(0, lambda i: spike(i.beta * np.sqrt(i.n - i.d), i.m, i.d, s=i.s).left),
}

BLIND: dict[str, Claim[Instance]] = {
    "raw, û: white noise of variance s²/n": claim(0, lambda i: _white(i, i.n).left),
    "raw, û: the overlap of v̂": claim(0, lambda i: i.raw[1]),
    "raw, v̂: white noise of the mean variance s²/(n − d)": claim(1, lambda i: _white(i, i.n - i.d).right),
    "raw, v̂: the overlap of û": claim(1, lambda i: i.raw[0]),
    "raw, v̂: not squared": claim(1, lambda i: np.sqrt(i.raw[1])),
    "whitened: noise as wide as the samples are many": claim(2, lambda i: _white(i, i.n, i.n).left),
    "whitened: d samples are used up": claim(2, lambda i: _white(i, i.n - i.d).left),
    "whitened: the right overlap": claim(2, lambda i: _white(i, i.n).right),
    "whitened, n < d: outputs and samples exchanged": interpolating(lambda i: (i.few[0], i.m)),
    "border of white noise, λ = n": border(lambda i: critical_strength(i.m, i.d, s=i.s) / np.sqrt(i.n)),
    "border of white noise of the mean variance": border(
        lambda i: critical_strength(i.m, i.d, s=i.s) * np.sqrt(np.mean(1 / i.spectrum))
    ),
    "raw n_c: ½ forgotten in the offset": _offset(lambda root: (1 + root) * (3 + root)),
    "raw n_c: c for √c in the offset": _offset(lambda root: 0.5 * (1 + root**2) * (3 + root**2)),
    "raw n_c: offset 4d for every shape": _offset(lambda root: 4.0),
    "whitened n_c: first branch also where n < d": white_border(_base),
    "whitened n_c: s⁴d/beta⁴ in the second branch": white_border(
        lambda i: _base(i) if _base(i) >= i.d else i.s**4 * i.d / i.beta**4
    ),
}
