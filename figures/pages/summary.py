"""The report of ``grasp reproduce``: the claim in order, each sentence with the file that supports it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from real_models.comparison.methods import CLASSES
from real_models.comparison.table import Result, void, weak
from synthetic.runner.results import write_atomically

from ..catalogue import FIGURES, builder, csv_name
from ..rows import read_rows
from ..style import render
from ..tables import Table
from ..tables.comparison import times
from .html import blocks, heading, page, paragraph, picture


def write_report(folder: Path) -> list[Path]:
    """report.html (self-contained) and report.md in ``folder``, and the figures they show."""
    data = {
        name: _load(folder / f"{name}.json") for name in ("verify", "agreement", "organism", "comparison", "planted")
    }
    found = [Result(**row) for row in data["comparison"]["rows"]]
    sections = [
        ("Identification", _identification(data)),
        ("Removal", _removal(data)),
        ("Comparison", _comparison(found)),
        ("What did not come out as claimed", failures(data) or ["Nothing that is checked here."]),
    ]
    text = ["# GRASP: identification, removal, comparison", ""]
    parts = []
    for title, sentences in sections:
        text += [f"## {title}", "", *[f"- {sentence}" for sentence in sentences], ""]
        parts += [heading(title), *(paragraph(sentence) for sentence in sentences)]
    parts += [heading("Table of the comparison"), *blocks([_table(found)])]
    text += ["## Table of the comparison", "", _table(found).markdown(), ""]
    parts.append(heading("Figures"))
    for name, entry in FIGURES.items():
        if entry.organisms and not (folder / csv_name(name)).exists():
            continue  # swept only when named
        figure, stem = builder(name)(read_rows(folder / csv_name(name))), csv_name(name).removesuffix(".csv")
        png = render(figure)
        parts.append(picture(figure, f"{name}. {entry.caption}", png=png))
        write_atomically(folder / f"{stem}.png", png)
        text.append(f"![{name}]({stem}.png)")
    html = page("GRASP: identification, removal, comparison", parts)
    return [
        write_atomically(folder / "report.html", html.encode()),
        write_atomically(folder / "report.md", "\n".join([*text, ""]).encode()),
    ]


def _load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_bytes())


def _identification(data: dict[str, Any]) -> list[str]:
    outcomes, organism = data["verify"]["statements"], data["organism"]
    standing = sum(not o["failures"] for o in outcomes)
    refuted, variants = (sum(o["variants"][k] for o in outcomes) for k in (0, 1))
    swept = data["agreement"]["experiments"]
    compared, off = (sum(e[key] for e in swept) for key in ("compared", "violations"))
    best = [max(column) for column in zip(*organism["weights"], strict=True)]
    return [
        f"{standing} of {len(outcomes)} statements stand, and their checks refute {refuted} of {variants} false "
        "variants (verify.json).",
        f"In {len(swept)} experiments {compared} measured means have a law; {off} are off by more than 5 standard "
        "errors and the stated finite-size term (agreement.json).",
        f"A direction planted in a PEFT adapter: verdict of identify: {data['planted']['verdict']} (planted.json).",
        "A persona organism fine-tuned on data that always show persona B: drift on unrelated prompts rises from "
        f"{organism['base_drift']:.3f} to {organism['drift']:.3f} where the task score is {organism['task']:.3f} "
        f"(organism.json).",
        "Its saved checkpoint, without labels: |cos| of component 0 with the supervised direction of each block "
        f"{_list(organism['weights'][0])} (activations: {_list(organism['activations'][0])}; best of four components "
        f"{_list(best)}), against {organism['random']:.2f} for a random direction; verdict: {organism['verdict']}.",
    ]


def _removal(data: dict[str, Any]) -> list[str]:
    leak = [o for o in data["verify"]["statements"] if o["key"] in ("projection-invariance", "optimizer-leak")]
    stand = " and ".join(o["key"] for o in leak if not o["failures"])
    return [
        "Projecting the parameters keeps the update off the direction under every optimizer; projecting gradients "
        f"leaks under Adam (statements {stand}; optimizer_leak.csv).",
        "A network can re-learn along other paths what a projection forbids; compensation takes the pressure away "
        "(rerouting.csv).",
        "No method wins everywhere: the map of winners follows the theory's borders (who_wins.csv).",
    ]


def _comparison(found: Sequence[Result]) -> list[str]:
    out = []
    for variant in dict.fromkeys(result.variant for result in found):
        results = {result.method: result for result in found if result.variant == variant and result.preset}
        naive = results["naive"]
        out.append(
            f"{variant}: naive drift {naive.drift:.3f} at matched task score, {naive.seeds} seeds (comparison.json)."
        )
        out += [f"{variant}, {_sentence(result)}." for name, result in results.items() if name != "naive"]
        out += _least(variant, list(results.values()))
    return out


def _sentence(x: Result) -> str:
    if not x.whole:
        return f"{x.method} (uses {x.information}): reaches the task in {x.reached} of {x.seeds} seeds"
    excess = "" if x.low is None else f" (excess {x.low:.3f} … {x.high:.3f}, 95%)"
    kept = "" if x.kept is None else f"; kept {x.kept:.3f}"
    cost = "" if x.cost is None else f"; {x.cost:.2g} times the arithmetic of the naive run"
    uses = f"{x.information}{', control' if x.control else ''}"
    return f"{x.method} (uses {uses}): drift {x.drift:.3f}, naive's excess {times(x)} of its{excess}{kept}{cost}"


def _least(variant: str, results: Sequence[Result]) -> list[str]:
    """The method with least drift of each class in which more than one reaches the task everywhere."""
    out = []
    for information in CLASSES:
        among = [x for x in results if x.group == information and x.whole]
        if len(among) > 1:
            best = min(among, key=lambda x: x.drift)
            out.append(f"{variant}: least drift of those that use {information}: {best.method}, {best.drift:.3f}.")
    return out


def failures(data: dict[str, Any]) -> list[str]:
    """What the claim would have and the results do not."""
    out = [f"statement {o['key']}: {f}" for o in data["verify"]["statements"] for f in o["failures"]]
    out += [
        f"experiment {e['experiment']}: {e['violations']} rows off"
        for e in data["agreement"]["experiments"]
        if e["violations"]
    ]
    if data["organism"]["verdict"] not in ("one stands out", "several stand out"):
        out.append(
            f"the verdict on the organism's checkpoint is {data['organism']['verdict']!r}: component 0 is a choice, "
            "not a finding"
        )
    found = [Result(**row) for row in data["comparison"]["rows"]]
    for variant in dict.fromkeys(result.variant for result in found):
        out += [
            f"{variant}: {kind}, {why}"
            for kind, say in (("void", void), ("weak", weak))
            if (why := say(found, variant))
        ]
    for x in (x for x in found if x.preset):
        if x.method == "grasp" and x.less is not None and x.less < 4:
            out.append(
                f"{x.variant}: projection alone (grasp) reduces excess drift {x.less:.1f} times only: it is re-learnt "
                "by other paths"
            )
        if not x.whole:
            out.append(f"{x.variant}: {x.method} does not reach the task in {x.seeds - x.reached} seeds")
    return out


def _table(found: Sequence[Result]) -> Table:
    headers = ["variant", "method", "uses", "knob", "reached", "drift", "less", "kept", "facts"]
    rows = []
    for x in found:
        setting = [x.variant, x.method, "control" if x.control else x.information, f"{x.knob:g}"]
        scores = ["–" if s is None else f"{s:.3f}" for s in (x.kept, x.facts)]
        rows.append([*setting, f"{x.reached}/{x.seeds}", f"{x.drift:.3f}", times(x), *scores])
    return Table(headers, rows)


def _list(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
