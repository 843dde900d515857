"""The report of ``grasp reproduce``: the claim in order, each sentence with the file that supports it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from real_models.comparison.arms import CLASSES
from synthetic.runner.results import write_atomically

from .catalogue import FIGURES, builder, csv_name
from .comparison_table import Line, times, void, weak
from .report import heading, page, paragraph, picture, preformatted
from .rows import read_rows
from .style import render


def write_report(folder: Path) -> list[Path]:
    """report.html (self-contained) and report.md in ``folder``, and the figures they show."""
    data = {
        name: _load(folder / f"{name}.json") for name in ("verify", "agreement", "organism", "comparison", "planted")
    }
    sections = [
        ("Identification", _identification(data)),
        ("Removal", _removal(data)),
        ("Comparison", _comparison(data)),
        ("What did not come out as claimed", failures(data) or ["Nothing that is checked here."]),
    ]
    text = ["# GRASP: identification, removal, comparison", ""]
    parts = []
    for title, sentences in sections:
        text += [f"## {title}", "", *[f"- {sentence}" for sentence in sentences], ""]
        parts += [heading(title), *(paragraph(sentence) for sentence in sentences)]
    parts += [heading("Table of the comparison"), preformatted(_table(data["comparison"]["rows"]))]
    text += ["## Table of the comparison", "", "```", _table(data["comparison"]["rows"]), "```", ""]
    parts.append(heading("Figures"))
    for name, entry in FIGURES.items():
        if entry.organisms and not (folder / csv_name(name)).exists():
            continue  # swept only when named
        figure, stem = builder(name)(read_rows(folder / csv_name(name))), csv_name(name).removesuffix(".csv")
        parts.append(picture(figure, f"{name}. {entry.caption}"))
        write_atomically(folder / f"{stem}.png", render(figure))
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


def _comparison(data: dict[str, Any]) -> list[str]:
    out = []
    for variant in dict.fromkeys(row["variant"] for row in data["comparison"]["rows"]):
        rows = {row["arm"]: row for row in data["comparison"]["rows"] if row["variant"] == variant and row["preset"]}
        naive = rows["naive"]
        out.append(
            f"{variant}: naive drift {naive['drift']:.3f} at matched task score, {naive['seeds']} seeds "
            "(comparison.json)."
        )
        for name, row in rows.items():
            if name == "naive":
                continue
            if row["reached"] < row["seeds"]:
                seeds = f"{row['reached']} of {row['seeds']} seeds"
                out.append(f"{variant}, {name} (uses {row['information']}): reaches the task in {seeds}.")
                continue
            kept = "" if row["kept"] is None else f"; kept {row['kept']:.3f}"
            out.append(
                f"{variant}, {name} (uses {row['information']}{', control' if row['control'] else ''}): drift "
                f"{row['drift']:.3f}, naive's excess {times(Line(**row))} of its{_excess(row)}{kept}{_cost(row)}."
            )
        out += _least(variant, list(rows.values()))
    return out


def _cost(row: dict[str, Any]) -> str:
    return "" if row["cost"] is None else f"; {row['cost']:.2g} times the arithmetic of the naive run"


def _least(variant: str, rows: list[dict[str, Any]]) -> list[str]:
    """The row with least drift of each class with more than one that reaches the task everywhere."""
    out = []
    for information in CLASSES:
        among = [r for r in rows if r["information"] == information and not r["control"] and r["reached"] == r["seeds"]]
        if len(among) > 1:
            best = min(among, key=lambda row: row["drift"])
            out.append(f"{variant}: least drift of those that use {information}: {best['arm']}, {best['drift']:.3f}.")
    return out


def _excess(row: dict[str, Any]) -> str:
    return "" if row["low"] is None else f" (excess {row['low']:.3f} … {row['high']:.3f}, 95%)"


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
    found = [Line(**row) for row in data["comparison"]["rows"]]
    for variant in dict.fromkeys(line.variant for line in found):
        out += [
            f"{variant}: {kind}, {why}"
            for kind, say in (("void", void), ("weak", weak))
            if (why := say(found, variant))
        ]
    for row in data["comparison"]["rows"]:
        if row["arm"] == "grasp" and row["preset"] and row["less"] is not None and row["less"] < 4:
            out.append(
                f"{row['variant']}: projection alone (grasp) reduces excess drift {row['less']:.1f} times only: it is "
                "re-learnt by other paths"
            )
        if row["preset"] and row["reached"] < row["seeds"]:
            out.append(
                f"{row['variant']}: {row['arm']} does not reach the task in {row['seeds'] - row['reached']} seeds"
            )
    return out


def _table(rows: list[dict[str, Any]]) -> str:
    head = (
        f"{'variant':9}{'method':34}{'uses':14}{'knob':>6}{'reached':>9}{'drift':>8}{'less':>8}{'kept':>7}{'facts':>7}"
    )
    body = [
        f"{r['variant']:9}{r['arm']:34}{'control' if r['control'] else r['information']:14}{r['knob']:6g}"
        f"{r['reached']:>7}/{r['seeds']}{r['drift']:8.3f}"
        f"{times(Line(**r)):>8}"
        + "".join(f"{'–' if r[s] is None else format(r[s], '.3f'):>7}" for s in ("kept", "facts"))
        for r in rows
    ]
    return "\n".join([head, *body])


def _list(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
