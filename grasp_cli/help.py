"""Help as plain text in sections: the commands by job, the options of a command by what they are about.

Typer's own panels (``rich_help_panel``) name the sections. Its boxes are not used: they take half the width of a
terminal, so that one command fills three screens, and three times as long to print.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

WIDTH = 100  # of help, on terminals that have it


def _sections(formatter: Any, rows: Sequence[tuple[str | None, tuple[str, str]]], rest: str) -> None:
    """Rows under the headings they name, in the order of their first mention; those that name none come first."""
    headings = [None, *dict.fromkeys(heading for heading, _ in rows if heading)]
    widest = min(max((len(row[0]) for _, row in rows), default=0), formatter.width // 3)
    for heading in headings:
        shown = [(first.ljust(widest), second) for own, (first, second) in rows if own == heading]
        if shown:
            with formatter.section(heading or rest):
                formatter.write_dl(shown, col_max=widest)


def _each(values: str) -> str:
    """``<path>``, one value of a repeated option, where newer versions of typer say ``<list[Path]>``."""
    return re.sub(r"<list\[(.*)\]>", lambda found: f"<{found[1].lower()}>", values)


# (command, what 0.1 called an option) -> what it is called now
RENAMED = {
    ("train", "--blocks"): "--layer",
    ("explain", "--block"): "--layer",
    ("effects", "--max-pairs"): "--rows",
    ("compare", "--data"): "--datasets",
    ("data", "--data"): "--datasets",
}


class Command(TyperCommand):
    """A command whose options stand under the panels they name, its example below them.

    Options that were renamed work for one release, with a warning.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [self._renamed(word, quiet=ctx.resilient_parsing) for word in args])

    def _renamed(self, word: str, *, quiet: bool) -> str:
        option, equals, value = word.partition("=")
        today = RENAMED.get((self.name or "", option))
        if today is None:
            return word
        if not quiet:
            print(f"warning: {option} is called {today} now; the old name goes in 0.3", file=sys.stderr)
        return today + equals + value

    def format_options(self, ctx: Any, formatter: Any) -> None:
        rows: dict[str, list[tuple[str | None, tuple[str, str]]]] = {"argument": [], "option": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                shown = (_each(record[0]), record[1])
                rows[param.param_type_name].append((getattr(param, "rich_help_panel", None), shown))
        _sections(formatter, rows["argument"], "Arguments")
        _sections(formatter, rows["option"], "Options")

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The example as it is typed: not wrapped."""
        if self.epilog:
            with formatter.section("Example"):
                formatter.write(f"{'':{formatter.current_indent}}{self.epilog}\n")


class Group(TyperGroup):
    """``grasp``: its commands stand under the panels they name."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        commands = [(name, self.commands[name]) for name in self.list_commands(ctx) if not self.commands[name].hidden]
        limit = formatter.width - 6 - max(len(name) for name, _ in commands)
        rows = [(getattr(c, "rich_help_panel", None), (name, c.get_short_help_str(limit))) for name, c in commands]
        _sections(formatter, rows, "Commands")
