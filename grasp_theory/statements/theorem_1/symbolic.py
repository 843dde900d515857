"""The algebra of theorem-1: each part's, and its expressions at an instance's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from .instances import Instance

h, j, rho, nu, kappa, L, m, a, g, theta, b = sp.symbols("h j rho nu kappa L m a g theta b", positive=True)
J = sp.symbols("J", nonnegative=True)
MEAN = (1 + 2 * J) / (m + 2 * J)  # of ⟨û,u⟩² given J


def weights() -> tuple[Any, Any]:
    """(weight on the observed core, weight on z) of one core: its normal equations, solved."""
    core, z = sp.symbols("core z")
    found = sp.solve([(1 + nu) * core + kappa * z - L, kappa * core + z - kappa * L], [core, z])
    return found[core], found[z]


def strength() -> Any:
    """Of the factor over the task, in the data: weight on z times what the core leaves of z, over L/√(1 + nu)."""
    return weights()[1] * sp.sqrt(1 - kappa**2 / (1 + nu)) / (L / sp.sqrt(1 + nu))


def sine() -> Any:
    """sin(½ arcsin 2 rho), the root of the quadratic of the proof that is below ½."""
    x = sp.symbols("x", positive=True)
    return sp.sqrt(min(sp.solve(4 * x * (1 - x) - 4 * rho**2, x), key=lambda root: root.subs(rho, sp.Rational(1, 4))))


def moment() -> Any:
    """1/m + √E_x[(e^(kappa m x²/2) − 1) x² − (kappa/2)/m], x² of a Gaussian of variance 1/m."""
    grown = sp.diff((1 - 2 * g / m) ** sp.Rational(-1, 2), g).subs(g, kappa * m / 2)
    return 1 / m + sp.sqrt(grown - 1 / m - kappa / (2 * m))


def residuals() -> dict[str, Any]:
    """Left minus right sides."""
    core, z = weights()
    square = (2 - h) * (j - (1 - h) / (2 - h)) ** 2
    tau = b * sp.sin(2 * theta) / 2
    return {
        "1: the sine of the bound has sin 2 theta = 2 rho": 4 * sine() ** 2 * (1 - sine() ** 2) - 4 * rho**2,
        "2: response of second order times sine": rho * sine() ** 2 - rho * (1 - sp.sqrt(1 - 4 * rho**2)) / 2,
        "3a: the worlds' M off the diagonal": (-tau + b * sp.cos(theta) * sp.sin(theta))
        - (tau - b * sp.cos(theta) * sp.sin(theta)),
        "3b: the mean is concave in J": sp.diff(MEAN, J, 2) + 8 * (m - 1) / (m + 2 * J) ** 3,
        "3c: the moment of part 3": (moment() - 1 / m) ** 2 - ((1 - kappa) ** sp.Rational(-3, 2) - 1 - kappa / 2) / m,
        "4: the square": h + 2 * (1 - h) * j - (2 - h) * j**2 + square - 1 / (2 - h),
        "5: weight on z": z - nu * kappa * L / (1 + nu - kappa**2),
        "5: the rest is one factor": core - L / (1 + nu) + z * kappa / (1 + nu),
        "5: strength": strength() ** 2 - nu**2 * kappa**2 / (1 + nu - kappa**2),
    }


def twin(instance: Instance) -> dict[str, float]:
    """Bounds of the claims that these expressions state, on this instance."""
    size, cores = len(instance.u), instance.cores
    ratio = instance.hidden_by / instance.b
    found = {"angles": float(sine().subs(rho, ratio))} if instance.angle < 1 and ratio < 0.5 else {}
    below = instance.a**4 / instance.G.size
    if below < 1:
        value = float(moment().subs({m: size, kappa: below}))
        found["told nothing, second moment"] = min(value, 1.0)
    limit = sp.limit(MEAN, m, size).subs(J, a**2 / 2)
    found["told v, the best"] = float(limit.subs(a, instance.a))
    noise = float(cores.E[0, 0])
    if np.array_equal(cores.C, np.eye(len(cores.C))) and np.array_equal(cores.E, noise * np.eye(len(cores.C))):
        numbers = {nu: noise, kappa: float(np.linalg.norm(cores.g)), L: 1.0}
        found["curation, strength"] = float(strength().subs(numbers))
    return found
