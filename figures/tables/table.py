"""A table as data, and its renderings: on a terminal, in a pipe, in Markdown. Pages have a macro for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich import table as rich_table
from rich.console import Console, ConsoleOptions
from rich.text import Text

FOLD = 16  # characters that a left column can fold to


@dataclass(frozen=True)
class Table:
    """Headers and rows of text, printed by rich as a light table.

    Attributes:
        left: so many first columns are left-aligned and may fold; numbers, in the others, never break.
        droppable: headers of columns that go, in this order, while the table is wider than what it is printed on. Where
            that is not enough left columns fold to half, then the last columns go: rich would cut off the first ones.

    Raises ValueError for a row that is not as long as the headers.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    left: int = 1
    droppable: Sequence[str] = ()

    def __post_init__(self) -> None:
        if any(len(row) != len(self.headers) for row in self.rows):
            lengths = sorted({len(row) for row in self.rows})
            raise ValueError(f"{len(self.headers)} headers for rows of {lengths} cells")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[rich_table.Table]:
        title = Text(self.title) if self.title else None
        made = rich_table.Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        kept = self._fitting(options.max_width)
        for n in kept:
            side, smallest = ("left", None) if n < self.left else ("right", self._needs(n, FOLD))
            made.add_column(self.headers[n], justify=side, overflow="fold", no_wrap=n >= self.left, min_width=smallest)
        for row in self.rows:
            made.add_row(*(Text(row[n]) for n in kept))
        yield made

    def markdown(self) -> str:
        """As a table of GitHub's Markdown, without the title; | in a cell is escaped."""

        def line(texts: Iterable[str]) -> str:
            return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"

        return "\n".join([line(self.headers), "|---" * len(self.headers) + "|", *map(line, self.rows)])

    def _fitting(self, width: int) -> list[int]:
        """The columns that are shown in so many characters."""
        kept, gone = list(range(len(self.headers))), list(self.droppable)

        def wide(fold: int) -> bool:
            return sum(self._needs(n, fold) for n in kept) + 3 * len(kept) > width

        while gone and wide(FOLD):
            kept.remove(self.headers.index(gone.pop(0)))
        while len(kept) > max(self.left, 1) and wide(FOLD // 2):
            kept.pop()
        return kept

    def _needs(self, n: int, fold: int) -> int:
        """Characters that column n cannot do without; a left column can fold."""
        longest = max(len(self.headers[n]), *(len(row[n]) for row in self.rows), 1)
        return min(longest, fold) if n < self.left else longest


Block = str | Text | Table  # what prints and pages are made of: a sentence, a bold line, a table
