"""optimizer-leak (converse). Projecting the gradients only does not keep a direction out of the weights.

Statement. LoRA from B = 0, gradients projected before the optimiser sees them: g_B <- P_u g_B or g_A <- g_A P_v.
Write side. (i) SGD and momentum: no leak, uᵀdW = 0. (ii) Adam, signed descent: the first
step is −lr sign(P_u g_B), so uᵀdW_1 = lr s uᵀsign(P_u G A0ᵀ) A0, G = H M Sigma, and each column of B_1 leaks at
least lr delta(u), delta = min |Σ ±|u_i|| over signs not all equal: positive for u in general position (a column of
P_u G A0ᵀ with an entry 0, a null set, may leak less). For signed descent and Adam the directions without leak,
whatever the gradient, are *exactly* the coordinate vectors and those with two nonzero coordinates of equal size:
axis-aligned tests hide it. For any other u some gradient has a column that leaks at least lr max |u_i| (two
coordinates: lr ||u_1| − |u_2||). Read side, every optimiser, SGD too. (iii) The first step is the naive one: dW_1 v =
naive's. (iv) SGD and momentum: A v = A0 v for ever, so dW v = s B A0 v. (v) If A0 has full column rank (r >= d) the
projection prevents *nothing*: descent that converges with A still of full column rank ends at dW = M, beta u vᵀ
included.

Assumes: B0 = 0; u in general position; A0 of full column rank.

Proof (here). (i) B_t is a combination of P_u g's. (ii) At the first step Adam's moments are g and g². y = P_u g ⟂
u: the numbers u_i y_i sum to 0, so where none is 0 their signs eps are not all equal, and uᵀsign(y) = Σ eps_i
|u_i|. For coordinate vectors y_i = 0; with two coordinates of equal size y_1 = ∓y_2, and the optimiser moves both
alike, step after step. Else: every pattern eps but the constant ones is met by some y ⟂ u (u_i y_i = eps_i/k, k the
number of coordinates with that sign). With three or more each j can be flipped between two patterns that are not
constant, which changes Σ eps_i |u_i| by 2|u_j|: one of the two is at least |u_j| in size. (iii) B
= 0: g_A = 0, and g_B is not projected. (iv) g_A P_v v = 0. (v) stationary: (M − dW) Sigma Aᵀ = 0 up to H, with Aᵀ
of full row rank, H, Sigma ≻ 0: dW = M; the other condition follows. ∎ That descent converges is measured, not proved.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from ...linear.training import Run, stable_step, train
from ..shared.autograd import train_by_autograd
from ..statement import Claim, Route, Sides, Statement
from .instances import Instance, draw


def kept(optimizer) -> Claim[Instance]:
    """uᵀ(W0 + dW) at ``a``, where it is furthest from uᵀW0 along the run."""

    def sides(i: Instance) -> Sides:
        before = float(i.problem.u @ i.problem.W0 @ i.a)
        along = i.problem.u @ (i.problem.W0 + i.run(optimizer(i), "write").trajectory) @ i.a
        return Sides.exact(float(along[np.argmax(np.abs(along - before))]), before)

    return Claim("=", sides)


def first_step(leak) -> Claim[Instance]:
    """uᵀdW_1 at ``a`` under a coordinate-wise optimiser, in units of its step."""

    def sides(i: Instance) -> Sides:
        found = i.problem.u @ i.run(i.coordinatewise, "write", 1).dW @ i.a
        return Sides.exact(float(found) / i.lr / 0.03, leak(i))

    return Claim("=", sides)


def signs(i: Instance, projected: bool = True) -> float:
    p = i.problem
    g = p.H @ p.M @ p.Sigma @ i.A0.T
    return float(i.scaling * p.u @ np.sign(p.P_u @ g if projected else g) @ i.A0 @ i.a)


def least(i: Instance) -> Sides:
    """Least leak of a column of B_1 in units of the step, against delta(u)."""
    B = i.run(i.coordinatewise, "write", 1).B
    return Sides.exact(float(np.abs(i.problem.u @ B).min()) / i.lr / 0.03, i.delta)


def read_first(share: float, optimizer=lambda i: i.coordinatewise) -> Claim[Instance]:
    def sides(i: Instance) -> Sides:
        one, naive = (i.run(optimizer(i), side, 1).dW @ i.problem.v for side in ("read", "none"))
        return Sides.exact(float(i.b @ one), share * float(i.b @ naive))

    return Claim("=", sides, bitwise=True)


def read_later(law, optimizer=lambda i: i.plain) -> Claim[Instance]:
    def sides(i: Instance) -> Sides:
        run = i.run(optimizer(i), "read")
        return Sides.exact(float(i.b @ run.dW @ i.problem.v), law(i, run))

    return Claim("=", sides)


def start_kept(i: Instance, run: Run) -> float:
    """bᵀ s B A0 v."""
    return float(i.scaling * i.b @ run.B @ i.A0 @ i.problem.v)


STOP = 1e-7  # training ends at this share of the first gradient


def converged(end) -> Claim[Instance]:
    """bᵀdW v after descent with the gradient of A projected."""

    def sides(i: Instance) -> Sides:
        p = i.problem
        options = {"lr": 0.5 * stable_step(p, i.tall), "steps": 20_000, "tolerance": STOP, "every": 0}
        run = train(p, i.tall, optimizer="momentum", read=p.v[:, None], stage="gradient", **options)
        # M − dW = ½ H⁻¹ g_B (Aᵀ)⁺ Sigma⁻¹, whatever g_B of that size is left
        first = 2 * float(np.linalg.norm(p.H @ p.M @ p.Sigma @ i.tall.T))
        left = np.linalg.norm(np.linalg.solve(p.H, i.b))
        right = np.linalg.norm(np.linalg.pinv(run.A.T, rcond=1e-9) @ np.linalg.solve(p.Sigma, p.v))
        return Sides(float(i.b @ run.dW @ p.v), end(i), float(left * right * STOP * first / 2))

    return Claim("=", sides, slack="what the gradient that is left when training stops can hide, by stationarity")


def sparse(i: Instance) -> Sides:
    """uᵀ(W0 + dW) at ``a`` for u a coordinate vector or two equal coordinates, where it is furthest from uᵀW0."""
    u = np.zeros(len(i.b))
    chosen = np.argsort(i.b)[: 1 + int(i.lr > 0.55)]
    u[chosen] = np.where(i.b[chosen] > np.median(i.b), 1.0, -1.0) / np.sqrt(len(chosen))
    return kept(lambda i: i.coordinatewise).sides(replace(i, problem=replace(i.problem, u=u)))


def some_gradient(bound) -> Claim[Instance]:
    """Largest leak of sign(P_u g) along u over gradients of every sign pattern.

    Half the draws have equal |u_i|, a sixth two coordinates alone.
    """

    def sides(i: Instance) -> Sides:
        u = np.ones(len(i.b)) / np.sqrt(len(i.b)) if i.lr > 0.55 else i.problem.u
        if i.lr < 0.37:
            u = u[:2] / np.linalg.norm(u[:2])
        found = 0.0
        for pattern in product((1.0, -1.0), repeat=len(u)):
            eps = np.array(pattern)
            if abs(eps.sum()) < len(u):
                y = eps / np.where(eps > 0, (eps > 0).sum(), (eps < 0).sum()) / u
                found = max(found, float(abs(u @ np.sign(y - u * (u @ y)))))
        return Sides.exact(found, bound(np.abs(u)))

    return Claim(">=", sides)


def by_torch(i: Instance) -> float:
    """One step of torch's optimiser with the gradients projected; where it leaks to."""
    p, lr = i.problem, 0.03 * i.lr
    keep = (p.P_u, np.eye(p.shape[1]))
    options = {"optimizer": i.coordinatewise, "lr": lr, "steps": 1, "scaling": i.scaling}
    found = train_by_autograd(p, (i.B0, i.A0), keep=keep, gradient_only=True, **options)
    return float(p.u @ found @ i.a) / lr


def extremal(rng: np.random.Generator) -> Instance:
    """A draw whose gradient has, in some column, the signs that u balances best; one in three or so."""
    while True:
        i = draw(rng)
        if least(i).measured <= i.delta * (1 + 1e-9) and not STATEMENT.broken(i):
            return i


def _cleaned(rng: np.random.Generator) -> Instance:
    """A0 v = 0, A0 has been projected after all; or a row fewer than M needs."""
    i = draw(rng)
    if len(i.b) >= len(i.a) and rng.random() < 0.5:
        return replace(i, tall=i.tall[: len(i.a) - 1])
    return replace(i, tall=i.tall @ i.problem.P_v)


STATEMENT = Statement(
    key="optimizer-leak",
    kind="converse",
    law="gradient-only projection leaks: write side under Adam (lr uᵀsign(P_u G A0ᵀ) A0 at once), read side under all",
    basis="proved here; that descent converges in (v) is measured",
    assumptions={
        "B0 = 0": lambda i: not i.B0.any(),
        "u in general position": lambda i: i.delta > 1e-6 and float(np.abs(i.problem.u).min()) > 1e-6,
        "A0 of full column rank": lambda i: int(np.linalg.matrix_rank(i.tall, 1e-6)) == len(i.a),
    },
    draw=draw,
    fixed=frozenset({"B0"}),
    always=frozenset({"read, plain: s B A0 v"}),
    claims={
        "write, plain: none": kept(lambda i: i.plain),
        "write, coordinate-wise: first step": first_step(signs),
        "write, coordinate-wise: at least": Claim(">=", least, tight=True),
        "write, two equal coordinates: none": Claim("=", sparse),
        "write, otherwise: some gradient leaks": some_gradient(
            lambda size: size.max() if len(size) > 2 else np.ptp(size)
        ),
        "read: first step is naive": read_first(1.0),
        "read, plain: first step is naive": read_first(1.0, lambda i: i.plain),
        "read, plain: s B A0 v": read_later(start_kept),
        "read, r >= d: all of it": converged(lambda i: float(i.b @ i.problem.M @ i.problem.v)),
    },
    extremal=extremal,
    violators={
        "B0 = 0": lambda rng: replace(i := draw(rng), B0=0.5 * rng.standard_normal(i.B0.shape)),
        # e_1: nothing leaks
        "u in general position": lambda rng: replace(i := draw(rng), problem=replace(i.problem, u=np.eye(len(i.b))[0])),
        "A0 of full column rank": _cleaned,
    },
    route=Route(
        "write, coordinate-wise: first step",
        by_torch,
        1e-5,
        "measured",
        ("LinearProblem.M", "LinearProblem.shape", "LinearProblem.P_u"),
    ),
    draws=60,
)
