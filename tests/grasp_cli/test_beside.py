"""``grasp identify --against`` and ``grasp diff`` as a user meets them: screens, files, refusals, real adapters."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import grasp
from planted import saved

from figures.tables.difference import MODULES
from grasp_theory import identify
from grasp_theory.identification.control import contrast, control_spaces
from real_models import read_adapter

SMALL: dict[str, Any] = {"layers": 4, "width": 48, "inputs": 40, "rank": 4, "strength": 1.5}


@pytest.fixture(scope="module")
def rooms(tmp_path_factory) -> Path:
    """Five runs in a folder of their own, one of them with a checkpoint."""
    folder = tmp_path_factory.mktemp("rooms") / "läufe 1"
    folder.mkdir()
    for n in range(5):
        saved(folder / f"run{n}", n, **SMALL)
    shutil.copytree(folder / "run0", folder / "run0" / "checkpoint-5")
    return folder


def test_identify_against_shows_what_is_covered_and_decomposes_what_is_left(rooms, tmp_path, capsys):
    controls = [rooms / f"run{n}" for n in (1, 2, 3)]
    options = [x for c in controls for x in ("--against", c)]
    page, target = tmp_path / "p.html", tmp_path / "r.json"
    code, out, err = grasp(
        capsys, "identify", rooms / "run0", "--no-trajectory", *options, "--json", target, "--html", page
    )
    assert (code, err) == (0, "")
    run, others = read_adapter(rooms / "run0").updates, [read_adapter(c).updates for c in controls]
    spaces = control_spaces(identify(run), [identify(x) for x in others])
    want = identify(contrast(run, others, spaces=spaces))
    value = json.loads(target.read_text())
    got = value["decompositions"][0]["components"][0]["singular_value"]
    np.testing.assert_allclose(got, want.component(0).singular_value, rtol=1e-9)
    beside = value["against"]
    assert [c["path"] for c in beside["controls"]] == [str(c) for c in controls]
    assert beside["removed_directions"] == 12
    assert len(beside["components"]) == 8
    for words in (
        "share in the 12 leading directions of the 3 controls",
        "the run beside the 3 controls",
        "t with 2 degrees",
    ):
        assert words in out
        assert words in page.read_text()
    assert "off their 12 leading directions" in out
    assert out.index("• Energy") < out.index("the run's own components") < out.index("verdict: ")
    assert len(out.splitlines()) <= 70


def test_identify_against_one_control_says_that_it_cannot_test(rooms, capsys):
    code, out, _ = grasp(capsys, "identify", rooms / "run1", "--against", rooms / "run2")
    assert code == 0
    assert "No p-values: the spread of 1 control is unknown; 3 are needed." in out
    assert "Unlike the controls" not in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--against", "{rooms}/run1"], "same weights as the run itself"),
        (["--against", "{rooms}/none"], "does not exist"),
        (["--against", "{rooms}/run2", "--base", "m", "--data", "d"], "--against compares weights"),
        (["--against"], "requires an argument"),
    ],
)
def test_identify_against_refuses_with_code_2(options, words, rooms, capsys):
    code, out, err = grasp(capsys, "identify", rooms / "run1", *[o.format(rooms=rooms) for o in options])
    assert (code, out, words in err) == (2, "", True)


def test_diff_opens_with_findings_and_keeps_its_numbers(rooms, tmp_path, capsys):
    target, page = tmp_path / "d.json", tmp_path / "d.html"
    code, out, _ = grasp(capsys, "diff", rooms / "run1", rooms / "run2", "--json", target, "--html", page)
    assert code == 0
    value = json.loads(target.read_text())
    assert [f["key"] for f in value["findings"]][-1] == "size"
    for finding in value["findings"]:
        assert f"• {finding['text']}" in out
        assert finding["scope"]
        assert finding["how"] not in out
    assert out.index("• ") < out.index("left singular vectors")
    assert value["findings"][0]["how"] in grasp(capsys, "diff", rooms / "run1", rooms / "run2", "--explain")[1]
    assert "<h2>Findings</h2>" in page.read_text()


def test_diff_shows_the_largest_modules_and_all_when_asked_to_explain(tmp_path, capsys):
    runs = [saved(tmp_path / f"run{n + 1}", n, **SMALL | {"layers": MODULES + 2}) for n in range(2)]
    _, out, _ = grasp(capsys, "diff", *runs, "--json", tmp_path / "d.json")
    modules = {m["name"]: m["norms"] for m in json.loads((tmp_path / "d.json").read_text())["modules"]}
    shown = {name for name in modules if f" {name} " in out}
    assert len(shown) == MODULES
    size = {name: np.prod(norms) for name, norms in modules.items()}
    assert min(size[name] for name in shown) >= max(size[name] for name in size.keys() - shown)
    assert "… and 2 smaller modules; --explain shows all of them" in out
    explained = grasp(capsys, "diff", *runs, "--explain")[1]
    assert all(f" {name} " in explained for name in modules)


def test_diff_of_a_folder_is_the_matrix_of_its_runs(rooms, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    places = [tmp_path / name for name in ("m.json", "m.csv", "m.html")]
    options = [x for pair in zip(("--json", "--csv", "--html"), places, strict=True) for x in pair]
    code, out, err = grasp(capsys, "diff", rooms, *options)
    assert (code, err) == (0, "")
    value = json.loads(places[0].read_text())
    assert value["names"] == [f"run{n}" for n in range(5)]  # the checkpoint counts with its run
    with places[1].open(newline="") as f:
        rows = list(csv.DictReader(f))
    assert [(r["first"], r["second"]) for r in rows[:2]] == [("run0", "run1"), ("run0", "run2")]
    assert len(rows) == 10
    for r in rows:
        i, j = value["names"].index(r["first"]), value["names"].index(r["second"])
        np.testing.assert_allclose(float(r["overlap"]), value["overlap"][i][j])
    line = next(line for line in out.splitlines() if line.strip().startswith("A run0"))
    np.testing.assert_allclose([float(x) for x in line.split()[3:]], value["overlap"][0][1:], atol=0.005)
    assert "data:image/svg+xml;base64" in places[2].read_text()
    several = grasp(capsys, "diff", *[rooms / f"run{n}" for n in range(3)])[1]
    assert "A " in several


def test_diff_of_many_runs_lists_the_nearest_of_each(rooms, tmp_path, capsys):
    for n in range(9):
        saved(tmp_path / f"run{n}", n, **SMALL)
    shutil.copytree(tmp_path / "run3", tmp_path / "twin")
    code, out, _ = grasp(capsys, "diff", tmp_path)
    assert code == 0
    assert "Near duplicates: run3 and twin (1.00)." in out
    assert re.search(r"^ ?run3 +twin +1\.00", out, re.MULTILINE)


def test_diff_of_a_folder_leaves_out_what_it_cannot_read(rooms, tmp_path, capsys):
    shutil.copytree(rooms, tmp_path / "all")
    config = tmp_path / "all" / "run4" / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"use_dora": True}))
    code, out, _ = grasp(capsys, "diff", tmp_path / "all")
    assert code == 0
    assert "warning: left out: " in out
    assert "run4" in out
    for n in (2, 3):
        shutil.rmtree(tmp_path / "all" / f"run{n}")
    assert "left singular vectors" in grasp(capsys, "diff", tmp_path / "all")[1]  # two are left: a pair
    shutil.rmtree(tmp_path / "all" / "run1")
    code, _, err = grasp(capsys, "diff", tmp_path / "all")
    assert code == 2
    assert "1 readable adapter was found" in err
    assert "run4" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{rooms}/run1"], "1 readable adapter was found"),
        (["{rooms}/run1", "{rooms}/run1", "{rooms}/run2"], "is given twice"),
        (["{rooms}/run1", "{rooms}/run2", "{rooms}/none"], "does not exist"),
        (["{rooms}", "--name", "a"], "--name goes with two adapters"),
        (["{rooms}/run1", "{rooms}/run2", "--csv", "{tmp}/x.csv"], "three or more runs"),
        (["{rooms}", "--csv", "-"], "only --json"),
        (["{rooms}", "--csv", "{rooms}/run1/adapter_config.json"], "is read or written twice"),
    ],
)
def test_diff_refuses_with_code_2(arguments, words, rooms, tmp_path, capsys):
    code, out, err = grasp(capsys, "diff", *[a.format(rooms=rooms, tmp=tmp_path) for a in arguments])
    assert (code, out) == (2, "")
    assert words in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.real
def test_real_checkpoints_are_a_continuation_and_strangers_no_twins(real, capsys):
    run = real / "adapters" / "AguLeon+LoRA_RoBERTa_AGNews" / "results"
    other = real / "adapters" / "paulohenriquecrs+RoBERTa_SEQ_CLS_LoRA_Portuguese" / "results" / "checkpoint-500"
    out = grasp(capsys, "diff", run / "checkpoint-500", run / "checkpoint-1200")[1]
    assert "• One continues the other" in out
    out = grasp(capsys, "diff", run / "checkpoint-500", other)[1]
    assert "• Little in common" in out
    out = grasp(capsys, "diff", run / "checkpoint-500", run / "checkpoint-1200", other)[1]
    assert "Near duplicates: " in out
    assert "1 of 3 pairs started from the same random factors" in out
