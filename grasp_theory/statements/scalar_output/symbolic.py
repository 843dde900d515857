"""Derives the angle of ``scalar-output`` and its worst case over the direction of the task."""

import numpy as np
import sympy as sp

from ..shared.draws import sine
from . import Instance

b, t = sp.symbols("b t", positive=True)
phi, c = sp.symbols("phi c", real=True)  # angle between the task and v (any t lies in a plane through v), its cosine

OF_C = t**2 * (1 - c**2) / (t**2 + b**2 + 2 * t * b * c)  # sin² as a function of cos phi


def law() -> tuple[sp.Expr, sp.Expr]:
    """sin² ∠(v̂,v) by the angle itself, and ‖P_v t‖²/‖t + b v‖²."""
    v, task = sp.Matrix([1, 0]), t * sp.Matrix([sp.cos(phi), sp.sin(phi)])
    x = task + b * v
    length = (x.T * x)[0]
    off = task - v * (v.T * task)[0]
    return 1 - (v.T * x)[0] ** 2 / length, (off.T * off)[0] / length


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    sine2, quotient = law()
    return {
        "sin² = ‖P_v t‖²/‖t + b v‖²": sine2 - quotient,
        "as a function of cos phi": quotient - OF_C.subs(c, sp.cos(phi)),
        "stationary at cos phi = −t/b": sp.diff(OF_C, c).subs(c, -t / b),
        "worth (t/b)² there": OF_C.subs(c, -t / b) - (t / b) ** 2,
        "1 at cos phi = −b/t": OF_C.subs(c, -b / t) - 1,
    }


def twin(i: Instance) -> dict[str, float]:
    """The law at the instance's task, strength and angle; the worst case at its stationary point."""
    seen, hidden = i.C @ i.T @ i.v, i.C @ i.u
    across = sine(np.linalg.svd(i.C @ i.T)[2][0], i.v)
    angle = float(np.arctan2(across, np.sign(seen @ hidden) * np.sqrt(1 - across**2)))
    at = {t: i.task, b: i.strength}
    least = -t / b if i.task < i.strength else -b / t
    return {
        "angle": float(sp.sqrt(law()[1].subs(at | {phi: angle}))),
        "worst case": float(sp.sqrt(OF_C.subs(c, least).subs(at))),
    }
