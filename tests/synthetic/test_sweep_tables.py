"""The tables of the linear lab: agreement with theory counted exactly, and committed numbers measured again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_experiment as tiny
from command import grasp
from tiny_experiment import run
from tolerance import Z

import figures.rows as committed_rows
from figures.rows import read_rows
from figures.tables import console, show
from figures.tables.deviation import deviation_tables
from synthetic.experiment import Prediction, generators, seed, table
from synthetic.runner.deviation import deviation
from synthetic.runner.results import write_csv

# agreement and the table


def row(relation, mean, theory, se=0.01, finite=0.0):
    return {"relation": relation, "mean": mean, "theory": theory, "se": se, "finite": finite}


def test_agreement_counts_violations_exactly():
    rows = [
        row("=", 0.990, 0.90, finite=0.05),  # 9 se off, allowed 5 se + 0.05
        row("=", 0.780, 0.90, finite=0.05),  # 12 se off: a violation, by a fifth of what is allowed
        row("<=", 0.0, 5.0),
        row("<=", 5.045, 5.0),  # the wrong side, within 5 se
        row("<=", 5.1, 5.0),  # twice what is allowed
        row(">=", 9.0, 5.0),
        row(">=", 4.925, 5.0),  # 7.5 se
        row("=", 2.0, 2.0, se=0.0),
        row("=", 1e6 + 0.5, 1e6, se=0.0, finite=1.0),
        row("~", 100.0, 0.0),
        row(None, 3.0, None),
        row("=", 9.0, 0.0, se=0.0) | {"trials": 1},  # nothing tells its error
    ]
    found = deviation(rows)
    assert (found.compared, found.violations) == (9, 3)
    np.testing.assert_allclose(found.worst, 1, rtol=1e-6)
    gaps = [9, -12, 0, 2.5]  # the last has no spread: 0.5 over a fifth of its finite-size term
    np.testing.assert_allclose(found.largest, 12)
    np.testing.assert_allclose(found.rms, np.sqrt(np.mean(np.square(gaps))))
    assert deviation(rows[::-1]).violations == 3
    empty = deviation(rows[-3:])
    assert (empty.compared, empty.largest, empty.rms, empty.violations, empty.worst) == (0, None, None, 0, 0.0)


def test_agreement_of_a_true_law_holds_and_of_a_false_one_does_not(fresh, tmp_path, monkeypatch):
    found = deviation(fresh[0].rows)
    assert (found.compared, found.violations) == (36, 0)
    assert 0.5 < found.rms < 1.5  # gaps in standard errors are about standard normal
    assert found.largest < Z

    def wrong(cell):
        return {"square": Prediction(4 * cell.scale**2), "curve": Prediction(np.array([0.0, 9.0]), ">=")}

    monkeypatch.setattr(tiny, "EXPERIMENT", replace(tiny.EXPERIMENT, theory=wrong))
    assert deviation(run(tmp_path).rows).violations == 24


def test_agreement_is_printed_and_recorded_with_its_numbers(fresh, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    done = replace(fresh[0], reused=5, rows=[r | {"theory": r["theory"] + 1000} for r in fresh[0].rows])
    record = done.record()
    assert (record["cells"], record["reused"], record["rows"]) == (12, 5, 48)
    assert (record["compared"], record["violations"]) == (36, 36)
    show(deviation_tables([record]), console())
    line = next(line.split() for line in capsys.readouterr().out.splitlines() if "tiny" in line)
    assert line[1:4] == ["12", "(5", "reused)"]
    assert line[4:] == ["48", "36", f"{record['rms']:.2f}", f"{record['largest']:.2f}", "36"]


def test_table_has_statistics_of_the_trials_and_a_row_for_each_point():
    cell = tiny.Cell(16, 2.0, points=(2, 3, 4))
    measured = tiny.measure(cell, generators("tiny", cell, 50))
    rows = table(tiny.EXPERIMENT, cell, measured)
    assert [(r["quantity"], r["points"]) for r in rows] == [
        ("square", None),
        ("norm", None),
        *(("curve", n) for n in (2, 3, 4)),
    ]
    for r, column in zip(rows, [measured["square"], measured["norm"], *measured["curve"].T], strict=True):
        ordered = np.sort(column)
        np.testing.assert_allclose(r["mean"], ordered.sum() / 50, rtol=1e-9)
        spread = np.sqrt(np.sum((column - column.mean()) ** 2) / 49)
        np.testing.assert_allclose(r["se"], spread / np.sqrt(50), rtol=1e-9)
        assert ordered[4] <= r["low"] <= ordered[5]
        assert ordered[44] <= r["high"] <= ordered[45]
        assert (r["trials"], r["seed"], r["size"], r["scale"]) == (50, seed("tiny", cell), 16, 2.0)
    with pytest.raises(ValueError, match="theory for quantities that are not measured: \\['norm'\\]"):
        table(tiny.EXPERIMENT, cell, {name: measured[name] for name in ("square", "curve")})


# grasp sweep and grasp figures --check


@pytest.fixture
def committed(tmp_path, monkeypatch, capsys, registered):
    """The folder of committed numbers with those of the tiny experiment, swept in full from the command line."""
    assert grasp(capsys, "sweep", "tiny", "--jobs=1", "--results", tmp_path / "swept")[0] == 0
    folder = tmp_path / "data"
    folder.mkdir()
    rows = read_rows(tmp_path / "swept" / "tiny.csv")
    write_csv(folder / "tiny.csv", rows)
    monkeypatch.setattr(committed_rows, "FOLDER", folder)
    return folder / "tiny.csv", rows


def check(capsys, folder: Path, *options: str) -> tuple[int, str]:
    code, out, _ = grasp(capsys, "figures", "tiny", "--check", "--jobs=1", "--results", folder, *options)
    return code, out


def test_sweep_writes_the_table_and_the_record_and_resumes(fresh, tmp_path, capsys, registered):
    options = ("sweep", "tiny", "--jobs=1", "--results", tmp_path / "new")
    code, out, _ = grasp(capsys, *options, "--json", tmp_path / "record.json")
    assert code == 0
    assert "violations" in out
    rows = read_rows(tmp_path / "new" / "tiny.csv")
    assert [r | {"centred": r["centred"] == "True"} for r in rows] == fresh[0].rows
    record = json.loads((tmp_path / "record.json").read_text())["experiments"][0]
    assert (record["experiment"], record["cells"], record["reused"], record["violations"]) == ("tiny", 12, 0, 0)
    code, out, _ = grasp(capsys, *options, "--json", "-")
    assert code == 0
    assert json.loads(out)["experiments"][0]["reused"] == 12


def test_check_passes_on_numbers_as_they_were_and_quick_on_fewer(committed, tmp_path, capsys):
    code, out = check(capsys, tmp_path / "again")
    assert code == 0
    assert "same" in out
    assert "DIFFERS" not in out
    code, out = check(capsys, tmp_path / "quick", "--quick")
    assert code == 0
    assert "same" in out


@pytest.mark.parametrize("quick", [False, True])
def test_check_fails_on_one_changed_mean(committed, tmp_path, capsys, quick):
    path, rows = committed
    assert rows[0]["quantity"] == "square"
    rows[0]["mean"] += rows[0]["se"] * (20 if quick else 0.2)
    write_csv(path, rows)
    code, out = check(capsys, tmp_path / "again", *(["--quick"] if quick else []))
    assert code == 1
    line = next(line for line in out.splitlines() if "tiny" in line)
    assert line.split()[-2:] == ["1", "DIFFERS"]


@pytest.mark.parametrize("column", ["se", "low", "theory", "finite", "scale"])
def test_check_fails_on_any_changed_number(committed, tmp_path, capsys, column):
    path, rows = committed
    rows[0][column] += 1
    write_csv(path, rows)
    assert check(capsys, tmp_path / "again")[0] == 1


def test_check_fails_where_nothing_can_be_compared(committed, tmp_path, capsys):
    path, rows = committed
    write_csv(path, [r | {"size": r["size"] + 1} for r in rows])
    code, out = check(capsys, tmp_path / "again")
    assert code == 1
    assert "DIFFERS" in out
