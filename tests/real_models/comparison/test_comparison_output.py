"""What a comparison shows: tables, JSON, figure, and ``grasp compare``."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from command import grasp
from made_comparison import BASE, NAIVE, PRESETS, REACHES, close, line_of, run, study
from refusals import assert_refuses

import real_models.comparison.study as writing
from figures.plots.comparison import build
from figures.style import render
from figures.tables import console, show
from figures.tables.comparison import HEADERS, comparison_tables, times
from grasp_theory import InputError
from real_models.comparison.experiment import Cell, cells, make_cells
from real_models.comparison.methods import COMPARED
from real_models.comparison.table import summarise
from synthetic.runner.results import json_text

# output


@pytest.fixture
def rows():
    made = study(naive=NAIVE, edit=(0.3, 0.4, 0.2), grasp=(0.6, 0.5, 0.7), kl=(0.1, 0.1, 0.1))
    made += [r | {"knob": 4.0} for r in study(grasp=(0.4, 0.5, 0.3))] + [
        r | {"knob": 2.0} for r in study(grasp=(0.5, 0.5, 0.5))
    ]
    random = [row for n in range(3) for row in run("grasp, random", n, knob=1.0, drift=0.75)]
    never = [row for n in range(3) for row in run("caft", n, knob=1.0, task=(0.0, 0.1, 0.2, 0.3))]
    return made + random + never


def printed(rows, capsys) -> str:
    show(comparison_tables(summarise(rows)), console())
    return capsys.readouterr().out


def test_tables_have_each_row_in_its_class_and_controls_last(rows, capsys):
    out = printed(rows, capsys)
    titles = [out.index(t) for t in ("uses weights", "uses data", "uses neutral text", "controls\n")]
    assert titles == sorted(titles)
    assert "uses trait" not in out
    places = [re.search(rf"^ *{name} ", out, re.MULTILINE).start() for name in ("edit", "naive", "kl", "grasp, random")]
    np.testing.assert_array_equal(np.argsort([*titles, *places]), [0, 4, 1, 5, 2, 6, 3, 7])
    assert "style: 3 seeds" in out


def test_tables_have_each_number_under_its_header(rows, capsys):
    text = printed(rows, capsys).splitlines()
    (row,) = (line for line in text if line.split()[:1] == ["edit"])
    cells_ = dict(zip(HEADERS, re.split(r"\s{2,}", row.strip()), strict=True))
    x = line_of(rows, "edit")
    assert cells_["drift"] == "0.300"
    assert cells_["excess, 95%"] == f"{x.low:.3f} … {x.high:.3f}"
    assert cells_["vs naive, 95%"] == f"{x.below:.3f} … {x.above:.3f}"
    assert (cells_["less"], cells_["reached"], cells_["steps"], cells_["knob"]) == ("≥1.6x", "3/3", "28", "1")


@pytest.mark.parametrize(
    ("drifts", "shown"),
    [
        ((0.3, 0.31, 0.29), "3.5x"),  # excess 0.2 of naive's 0.7, sure
        ((0.3, 0.4, 0.2), "≥1.6x"),  # the same mean; its interval, ± 0.248, holds 0
        ((0.1, 0.1, 0.1), "–"),  # nothing is left, in every seed
        ((0.1, 0.11, 0.09), "≥28x"),  # nor can it be told from nothing
        ((0.3,), "3.0x"),  # one seed has no interval; naive's excess is 0.7 there
    ],
    ids=str,
)
def test_times_is_a_bound_where_the_excess_may_be_nothing(drifts, shown):
    naive = NAIVE if len(drifts) > 1 else (0.7,)
    assert times(line_of(study(naive=naive, edit=drifts), "edit")) == shown


def test_tables_mark_oracles_and_do_not_rank_what_is_not_reached(rows, capsys):
    text = printed(rows, capsys).splitlines()
    marks = [re.split(r"\s{2,}", line.strip())[1] for line in text if line.split()[:1] == ["grasp"]]
    assert marks == ["1", "2 ∘", "4 ∗"]
    (caft,) = (line for line in text if line.split()[:1] == ["caft"])
    assert re.search(r"0/3.*\(0\.\d+\).*–.*–.*–", caft)


def test_tables_say_void(capsys):
    assert "style: VOID, naive drift does not rise" in printed(study(naive=(0.1, 0.1, 0.1)), capsys)


def test_record_is_json_without_nan(rows):
    for table in (rows, study(grasp=(0.3,)), study(naive=(0.1,), kl=(0.1,)), study(naive=NAIVE, kl=(0.1,) * 3)):
        text = json_text({"rows": [asdict(line) for line in summarise(table)]})
        assert "NaN" not in text
        assert "Infinity" not in text
        assert [r["method"] for r in json.loads(text)["rows"]] == [x.method for x in summarise(table)]


@pytest.mark.slow
def test_figure_shows_presets_intervals_the_base_and_what_is_not_reached(rows):
    steered = [row for n in range(3) for row in run("steering, supervised", n, knob=0.5, drift=(0.0, 0.0, 0.1, 0.1))]
    second = [r | {"variant": "mixed"} for r in rows if r["method"] != "edit"]  # other rows, the same places
    figure = build(rows + steered + second)
    above, below = figure.axes[0], figure.axes[2]
    assert [axis.get_title(loc="left") for axis in figure.axes[:2]] == ["style, 3 seeds", "mixed, 3 seeds"]
    names = [t.get_text() for t in below.get_yticklabels()]
    weights, data = ["use weights:", "edit"], ["use data:", "grasp", "caft"]
    others = ["use neutral text:", "kl", "use trait:", "steering, supervised", "controls:", "grasp, random"]
    assert names == ["naive", *weights, *data, *others]
    spans = {tuple(np.round(x.get_xdata(), 6)) for x in below.lines if len(x.get_xdata()) == 2}
    edit = line_of(rows, "edit")
    assert tuple(np.round([edit.low + BASE, edit.high + BASE], 6)) in spans
    assert tuple(np.round([BASE, BASE], 6)) in spans  # the dashed line, whatever steering does at step 0
    assert any("task reached in 0 of 3" in t.get_text() for t in below.texts)
    naive = next(x for x in above.lines if x.get_label() == "naive")
    close(naive.get_xdata(), REACHES)
    assert render(figure)[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.slow
def test_figure_draws_without_a_naive_run_and_with_one_seed():
    assert render(build(study(grasp=(0.3, 0.4))))[:4] == b"\x89PNG"
    assert render(build(study(naive=(0.8,), grasp=(0.3,))))[:4] == b"\x89PNG"


# cells and command line


def test_cells_are_all_rows_knobs_and_seeds_and_quick_some():
    assert len(cells(False)) == 3 * 5 * sum(len(method.knobs) for method in COMPARED.values())
    quick = cells(True)
    assert {c.organism for c in quick} == {2, 3, 4}
    assert all(c.knob == PRESETS[c.method] for c in quick)
    assert {"naive", "grasp, random"} <= {c.method for c in quick}
    spec = make_cells(("mixed",), [3], ["kl"], presets_only=True, rank=4, points=(0, 5, 10))[0].run_spec
    assert (spec.organism.seed, spec.organism.language.variant, spec.rank, spec.points) == (3, "mixed", 4, (0, 5, 10))


BAD_CELLS = [{"method": "nothing"}, {"variant": "tone"}, {"rank": 0}]
BAD_CELLS += [{"points": points} for points in ((0,), (0, 10, 30), (10, 20), (0, 0), (0, -10, -20))]


@pytest.mark.parametrize("fields", BAD_CELLS, ids=str)
def test_cell_refuses_what_is_no_run(fields):
    with pytest.raises(InputError):
        Cell(**{"variant": "style", "organism": 0, "method": "naive", "knob": 0.0} | fields)


def test_compare_lists_the_rows_with_their_presets(capsys):
    code, out, err = grasp(capsys, "compare", "--list")
    assert (code, err) == (0, "")
    rows = {line.split("  ")[0].strip(): line for line in out.splitlines() if "  " in line}
    for method in COMPARED.values():
        assert ("control" if method.control else method.information) in rows[method.name]
        assert f"{method.preset:g}*" in rows[method.name]
    assert "*: the preset" in out


BAD = {
    "[compare": "cannot read the configuration",
    "seeds = 2": "no [compare] table",
    "compare = 3": "must be a table",
    '[compare]\nmethods = ["nothing"]': "no method of the comparison is called 'nothing'",
    '[compare]\nmethods = "naive"': "methods must be a list of names",
    "[compare]\nmethods = []": "methods must be a list",
    '[compare]\nvariants = ["tone"]': "variant must be one of",
    "[compare]\nseeds = 0": "seeds must be",
    "[compare]\nseeds = [1, -1]": "seeds must not be negative",
    "[compare]\nseeds = true": "seeds must be",
    '[compare]\npresets_only = "yes"': "presets_only",
    "[compare]\nrank = 2.5": "rank must be a whole number",
    "[compare]\nrunk = 2": "runk",
    "[compare]\npoints = [0, 10, 25]": "points must be",
}


@pytest.mark.parametrize(("text", "named"), BAD.items(), ids=range(len(BAD)))
def test_compare_refuses_a_bad_configuration_in_one_line_before_it_writes(text, named, tmp_path, capsys):
    (tmp_path / "c.toml").write_text(text)
    assert_refuses(capsys, named, "compare", tmp_path / "c.toml", "--results", tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_compare_refuses_a_missing_file_and_quick_beside_one(tmp_path, capsys):
    for arguments in ([tmp_path / "none.toml"], ["--quick", tmp_path / "none.toml"], ["--json", tmp_path]):
        assert_refuses(capsys, "", "compare", *arguments, "--results", tmp_path / "results")


@pytest.mark.slow
def test_compare_writes_table_json_and_figure_and_prints(rows, tmp_path, capsys, monkeypatch):
    asked = {}

    def measured(module, folder, **options):
        asked[module.rpartition(".")[2]] = options["cells"]
        return SimpleNamespace(rows=rows if module.endswith("experiment") else [])

    monkeypatch.setattr(writing, "sweep", measured)
    (tmp_path / "c.toml").write_text('[compare]\nvariants = ["mixed"]\nseeds = [4, 4]\nmethods = ["kl"]\nrank = 4\n')
    code, out, err = grasp(capsys, "compare", tmp_path / "c.toml", "--results", tmp_path / "results", "--json", "-")
    assert (code, err) == (0, "")
    assert [(c.organism, c.variant, c.method, c.knob, c.rank) for c in asked["experiment"]] == [
        (4, "mixed", "kl", knob, 4) for knob in (30.0, 100.0, 300.0)
    ]
    assert asked["components"] == asked["cost"] == []  # there is no naive run
    written = {path.name: path.read_bytes() for path in (tmp_path / "results").iterdir()}
    kinds = [".csv", ".html", ".json", ".pdf", ".png", "_components.csv", "_cost.csv", "_fronts.csv"]
    assert sorted(written) == [f"comparison{kind}" for kind in kinds]
    assert json.loads(out) == json.loads(written["comparison.json"])
    assert json.loads(out)["rows"] == [asdict(line) for line in summarise(rows)]
    assert len(written["comparison.csv"].splitlines()) == len(rows) + 1
    assert "style: 3 seeds" in grasp(capsys, "compare", tmp_path / "c.toml", "--results", tmp_path / "results")[1]
