"""The generated parts of the README and of docs/, from the committed results: ``python -m docs.build``."""

from __future__ import annotations

import inspect
import itertools
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docs import comparison, identification, language
from figures.catalogue import FIGURES, csv_name, drawn
from figures.plots import headline as picture
from figures.rows import FOLDER, read_rows
from figures.style import render
from figures.tables import Table
from grasp_theory import formal
from grasp_theory.statements import find
from grasp_theory.statements.statement import Statement
from real_models.adapters.refusals import MOVED_BASE, START_NOTES, VARIANTS
from real_models.methods import METHODS
from real_models.training.scale import LLAMAS, Machine, Setting, memory, step, traffic
from synthetic.runner.deviation import deviation
from synthetic.runner.results import write_atomically

ROOT = Path(__file__).parents[1]
SITE = (
    "identify",
    "lab",
    "training",
    "scale",
    "comparison",
    "language_model",
    "methods",
    "formats",
    "formal",
    "statements",
)
PAGES = ("README.md", *(f"docs/{page}.md" for page in SITE))
PICTURE = "docs/result.png"
LANGUAGE = "docs/language-model.png"
THEOREM = "docs/theorem-1.png"
FIGURE_OF = {
    LANGUAGE: "language-model",
    "docs/language-frontier.png": "language-frontier",
    "docs/language-identification.png": "language-identification",
    "docs/language-parts.png": "language-parts",
    THEOREM: "theorem-1",
}


def statements() -> str:
    """What the toolkit states, on what basis, and against how many false variants each check was tried."""
    every = [(s, len(s.variants), len(s.blind)) for s in find()]
    cells = [
        [f"`{s.key}`", s.kind, s.law, _basis(s), *map(str, (len(s.claims), len(s.assumptions), variants, unseen))]
        for s, variants, unseen in every
    ]
    counts = ["claims", "assumptions", "false variants", "written blind"]
    made = Table(["statement", "kind", "law", "basis", *counts], cells)
    total, unseen = sum(variants for _, variants, _ in every), sum(count for *_, count in every)
    return (
        f"{made.markdown()}\n\nOf the {total} false variants {unseen} were written by someone who had not seen the "
        "checks."
    )


def _basis(statement: Statement[Any]) -> str:
    """What it rests on; with a link where a proof assistant has checked it."""
    checked = formal.machine_checked(statement.key, statement.text)
    if checked is None:
        return statement.basis
    part = "" if formal.coverage(statement.key).whole else " in part"
    return f"{statement.basis}, [machine-checked{part}](formal.md)"


def machine_checked() -> str:
    """What is covered; then each statement's text with the theorems that Coq checked; then the definitions they use."""
    own = [formal.file_of(key) for key in formal.KEYS]
    files = dict.fromkeys(name for file in own for name in formal.needed(file))
    sources = {name: (formal.FOLDER / name).read_text(encoding="utf-8") for name in files}
    defined = {name: formal.definitions(source) for name, source in sources.items()}
    shared = {word: text for name in files if name not in own for word, text in defined[name].items()}
    said = {name: [*defined[name].values(), *formal.theorems(sources[name]).values()] for name in own}
    words = "\n\n".join(shared[word] for word in formal.used(shared, itertools.chain(*said.values())))
    parts, rows = [], []
    for statement in find(formal.KEYS):
        file = formal.file_of(statement.key)
        told = formal.coverage(statement.key)
        head = "Covered" if told.whole else "Covered in part"
        text = inspect.cleandoc(statement.text).partition("\n\nProof")[0]
        written = "\n\n".join(said[file])
        parts += [f"## {statement.key}", "What the theory says:", f"```text\n{text}\n```", "What Coq checked:"]
        parts += [f"```coq\n{written}\n```", f"**{head}:** {told.covered}", f"**Not covered:** {told.missing}"]
        count = str(len(formal.theorems(sources[file])))
        rows.append([f"[`{statement.key}`](#{statement.key})", count, "whole" if told.whole else "part", told.missing])
    table = Table(["statement", "theorems", "covered", "what is not"], rows, left=4).markdown()
    return "\n\n".join([table, *parts, "## The words they use", f"```coq\n{words}\n```"])


def experiments() -> str:
    """What each experiment shows, and how well its means agree with theory."""
    cells = []
    for name, entry in FIGURES.items():
        if entry.experiments:
            found = deviation(read_rows(FOLDER / csv_name(name)))
            gaps = (f"{value:.1f}" if value is not None else "–" for value in (found.rms, found.largest))
            cells.append([f"`{name}`", entry.caption, str(found.compared), *gaps, str(found.violations)])
    return Table(["experiment", "shows", "rows with a law", "rms gap", "largest", "off"], cells).markdown()


def methods() -> str:
    """Every removal method: when it acts, what it needs, what it guarantees."""
    rows = [[f"`{m.name}`", m.phase, m.needs, m.guarantees] for m in METHODS]
    return Table(["method", "acts in", "needs", "guarantees"], rows).markdown()


def scale() -> str:
    """What a step takes of each device, by the formulas of ``real_models.training.scale``."""
    rows = []
    for model, processes in ((m, P) for m in LLAMAS for P in (8, 64, 512)):
        plain, grasp = (Setting(processes, directions=k) for k in (0, 4))
        held, found = memory(model, grasp), step(model, grasp, Machine())
        sent = [traffic(model, setting).received for setting in (plain, grasp)]
        cells = [held["weights"] / 1e9, held["adapter"] / 1e6, held["directions"] / 1e6, sum(held.values()) / 1e9]
        cells += [sent[0] / 1e9, (sent[1] - sent[0]) / 1e3]
        cells += [found.compute, found.network, 1e3 * found.sums, 100 * found.share]
        rows.append([model.name, str(processes), *(f"{x:.0f}" if x >= 100 else f"{x:.2g}" for x in cells)])
    head = ["model", "devices", "weights, GB", "adapter, MB", "directions, MB", "all memory, GB", "sharding, GB"]
    return Table([*head, "grasp, kB", "passes, s", "network, s", "grasp, ms", "of the step, %"], rows).markdown()


def refusals() -> str:
    """What of a PEFT folder is refused, why its factors do not tell the update, and the way out."""
    moved = [[f"{name} (`init_lora_weights`)", f"the start {why}", way] for name, why, way in MOVED_BASE.values()]
    variants = [
        [f"`{field}`" if name == field else f"{name} (`{field}`)", why, way]
        for field, (name, why, way) in VARIANTS.items()
    ]
    return Table(["found", "why ΔW is another", "what to do"], variants + moved).markdown()


def starts() -> str:
    """What is read although the factors started in an unusual way, and what that says."""
    return "\n".join(f"- {start.note}." for start in START_NOTES.values())


PARTS: dict[str, Callable[[], str]] = {
    "statements": statements,
    "formal": machine_checked,
    "experiments": experiments,
    "methods": methods,
    "scale": scale,
    "refusals": refusals,
    "starts": starts,
    **identification.PARTS,
    **comparison.PARTS,
    **language.PARTS,
}


def fill(text: str) -> str:
    """``text`` with everything between ``<!-- NAME -->`` and ``<!-- /NAME -->`` made anew."""
    for name, make in PARTS.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text = pattern.sub(lambda found, make=make: found[1] + make() + "\n" + found[2], text)
    return text


def main() -> int:
    """Rewrite the pages of this checkout, and the pictures."""
    for page in PAGES:
        path = ROOT / page
        write_atomically(path, fill(path.read_text(encoding="utf-8")).encode())
    write_atomically(ROOT / PICTURE, render(picture.build(read_rows(FOLDER / "comparison.csv"))))
    for path, name in FIGURE_OF.items():
        write_atomically(ROOT / path, render(drawn(name, FOLDER / csv_name(name))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
