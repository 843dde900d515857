"""A table as data, and its renderings: on a terminal, in a pipe, in Markdown. Pages have a macro for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from rich import box
from rich import table as rich_table
from rich.console import Console, ConsoleOptions
from rich.text import Text

FOLD = 24  # characters that a left column can fold to
_MODULE = re.compile(r"[a-z_]\w*(\.\w+)+")  # its name


@dataclass(frozen=True)
class Table:
    """Headers and rows of text, printed by rich as a light table.

    Attributes:
        left: so many first columns are left-aligned and may fold; numbers, in the others, never break.
        droppable: headers of columns that go, in this order, while the table is wider than what it is printed on. Where
            that is not enough left columns fold to half, then the last columns go: rich would cut off the first ones.
            Names of modules in the first column that would fold lose what all of them begin with; the title says it.

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
        kept = self._fitting(options.max_width)
        folds = sum(self._needs(n) for n in kept) + 3 * len(kept) > options.max_width
        title, rows = self._shortened() if folds else (self.title, self.rows)
        made = rich_table.Table(
            title=Text(title) if title else None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
        )
        for n in kept:
            side, smallest = ("left", None) if n < self.left else ("right", self._needs(n, FOLD))
            made.add_column(self.headers[n], justify=side, overflow="fold", no_wrap=n >= self.left, min_width=smallest)
        for row in rows:
            made.add_row(*(Text(row[n]) for n in kept))
        yield made

    def markdown(self) -> str:
        """As a table of GitHub's Markdown, without the title; | in a cell is escaped."""

        def line(texts: Iterable[str]) -> str:
            return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"

        return "\n".join([line(self.headers), "|---" * len(self.headers) + "|", *map(line, self.rows)])

    def _shortened(self) -> tuple[str, Sequence[Sequence[str]]]:
        """Title and rows, module names of the first column below what all of them begin with."""
        names = [row[0].split(".") for row in self.rows if _MODULE.fullmatch(row[0])]
        places = zip(*(name[:-1] for name in names), strict=False)
        start = ".".join(words[0] for words in takewhile(lambda words: len(set(words)) == 1, places))
        if not self.title or not start or len(names) < 2:
            return self.title, self.rows
        return f"{self.title}, of {start}", [[row[0].removeprefix(f"{start}."), *row[1:]] for row in self.rows]

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

    def _needs(self, n: int, fold: int | None = None) -> int:
        """Characters that column n cannot do without; a left column can fold to so many."""
        longest = max(len(self.headers[n]), *(len(row[n]) for row in self.rows), 1)
        return longest if fold is None or n >= self.left else min(longest, fold)


Block = str | Text | Table  # what prints and pages are made of: a sentence, a bold line, a table
