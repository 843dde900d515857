"""self-certificate (limit). What the spectrum says of its own top direction, with no asserted tau.

Statement. M = T + beta u vᵀ, T (m x d) with singular values sigma_i, u and v uniform on their spheres and independent
of T (as for every bi-rotation-invariant T). With R = (z² − TTᵀ)⁻¹ and R' = (z² − TᵀT)⁻¹, at z = ŝ₁ (> sigma₁),

    a = z uᵀR u,  b = z vᵀR'v,  c = uᵀR T v:  1/beta = √(ab) + c,  ⟨û,u⟩² = √(a/b) dz/dbeta,  ⟨v̂,v⟩² = √(b/a) dz/dbeta

exactly, whatever T, u, v are, where dz/dbeta is that of the first equation. None of this is seen; but with
f(x) = z/(z² − x²), phi_m the mean of f over ŝ₂ … ŝ_m and phi_d that over ŝ₂ … ŝ_d (0 beyond min(m, d)),

    beta̅ = (phi_m phi_d)^(−½),  ⟨û,u⟩² ≈ √(phi_m/phi_d) dz/dbeta̅ = −2 phi_m beta̅⁻²/(phi_m phi_d)',  and v with d for m,

have rms errors O(m^(−½)) for beta > beta_c = (phi_m phi_d)^(−½) at the edge of the limiting spectrum, and the error's
variance is that of the delta method in (a, a', b, b', c, c'), all of it from ŝ₁, ŝ₂, … (``estimate`` in
``identification.self_certificate``). For a square Gaussian T, x = beta/beta_c: m · variance → 2(x⁴ + 1)/(x⁴(x⁴ − 1)),
1/(x² − 1) for beta̅/beta (``symbolic.py``). Where only ŝ₁ … ŝ_r are known, as after LoRA, the estimates lie between two
ends, attained by tails of two values and of one (``estimate_range``); a known energy of the tail narrows it.

Just above beta_c it is too sure (experiment). It fails where T is not invariant. A task that writes elsewhere on the
same input, T ∋ sigma e vᵀ with e ⟂ u, shows one clean component (estimate near 1) whose cos² is beta²/(beta² +
sigma²): the violator. Below a value of T that stands alone component 0 is the task's own, and the estimate, near 1
again, is of a factor that is not there. Below beta_c it says 0.2 at 100 rows, not 0. So it estimates under an
assumption and certifies nothing; a bound for every T is ``posterior-angle``.

Assumes: u and v uniform beside T; no value of T stands alone; ŝ₁ > sigma₁; beta > beta_c.

Proof (here). *Exact*: ŝ₁ is where det(I − beta J F) = 0, F = [[a, c], [c, b]], J the exchange: (1 − beta c)² = beta²ab,
and beta c < 1 for the top one. dŝ₁/dbeta = ⟨û,u⟩⟨v̂,v⟩ (first-order perturbation, exact), and from
(z² − TTᵀ) û = beta (z ⟨v̂,v⟩ u + ⟨û,u⟩ T v) the quotient ⟨û,u⟩/⟨v̂,v⟩ = beta a/(1 − beta c) = √(a/b).
*Concentration*: E a = mean of f over all sigma, Var a = 2/(m(m + 2)) (tr A² − (tr A)²/m), A = zR; E c = 0,
Var c = tr RTTᵀR/(md); same for derivatives: O(m^(−½)) at fixed z beyond the spectrum, and on the compact interval where
ŝ₁ lies with probability → 1 uniformly, because the derivatives in z are bounded there. *Interlacing*:
sigma_{i+1} <= ŝ_i and ŝ_{i+1} <= sigma_i, f increasing, so

    S − f(sigma₁) − f(sigma₂) + 1/z <= Σ_{i>=2} f(ŝ_i) <= S − f(sigma_m),   S = Σ f(sigma_i):  O(1/m) in the mean.

*A cut spectrum*: y = f of a tail value lies in [1/z, f(ŝ_r)] and −f' = 2y² − y/z is convex in y. For given Σ y the
estimate falls as Σ(−f') grows, which is smallest for equal y (Jensen) and largest for y at the two ends. With Σ x²,
that is Σ 1/y, given too: y·(1/y, 1, y, y²) are powers, so (1/y, 1, y, y²) is a Chebyshev system on y > 0 and the
extremes are the principal representations (Krein): one end and one inner value. ∎

Source: the limit is Benaych-Georges and Nadakuditi 2012, the plug-in OptShrink (Nadakuditi 2014); the exact equations,
the errors and the ends for a cut spectrum are proved here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import expit

from ...identification.self_certificate import estimate
from ..statement import Border, Claim, Rate, Relation, Route, Search, Sides, Statement
from .instances import Exact, Instance, Row, below_a_lone_value, beside_the_input, draw, quarter_circle, white

LONE = 1.5  # of the second value, the first stands alone
MEANT = "five standard errors over the trials, and min((1 + 2q²)/(n(1 − q²)²), 2n^(−⅓)), q = beta_c/beta, measured"


def mean(truth: Callable[[Row], float], value: Callable[[Row], float]) -> Claim[Instance]:
    """The mean of an estimate over the trials, against that of the truth."""

    def sides(i: Instance) -> Sides:
        x, y = (np.array([get(row) for row in i.rows]) for get in (value, truth))
        noise = 5 * float(np.std(x - y, ddof=1)) / np.sqrt(len(x))
        n, q = min(i.shape), i.border / i.beta
        return Sides(
            float(x.mean()), float(y.mean()), noise + min((1 + 2 * q * q) / (n * (1 - q * q) ** 2), 2 * n ** (-1 / 3))
        )

    return Claim("=", sides, slack=MEANT)


def spread(error: Callable[[Row], float]) -> Claim[Instance]:
    """Mean square of (estimate − truth)/error is 1."""

    def sides(i: Instance) -> Sides:
        x = np.array([((r.left - r.cos[0]) / error(r)) ** 2 for r in i.rows])
        q = i.border / i.beta
        second = (6 + 30 * q * q) / (min(i.shape) * (1 - q * q) ** 2)
        return Sides(float(x.mean()), 1.0, float(5 * x.std(ddof=1) / np.sqrt(len(x))) + second)

    slack = "five standard errors over the trials, and (6 + 30q²)/(n(1 − q²)²), q = beta_c/beta, measured"
    return Claim("=", sides, slack=slack)


LARGE = 2000  # size of a square Gaussian task whose spectrum is written down


def closed_form(law: Callable[[float], float]) -> Claim[Instance]:
    """n times the stated variance for a square Gaussian spectrum, x = beta/beta_c from 1.6 to 4, against law(x)."""

    def sides(i: Instance) -> Sides:
        x = 1.6 + 2.4 * (i.seed % 1000) / 1000
        found = estimate(x + 1 / x, quarter_circle(LARGE - 1), (LARGE, LARGE)).left_error
        return Sides(LARGE * found**2, law(x), 5 / LARGE * law(x))

    return Claim("=", sides, slack="5/n relative, measured: means over n quantiles for integrals")


def gaussian_variance(x: float) -> float:
    """2(x⁴ + 1)/(x⁴(x⁴ − 1))."""
    return 2 * (x**4 + 1) / (x**4 * (x**4 - 1))


def exact(measured: Callable[[Exact], float], bound: Callable[[Exact], float]) -> Claim[Instance]:
    """Rounding of a resolvent grows as ŝ₁ comes close to sigma₁."""

    def sides(i: Instance) -> Sides:
        e = i.exact
        return Sides.exact(measured(e), float(bound(e)), scale=1 + 1e-4 * float(e.f[0] / e.f[-1]) ** 2)

    return Claim("=", sides)


def interlaced(lost: Callable[[Exact], float], relation: Relation) -> Claim[Instance]:
    """Σ_{i>=2} f(ŝ_i) against Σ f(sigma_i) and what is lost of it, for the factor, or along axes, that come closest."""

    def sides(i: Instance) -> Sides:
        found = [Sides.exact(e.others, float(e.f.sum()) + lost(e)) for e in (i.exact, *i.aside)]
        sign = 1 if relation == "<=" else -1
        return max(found, key=lambda s: sign * (s.measured - s.bound) / s.slack)

    return Claim(relation, sides, tight=True)


def end(relation: Relation, value: Callable[[Instance], float], *, tight: bool = False) -> Claim[Instance]:
    """The estimate from the whole spectrum against what is said of it from a part."""
    return Claim(relation, lambda i: Sides.exact(i.with_whole(), value(i)), tight)


CLAIMS: dict[str, Claim[Instance]] = {
    "exact strength": exact(lambda e: 1 / e.beta, lambda e: e.g),
    "exact left": exact(lambda e: e.cos[0], lambda e: np.sqrt(e.a / e.b) * e.rate),
    "exact right": exact(lambda e: e.cos[1], lambda e: np.sqrt(e.b / e.a) * e.rate),
    "interlacing, below": interlaced(lambda e: 1 / e.z - e.f[0] - e.f[1], ">="),
    "interlacing, above": interlaced(lambda e: -e.f[-1], "<="),
    "left": mean(lambda r: r.cos[0], lambda r: r.left),
    "right": mean(lambda r: r.cos[1], lambda r: r.right),
    "strength": mean(lambda r: 1.0, lambda r: r.strength / r.beta),
    "standard error": spread(lambda r: r.left_error),
    "standard error, closed form": closed_form(gaussian_variance),
    "rank, at least": end(">=", lambda i: i.range(energy=False).left[0], tight=True),
    "rank, at most": end("<=", lambda i: i.range(energy=False).left[1], tight=True),
    "energy, at least": end(">=", lambda i: i.range(energy=True).left[0], tight=True),
    "energy, at most": end("<=", lambda i: i.range(energy=True).left[1], tight=True),
}

TOP, SEEN, UNKNOWN = 1.6, (1.0, 0.9, 0.9), 24


def _searched(x: Float[ndarray, " 24"]) -> Instance:
    """28 x 36 with four known values and a tail below the last of them."""
    tail = np.sort(SEEN[-1] * expit(x))[::-1]
    S = np.concatenate([[TOP, *SEEN], tail])
    return Instance(np.full(28, 0.1), (28, 36), 1.0, 0.0, 0, 1 + len(SEEN), spectrum=S)


def _ratio(x):
    """The lower end over the estimate, in the tail."""
    import torch

    w = torch.cat([torch.tensor(SEEN, dtype=x.dtype), SEEN[-1] * torch.sigmoid(x)]) ** 2
    f, f1 = (TOP / (TOP**2 - w)).sum(), (-(TOP**2 + w) / (TOP**2 - w) ** 2).sum()
    a, b, a1, b1 = f / 27, (f + 8 / TOP) / 35, f1 / 27, (f1 - 8 / TOP**2) / 35
    left = (a / b) ** 0.5 * -2 * (a * b) ** 1.5 / (a1 * b + a * b1)
    return _least() / left


@cache
def _least() -> float:
    return _searched(np.zeros(UNKNOWN)).range(energy=False).left[0]


def extremal(rng: np.random.Generator) -> Instance:
    """Nothing beyond the known values: the upper end."""
    return _searched(np.full(UNKNOWN, -1e3 + rng.random()))


LEFT, STRENGTH = gaussian_variance(2.0) ** 0.5, 3**-0.5  # the latter (x² − 1)^(−½) at x = 2


def _error(n: int, rng: np.random.Generator, *, strength: bool) -> float:
    """rms error at size n, square Gaussian spectrum, beta = 2 beta_c."""
    i = Instance(quarter_circle(n), (n, n), 2.0, 1.0, int(rng.integers(2**31)), 2, trials=max(60, 9600 // n))
    gaps = [r.strength / r.beta - 1 if strength else r.left - r.cos[0] for r in i.rows]
    return float(np.sqrt(np.mean(np.square(gaps))))


def by_complex_step(i: Instance) -> float:
    """The mean estimate as −2 phi_m/(beta̅² (phi_m phi_d)'), the derivative from a step into the complex plane."""

    def phi(z: complex, S: Float[ndarray, " q"], n: int) -> complex:
        x = np.append(S[1:], np.zeros(n - len(S)))
        return complex(np.mean(z / (z * z - x * x)))

    found = []
    for *_, S, _ in i.draws:
        step = complex(S[0], 1e-30)
        one, two = (phi(step, S, n) for n in i.shape)
        found.append(-2 * one.real * (one * two).real * 1e-30 / (one * two).imag)
    return float(np.mean(found))


STATEMENT = Statement(
    key="self-certificate",
    kind="limit",
    law="⟨û,u⟩² ≈ √(phi_m/phi_d) dz/dbeta̅ from ŝ₁, ŝ₂, … alone for u, v uniform beside T, rms error known",
    basis="proved here; the limit in Benaych-Georges and Nadakuditi 2012",
    assumptions={
        "u and v uniform beside T": lambda i: not i.aligned,
        "no value of T stands alone": lambda i: bool(i.values[0] <= LONE * i.values[1]),
        "ŝ₁ > sigma₁": Border(lambda i: i.exact.z / float(i.values[0]) - 1),
        "beta > beta_c": Border(lambda i: i.beta / i.border - 1 if i.border else 10.0, sharp=False),
    },
    draw=draw,
    claims=CLAIMS,
    extremal=extremal,
    violators={
        "u and v uniform beside T": beside_the_input,
        "no value of T stands alone": below_a_lone_value,
        "ŝ₁ > sigma₁": white(1.05, below=True),
        "beta > beta_c": white(0.4),
    },
    search=Search("rank, at least", UNKNOWN, _ratio, _searched, restarts=3, steps=250),
    route=Route("left", by_complex_step, 1e-9, side="measured", given=("Instance.draws",)),
    rates=(
        Rate("left", (24, 48, 96, 192), lambda n, r: _error(n, r, strength=False), -0.5, 0.15, LEFT),
        Rate("strength", (24, 48, 96, 192), lambda n, r: _error(n, r, strength=True), -0.5, 0.15, STRENGTH),
    ),
    draws=38,
)
