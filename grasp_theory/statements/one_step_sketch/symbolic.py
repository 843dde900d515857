"""one-step-sketch: moments of the Beta law of cos² and of a uniform direction, their limits and errors."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from .instances import Instance

r, d, m, q, x, z, scale = sp.symbols("r d m q x z sigma", positive=True)
A, B = r / 2, (d - 1) / 2  # cos² ~ Beta(A, B)
MEAN_SQUARE = A / (A + B)
VARIANCE = A * B / ((A + B) ** 2 * (A + B + 1))
MEAN = sp.gamma(A + sp.Rational(1, 2)) * sp.gamma(A + B) / (sp.gamma(A) * sp.gamma(A + B + sp.Rational(1, 2)))
# E‖a‖₁ over E‖a‖ of m Gaussians, by √m
LENGTH = sp.sqrt(2) * sp.gamma((m + 1) / 2) / sp.gamma(m / 2)
SPHERE = m * sp.sqrt(2 / sp.pi) / LENGTH / sp.sqrt(m)


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity. r = q d in the limits; moments of |z| and z² of a Gaussian."""
    density = sp.exp(-((z / scale) ** 2) / 2) / (sp.sqrt(2 * sp.pi) * scale)
    absolute, cube = (sp.Integral(2 * z**k * density, (z, 0, sp.oo)) for k in (1, 3))
    c = sp.sqrt(2 / sp.pi)
    first, third = absolute / scale, cube / scale**3
    at = {r: q * d}
    return {
        "mean square": MEAN_SQUARE - r / (r + d - 1),
        # density (r/2) x^{r/2 − 1}
        "mean square, three inputs": sp.diff(MEAN_SQUARE.subs(d, 3) * x ** (r / 2 + 1), x) - r / 2 * x ** (r / 2),
        # E √x: r/(r + 1) at that density, and what two inputs more leave of it
        "mean |cos|, three inputs": MEAN.subs(d, 3) - r / (r + 1),
        "mean |cos|, two inputs more": MEAN.subs(d, d + 2) * (r + d) - MEAN * (r + d - 1),
        "variance": VARIANCE - MEAN_SQUARE * (1 - MEAN_SQUARE) / ((r + d + 1) / 2),
        "limit": MEAN_SQUARE.subs(at) - q / (1 + q) - q / ((1 + q) * ((1 + q) * d - 1)),
        "error of cos²": sp.Limit(d * VARIANCE.subs(at), d, sp.oo).doit() - 2 * q / (1 + q) ** 3,
        "error of |cos|, √(d/2)/(r + d)": 2 * q / (1 + q) ** 3 / (4 * q / (1 + q)) - d**2 / (2 * (q * d + d) ** 2),
        "E|z| = √(2/π)": absolute - scale * c,
        "E|z|³ = 2 √(2/π)": cube - 2 * c * scale**3,
        # f = E|z|/√E z²: df = d|z| − (c/2) dz², Var z² = 2, Cov(|z|, z²) = E|z|³ − E|z|
        "error of Adam's, (1 − 3/π)/m": (1 - first**2 - first * (third - first) + first**2 / 2) / m
        - (1 - 3 / sp.pi) / m,
        "mean |cos| on the sphere, of m and of m + 1": SPHERE * SPHERE.subs(m, m + 1)
        - 2 / sp.pi * sp.sqrt((m + 1) / m),
        "E‖a‖ of m and of m + 1": LENGTH * LENGTH.subs(m, m + 1) - m,
    }


def twin(i: Instance) -> Mapping[str, float]:
    """The moments at the instance's sizes."""
    sizes = {r: i.wide_rank, d: len(i.w), m: i.rows}
    found = {"right": MEAN, "right, mean square": MEAN_SQUARE, "left, Adam, on the sphere": SPHERE}
    return {name: float(value.subs(sizes)) for name, value in found.items()}
