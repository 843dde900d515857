"""sample-threshold: the offset ½(1 + √c)(3 + √c) from the exact border, and the overlaps for white noise."""

from __future__ import annotations

import sympy as sp

from . import Instance

a, k, t = sp.symbols("a k t", positive=True)  # white noise l = 1: theta² = t, c = k, unit d = 1, m = k
AT = k / (k + t)
EDGE = 1 - a**2 / k / (1 - a) ** 2
SLOPE = t / k / (1 - a) ** 2
LEFT = (EDGE / (a * SLOPE)).subs(a, AT)


def residuals() -> dict[str, sp.Expr]:
    """lambda_j = n(1 + e_j) with mean e = 0, mean e² = y = d/n and higher moments O(y²) (Marchenko-Pastur)."""
    r, y, b, e = sp.symbols("r y b e", positive=True)  # r = √c; a = n b
    b1 = sp.Symbol("b1", real=True)

    def mean(f: sp.Expr) -> sp.Expr:
        return f.subs(e, 0) + y / 2 * sp.diff(f, e, 2).subs(e, 0)

    def orders(f: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
        """Its value and its slope at y = 0."""
        return f.subs(y, 0), sp.diff(f, y).subs(y, 0)

    defining = mean(b**2 / (1 + e - b) ** 2) - r**2
    b0 = r / (1 + r)
    first = orders(defining.subs(b, b0 + b1 * y))
    shift = sp.solve(sp.simplify(first[1]), b1)[0]
    strength = r**2 / (b * mean((1 + e) / (1 + e - b)))  # beta_c² n/(s² d)
    expanded = orders(strength.subs(b, b0 + shift * y))
    # beta_c² = (s² √(m d)/n)(1 + kappa d/n): n = s²√(m d)/beta² + kappa d + O(d²/n)
    kappa = (1 + r) * (3 + r) / 2

    x = k / a + 1 / (1 - a)
    return {
        "leading order of a": first[0],
        "leading order of beta_c²": expanded[0] - r,
        "offset": expanded[1] / r - kappa,
        "white: D = 1": (t * a / k / (1 - a)).subs(a, AT) - 1,
        "white: left overlap": LEFT - (t**2 - k) / (t * (t + k)),
        "white: right overlap": ((k / a) ** 2 * EDGE / (t * SLOPE * a * x)).subs(a, AT) - (t**2 - k) / (t * (t + 1)),
    }


def twin(i: Instance) -> dict[str, float]:
    """The overlap for white noise, 0 up to theta⁴ = c."""
    at = {k: i.m / min(i.n, i.d), t: (i.beta / i.s) ** 2 * i.n / min(i.n, i.d)}
    return {"whitened left": float(LEFT.subs(at)) if at[t] ** 2 > at[k] else 0.0}
