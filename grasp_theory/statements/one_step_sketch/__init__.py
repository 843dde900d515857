"""one-step-sketch (limit). The first step of LoRA shows the gradient through a random sketch, exact on the write side.

Statement. Loss ‖H^½ (M − s B A) Sigma^½‖_F², B = 0 at the start, one plain gradient step of size lr:

    dW_1 = 2 lr s² G K,   G = H M Sigma (minus half the gradient at the start),   K = A0ᵀA0.

(i) Certificate: û of dW_1 estimates H u with sin ∠(û, H u) <= ‖H T Sigma K‖₂/ŝ_1(H M Sigma K); attained. (ii) G
of rank one (T = 0): the left vector is exact, and for A0 with independent Gaussian entries of one variance the
right one, an estimate of *Sigma v*, has cos² distributed as Beta(r/2, (d−1)/2): mean square r/(r+d−1), mean |cos|
Γ((r+1)/2) Γ((r+d−1)/2)/(Γ(r/2) Γ((r+d)/2)), and |cos| -> √(r/(r+d)) with root mean square error √(d/2)/(r+d), of
order d^-½. √(r/d) is only the size of the projection of the direction on A0's rows. (iii) Adam's first step is
lr·sign(G A0ᵀ): for rank-one G its left vector is sign(H u)/√m, of |cos| = ‖H u‖₁/(√m ‖H u‖₂): exact no more. For
H u *uniform on the sphere* its mean is √(m/π) Γ(m/2)/Γ((m+1)/2) and |cos| -> √(2/π) = 0.798, with root mean square
error √((1 − 3/π)/m). Dense is not enough: where all |H u|_i are equal, |cos| = 1.

Assumes: B0 = 0; a plain gradient step; A0 isotropic; H u uniform on the sphere.

Proof (here). B = 0, so the gradient of A vanishes and that of B is −2 s G A0ᵀ: B_1 = 2 lr s G A0ᵀ, A_1 = A0. (i)
G K = H T Sigma K + beta (H u)(Sigma v)ᵀK: ``posterior-angle`` with H T Sigma K for T: P_{Hu} G K = P_{Hu} H T
Sigma K, hence sin = ‖P_{Hu} H T Sigma K v̂‖/ŝ_1; equality in the tilted plane of ``posterior-angle`` (K = I).
(ii) v̂ ∝ K w with w = Sigma v/‖Sigma v‖. a = A0 w has K w = ‖a‖² w + A0⊥ᵀa, and A0⊥ᵀa is ‖a‖ times d−1
independent Gaussians, independent of a: cos² = ‖a‖²/(‖a‖² + chi²_{d−1}), ‖a‖² ~ chi²_r. (iii) At t = 1 Adam's
moments are g and g²; sign(H u (A0 Sigma v)ᵀ) = sign(H u) sign(A0 Sigma v)ᵀ. A uniform direction is a/‖a‖ of
Gaussian a, length and direction independent: E‖a‖₁ = E‖a‖ · E‖a/‖a‖‖₁ gives the mean, and E(‖a‖₁²) = m + m(m−1) 2/π
the mean square (1 + (m−1) 2/π)/m; the errors are those of Beta and of a ratio of means to first order. ∎
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy import ndarray
from scipy.special import poch

from ...linear.problem import LinearProblem
from ...linear.training import Optimizer
from ..shared.autograd import train_by_autograd
from ..shared.draws import flip, orthonormal, sine, unit
from ..statement import Claim, Rate, Route, Sides, Statement
from .instances import Instance, adam_cosines, cosines, draw


def extremal(rng: np.random.Generator) -> Instance:
    """posterior-angle's tilted plane, seen through the whole of R⁴: K = I, H = Sigma = I."""
    beta = 1.3
    T, u, v = flip(rng, 5, 4, beta, 0.4)
    given = {"problem": LinearProblem(np.zeros((5, 4)), T, beta, u, v, np.eye(4)), "B0": np.zeros((5, 4))}
    return replace(draw(rng), **given, A0=orthonormal(rng, 4, 4), probe=rng.standard_normal((5, 4)))


def changed(**changes):
    """The extremal instance, changed."""
    return lambda rng: replace(extremal(rng), **changes)


def uneven(rng: np.random.Generator) -> Instance:
    """Six of sixty inputs sketched ten times as strongly as the others."""
    return replace(draw(rng), wide_rank=20, spread=np.repeat([1.0, 10.0], [54, 6]), w=unit(rng, 60))


def sketch(update) -> Claim[Instance]:
    """dW_1, seen by the probe, is ``update``."""

    def sides(i: Instance) -> Sides:
        D = update(i)
        return Sides.exact(np.sum(i.probe * i.first()), np.sum(i.probe * D), scale=10 * float(np.linalg.norm(D)))

    return Claim("=", sides)


def certificate(bound, *, of=lambda p: p.H @ p.u, tight: bool = False) -> Claim[Instance]:
    """bound(task part, whole) of the sketched gradient, whose left vector is to be H u or another one ``of`` u."""

    def sides(i: Instance) -> Sides:
        task = i.problem.H @ i.problem.T @ i.problem.Sigma @ i.K
        U = np.linalg.svd(i.first())[0]
        return Sides.exact(sine(U[:, 0], of(i.problem)), bound(np.linalg.norm(task, 2), i))

    return Claim("<=", sides, tight)


FIVE = "five standard errors of the mean over the trials, from the law's own variance"


def mean_of(seen, mean: float, square: float) -> Sides:
    """The mean over the trials, five standard errors wide by the law's mean and mean square."""
    return Sides(float(seen.mean()), float(mean), 5 * float(np.sqrt((square - mean**2) / len(seen))))


def overlap(law) -> Claim[Instance]:
    """Mean |cos| over the trials."""

    def sides(i: Instance) -> Sides:
        r, d = i.wide_rank, len(i.w)
        true = mean_of(i.seen, mean_cosine(r, d), r / (r + d - 1))
        return replace(true, bound=float(law(r, d)))

    return Claim("=", sides, slack=FIVE)


def mean_cosine(r: int, d: int) -> float:
    """Γ((r+1)/2) Γ((r+d−1)/2)/(Γ(r/2) Γ((r+d)/2))."""
    return float(poch(r / 2, 0.5) / poch((r + d - 1) / 2, 0.5))


def mean_square(law) -> Claim[Instance]:
    """Mean cos², exact at every size: five standard errors of the Beta law."""

    def sides(i: Instance) -> Sides:
        r, d = i.wide_rank, len(i.w)
        mean = r / (r + d - 1)
        return Sides(
            float(np.mean(i.seen**2)), law(r, d), 5 * np.sqrt(mean * (1 - mean) / ((r + d + 1) / 2) / len(i.seen))
        )

    return Claim("=", sides, slack=FIVE)


def on_sphere(law) -> Claim[Instance]:
    """Mean |cos| of Adam's left vector over uniform directions of R^m."""

    def sides(i: Instance) -> Sides:
        m = i.rows
        true = mean_of(i.seen_by_adam, np.sqrt(m / np.pi) / poch(m / 2, 0.5), (1 + (m - 1) * 2 / np.pi) / m)
        return replace(true, bound=float(law(m)))

    return Claim("=", sides, slack=FIVE)


def left_claim(optimizer: Optimizer, cosine, of=lambda p: p.H @ p.u) -> Claim[Instance]:
    """|cos| of the left vector with H u, or another one ``of`` u, for rank-one G."""

    def sides(i: Instance) -> Sides:
        a = of(i.problem)
        U = np.linalg.svd(i.first(replace(i.problem, T=0 * i.problem.T), optimizer))[0]
        return Sides.exact(float(abs(U[:, 0] @ a) / np.linalg.norm(a)), cosine(a))

    return Claim("=", sides)


def by_torch(i: Instance) -> float:
    """One step of torch's SGD on the loss as written."""
    D = train_by_autograd(i.problem, (i.B0, i.A0), optimizer="sgd", lr=i.lr, steps=1, scaling=i.scaling)
    return float(np.sum(i.probe * D))


def _error(size: int, rng: np.random.Generator) -> float:
    """rms of |cos| − √(r/(r+d)) at r = d/4."""
    found = cosines(size // 4, np.ones(size), unit(rng, size), 800, rng)
    return float(np.sqrt(np.mean((found - np.sqrt(1 / 5)) ** 2)))


def _adam_error(size: int, rng: np.random.Generator) -> float:
    """rms of |cos| − √(2/π) over uniform H u."""
    found = adam_cosines(size, "uniform", 600, rng)
    return float(np.sqrt(np.mean((found - np.sqrt(2 / np.pi)) ** 2)))


def dense(a: ndarray) -> float:
    return float(np.abs(a).sum() / np.sqrt(len(a)) / np.linalg.norm(a))


STATEMENT = Statement(
    key="one-step-sketch",
    kind="limit",
    law="dW_1 ∝ G A0ᵀA0 under SGD; rank-one G: left exact, right |cos| -> √(r/(r+d)); Adam, uniform H u: left √(2/π)",
    basis="proved here",
    assumptions={
        "B0 = 0": lambda i: not i.B0.any(),
        "a plain gradient step": lambda i: i.optimizer == "sgd",
        "A0 isotropic": lambda i: bool(np.ptp(i.spread) <= 1e-9 * i.spread.max()),
        "H u uniform on the sphere": lambda i: i.law == "uniform",
    },
    draw=draw,
    fixed=frozenset({"B0", "optimizer"}),
    claims={
        "sketch": sketch(lambda i: 2 * i.lr * i.scaling**2 * i.G @ i.K),
        "certificate": certificate(lambda task, i: task / np.linalg.norm(i.G @ i.K, 2), tight=True),
        "left, SGD": left_claim("sgd", lambda a: 1.0),
        "left, Adam": left_claim("adam", dense),
        "left, Adam, on the sphere": on_sphere(lambda m: np.sqrt(m / np.pi) / poch(m / 2, 0.5)),
        "right": overlap(mean_cosine),
        "right, mean square": mean_square(lambda r, d: r / (r + d - 1)),
    },
    extremal=extremal,
    violators={
        "B0 = 0": changed(B0=np.full((5, 4), 0.3)),
        "a plain gradient step": changed(optimizer="adam"),
        "A0 isotropic": uneven,
        "H u uniform on the sphere": lambda rng: replace(draw(rng), law="flat"),
    },
    route=Route(
        "sketch",
        by_torch,
        lambda i: 1e-6 * float(np.linalg.norm(i.probe) * np.linalg.norm(i.first())),
        "measured",
        ("LinearProblem.M", "LinearProblem.shape"),
    ),
    rates=(
        Rate("right", (32, 64, 128, 256), _error, -0.5, 0.1, np.sqrt(0.32), deep_sizes=(512, 1024)),
        Rate(
            "left, Adam, on the sphere",
            (64, 128, 256, 512, 1024),
            _adam_error,
            *(-0.5, 0.1, np.sqrt(1 - 3 / np.pi)),
            deep_sizes=(2048,),
        ),
    ),
    draws=60,
)
