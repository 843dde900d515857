"""A comparison run and written: files, page, and what naive runs give away."""

from __future__ import annotations

import dataclasses
import json
import re

import made_comparison
import numpy as np
import pytest
import tolerance
import torch
from tiny_organism import RUN, Small, halfway

import real_models.comparison.components as components
import real_models.experiments.identification as along
from figures.pages.comparison import study_page, write_pages
from figures.plots.comparison import build
from figures.tables import console, show
from figures.tables.naive_runs import naive_run_tables
from real_models.comparison.methods import find_compared
from real_models.comparison.study import Study, study
from real_models.comparison.table import summarise
from real_models.hooks.targets import lora_factors
from real_models.organisms import persona_run
from real_models.organisms.alignment import effects, trait_axes
from real_models.organisms.directions import top_directions
from real_models.organisms.runs import naive_run
from synthetic.runner import sweep as sweeping

FILES = {f"comparison.{kind}" for kind in ("csv", "json", "html", "png", "pdf")}
FILES |= {f"comparison_{name}.csv" for name in ("components", "cost", "fronts")}


def cells(*methods):
    return [Small("style", 0, method, find_compared(method).preset, points=RUN.points) for method in methods]


@pytest.fixture(scope="module", autouse=True)
def cache(organism_cache, two_counted):
    """With a task score that the naive run reaches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(persona_run, "TASK", halfway(naive_run(RUN)))
        yield


ROWS = ("naive", "edit", "grasp", "grasp, random")


@pytest.fixture(scope="module")
def made(cache, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    made = study(cells(*ROWS), folder, jobs=1)
    write_pages(made, folder, ["A note <b>."])
    return made, folder


def test_study_writes_its_files_and_runs_nothing_twice(made, monkeypatch):
    first, folder = made
    assert {p.name for p in folder.iterdir() if p.is_file()} == FILES
    before = {name: (folder / name).read_bytes() for name in FILES}
    monkeypatch.setattr(sweeping, "measure_cell", lambda *_: pytest.fail("measured again"))
    assert study(cells(*ROWS), folder, jobs=1) == first
    assert {name: (folder / name).read_bytes() for name in FILES} == before


def test_study_page_holds_tables_pictures_and_notes_in_one_file(made):
    first, folder = made
    assert (folder / "comparison.html").read_text(encoding="utf-8") == study_page(
        first, build(first.runs), ["A note <b>."]
    )
    rows = made_comparison.study(naive=(0.8,), kl=(0.2,))
    never = [row | {"mean": row["mean"] / 2} if row["quantity"] == "task" else row for row in rows]
    missed = Study(never, first.components, [], summarise(never))
    for found, pictures in ((missed, 1), (first, 3)):  # no trade-off and no cost without a run that reaches the task
        text = study_page(found, build(found.runs), ["A note <b>."])
        assert "A note &lt;b&gt;." in text
        assert "://" not in text
        assert text.count("data:image/svg+xml;base64,") == pictures
        assert ("Trade-off" in text, "What it costs" in text) == (pictures == 3, pictures == 3)
        parts = (
            "At matched task score",
            "What the naive runs give away",
            "one component",
            *(x.method for x in found.results),
        )
        assert all(part in text for part in parts)


def test_study_record_has_every_table(made):
    _, folder = made
    record = json.loads((folder / "comparison.json").read_bytes())
    assert [row["method"] for row in record["rows"]] == ["naive", "edit", "grasp", "grasp, random"]
    assert record["rows"][0]["reached"] == 1
    assert all((row["cost"] is not None) is (row["reached"] == 1) for row in record["rows"])
    assert record["rows"][0]["cost"] == 1.0
    front = [r for r in record["fronts"] if r["share"] == 1.0 and r["information"] == "naive"]
    np.testing.assert_allclose([r["drift"] for r in front], record["rows"][0]["drift"], rtol=1e-9)
    assert {row["quantity"] for row in record["components"]} >= {"random", "drift without write, pooled 0"}


def test_study_without_a_naive_row_has_no_components_and_no_cost(cache, tmp_path):
    made = study(cells("kl"), tmp_path, jobs=1)
    assert made.components == []
    assert made.results[0].cost is None
    assert "give away" not in study_page(made, build(made.runs))


def test_components_are_those_along_the_run_at_its_crossing(cache):
    """The experiment that follows the whole run, at the point where directions are taken."""
    (cell,) = cells("naive")
    naive, found = naive_run(RUN), components.measure(cell, [])
    curves = along._along(naive, trait_axes(RUN))
    for block in range(RUN.organism.layers):
        for name in ("weights", "activations"):
            value = curves[f"{name} block {block}"][naive.at - 1]
            np.testing.assert_allclose(found[f"{name} 0 block {block}"][0], value, atol=5e-5)  # four digits
    deleted = effects(naive, components.COMPONENTS)
    assert {name: found[name][0] for name in deleted} == deleted
    module = naive.model(naive.at)  # the other way: the projected update, without LoRA's factors
    basis = top_directions(naive, 2)[:, 1:]
    for f in lora_factors(module):
        if f.side == "write":
            f.B.data = f.B.data - torch.from_numpy(basis @ (basis.T @ f.B.detach().numpy())).float()
    off = tolerance.backward((RUN.organism.language.vocabulary,), np.float32, 10.0)
    expected = RUN.probes().ask(module).drift
    np.testing.assert_allclose(found["drift without write, pooled 1"][0], expected, rtol=0, atol=off)
    assert found["drift"][0] == naive.scores[naive.at].drift


def test_components_are_no_more_than_the_rank(cache):
    class Thin(Small):
        run_spec = dataclasses.replace(RUN, rank=2)

    found = components.measure(Thin("style", 0, "naive", 0.0), [])
    assert "drift without read, per module 1" in found
    assert "drift without read, per module 2" not in found


def test_tables_of_naive_runs_show_the_means_over_seeds(made, capsys):
    first, _ = made
    other = [row | {"organism": 1, "mean": row["mean"] + 0.1} for row in first.components]
    values = {row["quantity"]: row["mean"] + 0.05 for row in first.components}
    show(naive_run_tables([*first.components, *other]), console())
    out = capsys.readouterr().out
    assert "2 seeds" in out
    for pattern, name in ((r"0 +dW X ", "activations 0 block 1"), (r"1 +dW +\d", "weights 1 block 1")):
        (row,) = (text for text in out.splitlines() if re.match(pattern, text.strip()))
        assert row.split()[-1] == f"{values[name]:.2f}"
    pooled = next(text for text in out.splitlines() if text.strip().startswith("write, pooled      0")).split()
    assert pooled[-2:] == [f"{values[f'{score} without write, pooled 0']:.3f}" for score in ("drift", "task")]
