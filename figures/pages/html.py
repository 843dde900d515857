"""Self-contained HTML pages of the templates in ``templates``: one file each that opens without a network.

``base.html`` is the frame of all, ``style.css`` their look, ``macros.html`` what they are made of (table, picture,
findings, configuration), ``sort.js`` sorts their tables; without it they can be read all the same. Text is escaped.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from rich.text import Text

from synthetic.runner.results import manifest

from ..style import COLUMN, render
from ..tables import Table

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.figure import Figure

SCALE = 1.2  # pixels of a page over those of the printed size, 96 an inch: a label of 7 points is 11 pixels high
NARROW = 0.8  # of that size, what a wide figure keeps on a narrow screen, where it scrolls


@dataclass(frozen=True)
class Picture:
    """A figure on a page.

    Attributes:
        source: the SVG as a data address.
        alt: what is to be seen, for those who do not see it.
        caption: how to read it.
        width: pixels that it takes where there is room.
        least: pixels that it keeps; more than a phone has where the figure is wider than a column.
    """

    source: str
    alt: str
    caption: str
    width: int
    least: int

    @property
    def wide(self) -> bool:
        return self.least > 0


def picture(figure: Figure, *, alt: str, caption: str) -> Picture:
    """The figure as SVG, which stays sharp at any size."""
    source = f"data:image/svg+xml;base64,{base64.b64encode(render(figure, 'svg')).decode()}"
    width = round(96 * SCALE * figure.get_figwidth())
    wide = figure.get_figwidth() > 1.3 * COLUMN
    return Picture(source, alt, caption, width, round(NARROW * width) if wide else 0)


def page(template: str, *, title: str, configuration: Sequence[tuple[str, str]], **content: Any) -> str:
    """The HTML document of a template of this folder.

    Args:
        title: heading of the page and of its window.
        configuration: what was read and asked for; the versions that computed it are added.
        content: the variables of the template. Raises jinja2.UndefinedError if one is missing.
    """
    found = [*configuration, *versions()]
    return _environment().get_template(template).render(title=title, configuration=found, **content)


def markdown(template: str, **content: Any) -> str:
    """The Markdown document of a template: the filter ``markdown`` writes a text so that it reads as it is."""
    return _environment().get_template(template).render(**content)


def versions() -> list[tuple[str, str]]:
    """What computed a page: commit and versions, those that are known."""
    made = manifest({})
    found = {**made["versions"], "commit": made["commit"]}
    return [(name, value) for name, value in found.items() if value is not None]


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    made = Environment(
        loader=PackageLoader(__package__ or ""),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.tests |= {"a_table": lambda block: isinstance(block, Table), "a_heading": _is_heading}
    made.filters["markdown"] = _plain
    return made


def _is_heading(block: object) -> bool:
    return isinstance(block, Text) and block.style == "bold"


def _plain(text: str) -> str:
    """Markdown that reads as this text."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#&~" else c for c in " ".join(text.split()))
