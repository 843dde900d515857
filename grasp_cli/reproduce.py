"""``grasp reproduce``: the whole claim in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Jobs, Results, make_folder
from .verify import verify


def reproduce(
    results: Results = Path("results"),
    trials: Annotated[int, typer.Option(min=1, help="Adapters drawn for each point.")] = 40,
    jobs: Jobs = 2,
) -> None:
    """Verify the statements; plant a direction in an adapter, save it as PEFT does, audit it; measure the verdict."""
    from dataclasses import asdict

    import numpy as np

    from figures.catalogue import draw
    from figures.identify_page import write_results
    from figures.tables import console, progress, show_report
    from grasp_theory import identify as decompose
    from real_models import read_adapter, write_adapter
    from synthetic.adapters import AdapterSpec, draw_adapter
    from synthetic.results import manifest, write_csv, write_json
    from synthetic.verdict_rates import measure_rates

    make_folder(results)
    out = console()
    out.print("1/3  the statements of the theory")
    verify(jobs=jobs, json=results / "verify.json")
    spec = AdapterSpec(strength=1.0)
    updates, u = draw_adapter(spec, rng=np.random.default_rng(0))
    folder = results / "planted-adapter"
    write_adapter(folder, updates, r=spec.rank, lora_alpha=spec.rank, base_model_name="synthetic")
    out.print(f"2/3  one direction planted in {spec.layers} layers, saved as a PEFT adapter in {folder}, and audited:")
    adapter = read_adapter(folder)
    report = decompose(adapter.updates)
    write_results(adapter, report, results / "planted.json", results / "planted.html")
    show_report(report, out)
    cosine = abs(float(u @ report.component(0).subspace.basis[:, 0]))
    out.print(f"     |cos| of component 0 with the planted direction: {cosine:.4f}")
    out.print(f"3/3  how often the verdict fires, {trials} adapters a point")
    with progress("verdict rates", out) as track:
        rates = [asdict(rate) for rate in measure_rates(trials, n_jobs=jobs, progress=track)]
    write_csv(results / "verdict_rates.csv", rates)
    write_json(results / "manifest.json", manifest({"trials": trials, "planted": asdict(spec), "seed": 0}))
    for path in draw("verdict-rates", results, data=results):
        out.print(f"     {path}")
