"""The generated parts of the README and of docs/, from the committed results: ``python -m figures.readme``."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthetic.runner.results import write_atomically

from .rows import FOLDER, read_rows

if TYPE_CHECKING:
    from .comparison_table import Line


def false_alarms() -> str:
    """How often the verdict fires on adapters without a planted direction."""
    rows = [r for r in read_rows(FOLDER / "verdict_rates.csv") if r["relative"] == 0]
    lines = ["| adapter without a planted direction | verdict fires | 95% interval |", "|---|---|---|"]
    lines += [f"| {r['setting']} | {_percent(r['rate'])} | {_interval(r)} |" for r in rows]
    return "\n".join(lines)


def hits() -> str:
    """How often it fires over the planted strength, in units of the power line."""
    rows = [r for r in read_rows(FOLDER / "verdict_rates.csv") if r["relative"] > 0]
    settings = list(dict.fromkeys(r["setting"] for r in rows))
    strengths = sorted({r["relative"] for r in rows})
    lines = ["| strength / weakest that could be seen | " + " | ".join(f"{s:g}" for s in strengths) + " |"]
    lines.append("|---" * (len(strengths) + 1) + "|")
    for setting in settings:
        rates = {r["relative"]: r["rate"] for r in rows if r["setting"] == setting}
        lines.append(f"| {setting} | " + " | ".join(_percent(rates[s]) for s in strengths) + " |")
    return "\n".join(lines) + f"\n\n({rows[0]['trials']} adapters a cell.)"


def statements() -> str:
    """What the toolkit states, on what basis, and against how many false variants each check was tried."""
    from grasp_theory.statements import find

    lines = ["| statement | kind | law | basis | false variants | written blind |", "|---|---|---|---|---|---|"]
    for s in find():
        law = s.law.replace("|", "\\|")
        lines.append(f"| `{s.key}` | {s.kind} | {law} | {s.basis} | {len(s.variants)} | {len(s.blind)} |")
    total, unseen = sum(len(s.variants) for s in find()), sum(len(s.blind) for s in find())
    lines += ["", f"Of the {total} false variants {unseen} were written by someone who had not seen the checks."]
    return "\n".join(lines)


def experiments() -> str:
    """What each experiment shows, and how well its means agree with theory."""
    from synthetic.experiments.experiment import agreement

    from .catalogue import FIGURES, csv_name

    lines = ["| experiment | shows | rows with a law | rms gap | largest | off |", "|---|---|---|---|---|---|"]
    for name, entry in FIGURES.items():
        if entry.experiments:
            found = agreement(read_rows(FOLDER / csv_name(name)))
            gaps = (f"{value:.1f}" if value is not None else "–" for value in (found.rms, found.largest))
            numbers = " | ".join([str(found.compared), *gaps, str(found.violations)])
            lines.append(f"| `{name}` | {entry.caption} | {numbers} |")
    return "\n".join(lines)


def headline() -> str:
    """The main rows at their presets: drift by variant."""
    from .headline import ROWS

    return _by_variant([line for line in _compared() if line.preset], ROWS)


def comparison() -> str:
    """Every method at its preset knob, at matched task score: drift by variant, within the information it uses."""
    from real_models.comparison.arms import ARMS

    from .comparison_table import void, weak

    found = [line for line in _compared() if line.preset]
    variants = list(dict.fromkeys(line.variant for line in found))
    seeds = ", ".join(f"{v}: {max(x.seeds for x in found if x.variant == v)}" for v in variants)
    void_ = [f"{v} is void: {why}." for v in variants if (why := void(found, v))]
    void_ += [f"{v}: {why}." for v in variants if (why := weak(found, v))]
    return "\n".join([_by_variant(found, [arm.name for arm in ARMS]), "", f"Seeds: {seeds}.", *void_])


def confirmed() -> str:
    """The main rows on seeds that no choice was made on: drift, and the paired difference to null-space."""
    from real_models.comparison.arms import find_arm
    from real_models.comparison.matching import matched

    from .comparison_table import interval, lines

    rows = read_rows(FOLDER / "comparison_confirmed.csv")
    found, runs = lines(rows), matched(rows)
    variants = list(dict.fromkeys(line.variant for line in found))
    drift = {(m.variant, m.organism, m.arm): m.scores["drift"] for m in runs if m.reached}
    seeds = sorted({m.organism for m in runs})

    def difference(variant: str, arm: str) -> str:
        pairs = [(drift.get((variant, n, arm)), drift.get((variant, n, "null-space"))) for n in seeds]
        values = [a - b for a, b in pairs if a is not None and b is not None]
        low, high = interval(np.array(values))
        if arm == "null-space" or len(values) < len(seeds) or low is None:
            return ""
        return f"{np.mean(values):+.3f} ({low:+.3f} … {high:+.3f})"

    head = [*variants, *(f"− null-space, {variant}" for variant in variants)]
    out = ["| method | " + " | ".join(head) + " |", "|---|" + "---|" * len(head)]
    for name in dict.fromkeys(line.arm for line in found):
        of, arm = {line.variant: line for line in found if line.arm == name}, find_arm(name)
        label = name if arm.knob == "none" else f"{name} ({arm.knob} {of[variants[0]].knob:g})"
        cells = [*(_drift(of[v]) for v in variants), *(difference(v, name) for v in variants)]
        out.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join([*out, "", f"Seeds: {seeds[0]} to {seeds[-1]}."])


def knobs() -> str:
    """Drift at every value of every knob, on the seeds that ran them all."""
    from real_models.comparison.arms import ARMS

    from .comparison_table import lines

    rows = read_rows(FOLDER / "comparison.csv")
    runs: dict[tuple[str, int], set[tuple[str, float]]] = {}
    for r in rows:
        runs.setdefault((r["variant"], r["organism"]), set()).add((r["arm"], r["knob"]))
    every = set().union(*runs.values())
    whole = {seed for seed, done in runs.items() if done == every}
    found = lines([r for r in rows if (r["variant"], r["organism"]) in whole])
    variants = list(dict.fromkeys(line.variant for line in found))
    out = ["| method | knob | " + " | ".join(variants) + " |", "|---|---|" + "---|" * len(variants)]
    for arm in ARMS:
        for knob in arm.knobs if len(arm.knobs) > 1 else ():
            of = {line.variant: line for line in found if line.arm == arm.name and line.knob == knob}
            if of:
                mark = " (preset)" if knob == arm.preset else ""
                cells = " | ".join(_drift(of[v]) if v in of else "" for v in variants)
                out.append(f"| {arm.name} | {arm.knob} {knob:g}{mark} | {cells} |")
    seeds = ", ".join(f"{v}: {sum(v == variant for variant, _ in whole)}" for v in variants)
    return "\n".join([*out, "", f"Seeds: {seeds}."])


def _compared() -> list[Line]:
    from real_models.comparison.cost import costs

    from .comparison_table import lines

    return lines(read_rows(FOLDER / "comparison.csv"), costs(read_rows(FOLDER / "comparison_cost.csv")))


def _by_variant(found: Sequence[Line], names: Sequence[str]) -> str:
    """One row a method: drift in each variant, the worst of kept, the mean cost where the task is reached."""
    from real_models.comparison.arms import find_arm

    variants = list(dict.fromkeys(line.variant for line in found))
    out = ["| method | uses | " + " | ".join(variants) + " | kept | cost |", "|---|---|" + "---|" * (len(variants) + 2)]
    for arm in map(find_arm, names):
        of = {line.variant: line for line in found if line.arm == arm.name}
        if of:
            kept = min(line.kept for line in of.values() if line.kept is not None)
            cells = [_drift(of[v]) if v in of else "" for v in variants]
            name = f"{arm.name} ({arm.knob} {arm.preset:g})" if arm.knob != "none" else arm.name
            uses = "control" if arm.control else arm.information
            spent = [x.cost for x in of.values() if x.cost is not None and x.reached == x.seeds]
            cost = f"{sum(spent) / len(spent):.2g}x" if spent else ""
            out.append(f"| {name} | {uses} | " + " | ".join(cells) + f" | {kept:.2f} | {cost} |")
    return "\n".join(out)


def _drift(line: Line) -> str:
    """Drift, and how many times smaller its excess over the base is than naive's."""
    from .comparison_table import times

    if line.reached < line.seeds:
        return f"task reached in {line.reached} of {line.seeds}"
    if line.arm == "naive":
        return f"{line.drift:.2f}"
    return f"{line.drift:.2f} ({times(line)})"


PARTS: dict[str, Callable[[], str]] = {
    "false-alarms": false_alarms,
    "hits": hits,
    "statements": statements,
    "experiments": experiments,
    "headline": headline,
    "comparison": comparison,
    "confirmed": confirmed,
    "knobs": knobs,
}
PAGES = ("README.md", "docs/identify.md", "docs/lab.md", "docs/training.md", "docs/comparison.md")
PICTURE = "docs/result.png"


def fill(text: str) -> str:
    """``text`` with everything between ``<!-- NAME -->`` and ``<!-- /NAME -->`` made anew."""
    for name, make in PARTS.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text = pattern.sub(lambda found, make=make: found[1] + make() + "\n" + found[2], text)
    return text


def _percent(rate: float) -> str:
    return f"{100 * rate:.3g}%"


def _interval(row: dict[str, float]) -> str:
    return f"{_percent(row['low'])} – {_percent(row['high'])}"


def main() -> int:
    """Rewrite the pages of the checkout this package lies in, and the picture."""
    from .headline import build
    from .style import render

    root = Path(__file__).parent.parent
    for page in PAGES:
        path = root / page
        write_atomically(path, fill(path.read_text(encoding="utf-8")).encode())
    write_atomically(root / PICTURE, render(build(read_rows(FOLDER / "comparison.csv")), "png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
