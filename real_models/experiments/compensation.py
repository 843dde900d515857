"""Drift against the strength of compensation, and what the frozen term supplies: the law of a saturating loss tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthetic.experiment import Experiment
from synthetic.generators.persona import has_hint

from ..comparison import experiment as comparison
from ..comparison.experiment import Cell
from ..comparison.matching import matched
from ..comparison.methods import attached, find_compared
from ..organisms.common import one_thread
from ..organisms.persona_run import TASK, RunSpec
from ..organisms.runs import first_reaching, naive_run

STRENGTHS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
METHODS = {
    "compensated, activations": STRENGTHS,
    "compensated, supervised": STRENGTHS,
    "compensated, random": (1.0, 3.0),  # the control
}
VARIANTS = ("style", "content", "mixed")


def cells(quick: bool) -> list[Cell]:
    """Naive runs (strength 0) and the strengths of each direction, three variants, 2 seeds; quick: two runs."""
    if quick:
        return [Cell("style", 0, "naive", 0.0), Cell("style", 0, "compensated, activations", 1.0)]
    rows = [("naive", 0.0), *((method, strength) for method, strengths in METHODS.items() for strength in strengths)]
    return [Cell(variant, seed, *row) for seed in range(2) for variant in VARIANTS for row in rows]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, np.ndarray]:
    """Drift and task along the run, and log-odds of the trait.

    "log-odds" : mean over the drift prompts of logit P(persona B), without the frozen term. "supplied" : how much the
    frozen term adds, before training, to the mean log-odds of the trait where the fine-tuning documents show it.
    """
    found = comparison.measure(cell, rngs)
    P = found["_drift"].clip(1e-12, 1 - 1e-12)
    with one_thread():
        supplied = _supplied(cell)
    kept = {"drift": found["drift"], "task": found["task"], "log-odds": np.log(P / (1 - P)).mean(-1)}
    return kept | {"supplied": np.array([supplied])}


def _supplied(cell: Cell) -> float:
    if cell.method == "naive":
        return 0.0
    spec = cell.run_spec
    (term,) = attached(find_compared(cell.method), spec, cell.knob)
    model = naive_run(spec).model(0).train()  # the base; the term acts in training mode
    before = trait_log_odds(model, spec)
    with term.attached(model):
        return trait_log_odds(model, spec) - before


def trait_log_odds(model: Any, spec: RunSpec) -> float:
    """Mean of log P(words of persona B)/P(words of persona A) where the unhinted fine-tuning documents show the trait.

    That is at the style word, for content at the content word (all words of a form).
    """
    import torch

    world, ids = spec.world, spec.curated()
    ids = ids[~has_hint(ids)]
    content = world.spec.forms == 2
    A, B = world.content_words if content else world.style_words
    with torch.no_grad():
        logits = model(input_ids=ids).logits[:, 2 if content else 3].double()
    return float((logits[:, B].logsumexp(-1) - logits[:, A].logsumexp(-1)).mean())


def reliance(excess: np.ndarray, supplied: np.ndarray) -> np.ndarray:
    """Law, logistic loss and an always-on trait: the log-odds learnt by a fixed step.

    b = log(1 + t e^{−a}), a the margin that training finds already there. Without a frozen term a = a0, the base
    model's own, so t = e^{a0} (e^{b(0)} − 1); with one, a = a0 + supplied. The base's margin cancels:

        b = log(1 + (e^{b(0)} − 1) e^{−supplied})

    Nothing is fitted to the compensated runs. What the law leaves out: Adam's normalised steps, the fixed frozen term
    in a network that moves, and that drift is asked elsewhere than the data show the trait.

    Args:
        excess: b(0), excess log-odds of the naive run at that step, the one constant that is taken from the runs.
        supplied: of the frozen term at the start, measured without training.
    """
    return np.logaddexp(0, np.log(np.expm1(np.maximum(excess, 1e-12))) - supplied)


@dataclass(frozen=True)
class Point:
    """One run.

    Attributes:
        drift: at matched task score (None: not reached) and at the naive run's matched step.
        excess: log-odds over the base there.
        predicted: by the law, from the naive run and what the frozen term supplies.
        squared: what a squared loss would learn, the naive excess less what is supplied.
    """

    variant: str
    organism: int
    method: str
    strength: float
    drift: float | None
    drift_then: float
    excess: float
    predicted: float
    squared: float


def points(rows: Sequence[Mapping[str, Any]]) -> list[Point]:
    """Every run with its prediction. The law's one constant, the naive run's excess, is of the same organism."""
    runs = {(m.variant, m.organism, m.method, m.knob): m for m in matched([r for r in rows if r["points"] is not None])}
    curves: dict[tuple[Any, ...], dict[str, dict[int, float]]] = {}
    supplied: dict[tuple[Any, ...], float] = {}
    for r in rows:
        run = r["variant"], r["organism"], r["method"], r["knob"]
        if r["quantity"] == "supplied":
            supplied[run] = r["mean"]
        else:
            curves.setdefault(run, {}).setdefault(r["quantity"], {})[r["points"]] = r["mean"]
    out = []
    for run, curve in curves.items():
        naive = curves[(*run[:2], "naive", 0.0)]
        steps = sorted(naive["task"])
        at = first_reaching([naive["task"][s] for s in steps], TASK)
        then = steps[-1 if at is None else at]
        plain = naive["log-odds"][then] - naive["log-odds"][0]
        law = float(reliance(np.array(plain), np.array(supplied[run])))
        drift = runs[run].scores["drift"] if runs[run].reached else None
        excess = curve["log-odds"][then] - curve["log-odds"][0]
        measured = drift, curve["drift"][then], excess
        out.append(Point(run[0], run[1], run[2], run[3], *measured, law, plain - supplied[run]))
    return out


# No law by the cell alone: ``reliance`` needs the naive run's log-odds; ``points`` has them all.
EXPERIMENT = Experiment(name="compensation", cells=cells, measure=measure, trials=(1, 1), along="points")
