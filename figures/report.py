"""Self-contained HTML pages: text, tables and pictures in one file that opens without a network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from .style import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
img { max-width: min(100%, 56rem); max-height: 30rem; }
figure { margin: 1rem 0; } figcaption { color: #555; font-size: 0.9rem; }
pre { overflow-x: auto; font-size: 0.8rem; line-height: 1.35; background: #f6f6f6; padding: 0.8rem; }
.verdict { font-size: 1.15rem; font-weight: 600; border-left: 4px solid #0072B2; padding-left: 0.8rem; }
.facts td { padding: 0.1rem 1rem 0.1rem 0; vertical-align: top; }
@media (prefers-color-scheme: dark) {
  body { background: #16181a; color: #e4e4e4; } pre { background: #222528; } img { background: white; }
  figcaption { color: #aaa; }
}
"""


def page(title: str, parts: Sequence[str]) -> str:
    """An HTML document of these parts."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def heading(text: str) -> str:
    """A section heading."""
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str, *, kind: str = "") -> str:
    """A paragraph; ``kind`` is a class of the style sheet."""
    return f'<p class="{escape(kind)}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """Name and value, one a line."""
    body = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in rows)
    return f'<table class="facts">{body}</table>'


def picture(figure: Figure, caption: str) -> str:
    """The figure as an embedded PNG with its caption."""
    data = base64.b64encode(render(figure)).decode()
    alt = escape(caption, quote=True)
    return f'<figure><img alt="{alt}" src="data:image/png;base64,{data}"><figcaption>{alt}</figcaption></figure>'


def preformatted(text: str) -> str:
    """Text as the command line prints it."""
    return f"<pre>{escape(text)}</pre>"
