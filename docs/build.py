"""The generated parts of the README and of docs/, from the committed results: ``python -m docs.build``."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from docs import language
from figures.catalogue import FIGURES, csv_name, drawn
from figures.plots import headline as picture
from figures.rates import COSINE, FACTS, MEAN, NOT_YET, Rate, alarms, rate
from figures.rows import FOLDER, read_rows
from figures.style import render
from figures.tables import Table
from figures.tables.comparison import times
from grasp_theory import formal
from grasp_theory.statements import find
from grasp_theory.statements.statement import Statement
from real_models.adapters.refusals import MOVED_BASE, START_NOTES, VARIANTS
from real_models.comparison.cost import costs
from real_models.comparison.matching import matched
from real_models.comparison.methods import COMPARED, find_compared
from real_models.comparison.table import Result, interval, paired, summarise, void, weak
from real_models.methods import METHODS
from real_models.training.scale import LLAMAS, Machine, Setting, memory, step, traffic
from synthetic.runner.agreement import agreement
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
    "docs/language-identification.png": "language-identification",
    "docs/language-parts.png": "language-parts",
    THEOREM: "theorem-1",
}


def false_alarms() -> str:
    """How often the verdict fires on adapters without a planted direction."""
    rows = [r for r in read_rows(FOLDER / "verdict_rates.csv") if r["relative"] == 0]
    cells = [[r["setting"], _percent(r["rate"]), f"{_percent(r['low'])} – {_percent(r['high'])}"] for r in rows]
    return Table(["adapter without a planted direction", "verdict fires", "95% interval"], cells).markdown()


def hits() -> str:
    """How often it fires over the planted strength, in units of the power line."""
    rows = [r for r in read_rows(FOLDER / "verdict_rates.csv") if r["relative"] > 0]
    rates = {(r["setting"], r["relative"]): _percent(r["rate"]) for r in rows}
    settings, strengths = (list(dict.fromkeys(r[key] for r in rows)) for key in ("setting", "relative"))
    strengths.sort()
    cells = [[setting, *(rates[setting, strength] for strength in strengths)] for setting in settings]
    made = Table(["strength / weakest that could be seen", *(f"{s:g}" for s in strengths)], cells)
    return f"{made.markdown()}\n\n({rows[0]['trials']} adapters a cell.)"


def early_findings() -> str:
    """What fires on real fine-tunes after few steps, of all runs together."""
    rows = read_rows(FOLDER / "finding_rates.csv")
    at = {steps: [r for r in rows if r["points"] == steps] for steps in sorted({r["points"] for r in rows})}
    names = [*NOT_YET, *FACTS, *alarms(rows)]
    cells = [[_finding(name), *(_counted(rate(part, name)) for part in at.values())] for name in names]
    head = [f"{steps} steps, {rate(part, 'verdict').trials} runs" for steps, part in at.items()]
    return Table(["fires", *head], cells).markdown()


def early_findings_by() -> str:
    """The same after ten steps by model, modules, rank, rate and warm-up."""
    rows = read_rows(FOLDER / "finding_rates.csv")
    names = ["hardly-begun", *alarms(rows)]
    cells = []
    for key, label in (("model", ""), ("modules", ""), ("rank", "rank "), ("rate", "rate "), ("warmup", "warm-up ")):
        for value in dict.fromkeys(r[key] for r in rows):
            part = [r for r in rows if r["points"] == 10 and r[key] == value]
            found = [_percent(rate(part, name).value) for name in names]
            cells.append([f"{label}{value}", str(rate(part, "verdict").trials), *found])
    return Table(["after 10 steps", "runs", *map(_finding, names)], cells).markdown()


def mean_input() -> str:
    """Whether the first direction that A reads beyond its start is the mean input."""
    rows = [r for r in read_rows(FOLDER / "finding_rates.csv") if r["points"]]
    fired = rate(rows, "read-directions")
    same, cosines = rate(rows, MEAN), sum(r["mean"] * r["trials"] for r in rows if r["quantity"] == COSINE)
    return (
        f"Of {fired.fired} audits of these runs with such a finding the first direction had |cos| above 0.9 with the "
        f"mean of what the modules read in {same.fired}; the mean |cos| was {cosines / fired.fired:.2f}."
    )


def planted() -> str:
    """How often a direction planted inside real trained adapters is found, over its strength."""
    rows = read_rows(FOLDER / "planted_rates.csv")
    strengths = sorted({r["strengths"] for r in rows})
    shown = {
        "finding": "the finding fires and its common direction is the planted one",
        "component 0": "component 0 of the pooled modules is",
        "any of 8": "one of components 0 to 7 is",
        "fires": "the finding fires, whatever for",
        "verdict": "the verdict fires, whatever for",
    }
    cells = []
    for name, part in (("public", [r for r in rows if not r["steps"]]), ("own", [r for r in rows if r["steps"]])):
        at = [[r for r in part if r["strengths"] == s] for s in strengths]
        for key, label in shown.items():
            found = [rate(x, key) for x in at]  # what fires for other reasons is the same in every plant of an adapter
            told = [_percent(f.value) if "whatever" in label else _counted(f) for f in found]
            cells.append([name, label, *told])
    return Table(["adapters", "strength", *(f"{s:g}" for s in strengths)], cells).markdown()


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
    """The definitions and the theorems that Coq checked, each statement's text above them."""
    shared = [(formal.FOLDER / name).read_text(encoding="utf-8") for name in ("vectors.v", "planes.v")]
    words = "\n\n".join(map(formal.definitions, shared))
    parts = ["## The words they use", f"```coq\n{words}\n```"]
    for statement in find(formal.KEYS):
        source = (formal.FOLDER / formal.file_of(statement.key)).read_text(encoding="utf-8")
        told = formal.coverage(statement.key)
        head = "Covered" if told.whole else "Covered in part"
        said = inspect.cleandoc(statement.text).partition("\n\nProof")[0]
        written = "\n\n".join(filter(None, [formal.definitions(source), *formal.theorems(source).values()]))
        parts += [f"## {statement.key}", "What the theory says:", f"```text\n{said}\n```", "What Coq checked:"]
        parts += [f"```coq\n{written}\n```", f"**{head}:** {told.covered}", f"**Not covered:** {told.missing}"]
    return "\n\n".join(parts)


def experiments() -> str:
    """What each experiment shows, and how well its means agree with theory."""
    cells = []
    for name, entry in FIGURES.items():
        if entry.experiments:
            found = agreement(read_rows(FOLDER / csv_name(name)))
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
        cells = [held["weights"] / 1e9, held["adapter"] / 1e6, sum(held.values()) / 1e9, sent[0] / 1e9]
        cells += [(sent[1] - sent[0]) / 1e3, found.compute, found.network, 1e3 * found.sums, 100 * found.share]
        rows.append([model.name, str(processes), *(f"{x:.0f}" if x >= 100 else f"{x:.2g}" for x in cells)])
    head = ["model", "devices", "weights, GB", "adapter, MB", "all memory, GB", "sharding, GB", "grasp, kB"]
    return Table([*head, "passes, s", "network, s", "grasp, ms", "of the step, %"], rows).markdown()


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


def headline() -> str:
    """The main rows at their presets: drift by variant."""
    return _by_variant(_compared(), picture.ROWS)


def comparison() -> str:
    """Every method at its preset knob, at matched task score: drift by variant, within the information it uses."""
    found = _compared()
    variants = _variants(found)
    seeds = ", ".join(f"{v}: {max(x.seeds for x in found if x.variant == v)}" for v in variants)
    notes = [f"{v} is void: {why}." for v in variants if (why := void(found, v))]
    notes += [f"{v}: {why}." for v in variants if (why := weak(found, v))]
    return "\n".join([_by_variant(found, list(COMPARED)), "", f"Seeds: {seeds}.", *notes])


def confirmed() -> str:
    """The main rows on seeds that no choice was made on: drift, and the paired difference to null-space."""
    rows = read_rows(FOLDER / "comparison_confirmed.csv")
    found, runs = summarise(rows), matched(rows)
    variants, other = _variants(found), "null-space"

    def difference(variant: str, method: str) -> str:
        values = paired(runs, variant, method=method, other=other)
        low, high = interval(values)
        return "" if method == other or low is None else f"{np.mean(values):+.3f} ({low:+.3f} … {high:+.3f})"

    cells = []
    for name in dict.fromkeys(line.method for line in found):
        of = {line.variant: line for line in found if line.method == name}
        label = find_compared(name).label(of[variants[0]].knob)
        cells.append([label, *_drifts(of, variants), *(difference(v, name) for v in variants)])
    made = Table(["method", *variants, *(f"− {other}, {variant}" for variant in variants)], cells)
    seeds = sorted({m.organism for m in runs})
    return f"{made.markdown()}\n\nSeeds: {seeds[0]} to {seeds[-1]}."


def knobs() -> str:
    """Drift at every value of every knob, on the seeds that ran them all."""
    rows = read_rows(FOLDER / "comparison.csv")
    runs: dict[tuple[str, int], set[tuple[str, float]]] = {}
    for r in rows:
        runs.setdefault((r["variant"], r["organism"]), set()).add((r["method"], r["knob"]))
    every = set().union(*runs.values())
    whole = {seed for seed, done in runs.items() if done == every}
    found = summarise([r for r in rows if (r["variant"], r["organism"]) in whole])
    variants, cells = _variants(found), []
    for method in COMPARED.values():
        for knob in method.knobs if len(method.knobs) > 1 else ():
            of = {line.variant: line for line in found if line.method == method.name and line.knob == knob}
            if of:
                mark = " (preset)" if knob == method.preset else ""
                cells.append([method.name, f"{method.knob} {knob:g}{mark}", *_drifts(of, variants)])
    seeds = ", ".join(f"{v}: {sum(v == variant for variant, _ in whole)}" for v in variants)
    return f"{Table(['method', 'knob', *variants], cells).markdown()}\n\nSeeds: {seeds}."


@lru_cache
def _compared() -> list[Result]:
    """The committed comparison at its presets."""
    found = summarise(read_rows(FOLDER / "comparison.csv"), costs(read_rows(FOLDER / "comparison_cost.csv")))
    return [line for line in found if line.preset]


def _by_variant(found: Sequence[Result], names: Sequence[str]) -> str:
    """One row a method: drift in each variant, the worst of kept, the mean cost where the task is reached."""
    variants, cells = _variants(found), []
    for method in map(find_compared, names):
        of = {line.variant: line for line in found if line.method == method.name}
        if of:
            uses = "control" if method.control else method.information
            kept = min(line.kept for line in of.values() if line.kept is not None)
            spent = [x.cost for x in of.values() if x.cost is not None and x.whole]
            cost = f"{sum(spent) / len(spent):.2g}x" if spent else ""
            cells.append([method.label(method.preset), uses, *_drifts(of, variants), f"{kept:.2f}", cost])
    return Table(["method", "uses", *variants, "kept", "cost"], cells).markdown()


def _variants(found: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(line.variant for line in found))


def _drifts(of: Mapping[str, Result], variants: Sequence[str]) -> list[str]:
    return [_drift(of[variant]) if variant in of else "" for variant in variants]


def _drift(line: Result) -> str:
    """Drift, and how many times smaller its excess over the base is than naive's."""
    if not line.whole:
        return f"task reached in {line.reached} of {line.seeds}"
    return f"{line.drift:.2f}" if line.method == "naive" else f"{line.drift:.2f} ({times(line)})"


def _percent(rate: float) -> str:
    return f"{100 * rate:.3g}%"


def _counted(found: Rate) -> str:
    low, high = (f"{100 * end:.3g}" if end > 0.995 else f"{100 * end:.2g}" for end in found.interval)
    return f"{_percent(found.value)} ({low} – {high})"


def _finding(name: str) -> str:
    return "the verdict" if name == "verdict" else f"`{name}`"


PARTS: dict[str, Callable[[], str]] = {
    "false-alarms": false_alarms,
    "hits": hits,
    "early-findings": early_findings,
    "early-findings-by": early_findings_by,
    "mean-input": mean_input,
    "planted-real": planted,
    "statements": statements,
    "formal": machine_checked,
    "experiments": experiments,
    "methods": methods,
    "scale": scale,
    "refusals": refusals,
    "starts": starts,
    "headline": headline,
    "comparison": comparison,
    "confirmed": confirmed,
    "knobs": knobs,
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
