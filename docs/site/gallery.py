"""The page of figures: every one of the catalogue, what it shows, and the command that makes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from figures.catalogue import FIGURES, builder, csv_name, module
from figures.plots import SECTIONS, Section
from figures.rows import FOLDER, read_rows
from figures.style import render
from grasp_theory.statements.registry import ORDER

from .files import replace_bytes, replace_text
from .typeset import prose

HEAD = """Figures
=======

Every figure of the toolkit, drawn from the results that are committed with it. ``grasp figures NAME`` draws one again
as PDF, PNG and the CSV behind it; ``grasp sweep NAME`` measures its numbers anew; ``grasp figures NAME --check`` does
both and compares. What the experiments of the linear lab have in common is said in :doc:`/lab`, the protocol of the
comparison in :doc:`/comparison`.
"""
THEORY_FIRST: tuple[Section, ...] = ("identification", "removal", "language", "comparison")


def write(folder: Path) -> dict[str, list[str]]:
    """Draw all into ``folder`` and write the page; statement -> the figures whose files name it."""
    parts, shown = [HEAD], {key: [] for key in ORDER}
    for section in THEORY_FIRST:
        title = SECTIONS[section]
        parts.append(f"{title}\n{'-' * len(title)}\n")
        for name in (name for name, entry in FIGURES.items() if entry.section == section):
            _draw(name, folder / f"{name}.png")
            named = list(statements_of(name))
            for key in named:
                shown[key].append(name)
            parts.append(_entry(name, named))
    replace_text(folder / "index.rst", "\n".join(parts))
    return shown


def _draw(name: str, path: Path) -> None:
    """The picture, unless it is there and newer than its numbers and the code that draws it."""
    code = (module(name), "figures.style", "figures.drawing")
    numbers, *sources = FOLDER / csv_name(name), *(Path(import_module(file).__file__ or "") for file in code)
    if path.is_file() and path.stat().st_mtime > max(source.stat().st_mtime for source in (numbers, *sources)):
        return
    replace_bytes(path, render(builder(name)(read_rows(numbers)), "png"))


def statements_of(name: str) -> Iterator[str]:
    """The statements that the figure's plot or its experiments name in double backticks."""
    entry = FIGURES[name]
    text = "".join(_source(file) for file in (module(name), *entry.experiments, *entry.organisms))
    return (key for key in ORDER if re.search(f"``{key}``", text))


def image(name: str, folder: str) -> str:
    """The picture with its caption as alternative text."""
    return f".. image:: {folder}{name}.png\n   :alt: {' '.join(FIGURES[name].caption.split())}\n   :class: figure\n"


def _entry(name: str, named: list[str]) -> str:
    entry = FIGURES[name]
    lines = [f".. _figure-{name}:", "", name, "~" * len(name), "", image(name, ""), prose(entry.caption), ""]
    if named:
        lines += [f"Statements: {', '.join(f':doc:`{key} </generated/theory/{key}>`' for key in named)}.", ""]
    commands = [f"grasp figures {name}"]
    if entry.experiments or entry.organisms:
        commands.insert(0, f"grasp sweep {name}")
    lines += [".. code-block:: sh", "", *(f"   {command}" for command in commands), ""]
    return "\n".join(lines)


def _source(name: str) -> str:
    found = find_spec(name)
    return Path(found.origin).read_text(encoding="utf-8") if found and found.origin else ""
