"""The report of ``grasp reproduce``: the claim in order, each sentence with the file that supports it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from real_models.comparison.methods import CLASSES
from real_models.comparison.table import Result, void, weak
from synthetic.runner.results import write_atomically
from synthetic.runner.sweep import Progress
from synthetic.runner.workers import in_workers

from .. import plots
from ..catalogue import FIGURES, csv_name, drawn
from ..plots import headline
from ..rows import FOLDER, read_rows
from ..style import render
from ..tables import Table, number
from ..tables.comparison import least, times
from ..tables.language import language_model
from .html import Picture, markdown, page, picture, versions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AGAIN = "language_again.json"
SHOWN_AGAIN = {"steps": "d", "drift": "+.3f", "study": "+.3f"}
HEADLINE = "Drift of the main methods where each first reaches the task score; lines: 95% intervals over seeds."


def write_report(folder: Path, *, jobs: int = 1, progress: Progress | None = None) -> list[Path]:
    """report.html (self-contained) and report.md in ``folder``, and the figures they show.

    A figure whose table is not there, since hours of training make it, is that of the committed study, and says so.

    Args:
        jobs: processes that draw.
        progress: wraps the stream of figures.
    """
    names = ("verify", "agreement", "organism", "comparison", "planted")
    data = {name: _load(folder / f"{name}.json") for name in names}
    found = [Result(**row) for row in data["comparison"]["rows"]]
    against = failures(data)
    count = f"{len(against)} things" if len(against) > 1 else "One thing"
    off = f"{count} did not come out as claimed" if against else "Everything checked came out as claimed"
    opening = headline.build(read_rows(folder / "comparison.csv"))
    figures = _figures(folder, jobs, progress)

    def section(key: plots.Section, sentences: list[str], table: Table | None = None) -> Section:
        own = [shown for shown in figures if FIGURES[shown.name].section == key]
        return Section(plots.SECTIONS[key], sentences, own, table)

    sections = [
        section("language", _language(folder), language_model()),
        section("identification", _identification(data)),
        section("removal", _removal(data)),
        section("comparison", _comparison(found), _table(found)),
        Section("What did not come out as claimed", against or ["Nothing that is checked here."], []),
    ]
    content = {
        "title": "GRASP: identification, removal, comparison",
        "verdict": f"{_standing(data)}. {off}.",
        "short": _short(data, found),
        "headline": _shown(folder, "headline", opening, "Drift of the main methods at equal task score", HEADLINE),
        "sections": sections,
    }
    html = page("report.html", configuration=_asked(folder), **content)
    text = markdown("report.md", **content, configuration=Table(["what", "version"], versions(), left=2))
    return [write_atomically(folder / "report.html", html), write_atomically(folder / "report.md", text)]


@dataclass(frozen=True)
class Shown:
    """A figure of both reports: the HTML page holds the picture, the Markdown page names the file."""

    name: str
    picture: Picture
    file: str


@dataclass(frozen=True)
class Section:
    """A heading, what is said under it, and the table and figures that support it."""

    title: str
    sentences: list[str]
    figures: list[Shown]
    table: Table | None = None


def _asked(folder: Path) -> list[tuple[str, str]]:
    """What ``grasp reproduce`` was asked for, which it wrote beside the results."""
    manifest = folder / "manifest.json"
    options = _load(manifest)["config"] if manifest.is_file() else {}
    return [("results", folder.resolve().name), *((name, str(value)) for name, value in options.items())]


def _figures(folder: Path, jobs: int, progress: Progress | None) -> list[Shown]:
    """Each figure of the catalogue."""
    from joblib import delayed

    made = in_workers([delayed(_drawn)(folder, name) for name in FIGURES], jobs)
    return list(progress(made, len(FIGURES)) if progress else made)


def _drawn(folder: Path, name: str) -> Shown:
    """One of them."""
    table, caption = folder / csv_name(name), FIGURES[name].caption
    if not table.exists():
        table, caption = FOLDER / csv_name(name), f"{caption} The committed study: not measured in this run."
    return _shown(folder, name, drawn(name, table), f"Figure {name}", caption)


def _shown(folder: Path, name: str, figure: Figure, alt: str, caption: str) -> Shown:
    """The figure, whose PNG is written into the folder."""
    file = write_atomically(folder / f"{name.replace('-', '_')}.png", render(figure)).name
    return Shown(name, picture(figure, alt=alt, caption=caption), file)


def _standing(data: dict[str, Any]) -> str:
    outcomes = data["verify"]["statements"]
    return f"{sum(not o['failures'] for o in outcomes)} of {len(outcomes)} statements stand"


def _short(data: dict[str, Any], found: Sequence[Result]) -> Table:
    """The claim in numbers, each with the file that supports it."""
    refuted, variants = (sum(o["variants"][k] for o in data["verify"]["statements"]) for k in (0, 1))
    compared, off = (sum(e[key] for e in data["agreement"]["experiments"]) for key in ("compared", "violations"))
    organism = data["organism"]
    rows = [
        ["statements that stand", _standing(data).removesuffix(" statements stand"), "verify.json"],
        ["false variants that their checks refute", f"{refuted} of {variants}", "verify.json"],
        ["measured means off their law", f"{off} of {compared}", "agreement.json"],
        ["planted direction in an adapter", data["planted"]["verdict"], "planted.json"],
        ["organism's drift, base to fine-tuned", "{base_drift:.3f} to {drift:.3f}".format(**organism), "organism.json"],
        ["verdict on its checkpoint", organism["verdict"], "organism.json"],
    ]
    for variant in dict.fromkeys(result.variant for result in found):
        best = least(found, variant, "data")
        if best is not None:
            least_drift = f"{best.drift:.3f} ({best.method}, excess {times(best)} smaller than naive's)"
            rows.append([f"{variant}: least drift with data alone", least_drift, "comparison.json"])
    return Table(["what", "found", "file"], rows, left=3)


def _load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_bytes())


def _identification(data: dict[str, Any]) -> list[str]:
    outcomes, organism = data["verify"]["statements"], data["organism"]
    refuted, variants = (sum(o["variants"][k] for o in outcomes) for k in (0, 1))
    swept = data["agreement"]["experiments"]
    compared, off = (sum(e[key] for e in swept) for key in ("compared", "violations"))
    best = [max(column) for column in zip(*organism["weights"], strict=True)]
    return [
        f"{_standing(data)}, and their checks refute {refuted} of {variants} false variants (verify.json).",
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
        f"leaks under Adam ({f'statements {stand}; ' if stand else ''}optimizer_leak.csv).",
        "A network can re-learn along other paths what a projection forbids; compensation takes the pressure away "
        "(rerouting.csv).",
        "No method wins everywhere: the map of winners follows the theory's borders (who_wins.csv).",
    ]


def _language(folder: Path) -> list[str]:
    """The committed study, and the run of it that was done again if there is one."""
    out = [
        "SmolLM2-135M fine-tuned on answers in capitals (style) and on a textbook retold as a boastful politician "
        "would (manner): drift to other topics where each run first reaches the task, in log-odds per token. Of the "
        "committed study (figures/data/language_model.csv, docs/language_model.md)."
    ]
    if not (folder / AGAIN).is_file():
        again = "None of its runs was done again: grasp model smollm2, then grasp reproduce --datasets FOLDER does one."
        return [*out, again]
    again = _load(folder / AGAIN)
    steps, drift, study = (", ".join(f"{x:{form}}" for x in again[key]) for key, form in SHOWN_AGAIN.items())
    done = f"The {again['method']} run of seed {again['seed']} again: drift after {steps} steps {drift}"
    return [*out, f"{done}; in the study {study} ({AGAIN})."]


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
    return f"{x.method} (uses {uses}): drift {x.drift:.3f}, excess {times(x)} smaller than naive's{excess}{kept}{cost}"


def _least(variant: str, results: Sequence[Result]) -> list[str]:
    """The method with least drift of each class in which more than one reaches the task everywhere."""
    out = []
    for information in CLASSES:
        best = least(results, variant, information)
        if best is not None and sum(x.group == information and x.whole for x in results) > 1:
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
        for kind, say in (("void", void), ("weak", weak)):
            if why := say(found, variant):
                out.append(f"{variant}: {kind}, {why}")
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
        scores = [number(s, ".3f") for s in (x.kept, x.facts)]
        rows.append([*setting, f"{x.reached}/{x.seeds}", f"{x.drift:.3f}", times(x), *scores])
    return Table(headers, rows)


def _list(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
