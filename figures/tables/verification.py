"""Tables of ``grasp verify``: one row a statement, and one statement in full."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.text import Text

from .table import Table

if TYPE_CHECKING:
    from grasp_theory.statements.checks import Outcome
    from grasp_theory.statements.statement import Statement

HEADERS = [
    "statement",
    "kind",
    "held",
    "rejected",
    "best ratio",
    "needed",
    "variants",
    "derived",
    "routes",
    "rates",
    "",
]


def show_outcomes(outcomes: Sequence[Outcome], out: Console) -> None:
    """One row each; failures in words below."""
    drop = ["rates", "routes", "rejected", "kind", "derived", "best ratio"]
    out.print(Table(HEADERS, [_row(o) for o in outcomes], droppable=drop))
    variants = sum(o.variants[1] for o in outcomes)
    refuted = sum(o.variants[0] for o in outcomes)
    standing = sum(o.stands for o in outcomes)
    out.print(f"{standing} of {len(outcomes)} statements stand; {refuted} of {variants} false variants refuted")
    for o in outcomes:
        for failure in o.failures:
            out.print(Text(f"FAILED {o.key}: {failure}", style="bold red"))


def _row(o: Outcome) -> list[str]:
    rates = ", ".join(f"{r.slope:.2f} ({r.order:.2f})" for r in o.rates) or "–"
    return [
        o.key,
        o.kind,
        f"{o.held}/{o.draws}",
        f"{100 * o.rejected:.0f}%",
        "–" if o.best_ratio is None else f"{o.best_ratio:.7f}",
        _of(o.needed),
        f"{_of(o.variants)} in {o.variant_draws}",
        _of(o.derived),
        "–" if o.route is None else f"{o.route:.1g}",
        rates,
        "stands" if o.stands else "FAILED",
    ]


def _of(pair: tuple[int, int] | None) -> str:
    return "–" if pair is None else f"{pair[0]}/{pair[1]}"


def show_statement(statement: Statement[Any], out: Console, *, seed: int = 0) -> None:
    """The docstring of the statement's folder, its assumptions and false variants, and one instance in numbers."""
    from grasp_theory.statements.registry import package

    out.print(Text(inspect.getdoc(import_module(package(statement.key))) or "", no_wrap=False))
    out.print(f"\nbasis: {statement.basis}")
    for title, names in (("assumptions", statement.assumptions), ("false variants refuted", statement.variants)):
        out.print(f"{title}: {'; '.join(names) or 'none'}")
    rng = np.random.default_rng(seed)
    make = statement.extremal or statement.draw
    instance = make(rng)
    while statement.broken(instance):
        instance = statement.draw(rng)
    out.print(f"\n{'extremal' if statement.extremal else 'a planted'} instance:")
    for name, value in vars(instance).items():
        out.print(f"  {name} = {_number(value)}")
    for name, sides in statement.evaluate(instance).items():
        relation = statement.claims[name].relation
        out.print(f"  {name}: {sides.measured:.10g} {relation} {sides.bound:.10g}  (slack {sides.slack:.1g})")


def _number(value: Any) -> str:
    if isinstance(value, np.ndarray):
        text = np.array2string(value, precision=4, suppress_small=True, threshold=30)
        return text.replace("\n", "\n      ")
    return f"{value:.6g}" if isinstance(value, float) else str(value)
