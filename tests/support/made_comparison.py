"""Made rows of a comparison, as ``real_models.comparison.experiment`` gives them, whose matched scores are known."""

from __future__ import annotations

import numpy as np
import tolerance

from real_models.comparison.experiment import SCORES
from real_models.comparison.methods import COMPARED
from real_models.comparison.table import summarise

STEPS = (0, 10, 20, 30)
REACHES = (0.0, 0.5, 0.75, 1.0)  # 0.95 at step 28
BASE = 0.1


def run(method="naive", organism=0, *, variant="style", knob=0.0, task=REACHES, drift=None, **scores):
    """Rows of one run. drift : along ``STEPS``, or its value at the crossing (reached linearly in task from BASE)."""
    if not isinstance(drift, tuple):
        end = 0.8 if drift is None else drift
        drift = tuple(BASE + (end - BASE) * x / 0.95 for x in task)
    curves = {"task": task, "drift": drift} | scores
    for name in SCORES:
        curves.setdefault(name, (0.5,) * len(task))
    head = {"variant": variant, "organism": organism, "method": method, "knob": knob}
    return [
        head | {"points": step, "quantity": name, "mean": value}
        for name, curve in curves.items()
        for step, value in zip(STEPS, curve, strict=True)
    ]


def study(**methods):
    """Rows of several methods (with _ for a space); each a tuple of drifts at the crossing, one a seed."""
    return [
        row
        for name, drifts in methods.items()
        for organism, drift in enumerate(drifts)
        for row in run(name.replace("_", " "), organism, knob=PRESETS.get(name.replace("_", " "), 0.0), drift=drift)
    ]


PRESETS = {method.name: method.preset for method in COMPARED.values()}
NAIVE = (0.8, 0.7, 0.9)


def line_of(rows, method="naive"):
    (found,) = (line for line in summarise(rows) if line.method == method)
    return found


def close(a, b) -> None:
    np.testing.assert_allclose(a, b, rtol=tolerance.backward((8,), np.float64, 1.0), atol=1e-300)
