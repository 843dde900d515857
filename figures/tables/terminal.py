"""Where the command line prints: rich on a terminal, plain text when piped."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Timer
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from .table import Block

if TYPE_CHECKING:
    from real_models.evaluation.bootstrap import Estimate

WIDTH = 240  # of tables that are not for a terminal: none is wider
NARROWEST = 20  # a terminal that says it is narrower (COLUMNS=0, as in some containers) has not said its width
SOON = 1.0  # seconds after which a bar appears: what is done by then needs none


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


class Watch:
    """What long work tells of itself while its bar is shown."""

    def __init__(self, bar: Progress, label: str) -> None:
        self._bar, self._label = bar, label
        self._task = self._begun(label)

    def __call__(self, stream: Iterable[Any], total: int) -> Iterator[Any]:
        """The stream, counted as it goes by."""
        self._task = self._begun(self._label, total)
        for done, item in enumerate(stream, start=1):
            yield item
            self.reached(done, total)

    def reached(self, done: int, total: int, note: str = "") -> None:
        """So many steps of all are done."""
        self._bar.update(self._task, completed=done, total=total, count=f"{done}/{total}", note=note)

    def says(self, what: str) -> None:
        """What is being done now, where nobody knows how long it takes."""
        self._task = self._begun(f"{self._label}: {what}")

    def _begun(self, label: str, total: int | None = None) -> TaskID:
        """A bar of its own, with its own time, in the place of the last one."""
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        return self._bar.add_task(label, total=total, count="" if total is None else f"0/{total}", note="")


class _Time(ProgressColumn):
    """The time that is left; what has gone by, as long as that cannot be told."""

    def render(self, task: Task) -> Text:
        left = None if task.total is None else task.time_remaining
        seconds = task.elapsed or 0 if left is None else left
        return Text(f"{timedelta(seconds=int(seconds))} {'so far' if left is None else 'left'}")


@contextmanager
def progress(label: str, *, quiet: bool = False) -> Iterator[Watch]:
    """A bar with the time left on standard error, for work of more than a second; nothing where that is no terminal.

    Args:
        quiet: show nothing, as where another process of the same run does.
    """
    out = _Console(stderr=True, highlight=False, markup=False, emoji=False)
    shown = not quiet and out.file.isatty() and not out.is_dumb_terminal
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"), _Time())
    same = sys.stdout is not None and sys.stdout.isatty()  # then what is printed meanwhile goes above the bar
    bar = Progress(
        *columns,
        TextColumn("{task.fields[note]}"),
        console=out,
        transient=True,
        redirect_stdout=same,
        refresh_per_second=4,
    )
    timer = Timer(SOON, bar.start)
    timer.daemon = True
    if shown:
        timer.start()
    try:
        yield Watch(bar, label)
    finally:
        if shown:
            timer.cancel()
            timer.join()
            bar.stop()


def number(value: float | None, form: str = ".4g") -> str:
    """The number, in four significant digits unless told otherwise; "–" where there is none or it is not finite."""
    return "–" if value is None or not np.isfinite(value) else f"{value:{form}}"


def with_interval(found: Estimate | None, *, signed: bool = False) -> str:
    """0.123 [0.100, 0.150]; "–" where nothing was estimated."""
    form = "+.3f" if signed else ".3f"
    if found is None or found.low is None or found.high is None:
        return number(None if found is None else found.value, form)
    return f"{number(found.value, form)} [{found.low:{form}}, {found.high:{form}}]"
