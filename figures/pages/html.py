"""Self-contained HTML pages: text, tables and pictures in one file that opens without a network.

A page is a sequence of parts, (kind, content), which ``templates/page.html`` writes; it escapes all text.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from ..style import COLUMN, render
from ..tables import Block, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from real_models import Finding

Part = tuple[str, Any]


def page(title: str, parts: Iterable[Part]) -> str:
    """An HTML document of these parts."""
    from jinja2 import Environment, PackageLoader

    loader = PackageLoader(__package__ or "")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, keep_trailing_newline=True)
    return environment.get_template("page.html").render(title=title, parts=parts)


def heading(text: str) -> Part:
    """A section heading."""
    return "heading", text


def paragraph(text: str, *, kind: str = "paragraph") -> Part:
    """A paragraph; ``kind`` is a class of the style sheet."""
    return kind, text


def facts(rows: Sequence[tuple[str, str]]) -> Part:
    """Name and value, one a line."""
    return "facts", rows


def picture(figure: Figure, caption: str, *, png: bytes | None = None) -> Part:
    """The figure as an embedded PNG with its caption; a wide one scrolls where a screen is narrow.

    Args:
        png: what it is rendered to, where it has been rendered already.
    """
    embedded = base64.b64encode(render(figure) if png is None else png).decode()
    return "picture", {"png": embedded, "caption": caption, "wide": figure.get_figwidth() > COLUMN}


def findings_part(found: Sequence[Finding]) -> Part:
    """Findings, each with its scope and how it was decided in small print."""
    return "findings", found


def preformatted(text: str) -> Part:
    """Text as the command line prints it."""
    return "preformatted", text


def blocks(found: Iterable[Block]) -> Iterator[Part]:
    """What the command line prints, as parts: bold lines are headings."""
    for block in found:
        if isinstance(block, Table):
            yield "table", block
        else:
            yield "subheading" if isinstance(block, Text) else "paragraph", str(block)
