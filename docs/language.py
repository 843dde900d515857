"""The generated parts of the page about a pretrained language model, from the committed results."""

from __future__ import annotations

import json
from typing import Any

from figures.rows import FOLDER, read_rows
from figures.tables import Table
from figures.tables.language import language_model
from real_models.adapters.text import many
from real_models.comparison.language.sources import ORIGINS

KINDS = {
    "naive": "nothing held",
    "weights": "dW",
    "training text": "dW X, X the training rows",
    "own text": "dW X, X the base's own text",
    "contrast": "dW beside the control run's",
    "supervised": "the supervised direction of each block",
    "random": "random ones",
}
EXPLAINED = "language_explained.json"  # amount -> what `grasp explain --json` wrote


def language_model_pilot() -> str:
    """Every experiment on one seed: what the task and the drift did."""
    cells = [
        [
            f"`smollm2-{r['experiment']}`",
            r["method"],
            str(r["points"]),
            f"{r['task_base']:.2f} → {r['task']:.2f}",
            f"{r['drift_base']:+.2f}",
            f"{r['change']:+.2f} ± {r['error']:.2f}",
        ]
        for r in read_rows(FOLDER / "language_model_pilot.csv")
    ]
    heads = ["experiment", "run", "steps", "task", "drift of the base", "change"]
    return Table(heads, cells).markdown()


def identified() -> str:
    """Along the naive run of the style: 8 directions of each kind, and the drift and task with the stream held along
    them."""
    rows = [r for r in read_rows(FOLDER / "language_identification.csv") if r["experiment"] == "smollm2-style"]
    seeds = len({r["organism"] for r in rows})

    def mean(quantity: str, step: int) -> float:
        return sum(r["mean"] for r in rows if (r["quantity"], r["points"]) == (quantity, step)) / seeds

    steps = sorted({r["points"] for r in rows})[1:]
    cells = []
    for name, label in KINDS.items():
        share = "" if name in ("naive", "supervised") else " / ".join(f"{mean(f'{name} share', n):.0%}" for n in steps)
        scores = ("drift", "task") if name == "naive" else ("held", "held task")
        drift, task = (
            " / ".join(f"{mean(f'{name} {q}', n):{form}}" for n in steps)
            for q, form in zip(scores, ("+.2f", ".2f"), strict=True)
        )
        cells.append([label, share, drift, task])
    heads = ["held along 8 directions of", "share of the supervised one", "drift", "task"]
    after = f"After {', '.join(map(str, steps))} steps, {many(seeds, 'seed')}; "
    after += f"drift of the base {mean('naive drift', 0):+.2f}."
    return f"{Table(heads, cells).markdown()}\n\n{after}"


def explained() -> str:
    """Component 0 of a naive run of the style beside a random direction: tokens, and greedy text with it added."""
    found = json.loads((FOLDER / EXPLAINED).read_text(encoding="utf-8"))
    amounts = [f"{one['amount']:.2g}" for one in found]
    names = {0: "component 0", None: "random direction"}
    first = {name: _direction(found[0], index) for index, name in names.items()}
    tokens = [
        [name, " ".join(f"`` {t['text'].replace('Ġ', '␣')} ``" for t in d["raised"][:8])] for name, d in first.items()
    ]
    said = []
    for n, text in enumerate(first["component 0"]["texts"]):
        asked = text["prompt"].removesuffix("assistant\n").strip().splitlines()[-1]
        said.append([f"*{asked}*", "nothing", text["plain"]])
        for one, amount in zip(found, amounts, strict=True):
            said += [
                ["", f"{amount} × {name}", _direction(one, i)["texts"][n]["plus"] or "(ends at once)"]
                for i, name in names.items()
            ]
    return "\n\n".join(
        [
            Table(["direction", "tokens it raises most"], tokens).markdown(),
            Table(["asked", "added at every block", "answer, first 24 tokens"], said).markdown(),
        ]
    )


def _direction(found: dict[str, Any], index: int | None) -> dict[str, Any]:
    return next(one for one in found["directions"] if one["index"] == index)


def data_sets() -> str:
    """The files that a user brings, and where each lies; those of one place in one row."""
    cells = []
    for place in dict.fromkeys((where, licence) for _, where, licence in ORIGINS.values()):
        here = {name: holds for name, (holds, *rest) in ORIGINS.items() if tuple(rest) == place}
        cells.append([", ".join(f"`{name}`" for name in here), ", ".join(here.values()), *place])
    return Table(["file in DATASETS", "holds", "from, on GitHub", "licence"], cells).markdown()


PARTS = {
    "data-sets": data_sets,
    "language-model": lambda: language_model("smollm2-style").markdown(),
    "language-model-manner": lambda: language_model("smollm2-manner").markdown(),
    "language-model-confirmed": lambda: language_model(study="language_model_confirmed").markdown(),
    "language-model-pilot": language_model_pilot,
    "language-model-identified": identified,
    "language-model-explained": explained,
}
