"""The pages of the theory: an index with Theorem 1 first, and one page a statement, made of its docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from figures.tables.verification import LEGEND, found
from grasp_theory.statements import Outcome, find
from grasp_theory.statements.registry import ORDER
from grasp_theory.statements.statement import Statement
from synthetic.runner.statements import check_statements

from . import mathml
from .files import replace_text
from .gallery import image
from .typeset import blocks, prose

WORDS = "In words."
REMOVAL = "projection-invariance"  # the first statement about what can be done
KINDS = {
    "identity": "An identity: both sides are equal.",
    "tight": "A tight bound: it holds, and some instance attains it.",
    "upper": "An upper bound.",
    "limit": "A limit, with the rate at which it is approached.",
    "converse": "A converse: what no method can do.",
}
INTRODUCTION = """The theory
==========

What the toolkit states, each with its proof or its source. Every page is made of the docstring in which the statement
stands, so that the page, ``grasp verify --explain KEY`` and the code say the same. Start with :doc:`theorem-1`: when
the data show a factor, what its removal leaves, and when nobody can find it. The statements behind it come first
(identification: what can be known), then removal (what can be done).

Each statement is checked by every way that applies to it, whenever these pages are built:

{legend}

A numeric check never proves anything, and is never called a proof. *Decided* means: for all real numbers, or all
entries of matrices of the size named, the premises imply the conclusion; that the proof needs these premises and no
others is read in the text. The figure shows Theorem 1 against measurement.

{figure}
.. toctree::
   :hidden:

{tree}
"""


def write(folder: Path, outcomes: Path, drawn: Mapping[str, Sequence[str]]) -> None:
    """Check what is not checked yet, keep it in ``outcomes``, and write all pages."""
    checked = check_statements(ORDER, folder=outcomes)
    every = find()
    for statement, outcome in zip(every, checked, strict=True):
        replace_text(folder / f"{statement.key}.rst", page(statement, outcome, drawn.get(statement.key, ())))
    replace_text(folder / "index.rst", _index(every, checked))


def page(statement: Statement[Any], outcome: Outcome, drawn: Sequence[str]) -> str:
    """One statement: its law, in words where they are written, a picture, its text, what the checks found.

    The proof and the false variants are folded.
    """
    key, (title, text) = statement.key, parts(statement)
    words, said, proof, after = divided(text)
    law = f'.. raw:: html\n\n   <div class="formulas law">\n   {mathml.line(statement.law)}\n   </div>\n'
    checks = [f"* - {prose(name)}\n     - {prose(words)}" for name, words in _checks(statement, outcome)]
    variants = [f"* - {prose(name)}\n     - {'yes' if name in statement.blind else ''}" for name in statement.variants]
    figures = [f"{image(name, '../figures/')}\n:ref:`{name} <figure-{name}>`\n" for name in drawn]
    return "\n".join(
        [
            _heading(key, "="),
            prose(title),
            "",
            *([prose(words), ""] if words else []),
            law,
            f"*{KINDS[statement.kind]}* Basis: {prose(statement.basis)}.",
            "",
            *figures[:1],
            _heading("Statement and proof", "-"),
            blocks(said, link=_link),
            "",
            *_folded("Proof", blocks(proof, link=_link)),
            blocks(after, link=_link),
            "",
            *([_heading("More figures", "-"), *figures[1:]] if figures[1:] else []),
            _heading("What the checks found", "-"),
            "The statement stands.\n" if outcome.stands else f"**It failed**: {prose('; '.join(outcome.failures))}\n",
            _table(["check", "found"], checks, "25 75"),
            ".. code-block:: sh\n",
            f"   grasp verify {key}",
            f"   grasp verify --explain {key}    # this text, and what breaks it\n",
            _heading("False variants that they refute", "-"),
            "Wordings that were rejected, and slips that a person makes. Each is tried on the instances on which the "
            "statement holds; one that survived would fail the checks. Some were written by someone who had seen the "
            "text alone, not the checks.\n",
            *_folded(f"All {len(variants)}", _table(["variant", "written blind"], variants, "80 20")),
            f"The files are in ``grasp_theory/statements/{key.replace('-', '_')}/``.\n",
        ]
    )


def divided(text: str) -> tuple[str, str, str, str]:
    """The text of a statement: what it says in words, where that is written; what is stated; the proof; the rest."""
    words, _, rest = text.partition("\n\n") if text.startswith(WORDS) else ("", "", text)
    said, _, proof = rest.partition("\n\nProof")
    proof, end, after = proof.partition("∎")
    remark, _, after = after.partition("\n\n")  # which may speak of what was just proved
    return words.removeprefix(WORDS).strip(), said, f"Proof{proof}{end}{remark}", after.strip("\n")


def parts(statement: Statement[Any]) -> tuple[str, str]:
    """The title of a docstring "key (kind). Title." and the text below it."""
    first, _, rest = inspect.cleandoc(statement.text).partition("\n\n")
    title = re.sub(rf"^{re.escape(statement.key)} \([^)]*\)\. *", "", " ".join(first.split()))
    return title, rest


def _checks(statement: Statement[Any], outcome: Outcome) -> list[tuple[str, str]]:
    """What the checks found, a row each: the name and the words."""
    return [(name, words) for name, _, words in (line.partition(": ") for line in found(statement, outcome))]


def _index(every: Sequence[Statement[Any]], checked: Sequence[Outcome]) -> str:
    """The list of all, by what they are about, and what the checks look for."""
    legend = "\n".join(f"- *{name}*: {prose(words)}" for name, words in LEGEND.values())
    legend = legend.replace("docs/formal.md", ":doc:`/formal`")
    tree = "\n".join(f"   {statement.key}" for statement in every)
    figure = image("theorem-1", "../figures/")
    text = [INTRODUCTION.format(legend=legend, figure=figure, tree=tree)]
    border = ORDER.index(REMOVAL)
    groups = [("Theorem 1", slice(0, 1)), ("Identification", slice(1, border)), ("Removal", slice(border, None))]
    for name, chosen in groups:
        rows = [
            f"* - :doc:`{s.key}`\n     - {prose(parts(s)[0])}\n     - {s.kind}\n     - {_outcome(o)}"
            for s, o in zip(every[chosen], checked[chosen], strict=True)
        ]
        text += [_heading(name, "-"), _table(["statement", "what it says", "kind", "checks"], rows, "22 48 10 20")]
    total, blind = (sum(map(len, group)) for group in zip(*((s.variants, s.blind) for s in every), strict=True))
    text.append(f"\nOf the {total} false variants {blind} were written blind.\n")
    return "\n".join(text)


def _outcome(outcome: Outcome) -> str:
    refuted, total = outcome.variants
    return f"stands; {refuted} of {total} false variants refuted" if outcome.stands else "**failed**"


def _link(name: str) -> str | None:
    return f"/generated/theory/{name}" if name in ORDER else None


def _folded(summary: str, body: str) -> list[str]:
    """Lines that show ``body`` when the reader opens it."""
    opening = f'.. raw:: html\n\n   <details class="folded"><summary>{summary}</summary>\n'
    return [opening, body, "", ".. raw:: html\n\n   </details>\n"]


def _heading(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def _table(head: Sequence[str], rows: Sequence[str], widths: str) -> str:
    first = "* - " + "\n     - ".join(head)
    body = "\n".join(f"   {row}" for row in (first, *rows))
    return f".. list-table::\n   :header-rows: 1\n   :widths: {widths}\n\n{body}\n"
