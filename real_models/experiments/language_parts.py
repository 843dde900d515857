"""On a pretrained language model: where in the naive update the drift and the task sit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from synthetic.experiment import Experiment

from ..adapters import read_adapter
from ..audit.effects import Effect, ask, measure_effects, moved
from ..audit.parts import parts_of
from ..evaluation.bootstrap import Estimate
from ..organisms.common import one_thread
from ..organisms.runs import naive_run
from ..organisms.text import TextSpec
from ..training.files import save_adapter
from .language_identification import Cell
from .language_identification import cells as runs


def cells(quick: bool) -> list[Cell]:
    """The naive run of every experiment on one seed; quick: of the style."""
    every = runs(quick)
    return [cell for cell in every if cell.organism == every[0].organism]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, np.ndarray]:
    """What parts of the update hold, where the run reaches its task.

    "excess drift", "excess task" : log-odds per token over the base, with "… low" and "… high" (95%, over questions).
    Of each quantity that is surely another than the base's, and of every part of the update (8 components of all
    modules pooled, on both sides, each and together, beside random directions; blocks, kinds and sides of modules) :
    "PART: drift removed", "PART: task removed", the share of the excess that goes when it is deleted, with their ends,
    and "PART: energy", its share of ‖dW‖².
    """
    with one_thread():
        return {name: np.array([value]) for name, value in where(cell.run_spec).items()}


def where(spec: TextSpec, *, top: int | None = None) -> dict[str, float]:
    """The same of a text organism whose task is told by pairs.

    Args:
        top: components of the pooled modules; up to 8 by default.
    """
    from ..base import load_adapted, load_tokenizer
    from ..tokens import special_tokens

    naive = naive_run(spec)
    with TemporaryDirectory(prefix="grasp-") as folder:
        save_adapter(naive.model(naive.at), Path(folder))
        adapter = read_adapter(folder)
        model, tokenizer = load_adapted(spec.model, adapter), load_tokenizer(spec.model)
        asked = {
            q: ask(path, model, tokenizer, most=spec.most) for q, path in (("drift", spec.pairs), ("task", spec.task))
        }
        parts, factors = parts_of(adapter.updates, scopes=("pooled", "group"), top=top, draws=1)
        measure = partial(
            measure_effects,
            model,
            adapter,
            factors=factors,
            pad=special_tokens(model=model, tokenizer=tokenizer).pad,
            base=spec.model,
        )
        excess = measure((), asked=asked).excess
        told = {q: pairs for q, pairs in asked.items() if moved(excess[q])}
        effects = measure(parts, asked=told).effects if told else ()
    return dict(_values(excess, effects))


def _values(excess: Mapping[str, Estimate], effects: Sequence[Effect]) -> Iterator[tuple[str, float]]:
    for quantity, found in excess.items():
        yield from _ends(f"excess {quantity}", found)
    for effect in effects:
        yield f"{effect.part.name}: energy", effect.part.energy
        for quantity, removed in effect.removed.items():
            yield from _ends(f"{effect.part.name}: {quantity} removed", removed)


def _ends(name: str, found: Estimate | None) -> Iterator[tuple[str, float]]:
    if found is not None:
        ends = {name: found.value, f"{name} low": found.low, f"{name} high": found.high}
        yield from ((key, float(value)) for key, value in ends.items() if value is not None)


EXPERIMENT = Experiment(
    name="language-parts",
    cells=cells,
    measure=measure,
    trials=(1, 1),
    along="points",
)
