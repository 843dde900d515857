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
from .html import blocks, facts, heading, page, paragraph, picture

if TYPE_CHECKING:
    from real_models import Adapter
    from real_models.audit.effects import Effects
    from real_models.audit.holding import Verdict


def write_effects(results: Path, found: Effects, said: Verdict, adapter: Adapter, base: Path) -> Path:
    """effects.csv, .html and, where there is drift to attribute, .png in ``results``; the path of the page."""
    write_csv(results / "effects.csv", found.rows())
    if moved(found.excess["drift"]):
        write_atomically(results / "effects.png", render(plots.largest(found)))
    about = [*summary(adapter), ("measured on", str(base))]
    target = results / "effects.html"
    write_atomically(target, effects_page(found, said, about).encode())
    return target


def effects_page(found: Effects, said: Verdict, about: list[tuple[str, str]]) -> str:
    """A self-contained page: the verdict, the largest parts, how selective they are, depth, and every part."""
    first, *rest = said.sentences
    parts = [facts(about), paragraph(first, kind="verdict"), *(paragraph(sentence) for sentence in rest)]
    if moved(found.excess["drift"]):
        caption = (
            "Share of the excess over the base that goes when a part is deleted (dots, 95% intervals over questions), "
            "and that is there with the part alone (bars). Crosses: random directions of the same number. "
            "Intervals may leave the frame; the table has them."
        )
        parts += [heading("What holds the most"), picture(plots.largest(found), caption)]
        chosen = plots.selective(found)
        if chosen is not None:
            caption = "Every part that was deleted. Above the dashed line it takes more of the drift than of the task."
            parts += [heading("Drift against task"), picture(chosen, caption)]
        deep = plots.depth(found)
        if deep is not None:
            parts += [heading("Over depth"), picture(deep, "Whole blocks without their update, one at a time.")]
    tables = [block for block in effects_tables(found, said, shown=None) if not isinstance(block, str)]
    parts += [heading("Every part"), *(part for part in blocks(tables) if part[0] == "table")]
    return page(f"Effects: {dict(about).get('adapter', '')}", parts + [paragraph(line) for line in reading(said)])
