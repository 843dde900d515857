"""prior-angle (tight). What can be promised about the top singular vectors before looking.

Statement. M = T + beta u vᵀ with unit u, v, ‖T‖₂ <= tau, rho = tau/beta < ½. With û, v̂ the top singular pair of M and
theta either of the angles ∠(û,u), ∠(v̂,v):

    sin 2 theta <= 2 tau/beta, theta < 45°,   i.e.   sin theta <= sin(½ arcsin 2 rho) = √((1 − √(1 − 4 rho²))/2).

Nothing can be said for tau >= beta/2: with T = (beta/2)(reflection) M is (beta/2) times an orthogonal matrix, and
every direction is a top singular vector (just beyond it the factor is lost altogether: the violator below).

Assumes: tau < beta/2.

Proof (here). p = min(cos a, cos b), q = max, a = ∠(û,u), b = ∠(v̂,v), sigma = ŝ₁. From ‖T v̂‖ <= tau,
T v̂ = sigma û − beta u (vᵀv̂), and its mirror image: sigma² + beta² q² − 2 sigma beta p q <= tau² (a negative overlap
product would give sigma <= tau, while sigma >= beta − tau > tau). If sigma <= beta the left side increases in q >= p:
sigma² + beta² p² − 2 sigma beta p² <= tau²; its minimum over sigma is beta² p² (1 − p²), hence
p² >= (1 + √(1 − 4 rho²))/2, or p² <= ½, where sigma > beta/2 >= beta p² makes it > beta²/4 > tau²: excluded.
If sigma > beta, minimising over q gives p² >= 1 − rho² or p² >= 1/(1 + rho²), both stronger.
Attained by T = tau [[−sin 2θ, cos 2θ], [cos 2θ, sin 2θ]]. ∎
That, and what is said of tau >= beta/2, needs m, d >= 2; one row or column is ``scalar-output``: the border is beta.

Source: proved here; it sharpens the sin-theta theorems of Wedin and of Davis and Kahan for one planted factor.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..shared.draws import Planted, flip, log_uniform, sharp, sine, unit, with_spectrum
from ..statement import Border, Claim, Search, Statement, exact


class Instance(Planted):
    """M = T + beta u vᵀ."""

    @property
    def rho(self) -> float:
        """tau/beta with tau = ‖T‖₂."""
        return float(np.linalg.norm(self.T, 2)) / self.beta

    def sines(self) -> tuple[float, float]:
        """(sin ∠(û,u), sin ∠(v̂,v))."""
        U, _, Vh = np.linalg.svd(self.M)
        return sine(U[:, 0], self.u), sine(Vh[0], self.v)


def draw(rng: np.random.Generator) -> Instance:
    """Planted gaps: rho up to just above ½, T near the extremal plane half of the time, of it a fifth near ½ too."""
    m, d = rng.integers(2, 9, 2)
    beta, rho = log_uniform(rng, 0.1, 10), rng.uniform(0.02, 0.52)
    if (kind := rng.random()) < 0.5:
        near = kind < 0.1  # 0.01 to 10% below the border, where the bound rises to 45°
        rho, tilt = 0.5 * (1 - log_uniform(rng, 1e-4, 0.1)) if near else rho, 1e-3 if near else 0.05
        return _in_plane(rng, int(m), int(d), beta, rho, float(rng.normal(scale=tilt)))
    values = rho * beta * np.concatenate([[1.0], rng.random(min(m, d) - 1)])
    return Instance(with_spectrum(rng, int(m), int(d), values), unit(rng, int(m)), unit(rng, int(d)), beta)


def extremal(rng: np.random.Generator) -> Instance:
    """The instance of the proof at rho = 0.3, in a random plane of R⁵ x R⁴."""
    return _in_plane(rng, 5, 4, 2.0, 0.3)


def _in_plane(rng: np.random.Generator, m: int, d: int, beta: float, rho: float, tilt: float = 0.0) -> Instance:
    return Instance(*flip(rng, m, d, beta, rho, s=min(2 * rho, 1.0), tilt=2 * tilt), beta)


def beyond_half(rng: np.random.Generator) -> Instance:
    """tau = 0.6 beta: T = −0.6 beta (u vᵀ − u' v'ᵀ) leaves u' v'ᵀ as the top pair, at 90°."""
    return _in_plane(rng, 6, 5, 1.5, 0.6)


def claim(side: int, bound, *, tight: bool = False) -> Claim[Instance]:
    return exact("<=", lambda i: i.sines()[side], bound, tight=tight)


def _ratio(x):
    """measured/bound at rho = 0.4 for 2 x 2 M with u = v = e₁, T = 0.4 X/‖X‖₂; other coordinates are rotations."""
    import torch

    X = x.reshape(2, 2)
    M = 0.4 * X / torch.linalg.svdvals(X)[0]
    M = M + torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=x.dtype)
    # sin² = weight of the top left singular vector outside u
    U, _, _ = torch.linalg.svd(M)
    return U[1, 0].abs() / sharp(0.4)


def _searched(x: Float[ndarray, " 4"]) -> Instance:
    X = x.reshape(2, 2)
    return Instance(0.4 * X / np.linalg.norm(X, 2), np.eye(2)[0], np.eye(2)[0], 1.0)


STATEMENT = Statement(
    key="prior-angle",
    kind="tight",
    law="sin 2 theta <= 2 tau/beta for tau < beta/2, for both top singular vectors",
    basis="proved here",
    assumptions={"tau < beta/2": Border(lambda i: 0.5 / i.rho - 1)},
    draw=draw,
    claims={name: claim(side, lambda i: sharp(i.rho), tight=True) for side, name in enumerate(("left", "right"))},
    extremal=extremal,
    violators={"tau < beta/2": beyond_half},
    search=Search("left", 4, _ratio, _searched, restarts=4, steps=200),
)
