"""The generated parts of the page about identification: how often the verdict and the findings fire."""

from __future__ import annotations

from figures.rates import COSINE, FACTS, MEAN, NOT_YET, Rate, alarms, rate
from figures.rows import FOLDER, read_rows
from figures.tables import Table


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
        f"In {same.fired or 'none'} of the {fired.fired} audits with such a finding, going by a |cos| above 0.9 with "
        f"the mean of what the modules read; on average it was {cosines / fired.fired:.2f}."
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


def _percent(rate: float) -> str:
    return f"{100 * rate:.3g}%"


def _counted(found: Rate) -> str:
    low, high = (f"{100 * end:.3g}" if end > 0.995 else f"{100 * end:.2g}" for end in found.interval)
    return f"{_percent(found.value)} ({low} – {high})"


def _finding(name: str) -> str:
    return "the verdict" if name == "verdict" else f"`{name}`"


PARTS = {
    "false-alarms": false_alarms,
    "hits": hits,
    "early-findings": early_findings,
    "early-findings-by": early_findings_by,
    "mean-input": mean_input,
    "planted-real": planted,
}
