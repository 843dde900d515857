"""``grasp reproduce``: the whole claim in one command, in stages that are skipped when they are current."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .data import prepare
from .options import DatasetsOption, Jobs, Results, make_folder
from .verify import check_all

if TYPE_CHECKING:
    from rich.console import Console

    from real_models.comparison.experiment import Cell
    from synthetic.runner.stages import Stage


def reproduce(
    results: Results = Path("results"),
    full: Annotated[bool, typer.Option("--full", help="Full sweeps and all knobs: about an hour.")] = False,
    trials: Annotated[int, typer.Option(min=1, help="Adapters drawn for each point of the verdict's rates.")] = 40,
    datasets: DatasetsOption = None,
    only: Annotated[list[str] | None, typer.Option(help="Only these stages (repeatable), as in stages.json.")] = None,
    jobs: Jobs = 2,
) -> None:
    """Measure everything once, and write one report.

    Statements, linear lab, audits, an organism's naive fine-tune, the comparison of methods. Minutes by default. With
    the data sets' folder, and the model of `grasp model smollm2`, one run of the study on it once more. Stages
    that are current are skipped, interrupted ones go on: type the same command again.
    """
    from figures.tables import console
    from grasp_theory.errors import unknown_name
    from synthetic.runner.results import manifest, write_json
    from synthetic.runner.stages import run_stages

    make_folder(results)
    out = console()
    stages = _stages(full, trials, jobs, datasets, out)
    names = [stage.name for stage in stages]
    unknown = sorted(set(only or ()) - set(names))
    if unknown:
        raise unknown_name("stage", unknown, names)
    options = {"full": full, "trials": trials}
    write_json(results / "manifest.json", manifest(options))
    run_stages([s for s in stages if not only or s.name in only], results, options=options, tell=out.print)


def _stages(full: bool, trials: int, jobs: int, datasets: Path | None, out: Console) -> list[Stage]:
    from figures.catalogue import csv_name, experiments
    from figures.pages.summary import AGAIN
    from grasp_theory.statements.registry import ORDER, modules
    from synthetic.runner.stages import Stage

    checked = tuple(dict.fromkeys(module for key in ORDER for module in modules(key)))
    tables = tuple(csv_name(name) for name in experiments())
    audit = ("planted-adapter", "planted.json", "planted.html")
    kinds = (".csv", ".json", ".html", ".png", ".pdf", "_components.csv", "_cost.csv", "_fronts.csv")
    written = tuple(f"comparison{kind}" for kind in kinds)
    again = [] if datasets is None else [
        Stage("language", "a pretrained language model, one run of the study again", _compare_modules(), (AGAIN,),
              lambda folder: _language(folder, datasets)),
    ]  # fmt: skip
    return [
        Stage("verify", "the statements of the theory", checked, ("verify.json",),
              lambda folder: check_all(ORDER, jobs=jobs, json=folder / "verify.json", folder=folder / "statements")),
        Stage("lab", "the linear lab, theory through measured points", _lab_modules(), (*tables, "agreement.json"),
              lambda folder: _lab(folder, full, jobs)),
        Stage("audit", "a direction planted in an adapter, saved as PEFT does, and audited", ("real_models",), audit,
              lambda folder: _audit(folder, out)),
        Stage("verdict", f"how often it fires, {trials} adapters a point", ("synthetic.experiments.verdict_rates",),
              ("verdict_rates.csv",), lambda folder: _verdict(folder, trials, jobs, out)),
        Stage("organism", "a persona organism, fine-tuned naively, its checkpoint identified",
              ("real_models.organisms.alignment", "real_models"), ("organism.json", "organism-naive", "organism.html"),
              lambda folder: _organism(folder, full, jobs, out)),
        Stage("compare", "removal methods at matched task score", _compare_modules(), written,
              lambda folder: _compare(folder, full, jobs)),
        *again,
        Stage("report", "figures and report", _report_modules(), ("report.html", "report.md"),
              lambda folder: _report(folder, jobs, out), (AGAIN,)),
    ]  # fmt: skip


def _lab_modules() -> tuple[str, ...]:
    from figures.catalogue import FIGURES

    return tuple(module for entry in FIGURES.values() for module in entry.experiments)


def _compare_modules() -> tuple[str, ...]:
    return (
        "figures.pages.comparison",
        *(f"real_models.comparison.{name}" for name in ("experiment", "components", "cost")),
    )


def _report_modules() -> tuple[str, ...]:
    from figures.catalogue import FIGURES, module

    drawn = map(module, FIGURES)
    return ("figures.pages.summary", *drawn, *_lab_modules(), *_compare_modules(), "grasp_theory.statements.checks")


def _lab(folder: Path, full: bool, jobs: int) -> None:
    from .lab import sweep

    sweep(quick=not full, jobs=jobs, results=folder)


def _audit(folder: Path, out: Console) -> None:
    import numpy as np

    from figures.pages.identify import write_results
    from figures.tables.identify import show_findings, show_report
    from grasp_theory import identify as decompose
    from real_models import findings, read_adapter, write_adapter
    from synthetic.generators.adapters import AdapterSpec, draw_adapter

    spec = AdapterSpec(strength=1.0)
    updates, u = draw_adapter(spec, rng=np.random.default_rng(0))
    planted = folder / "planted-adapter"
    write_adapter(planted, updates, r=spec.rank, lora_alpha=spec.rank, base_model_name="synthetic")
    adapter = read_adapter(planted)
    report = decompose(adapter.updates)
    found = findings(adapter, report)
    write_results(adapter, report, found, folder / "planted.json", folder / "planted.html")
    show_findings(found, out, explain=False)
    show_report(report, out, explain=True)
    cosine = abs(float(u @ report.component(0).subspace.basis[:, 0]))
    out.print(f"     |cos| of component 0 with the planted direction: {cosine:.4f}")


def _verdict(folder: Path, trials: int, jobs: int, out: Console) -> None:
    from dataclasses import asdict

    from figures.tables import progress
    from synthetic.experiments.verdict_rates import measure_rates
    from synthetic.runner.results import write_csv

    with progress("verdict rates") as track:
        rates = [asdict(rate) for rate in measure_rates(trials, n_jobs=jobs, progress=track)]
    write_csv(folder / "verdict_rates.csv", rates)


def _organism(folder: Path, full: bool, jobs: int, out: Console) -> None:
    """The naive run of the first organism, saved as a peft checkpoint and identified like any real one.

    Beside it, for the comparison, those of the others.
    """
    from figures.pages.identify import write_results
    from figures.tables import progress
    from figures.tables.identify import show_findings, show_report
    from grasp_theory import identify as decompose
    from real_models import findings, read_adapter
    from real_models.organisms.alignment import alignment
    from real_models.organisms.common import one_thread
    from real_models.organisms.naive_runs import make_naive_runs
    from real_models.organisms.runs import naive_run
    from real_models.training.files import save_adapter
    from synthetic.runner.results import write_json

    cells = _compared(full)
    with progress("naive runs") as watch:
        make_naive_runs([cell.run_spec for cell in cells], n_jobs=jobs, progress=watch)
    with one_thread():
        naive = naive_run(cells[0].run_spec)
        saved = folder / "organism-naive"
        save_adapter(naive.model(naive.at), saved)
        adapter = read_adapter(saved)
        report = decompose(adapter.updates)
        shown = findings(adapter, report)
        write_results(adapter, report, shown, None, folder / "organism.html")
        show_findings(shown, out, explain=False)
        show_report(report, out, explain=True)
        found: dict[str, Any] = {"schema_version": 1, "verdict": report.verdict, "step": naive.spec.points[naive.at]}
        scores = naive.scores[naive.at]
        found |= {"drift": scores.drift, "task": scores.task, "base_drift": naive.scores[0].drift}
        write_json(folder / "organism.json", found | alignment(naive))


def _compare(folder: Path, full: bool, jobs: int) -> None:
    from figures.pages.comparison import write_pages
    from figures.tables import progress
    from real_models.comparison.study import study

    write_pages(study(_compared(full), folder, jobs=jobs, progress=progress), folder)


def _language(folder: Path, datasets: Path) -> None:
    """The naive run of the style's first seed, one cell of `grasp compare smollm2-style`, beside that of the study."""
    from figures.pages.summary import AGAIN
    from figures.rows import FOLDER, read_rows
    from figures.tables import progress
    from real_models.comparison.configuration import read_cells
    from synthetic.runner.results import write_json
    from synthetic.runner.sweep import sweep

    name = "smollm2-style"
    prepare(name, datasets, None, folder / "data")
    cell = read_cells(folder / "data" / f"{name}.toml")[0][0]
    with progress("SmolLM2") as track:
        store = folder / "sweeps" / "comparison"
        rows = sweep("real_models.comparison.experiment", store, cells=[cell], n_jobs=1, progress=track).rows
    study = [r for r in read_rows(FOLDER / "language_model.csv") if r["variant"] == name]

    def drifts(table: list[dict[str, Any]]) -> list[float]:
        asked = (cell.organism, cell.method, "drift")
        return [r["mean"] for r in table if (r["organism"], r["method"], r["quantity"]) == asked]

    found = {"method": cell.method, "seed": cell.organism, "steps": list(cell.points)}
    write_json(folder / AGAIN, {"schema_version": 1} | found | {"drift": drifts(rows), "study": drifts(study)})


def _compared(full: bool) -> list[Cell]:
    from real_models.comparison.experiment import STUDY, cells, make_cells
    from real_models.comparison.methods import COMPARED

    return make_cells(("style",), STUDY[:3], list(COMPARED)) if full else cells(True)


def _report(folder: Path, jobs: int, out: Console) -> None:
    from figures.pages.summary import write_report
    from figures.tables import progress

    with progress("figures") as watch:
        written = write_report(folder, jobs=jobs, progress=watch)
    for path in written:
        out.print(f"     {path}")
