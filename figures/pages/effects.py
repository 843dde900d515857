"""The page, the picture and the rows of ``grasp effects``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from real_models.audit.describe import summary
from real_models.audit.effects import moved
from synthetic.runner.results import write_atomically, write_csv

from ..plots import effects as plots
from ..style import render
from ..tables.effects import effects_tables, reading
from ..tables.table import Table
from .html import page, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from real_models import Adapter
    from real_models.audit.effects import Effects
    from real_models.audit.holding import Verdict

CAPTIONS = {  # what is to be seen, and how to read it
    "largest": (
        "Chart of the parts of the update that remove the most drift, with intervals",
        "Share of the excess over the base that goes when a part is deleted (dots, 95% intervals over questions), and "
        "that is there with the part alone (bars). Crosses: random directions of the same number. Intervals may leave "
        "the frame; the table has them.",
    ),
    "selective": (
        "Scatter plot of the drift over the task that deleting each part removes",
        "Every part that was deleted. Above the dashed line it takes more of the drift than of the task.",
    ),
    "depth": (
        "Chart of what deleting each block removes, over depth",
        "Whole blocks without their update, one at a time.",
    ),
}


def write_effects(results: Path, found: Effects, said: Verdict, adapter: Adapter, base: Path) -> Path:
    """effects.csv, .html and, where there is drift to attribute, .png in ``results``; the path of the page."""
    write_csv(results / "effects.csv", found.rows())
    if moved(found.excess["drift"]):
        write_atomically(results / "effects.png", render(plots.largest(found)))
    about = [*summary(adapter), ("measured on", str(base))]
    target = results / "effects.html"
    write_atomically(target, effects_page(found, said, about))
    return target


def effects_page(found: Effects, said: Verdict, about: Sequence[tuple[str, str]]) -> str:
    """A self-contained page: the verdict, the largest parts, how selective they are, depth, and every part."""
    pictures = dict.fromkeys(CAPTIONS)
    if moved(found.excess["drift"]):
        drawn = {"largest": plots.largest(found), "selective": plots.selective(found), "depth": plots.depth(found)}
        pictures |= {n: picture(f, alt=CAPTIONS[n][0], caption=CAPTIONS[n][1]) for n, f in drawn.items() if f}
    return page(
        "effects.html",
        title=f"Effects: {Path(dict(about)['adapter']).name}",
        configuration=about,
        verdict=said.sentences,
        tables=[block for block in effects_tables(found, said, shown=None) if isinstance(block, Table)],
        reading=reading(said),
        **pictures,
    )
