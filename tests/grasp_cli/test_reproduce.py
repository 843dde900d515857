"""``grasp reproduce``: stages by name, skipped when current; the report says what its files say."""

from __future__ import annotations

import json
import re
import shutil
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from command import grasp

from figures.catalogue import FIGURES, csv_name, experiments
from figures.pages import summary
from figures.pages.summary import failures, write_report
from figures.rows import FOLDER, read_rows
from figures.tables.language import language_model
from grasp_theory.identification.report import plain
from grasp_theory.statements.checks import find, verify
from real_models.comparison import configuration
from real_models.comparison.table import summarise
from synthetic.experiments import verdict_rates
from synthetic.generators.adapters import AdapterSpec
from synthetic.runner import sweep as sweeps
from synthetic.runner.sweep import Sweep, load


@pytest.mark.slow
def test_reproduce_runs_stages_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(verdict_rates, "BENIGN", {"isotropic": AdapterSpec(layers=4)})
    monkeypatch.setattr(verdict_rates, "PLANTED", {"4 layers": AdapterSpec(layers=4)})
    command = ("reproduce", "--results", tmp_path, "--trials", 1, "--jobs", 1, "--only", "audit", "--only", "verdict")
    code, out, _ = grasp(capsys, *command)
    assert code == 0
    assert {"planted-adapter", "planted.json", "planted.html", "verdict_rates.csv"} <= {
        p.name for p in tmp_path.iterdir()
    }
    assert float(re.search(r"planted direction: ([\d.]+)", out)[1]) > 0.9
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    code, out, _ = grasp(capsys, *command)
    assert code == 0
    assert out.count("current") == 2
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before


def test_reproduce_refuses_unknown_stages(tmp_path, capsys):
    code, out, err = grasp(capsys, "reproduce", "--results", tmp_path, "--only", "nothing")
    assert (code, out) == (2, "")
    assert "no stage is called 'nothing'" in err
    assert "organism" in err


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The tables that a run measures, from the committed ones, and the small files that its other stages leave."""
    folder = tmp_path_factory.mktemp("results")
    for name in (*experiments(), "verdict-rates", "comparison", "comparison-fronts"):
        shutil.copy(FOLDER / csv_name(name), folder)
    swept = [
        Sweep(load(module), read_rows(folder / csv_name(name)), 1, 0, 0.0).record()
        for name, entry in FIGURES.items()
        for module in entry.experiments
    ]
    (statement,) = find(["whitened-angle"])
    made = {
        "verify": {"statements": plain([verify(statement)])},
        "agreement": {"experiments": swept},
        "planted": {"verdict": "one stands out"},
        "comparison": {"rows": plain(summarise(read_rows(folder / "comparison.csv")))},
        "organism": {
            "verdict": "one stands out", "drift": 0.9, "base_drift": 0.1, "task": 0.96, "random": 0.08,
            "weights": [[0.1, 0.7], [0.2, 0.1]], "activations": [[0.1, 0.8], [0.2, 0.1]],
        },
    }  # fmt: skip
    for name, value in made.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    return folder, made


def test_report_is_whole_and_self_contained(results, monkeypatch):
    folder, made = results
    some = {name: FIGURES[name] for name in ("verdict-rates", "language-model")}  # test_figures draws them all
    monkeypatch.setattr(summary, "FIGURES", some)
    html, text = write_report(folder)
    assert text.read_text().count("The committed study: not measured in this run.") == 1
    assert language_model().markdown() in text.read_text()
    page = html.read_text()
    assert page.count("data:image/svg+xml;base64,") == len(some) + 1  # the headline
    assert "://" not in page
    for sentence in ("1 of 1 statements stand", "0.10, 0.70", "from 0.100 to 0.900"):
        assert sentence in page
        assert sentence in text.read_text()
    naive = next(r for r in made["comparison"]["rows"] if r["method"] == "naive")
    assert f"naive drift {naive['drift']:.3f}" in page
    of = [r for r in made["comparison"]["rows"] if r["variant"] == "style" and r["preset"] and not r["control"]]
    least = min((r for r in of if r["information"] == "data" and r["reached"] == r["seeds"]), key=lambda r: r["drift"])
    assert f"style: least drift of those that use data: {least['method']}, {least['drift']:.3f}." in page


def test_report_shows_the_run_on_the_language_model_beside_the_study(tmp_path):
    again = {"method": "naive", "seed": 2, "steps": [0, 5], "drift": [-0.566, -0.46], "study": [-0.566, -0.459]}
    assert "None of its runs was done again" in summary._language(tmp_path)[-1]
    (tmp_path / summary.AGAIN).write_text(json.dumps(again))
    said = summary._language(tmp_path)[-1]
    assert "naive run of seed 2 again: drift after 0, 5 steps -0.566, -0.460; in the study -0.566, -0.459" in said


def test_run_on_the_language_model_stands_beside_the_same_run_of_the_study(tmp_path, monkeypatch):
    """The study has runs of that seed and method on other experiments too."""
    cell = SimpleNamespace(organism=2, method="naive", points=(0, 5, 10, 15))
    rows = [{"organism": 2, "method": "naive", "quantity": "drift", "mean": float(n)} for n in cell.points]
    reproduce = import_module("grasp_cli.reproduce")  # the package has its command under this name
    monkeypatch.setattr(reproduce, "prepare", lambda *_: {})
    monkeypatch.setattr(configuration, "read_cells", lambda path: ([cell], []))
    monkeypatch.setattr(sweeps, "sweep", lambda *_, **options: SimpleNamespace(rows=rows))
    reproduce._language(tmp_path, tmp_path)
    found = json.loads((tmp_path / summary.AGAIN).read_text())
    assert found["drift"] == [0, 5, 10, 15]
    np.testing.assert_allclose(found["study"], [-0.566, -0.460, 0.172, 0.015], rtol=0, atol=5e-4)


def test_report_says_what_did_not_come_out(results):
    _, made = results
    assert not any("verdict" in f for f in failures(made))
    worse = json.loads(json.dumps(made))
    worse["organism"]["verdict"] = "none can be told"
    worse["agreement"]["experiments"][0]["violations"] = 3
    worse["verify"]["statements"][0]["failures"] = ["holds: x is violated"]
    found = failures(worse)
    for part in ("'none can be told'", "3 rows off", "statement whitened-angle: holds: x is violated"):
        assert any(part in f for f in found), part
    assert len(found) == len(failures(made)) + 3
