"""What can be had: least drift over the task score that is asked for, within what information a method uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .matching import Curves, curves, reached_between
from .methods import find_compared

Entry = tuple[str, float]  # method, knob
# of the way from where naive runs start to where they are matched, and beyond
SHARES = tuple(float(x) for x in np.linspace(0.4, 1.04, 33).round(3))


def fronts(rows: Iterable[Mapping[str, Any]], *, targets: Mapping[tuple[str, int], float]) -> list[dict[str, Any]]:
    """For each variant, task score and class: the method with least mean drift where its runs first reach that score.

    Only methods that reach the score in every seed count, no controls; the naive run ("naive") and every class
    ("weights", …) apart. "presets": among knobs chosen beforehand; "all knobs": among all. The best is chosen on the
    seeds it is shown on, so it has no interval.

    Args:
        rows: of the table of a comparison.
        targets: (variant, organism) -> matched task score; the scores asked for are shares of the way there from where
            the naive run starts, "task" their mean over seeds.
    """
    found, every = [], curves(rows)
    for variant in dict.fromkeys(variant for variant, *_ in every):
        of = {run: curve for run, curve in every.items() if run[0] == variant}
        seeds = sorted({seed for _, seed, *_ in of})
        start = {
            seed: curve["task"][min(curve["task"])] for (_, seed, method, _), curve in of.items() if method == "naive"
        }
        for share in SHARES:
            task = {s: (1 - share) * start.get(s, 0.0) + share * targets[variant, s] for s in seeds}
            drifts = _at(of, task)
            for kind in ("presets", "all knobs"):
                for name, among in _groups(drifts, presets=kind == "presets").items():
                    method, knob = min(among, key=lambda run: (drifts[run], run))
                    found.append(
                        {"variant": variant, "information": name, "knobs": kind}
                        | {"share": share, "task": round(float(np.mean(list(task.values()))), 4)}
                        | {"drift": drifts[method, knob], "method": method, "knob": knob}
                        | {"rows": len(among), "seeds": len(seeds)}
                    )
    return found


def _at(of: Curves, target: Mapping[int, float]) -> dict[Entry, float]:
    """Mean drift over seeds, each at its task score, of what reaches it in all of them."""
    drifts: dict[Entry, list[float]] = {}
    for (_, seed, method, knob), curve in sorted(of.items()):
        found, drift = reached_between(curve["task"], target[seed]), curve["drift"]
        if found is not None:
            a, b, share = found
            drifts.setdefault((method, knob), []).append(drift[a] + share * (drift[b] - drift[a]))
    return {run: float(np.mean(values)) for run, values in drifts.items() if len(values) == len(target)}


def _groups(drifts: Iterable[Entry], *, presets: bool) -> dict[str, list[Entry]]:
    """Class -> its methods at their knobs."""
    found: dict[str, list[Entry]] = {}
    for name, knob in drifts:
        method = find_compared(name)
        if not method.control and (not presets or knob == method.preset):
            found.setdefault("naive" if name == "naive" else method.information, []).append((name, knob))
    return found
