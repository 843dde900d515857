"""
Add your own statement
======================

A statement is claims on instances, with everything needed to check it and to check the checks: draws, what attains
the bound, what breaks each assumption, and false variants that the checks have to refute.
"""

# %%
# The statement, as one would write it into the docstring of its folder: for a symmetric T with ‖T‖ <= tau and a unit
# vector u, the eigenvector of the largest eigenvalue of T + beta u uᵀ is within arcsin(tau/(beta − tau)) of u, if
# beta > 2 tau. It is true, but is it the best bound? The checks will say.
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

from grasp_theory import verify
from grasp_theory.statements.statement import Border, Claim, Sides, Statement


@dataclass(frozen=True, eq=False)
class Instance:
    """T + beta u uᵀ."""

    T: np.ndarray
    u: np.ndarray
    beta: float

    @property
    def rho(self) -> float:
        return float(np.linalg.norm(self.T, 2)) / self.beta

    def sine(self) -> float:
        top = np.linalg.eigh(self.T + self.beta * np.outer(self.u, self.u))[1][:, -1]
        return float(np.linalg.norm(self.u - top * (top @ self.u)))


def draw(rng: np.random.Generator) -> Instance:
    """Both sides of the border; half of the tasks in a plane with u, where a task hurts most."""
    n, rho, beta = int(rng.integers(2, 8)), rng.uniform(0.05, 0.55), np.exp(rng.normal())
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    if rng.random() < 0.5:
        return planar(Q, rho, beta, angle=rng.uniform(0, 2 * np.pi))
    values = rng.uniform(-1, 1, n)
    return Instance(rho * beta * (Q * values / np.abs(values).max()) @ Q.T, Q @ np.eye(n)[0], beta)


def planar(Q: np.ndarray, rho: float, beta: float, angle: float) -> Instance:
    """tau times a reflection of the plane of u."""
    c, s = np.cos(angle), np.sin(angle)
    P = Q[:, :2]
    return Instance(rho * beta * P @ np.array([[c, s], [s, -c]]) @ P.T, P[:, 0], beta)


def claim(bound) -> Claim[Instance]:
    return Claim("<=", lambda i: Sides.exact(i.sine(), bound(i.rho)), tight=True)


def beyond(rng: np.random.Generator) -> Instance:
    """tau = 0.7 beta against u: the factor is lost."""
    return planar(np.linalg.qr(rng.standard_normal((4, 4)))[0], 0.7, 1.0, angle=np.pi)


def statement(bound, angle) -> Statement[Instance]:
    """With this bound, attained (or not) by the plane's task of this angle at rho = 0.3."""
    return Statement(
        key="own-statement",
        kind="tight",
        law="sin of the angle <= bound(tau/beta)",
        basis="checked numerically",
        assumptions={"tau < beta/2": Border(lambda i: 0.5 / i.rho - 1)},
        draw=draw,
        claims={"angle": claim(bound)},
        extremal=lambda rng: planar(np.linalg.qr(rng.standard_normal((5, 5)))[0], 0.3, 2.0, angle),
        violators={"tau < beta/2": beyond},
        variants={
            "tau/beta": claim(lambda rho: rho),
            "half of it": claim(lambda rho: np.sin(0.25 * np.arcsin(min(2 * rho, 1.0)))),
        },
        text="Assumes: tau < beta/2.",
    )


# %%
# The first bound holds, and the checks still turn it down: nothing attains it, and beyond the border it says nothing
# that could fail.
worst = np.pi - np.arccos(2 * 0.3)  # the angle of the proof of prior-angle
loose = verify(statement(lambda rho: min(rho / (1 - rho), 1.0), worst))
print("tau/(beta − tau):", loose.failures)

# %%
# The bound sin(½ arcsin 2 tau/beta) is attained, and no false variant survives.
sharp = verify(statement(lambda rho: np.sin(0.5 * np.arcsin(min(2 * rho, 1.0))), worst))
print("sin(½ arcsin 2 rho):", "stands" if sharp.stands else sharp.failures)

# %%
# In the repository it would be a folder ``grasp_theory/statements/own_statement/`` with this as ``__init__.py``, its
# false variants in ``variants.py`` and its key in ``registry.ORDER``; ``grasp verify own-statement`` runs it, and a
# page of this site is made of its docstring.
rng, rho = np.random.default_rng(0), np.linspace(0.01, 0.49, 50)
drawn = [i for i in (draw(rng) for _ in range(400)) if i.rho < 0.5]
fig, axis = plt.subplots()
axis.plot([i.rho for i in drawn], [i.sine() for i in drawn], ".", markersize=3, label="draws")
axis.plot(rho, rho / (1 - rho), "--", color="tab:red", label="tau/(beta − tau): holds, not attained")
axis.plot(rho, np.sin(0.5 * np.arcsin(2 * rho)), color="black", label="sin(½ arcsin 2 tau/beta)")
axis.set(xlabel="tau/beta", ylabel="sin of the angle", ylim=(0, 1), title="The bound, and draws that come up to it")
axis.legend()
plt.show()
