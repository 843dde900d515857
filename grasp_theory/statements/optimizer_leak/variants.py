"""False variants of optimizer-leak: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np

from ..statement import Claim, Sides
from . import Instance, converged, first_step, kept, least, read_first, read_later, signs, some_gradient, start_kept


def _equal_three(i: Instance) -> Sides:
    """uᵀsign(P_u G A0ᵀ) for u with all coordinates equal: even or odd, three or more of them do not hide the leak."""
    p, m = i.problem, len(i.problem.u)
    u = np.ones(m) / np.sqrt(m)
    B = np.sign((np.eye(m) - np.outer(u, u)) @ p.H @ p.M @ p.Sigma @ i.A0.T)
    return Sides.exact(float(np.abs(u @ B).max()), 0.0)


def _leak(i: Instance, G: np.ndarray) -> float:
    """uᵀdW_1 a in units of the step, from that gradient."""
    p = i.problem
    return float(i.scaling * p.u @ np.sign(p.P_u @ G @ i.A0.T) @ i.A0 @ i.a)


def _at_least(bound, relation="<=") -> Claim[Instance]:
    """The least leak of a column against another bound."""
    return Claim(relation, lambda i: Sides.exact(least(i).measured, bound(i)))


def _one_flip(i: Instance) -> float:
    """min over patterns with one odd sign."""
    size = np.abs(i.problem.u)
    return float(np.abs(size.sum() - 2 * size).min())


def _projected_read(i: Instance) -> Sides:
    """dW_1 v if the gradient of B came from the projected A0."""
    p = i.problem
    found = i.b @ i.run(i.coordinatewise, "read", 1).dW @ p.v / i.lr / 0.03
    g = p.H @ p.M @ p.Sigma @ p.P_v @ i.A0.T
    return Sides.exact(float(found), float(i.scaling * i.b @ np.sign(g) @ i.A0 @ p.v))


OWN: dict[str, Claim[Instance]] = {
    "gradient-only is enough, read, SGD": read_later(lambda i, run: 0.0),
    "equal coordinates hide the leak": Claim("=", _equal_three),
}

BLIND: dict[str, Claim[Instance]] = {
    "write: coordinate-wise optimisers keep u out too": kept(lambda i: i.coordinatewise),
    "first step: sign of the whole gradient": first_step(lambda i: signs(i, projected=False)),
    "first step: scaling squared": first_step(lambda i: i.scaling * signs(i)),
    "first step: G without the metric": first_step(lambda i: _leak(i, i.problem.M @ i.problem.Sigma)),
    "first step: G without Sigma": first_step(lambda i: _leak(i, i.problem.H @ i.problem.M)),
    "every column leaks the smallest |u_i|": _at_least(lambda i: float(np.abs(i.problem.u).min()), ">="),
    "only one sign differs in the least pattern": _at_least(_one_flip, ">="),
    "delta with 2|u_i| for a flipped sign": _at_least(lambda i: 2 * i.delta, ">="),
    "some column leaks no more than delta": _at_least(lambda i: i.delta),
    "some gradient leaks the larger of two coordinates": some_gradient(
        lambda size: size.max() if len(size) == 2 else 0.0
    ),
    "some gradient leaks a tenth more than the largest |u_i|": some_gradient(lambda size: 1.1 * size.max()),
    "read: first step half the naive one": read_first(0.5),
    "read: the first step does not leak": read_first(0.0),
    "read: the first gradient of B is projected as well": Claim("=", _projected_read),
    "read, plain: scaling forgotten": read_later(lambda i, run: float(i.b @ run.B @ i.A0 @ i.problem.v)),
    "read, plain: what leaks is along u": read_later(
        lambda i, run: float(i.scaling * (i.b @ i.problem.u) * (i.problem.u @ run.B @ i.A0 @ i.problem.v))
    ),
    "read, coordinate-wise: A v stays A0 v as well": read_later(start_kept, lambda i: i.coordinatewise),
    "read, r >= d: the task's part only": converged(lambda i: float(i.b @ i.problem.T @ i.problem.v)),
    "read, r >= d: the factor's part only": converged(lambda i: float(i.problem.beta * i.b @ i.problem.u)),
}
