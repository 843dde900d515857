"""Tables of ``grasp verify``: one row a statement, and one statement in full."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.text import Text

from grasp_theory.formal import coverage
from grasp_theory.linalg import spectral_norm

from .table import Table

if TYPE_CHECKING:
    from grasp_theory.statements.outcome import Outcome
    from grasp_theory.statements.statement import Sides, Statement

HEADERS = ["statement", "law (basis)", "checks"]
# letter of each check in the table, the first word of its failures, and what it found
LEGEND = {
    "h": ("holds", "holds on every drawn instance, to rounding or its stated slack"),
    "b": ("borders", "draws come within 20% of every border, on both sides"),
    "a": ("attained", "the bound is reached, by an instance or by search, and not exceeded"),
    "n": ("needed", "without each assumption alone a claim fails"),
    "v": ("false variants", "every false variant of the law is refuted"),
    "s": ("derived", "its algebra is derived symbolically and gives the claims' numbers"),
    "2": ("two routes", "a second computation that shares no function agrees"),
    "r": ("rate", "the limit is approached at the stated rate, to the stated value"),
    "d": ("decided", "z3 decides the proof's scalar core, for all reals or the sizes named"),
    "m": ("machine-checked", "Coq accepts the formal statement and its proof; docs/formal.md says of which parts"),
}
ALWAYS = {"draw": "h", "slack": "h"}  # failures that count under another letter


NEGATED = {"=": "≠", "<=": ">", ">=": "<"}


def show_outcomes(outcomes: Sequence[Outcome], out: Console) -> None:
    """One row each with the law; the legend and failures in words below."""
    rows = [[o.key, f"{law} ({basis})" if law else basis, _letters(o)] for o, law, basis in _laws(outcomes)]
    out.print(Table(HEADERS, rows, left=2))
    for letter, (_, words) in LEGEND.items():
        out.print(f"{letter}  {words}", highlight=False)
    out.print("·  does not apply to this kind of statement    ✗  failed", highlight=False)
    sizes = [o for o in outcomes if o.decided is not None]
    if sizes:
        seconds = sum(o.decided.seconds for o in sizes if o.decided is not None)
        steps = max(o.decided.steps for o in sizes if o.decided is not None)
        out.print(f"\ndecided ({seconds:.1f} s of z3, at most {steps} of its steps for a question):")
        for o in sizes:
            if o.decided is not None:
                cores = f"{len(o.decided.sizes)} of {o.decided.cores}"
                out.print(f"  {o.key}: {cores} ({', '.join(dict.fromkeys(o.decided.sizes))})", highlight=False)
    elif all(o.decided is None for o in outcomes) and len(outcomes) > 1:
        out.print("\nnothing is decided: z3-solver is not installed (pip install 'grasp-toolkit[proofs]')")
    variants = sum(o.variants[1] for o in outcomes)
    refuted = sum(o.variants[0] for o in outcomes)
    standing = sum(o.stands for o in outcomes)
    out.print(f"\n{standing} of {len(outcomes)} statements stand; {refuted} of {variants} false variants refuted")
    for o in outcomes:
        for failure in o.failures:
            out.print(Text(f"FAILED {o.key}: {failure}", style="bold red"))


def _laws(outcomes: Sequence[Outcome]) -> Iterator[tuple[Outcome, str, str]]:
    """Each with its law and the basis in short; a statement that is not of this library has no law here."""
    from grasp_theory.statements.registry import ORDER, find

    for o in outcomes:
        law = find([o.key])[0].law if o.key in ORDER else ""
        yield o, law, o.basis


def _letters(o: Outcome) -> str:
    """The letters of the checks that apply, a cross where one failed."""
    applied = {
        "b": o.borders is not None,
        "a": o.best_ratio is not None,
        "n": o.needed is not None,
        "s": o.derived is not None,
        "2": o.route is not None,
        "r": bool(o.rates),
        "d": o.decided is not None,
        "m": o.formal is not None,
    }
    failed = {failure.split(":")[0] for failure in o.failures}
    failed |= {LEGEND[letter][0] for word, letter in ALWAYS.items() if word in failed}
    return "".join(
        "✗" if word in failed else letter if applied.get(letter, True) else "·" for letter, (word, _) in LEGEND.items()
    )


def show_statement(statement: Statement[Any], out: Console) -> None:
    """The statement and its proof, what each check found, an instance that breaks an assumption, a refuted variant."""
    from grasp_theory.statements.checks import verify

    out.print(Text(reflowed(inspect.cleandoc(statement.text), min(out.width, 100))))
    out.print(f"\nlaw: {statement.law}\nbasis: {statement.basis}", highlight=False)
    outcome = verify(statement)
    out.print("\nchecks", style="bold")
    for line in found(statement, outcome):
        width = min(out.width, 100)
        out.print(Text(textwrap.fill(f"  {line}", width, subsequent_indent="    ", break_on_hyphens=False)))
    for failure in outcome.failures:
        out.print(Text(f"  FAILED {failure}", style="bold red"))
    rng = np.random.default_rng(0)
    instance = (statement.extremal or statement.draw)(rng)
    while statement.broken(instance):
        instance = statement.draw(rng)
    out.print("\nthe instance where it is tight" if statement.extremal else "\nan instance", style="bold")
    _show_instance(instance, out)
    for name, sides in statement.evaluate(instance).items():
        out.print(f"  {name}: {_sides(sides, statement.claims[name].relation)}", highlight=False)
    for name, make in list(statement.violators.items())[:1]:
        _show_violator(statement, name, make(rng), out)
    _show_variant(statement, instance, rng, out)


def reflowed(text: str, width: int) -> str:
    """Paragraphs wrapped to the width, items "(i) ..." hanging; blocks that begin indented are formulas and stay."""
    blocks = []
    for block in text.split("\n\n"):
        if block.startswith(" "):
            blocks.append(block)
            continue
        items: list[str] = []
        for line in block.split("\n"):
            if not items or re.match(r"(\([ivx]+\)|- |\d\. )", line):
                items.append(line)
            else:
                items[-1] += " " + line.strip()
        hang = "    " if len(items) > 1 else ""
        blocks.append("\n".join(textwrap.fill(i, width, subsequent_indent=hang, break_on_hyphens=False) for i in items))
    return "\n\n".join(blocks)


def found(statement: Statement[Any], o: Outcome) -> Iterator[str]:
    """What each check that applies found, in one line."""
    yield f"holds: on {o.held} of {o.draws} draws ({100 * o.rejected:.0f}% more fell outside the assumptions)"
    if o.borders is not None:
        yield f"borders: {o.borders[0]} of {o.borders[1]} approached within 20% on both sides"
    if o.best_ratio is not None:
        how = "an instance and adversarial search" if statement.search and statement.extremal else "an instance"
        yield f"attained: measured/bound reaches {o.best_ratio:.6f} by {how}, no more"
    if o.needed is not None:
        yield f"needed: {o.needed[0]} of {o.needed[1]} assumptions, each by instances that break it alone"
    yield f"false variants: {o.variants[0]} of {o.variants[1]} refuted, the last by draw {o.variant_draws}"
    if o.derived is not None:
        yield f"derived: {o.derived[0]} of {o.derived[1]} identities by sympy"
    if o.route is not None and statement.route is not None:
        yield f"two routes: {statement.route.of} agrees to {o.route:.1g} of its slack"
    for rate in o.rates:
        yield f"rate: {rate.of} falls as size^{rate.slope:.2f} ± {rate.standard_error:.2f}, predicted {rate.order:.2f}"
    if o.decided is not None:
        sizes = ", ".join(dict.fromkeys(o.decided.sizes)) or "none"
        counts = f"{len(o.decided.sizes)} of {o.decided.cores} cores ({sizes}), {o.decided.refuted} false ones refuted"
        yield f"decided: {counts}, {o.decided.steps} steps of z3 for the longest question"
    if o.formal is not None:
        told = coverage(statement.key)
        parts = "" if told.whole else f"; not covered: {told.missing.rstrip('.')}"
        yield f"machine-checked: theorems {', '.join(o.formal)}, by Coq{parts}"


def _show_violator(statement: Statement[Any], name: str, instance: Any, out: Console) -> None:
    out.print(f"\nwithout {name!r}", style="bold")
    for key, claim in statement.claims.items():
        if claim.refuted_by(instance):
            out.print(f"  {key} fails: {_sides(claim.sides(instance), NEGATED[claim.relation])}", highlight=False)


def _show_variant(statement: Statement[Any], extremal: Any, rng: np.random.Generator, out: Console) -> None:
    """The false variant that survives longest on fresh draws, and the instance that refutes it."""
    pool = [i for i in (statement.draw(rng) for _ in range(50)) if not statement.broken(i)] + [extremal]
    first = {
        name: next((n for n, i in enumerate(pool) if variant.refuted_by(i)), -1)
        for name, variant in statement.variants.items()
    }
    name = max(first, key=lambda name: first[name])
    if first[name] < 0:
        return
    out.print("\na false variant", style="bold")
    variant = statement.variants[name]
    out.print(f"  {name}: refuted by draw {first[name] + 1},", highlight=False)
    out.print(f"  {_sides(variant.sides(pool[first[name]]), variant.relation)} is false", highlight=False)


def _sides(s: Sides, relation: str) -> str:
    exact = s.scale is not None
    return f"{s.measured:.6g} {relation} {s.bound:.6g}" + ("" if exact else f"  (slack {s.slack:.1g})")


def _show_instance(instance: Any, out: Console) -> None:
    for name, value in vars(instance).items():
        text = _number(value)
        if text:
            out.print(f"  {name} = {text}", highlight=False)


def _number(value: Any) -> str:
    """A number, or what an array is in words; "" for what is no number."""
    if isinstance(value, np.ndarray) and value.size:
        if value.dtype.kind not in "fiub":
            return ""
        shape = " x ".join(map(str, value.shape)) or "scalar"
        kind = {1: "vector", 2: "matrix"}.get(value.ndim, "array")
        if value.ndim == 2:
            return f"{shape} {kind}, largest singular value {spectral_norm(value):.4g}"
        return f"{kind} of {shape}, length {np.linalg.norm(value):.4g}"
    if isinstance(value, bool | str):
        return str(value)
    return str(value) if isinstance(value, int) else f"{value:.6g}" if isinstance(value, float) else ""
