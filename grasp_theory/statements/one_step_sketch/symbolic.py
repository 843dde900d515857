"""one-step-sketch: moments of the Beta law of cos², its limit, and the limit of Adam's left cosine."""

from __future__ import annotations

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """Zero each. cos² ~ Beta(r/2, (d−1)/2); r = q d."""
    r, d, q, x = sp.symbols("r d q x", positive=True)
    a, b = r / 2, (d - 1) / 2
    mean = a / (a + b)
    variance = a * b / ((a + b) ** 2 * (a + b + 1))
    z = sp.symbols("z", real=True)
    absolute = sp.integrate(2 * z * sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi), (z, 0, sp.oo))
    # one row, three inputs: a uniform direction on the sphere has cos uniform, so cos² has density 1/(2√x)
    uniform = sp.integrate(x / (2 * sp.sqrt(x)), (x, 0, 1))
    return {
        "mean": sp.simplify(mean - r / (r + d - 1)),
        "variance": sp.simplify(variance - mean * (1 - mean) / ((r + d + 1) / 2)),
        "limit": sp.limit(mean.subs(r, q * d), d, sp.oo) - q / (1 + q),
        "order of the error": sp.simplify(sp.limit(d * variance.subs(r, q * d), d, sp.oo) - 2 * q / (1 + q) ** 3),
        "one row, three inputs": uniform - mean.subs({r: 1, d: 3}),
        "E|z| = √(2/π)": sp.simplify(absolute - sp.sqrt(2 / sp.pi)),
    }
