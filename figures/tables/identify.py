"""Tables of ``grasp identify``: components, modules, verdict, checkpoints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.text import Text

from grasp_theory.identification.rule import NOTE_EARLY, P_VALUE, RATIO, SPREAD
from real_models.adapters.patterns import by_pattern

from .table import Block, Table
from .terminal import number, show

if TYPE_CHECKING:
    from grasp_theory import Report
    from grasp_theory.identification.read_start import ReadStart
    from grasp_theory.identification.report import Component, Decomposition, ModuleSpectrum
    from grasp_theory.identification.trajectory import Checkpoint
    from real_models.audit.finding import Finding

MODULES_SHOWN = 12
COMPONENTS_SHOWN = 4  # on one screen
CLOSE = 45.0  # degrees; a factor further off is close to the noise, where its self-certificate is too sure


def show_adapter(
    summary: Sequence[tuple[str, str]], warnings: Sequence[str], notes: Sequence[str], out: Console
) -> None:
    """What was read, one line a fact."""
    for label, value in summary:
        out.print(Text(f"{label + ':':9}{value}"))
    for label, lines, style in (("warning", warnings, "yellow"), ("note", notes, "dim")):
        for line in lines:
            out.print(Text(f"{label + ':':9}{line}", style=style))


def show_findings(found: Sequence[Finding], out: Console, *, explain: bool) -> None:
    """What the weights show, one sentence each; with ``explain`` its scope and how it was decided."""
    out.print()
    for finding in found:
        out.print(Text(f"• {finding.text}"))
        if explain:
            out.print(Text(f"  scope: {finding.scope}", style="dim"))
            out.print(Text(f"  decided by: {finding.how}", style="dim"))
    out.print()


def show_report(report: Report, out: Console, *, explain: bool) -> None:
    """Components and verdict; with ``explain`` modules, rule, caveat and notes too."""
    show_components(report, out, short=not explain)
    if explain:
        out.print()
    pooled = any(d.pooled for d in report.decompositions)
    line = f"verdict: {report.verdict}"
    if report.decompositions and not pooled:
        counts = Counter(d.verdict for d in report.decompositions)
        line += " (" + ", ".join(f"{n} of {len(report.decompositions)} modules: {v}" for v, n in counts.items()) + ")"
    out.print(Text(line, style="bold"))
    if len(report.decompositions) > 1:
        out.print(
            f"component 0 is that of {report.decomposition().name}, the strongest of {len(report.decompositions)}"
        )
    for reason in reasons(report):
        out.print(f"  {reason}")
    if not explain:
        out.print("standing out is not being spurious; --explain: rule, caveat, notes, every module", style="dim")
        return
    if report.decompositions:
        out.print(f"rule:    {report.rule}", style="dim")
        out.print(f"caveat:  {report.caveat}", style="dim")
    for read in report.read_start:
        out.print(f"A, width {read.width}: {beyond_start(read)}", style="dim")
    for note in report.notes:
        out.print(f"note:    {note}", style="dim")


def beyond_start(read: ReadStart) -> str:
    """What the test of A against its random start said of the modules that read one stream."""
    if read.floor is None:
        return f"not tested against its start; {read.reason}"
    count = len(read.values)
    found = f"{count} directions" if count > 1 else "one direction" if count else "no direction"
    gains = ", ".join(f"{gain:.1f}" for gain in read.gains[:COMPONENTS_SHOWN])
    strength = f" (read {gains} times as strongly as at the start)" if gains else ""
    fold = f", {read.folded:.1f} rows of A in each" if read.folded > 1 else ""
    drift = f"; without direction A widened {read.widening:.2f} times" if read.widening > 1.1 else ""
    seen = "" if read.visible is None else f", weakest visible {number(read.visible)}"
    return (
        f"{found} beyond its {read.law} start{strength}; {read.rows} rows of {len(read.modules)} modules{fold}, floor "
        f"{number(read.floor)}{seen} in units of the start's entries{drift}"
    )


def show_both(weights: Report, activations: Report, out: Console) -> None:
    """How the leading directions of dW and of dW X compare."""
    pairs = zip(weights.decompositions, activations.decompositions, strict=False)
    both = [(a, b) for a, b in pairs if a.side == b.side == "write" and a.components and b.components]
    cosines = [abs(float(a.component(0).subspace.basis[:, 0] @ b.component(0).subspace.basis[:, 0])) for a, b in both]
    if cosines:
        out.print(f"|cos| between the leading directions of dW and of dW X: {', '.join(f'{c:.3f}' for c in cosines)}")


def show_components(report: Report, out: Console, *, short: bool = False) -> None:
    """The tables of a report, without its verdict; ``short`` leaves out what one screen has no room for."""
    show(component_blocks(report, short=short), out)
    if not short:
        pooled = any(d.pooled for d in report.decompositions)
        show(module_blocks(report.modules, table_wanted=pooled or not report.decompositions), out)


def component_blocks(report: Report, *, short: bool = False, most: int | None = 2 * MODULES_SHOWN) -> Iterator[Block]:
    """Components of the pooled decompositions, or component 0 of the ``most`` largest modules (all if None)."""
    pooled = [d for d in report.decompositions if d.pooled]
    for found in pooled:
        yield from _pooled(found, short=short)
    if not pooled and report.decompositions:
        yield from _separate(report, MODULES_SHOWN // 2 if short else most)


def _pooled(found: Decomposition, *, short: bool) -> Iterator[Block]:
    rows = [
        [
            str(c.index),
            number(c.singular_value),
            number(c.ratio, ".2f"),
            f"{100 * c.energy:.1f}%",
            _yes(c.above_floor),
            number(c.layers, ".1f"),
            *(number(c.agreement and getattr(c.agreement, n), ".3f") for n in ("value", "null_mean", "p_value")),
            *_certificate(c),
            "yes" if c.stands_out else "",
        ]
        for c in (found.components[:COMPONENTS_SHOWN] if short else found.components)
    ]
    headers = [
        "#",
        "strength",
        "ratio",
        "energy",
        "> floor",
        "layers",
        "agree",
        "null",
        "p",
        "angle",
        "if tau is",
        "out",
    ]
    title = f"{found.what}\n{len(found.modules)} {found.name}"
    drop = ["if tau is", "null", "energy", "> floor", "angle"]
    yield Table(headers, rows, title=title, left=0, droppable=drop)
    yield self_certificate(found)
    if short:
        return
    floor = "not estimated" if found.floor.value is None else number(found.floor.value)
    yield f"noise floor: {floor}" + ("" if found.floor.value is not None else f": {found.floor.reason}")
    if found.power.strength is not None and found.power.per_module is not None:
        yield (
            f"power: a factor that all layers share and that leads in them stands out from strength "
            f"{number(found.power.per_module)} in every module ({number(found.power.strength)} in all)"
        )
    else:
        yield f"power: none, the rule cannot single anything out here: {found.power.reason}"
    yield f"largest share: {100 * found.largest_share:.1f}% of the squared norm is {found.largest_module}"
    yield Text(f"norm {number(found.norm)}, singular values within {found.error:.1e}", style="dim")


def _separate(report: Report, most: int | None) -> Iterator[Block]:
    decompositions = report.decompositions
    shown = sorted(decompositions, key=lambda d: -d.norm)[:most]
    rows = []
    for d in sorted(shown, key=lambda d: [x.name for x in decompositions].index(d.name)):
        c = d.components[0]
        row = [d.name, number(d.norm), number(c.singular_value), number(c.ratio, ".2f"), f"{100 * c.energy:.1f}%"]
        row.append(number(d.floor.value))
        rows.append([*row, *_certificate(c), "yes" if c.stands_out else ""])
    headers = ["module", "norm", "strength", "ratio", "energy", "floor", "angle", "if tau is", "out"]
    side = "left" if report.side == "write" else "right"
    title = f"{side} singular vectors of each module (component 0)"
    drop = ["if tau is", "energy", "norm"]
    yield Table(headers, rows, title=title, droppable=drop)
    if len(decompositions) > len(shown):
        yield f"… and {len(decompositions) - len(shown)} smaller modules; --json has all of them"
    strongest = report.decomposition()
    yield f"{self_certificate(strongest)} ({strongest.name})"
    by_width = {d.width: d.components[0].agreement for d in decompositions}
    for width, found in sorted(by_width.items()):
        if found is not None:
            yield (
                f"agreement of the leading directions in R^{width}: {found.value:.3f} over {found.pairs} pairs, "
                f"null {found.null_mean:.3f}, isotropic {found.isotropic_mean:.4f}, p = {found.p_value:.3f}"
            )


def self_certificate(found: Decomposition) -> str:
    """The angle of component 0 that its own spectrum suggests, on what condition, or why it says nothing."""
    c = found.self_certificate
    if c.degrees is None:
        return f"self-certificate: none, {c.reason}"
    cut = "" if c.if_cut is None else f"; up to {c.if_cut:.0f}° if the rank cut a longer spectrum"
    near = "; too sure if that is because it is close to noise" if c.degrees > CLOSE else ""
    return (
        f"self-certificate: component 0 lies {c.degrees:.1f}° ({c.low:.1f} – {c.high:.1f}°) off its factor if the task "
        f"is random beside it{cut}{near}; wrong where the task uses the factor's own inputs or outputs, or where "
        f"component 0 is the task's own"
    )


def reasons(report: Report) -> list[str]:
    """What kept the leading components from standing out."""
    decompositions = report.decompositions
    leading = [(d, d.components[0]) for d in decompositions if d.components]
    if not decompositions or any(d.verdict != "none can be told" for d in decompositions):
        return []
    n, group = len(leading), "groups" if decompositions[0].pooled else "modules"
    no_floor = [d for d, c in leading if c.above_floor is None]
    found = [
        (n if NOTE_EARLY in report.notes else 0, "training has hardly begun"),
        (len(no_floor), f"no noise floor: {no_floor[0].floor.reason}" if no_floor else ""),
        (sum(c.above_floor is False for _, c in leading), "component 0 is not above the noise floor"),
        (sum(c.separated is False for _, c in leading), f"component 0 is not {RATIO:g} times the next"),
        (sum(c.separated is None for _, c in leading), "the rank allows no next singular value to compare with"),
        (sum(c.agreement is None for _, c in leading), "agreement needs two layers and two components a module"),
        (
            sum(c.agreement is not None and c.agreement.p_value >= P_VALUE for _, c in leading),
            f"the leading directions do not agree between layers (p >= {P_VALUE:g})",
        ),
        (
            sum(c.layers is not None and c.layers < SPREAD for _, c in leading),
            f"component 0 is made of fewer than {SPREAD:g} layers",
        ),
    ]
    where = {n: "" if n == 1 else f" (all {n} {group})"}
    return [f"because: {text}{where.get(count, f' (in {count} of {n} {group})')}" for count, text in found if count]


def module_blocks(
    modules: Sequence[ModuleSpectrum], *, table_wanted: bool = True, most: int | None = MODULES_SHOWN
) -> Iterator[Block]:
    """The ``most`` largest modules (all if None), and which have no update."""
    empty = [m for m in modules if not m.norm]
    shown = sorted((m for m in modules if m.norm), key=lambda m: -m.norm)[:most]
    rows = []
    for m in shown:
        S = m.singular_values
        stable = m.norm**2 / S[0] ** 2
        rows.append([m.name, m.side or "–", f"{m.shape[0]} x {m.shape[1]}", str(m.rank), number(m.norm)])
        rows[-1] += [number(S[0]), f"{stable:.2f}"]
    if rows and table_wanted:
        headers = ["module", "side", "shape", "rank", "norm", "top value", "stable rank"]
        whole = len(shown) == len(modules)
        title = (
            f"all {len(modules)} adapted modules" if whole else f"largest {len(rows)} of {len(modules)} adapted modules"
        )
        yield Table(headers, rows, title=title, left=2, droppable=["side", "rank", "stable rank"])
    if empty:
        which = by_pattern([m.name for m in empty], [m.name for m in modules])
        yield f"{len(empty)} of {len(modules)} modules have no update (B A = 0): {which}"


def show_trajectory(rows: Sequence[Checkpoint], out: Console) -> None:
    """:func:`trajectory_blocks`, printed."""
    show(trajectory_blocks(rows), out)


def trajectory_blocks(rows: Sequence[Checkpoint]) -> Iterator[Block]:
    """One line a checkpoint, one table a run, and why a new one starts."""
    headers = ["step", "width", "norm", "leading", "angle to last (°)", "cosine with last", "cosine with previous"]
    runs = len({c.run for c in rows})
    for run in range(runs):
        here = [c for c in rows if c.run == run]
        if here[0].starts is not None:
            yield f"step {_step(here[0])} starts a new run: {here[0].starts}"
        cells = [
            [
                _step(c),
                str(c.width),
                number(c.norm),
                number(c.strength),
                number(c.angle_to_last, ".1f"),
                *(number(v, "+.3f") for v in (c.cosine_to_last, c.cosine_to_previous)),
            ]
            for c in here
        ]
        title = "checkpoints of one run" if runs == 1 else f"run {run + 1} of {runs}"
        title += ", modules of one side stacked"
        drop = ["width", "norm", "cosine with previous"]
        yield Table(headers, cells, title=title, droppable=drop)


def _step(checkpoint: Checkpoint) -> str:
    return "final" if checkpoint.step is None else str(checkpoint.step)


def _yes(value: bool | None) -> str:
    return {None: "–", True: "yes", False: "no"}[value]


def _certificate(c: Component) -> tuple[str, str]:
    """(bound on the angle, tau): at the smallest tau the spectrum allows, the best that could be certified."""
    certificate = c.certificate
    if c.separated is None:
        return "–", "–"
    degrees = np.degrees(certificate.angle(certificate.smallest_tau))
    return (f"{degrees:.0f}°" if degrees >= 10 else f"{degrees:.1f}°"), number(certificate.smallest_tau)
