"""Derives the angle of ``scalar-output`` and its worst case over the direction of the task."""

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    b, t = sp.symbols("b t", positive=True)
    phi = sp.symbols("phi", real=True)  # between the task and v; any t lies in a plane through v
    v, task = sp.Matrix([1, 0]), t * sp.Matrix([sp.cos(phi), sp.sin(phi)])
    x = task + b * v
    length = (x.T * x)[0]
    off = task - v * (v.T * task)[0]
    sine2 = 1 - (v.T * x)[0] ** 2 / length
    law = (off.T * off)[0] / length
    c = sp.symbols("c", real=True)  # cos phi
    of_c = t**2 * (1 - c**2) / (t**2 + b**2 + 2 * t * b * c)
    return {
        "sin² = ‖P_v t‖²/‖t + b v‖²": sp.simplify(sine2 - law),
        "as a function of cos phi": sp.simplify(
            law.subs(sp.sin(phi) ** 2, 1 - sp.cos(phi) ** 2) - of_c.subs(c, sp.cos(phi))
        ),
        "stationary at cos phi = −t/b": sp.simplify(sp.diff(of_c, c).subs(c, -t / b)),
        "worth (t/b)² there": sp.simplify(of_c.subs(c, -t / b) - (t / b) ** 2),
        "1 at cos phi = −b/t": sp.simplify(of_c.subs(c, -b / t) - 1),
    }
