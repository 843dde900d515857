"""Tables of ``grasp diff``: overlaps of two adapters, module by module, and of all pairs of many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.text import Text

from real_models.adapters.text import many

from .table import Block, Table
from .terminal import number, show

if TYPE_CHECKING:
    from grasp_theory.identification.diff import Difference, Overlap
    from grasp_theory.identification.matrix import OverlapMatrix

MODULES = 8  # that a screen has room for
COLUMNS = 8  # runs that a matrix fits 80 columns with


def show_difference(found: Difference, out: Console, *, explain: bool = False) -> None:
    """:func:`difference_blocks`, printed; of many modules the largest, unless ``explain``."""
    show(difference_blocks(found, most=None if explain else MODULES), out)


def difference_blocks(found: Difference, *, most: int | None = None) -> Iterator[Block]:
    """Pooled overlap first, then the ``most`` modules with the largest updates (all if None), in the model's order."""
    largest = {o.name for o in sorted(found.modules, key=lambda o: -o.norms[0] * o.norms[1])[:most]}
    headers = ["module", "norm A", "norm B", "cosine", "overlap", "angles (°)", "mean cos²", "random", "random 99%"]
    side = "left" if found.side == "write" else "right"
    title = f"{side} singular vectors, {found.k} leading directions"
    rows = [_overlap(o) for o in (*found.pooled, *(o for o in found.modules if o.name in largest))]
    yield Table(headers, rows, title=title, droppable=["norm A", "norm B", "random", "mean cos²", "random 99%"])
    if len(found.modules) > len(largest):
        yield f"… and {many(len(found.modules) - len(largest), 'smaller module')}; --explain shows all of them"
    for which, names in (("first", found.only_first), ("second", found.only_second)):
        if names:
            yield f"only in the {which}: {len(names)} modules, e.g. {names[0]}"
    yield Text(
        "overlap: mean cos² weighted by energy; random: of independent isotropic subspaces; runs of one base "
        "model overlap more",
        style="dim",
    )


def _overlap(o: Overlap) -> list[str]:
    shown = [f"{a:.0f}" for a in o.angles[:4]] + (["…", f"{o.angles[-1]:.0f}"] if len(o.angles) > 4 else [])
    row = [o.name, number(o.norms[0]), number(o.norms[1]), number(o.cosine, "+.3f")]
    row += [number(o.overlap, ".2f"), " ".join(shown) or "–"]
    return row + [number(v, ".4f") for v in (o.mean_cos2, o.random_mean_cos2, o.random_99)]


def matrix_blocks(found: OverlapMatrix) -> list[Block]:
    """The matrix of up to eight runs; of more, each run's nearest and its mean, the matrix being in the files."""
    n = len(found.names)
    title = f"mean cos² of the {found.k} leading directions, weighted by energy, {found.side} side"
    letters = [letter(i) for i in range(n)]
    if n <= COLUMNS:
        rows = [
            [
                f"{letters[i]} {found.names[i]}",
                *("·" if i == j else number(found.overlap[i, j], ".2f") for j in range(n)),
            ]
            for i in range(n)
        ]
        return [Table(["run", *letters], rows, title=title), chance_line(found)]
    rows = []
    for i in range(n):
        others = np.where(np.arange(n) == i, np.nan, found.overlap[i])
        known = np.isfinite(others).any()
        nearest = found.names[int(np.nanargmax(others))] if known else "–"
        values = (float(np.nanmax(others)), float(np.nanmean(others))) if known else (float("nan"), float("nan"))
        rows.append([found.names[i], nearest, *(number(v, ".2f") for v in values), number(float(found.norms[i]))])
    headers = ["run", "nearest", "overlap", "mean", "norm"]
    whole = f"The whole matrix of {n} runs: --csv, --json, or --html for a picture."
    return [Table(headers, rows, title=title, left=2, droppable=["norm"]), chance_line(found), whole]


def chance_line(found: OverlapMatrix) -> str:
    """What overlap pairs of these runs would have by chance, in a sentence."""
    upper = np.triu_indices(len(found.names), 1)
    random, spread = np.nanmedian(found.random[upper]), np.nanmedian(found.spread[upper])
    return f"By chance {random:.3f} ± {spread:.3f} (isotropic directions); runs of one base model overlap more."


def letter(index: int) -> str:
    """A, B, … Z, A1, B1, …"""
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[index % 26] + (str(index // 26) if index >= 26 else "")


def matrix_rows(found: OverlapMatrix) -> list[dict[str, str | int | float | None]]:
    """One row a pair, for a CSV file."""

    def cell(values: np.ndarray, i: int, j: int) -> float | None:
        return float(values[i, j]) if np.isfinite(values[i, j]) else None

    return [
        {
            "first": found.names[i],
            "second": found.names[j],
            "overlap": cell(found.overlap, i, j),
            "random": cell(found.random, i, j),
            "random_sd": cell(found.spread, i, j),
            "start_cosine": cell(found.start_cosine, i, j),
            "modules": int(found.modules[i, j]),
        }
        for i in range(len(found.names))
        for j in range(i + 1, len(found.names))
    ]
