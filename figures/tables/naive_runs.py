"""What the naive runs of a comparison give away, as tables: components against the trait's direction, and without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from rich.text import Text

from real_models.adapters.text import many
from real_models.comparison.components import COMPONENTS
from real_models.organisms.alignment import SIDES

from .table import Block, Table

BLOCKS = 8  # shown, from the first to the last
FOUND = {"activations": "dW X", "weights": "dW"}


def naive_run_tables(rows: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    """Two tables a variant of the rows of ``real_models.comparison.components``, means over seeds."""
    for variant in dict.fromkeys(r["variant"] for r in rows):
        of = _means([r for r in rows if r["variant"] == variant])
        seeds = len({r["organism"] for r in rows if r["variant"] == variant})
        yield Text(f"{variant}: the naive runs where directions are taken, {many(seeds, 'seed')}", style="bold")
        yield _cosines(of)
        yield (
            "|cos| of the components of dW X (on the fine-tuning data) and of dW, write modules pooled, with the "
            f"trait's direction in each block; a random one: {of['random']:.2f}, in 1 of 100 {of['random 99%']:.2f}."
        )
        yield _deletions(of)
        yield (
            f"With all of them: drift {of['drift']:.3f}, task {of['task']:.3f}; drift of the base model: "
            f"{of['base drift']:.3f}."
        )


def _means(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Quantity -> mean over seeds."""
    found: dict[str, list[float]] = {}
    for r in rows:
        found.setdefault(r["quantity"], []).append(r["mean"])
    return {name: float(np.mean(values)) for name, values in found.items()}


def _cosines(of: Mapping[str, float]) -> Table:
    there = sorted(int(name.split()[-1]) for name in of if name.startswith("weights 0 block "))
    shown = [there[n] for n in sorted({round(x) for x in np.linspace(0, len(there) - 1, min(BLOCKS, len(there)))})]
    rows = [
        [str(i), label, *(f"{of[f'{name} {i} block {block}']:.2f}" for block in shown)]
        for name, label in FOUND.items()
        for i in range(COMPONENTS)
        if f"{name} {i} block 0" in of
    ]
    headers = ["#", "of", *(f"block {block}" for block in shown)]
    return Table(headers, rows, title="|cos| with the trait's direction", left=2)


def _deletions(of: Mapping[str, float]) -> Table:
    places = [(side, i) for side in SIDES for i in range(COMPONENTS) if f"drift without {side} {i}" in of]
    rows = [
        [side, str(i), *(f"{of[f'{score} without {side} {i}']:.3f}" for score in ("drift", "task"))]
        for side, i in places
    ]
    return Table(["modules", "#", "drift", "task"], rows, title="one component deleted from dW")
