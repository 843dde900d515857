"""Where the command line prints: rich on a terminal, plain text when piped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .table import Block

WIDTH = 240  # of tables that are not for a terminal: none is wider
NARROWEST = 20  # a terminal that says it is narrower (COLUMNS=0, as in some containers) has not said its width


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Rich would exit with code 1; a reader that has seen enough is no failure of ours."""
        raise BrokenPipeError


def console() -> Console:
    """Standard output; lines are not broken when it is not a terminal, so that tools can read them."""
    out = _Console(highlight=False, markup=False, emoji=False)
    if out.width < NARROWEST:
        out = _Console(highlight=False, markup=False, emoji=False, width=80)
    return (
        out
        if out.is_terminal
        else _Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=WIDTH, no_color=True)
    )


def show(blocks: Iterable[Block], out: Console) -> None:
    """Sentences and tables, one below the other."""
    for block in blocks:
        out.print(block)


@contextmanager
def progress(label: str, out: Console) -> Iterator[Callable[[Iterable[Any], int], Iterator[Any]]]:
    """A function (stream, total) -> stream that moves a bar with the time left; silent when not on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, disable=not out.is_terminal, transient=True) as bar:
        yield lambda stream, total: iter(bar.track(stream, total=total, description=label))


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}" if np.isfinite(value) else "–"
