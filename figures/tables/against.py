"""Tables of ``grasp identify --against``: what the controls learnt too, and which numbers are unlike theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from real_models.adapters.text import listing, percent
from real_models.audit.measurements import NEEDED

from .table import Block, Table
from .terminal import number

if TYPE_CHECKING:
    from grasp_theory.identification.control import Covered
    from real_models.audit.against import Against
    from real_models.audit.measurements import Deviation

SHARED = 0.5  # of a component in the controls' leading directions, from which it is called theirs too
ALPHA = 0.05
SHOWN, NUMBERS = 6, 6  # components and numbers on one screen
EACH = 4  # controls that have a column of their own


def against_blocks(found: Against, *, explain: bool = False) -> list[Block]:
    """What is decomposed, the run's own components beside the controls, its numbers beside theirs."""
    return [*_starts(found), *_components(found, explain), *_numbers(found, explain), _decomposed(found)]


def _starts(found: Against) -> list[Block]:
    n = len(found.controls)
    same, other = sum(s is True for s in found.starts), sum(s is False for s in found.starts)
    if other:
        of = f"{other} of {n} controls" if n > 1 else "the control"
        return [
            f"The run and {of} started from different random factors: the difference cancels nothing of what both "
            "learnt there, the projection alone does."
        ]
    return [f"The run and {'the control' if n == 1 else f'all {n} controls'} started from the same random factors."] * (
        same == n
    )


def _components(found: Against, explain: bool) -> list[Block]:
    strongest = sorted(found.own.decompositions, key=lambda d: -d.norm)
    pooled = [d for d in strongest if d.pooled]
    by_name = {name: [c for c in found.covered if c.decomposition == name] for name in (d.name for d in strongest)}
    if pooled:
        rows = [c for d in pooled for c in by_name[d.name][: None if explain else SHOWN]]
    else:
        rows = [by_name[d.name][0] for d in strongest[: None if explain else SHOWN]]
    if not rows:
        return []
    one_space = len({c.decomposition for c in rows}) == 1
    n = len(found.controls)
    columns = [f"in {i}" for i in range(1, n + 1)] if 1 < n <= EACH else []
    headers = ["#" if one_space else "component", "strength", *columns, "in controls", "random", "random 99%"]
    strengths = {(d.name, c.index): c.singular_value for d in strongest for c in d.components}
    cells = [
        [
            str(c.index) if one_space else f"{c.decomposition}, {c.index}",
            number(strengths[c.decomposition, c.index]),
            *(percent(x) for x in (c.each if columns else ())),
            percent(c.together),
            percent(c.random),
            percent(c.random_99),
        ]
        for c in rows
    ]
    title = f"the run's own components: share in the {_most(found)}leading directions of {_controls(n)}"
    table = Table(headers, cells, title=title, left=0 if one_space else 1, droppable=["random 99%", *columns])
    return [table, *_said(rows, one_space)]


def _said(rows: Sequence[Covered], one_space: bool) -> list[Block]:
    def which(chosen: Sequence[Covered]) -> str:
        names = [str(c.index) if one_space else f"{c.decomposition} {c.index}" for c in chosen]
        numbers = listing((f"{name} ({percent(c.together)})" for name, c in zip(names, chosen, strict=True)), SHOWN)
        return f"component{'s' if len(chosen) > 1 else ''} {numbers}"

    theirs = [c for c in rows if c.together >= SHARED and c.together > c.random_99]
    own = [c for c in rows if c.together <= c.random_99 and c.dimension]
    lines: list[Block] = []
    if theirs:
        lines.append(f"In what the controls learnt too (format and task): {which(theirs)}.")
    if own:
        lines.append(f"In none of them beyond chance: {which(own)}.")
    return lines


def _numbers(found: Against, explain: bool) -> list[Block]:
    n = len(found.controls)
    tested = [d for d in found.deviations if d.p_value is not None]
    order = sorted(tested, key=lambda d: -abs(d.z or 0.0))
    rest = [d for d in found.deviations if d.p_value is None and any(c != d.value for c in d.controls)]
    if not tested and n >= NEEDED:
        return ["No number varies between the controls: nothing to compare with."]
    shown = [*order, *rest][: None if explain else NUMBERS]
    rows = [[d.label, number(d.value), *_others(d, n)] for d in shown]
    headers = ["number", "run", "controls", *(["spread", "z", "p"] if n >= NEEDED else [])]
    blocks: list[Block] = [Table(headers, rows, title=f"the run beside {_controls(n)}", droppable=["spread"])]
    left = len(order) + len(rest) - len(shown)
    more = f" {left} more with --explain or --json." if left else ""
    if found.one_run:
        named = ", ".join(f"{i + 1} and {j + 1}" for i, j in found.one_run)
        blocks.append(f"Controls {named} look like one run: their spread is too small, and z too large.")
    if n < NEEDED:
        return [
            *blocks,
            f"No p-values: the spread of {n} control{'s' * (n > 1)} is unknown; {NEEDED} are needed.{more}",
        ]
    unlike = [d for d in tested if d.p_value is not None and d.p_value < ALPHA]
    words = ", ".join(f"{d.label} ({number(d.value)}, z = {d.z:+.1f})" for d in unlike)
    said = f"Unlike the controls: {words}." if unlike else "No number is unlike the controls."
    how = f"p: t with {n - 1} degrees of freedom for a new run, Holm over {len(tested)} numbers, below {ALPHA:g}."
    return [*blocks, f"{said} {how}{more}"]


def _others(d: Deviation, n: int) -> list[str]:
    if n < NEEDED:
        return [" ".join(number(c) for c in d.controls)]
    spread = "–" if d.spread is None else (f"x {number(d.spread)}" if d.log else f"± {number(d.spread)}")
    return [number(d.mean), spread, number(d.z, "+.1f"), number(d.p_value, ".3f")]


def _decomposed(found: Against) -> str:
    n = len(found.controls)
    mean = "dW_control" if n == 1 else f"the mean of the {n} controls' dW"
    removed = f", off their {found.dimension} leading directions" if found.dimension else ""
    return f"What is decomposed below is dW - {mean}{removed}; a direction that the controls have too is lost."


def _most(found: Against) -> str:
    return f"{found.dimension} " if found.dimension else ""


def _controls(n: int) -> str:
    return "the control" if n == 1 else f"the {n} controls"
