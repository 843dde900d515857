"""Many adapters at once: rows are those of single audits, nothing ends the run, nothing is lost, changes are seen."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import grasp
from made_survey import planted
from refusals import assert_refuses

from figures.tables.survey import unread_table
from grasp_theory import InputError, identify
from grasp_theory.identification.matrix import overlap_matrix
from real_models import read_adapter
from real_models.audit.findings import findings
from real_models.audit.measurements import measurements
from real_models.audit.survey import Survey, Surveyed, outliers, survey

COUNT = 7
TOP = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven of one base, at several depths, the fourth 50 times as large; one of another base; three broken ones."""
    top = tmp_path_factory.mktemp("adapters")
    for n in range(COUNT):
        planted(top / f"sweep{n % 2}" / f"run{n}", seed=n, size=50.0 if n == 3 else 1.0)
    planted(top / "elsewhere", seed=20, base="other")
    planted(top / "bad" / "no-weights", seed=30).joinpath("adapter_model.safetensors").unlink()
    planted(top / "bad" / "no-config", seed=31).joinpath("adapter_config.json").unlink()
    planted(top / "bad" / "text", seed=32).joinpath("adapter_model.safetensors").write_text("not weights")
    return top


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def found(folder: Path, store: Path) -> Survey:
    return survey(folder, store, top=TOP, n_jobs=1)


def same(a: Survey, b: Survey) -> None:
    """Rows and matrices bit for bit."""
    assert (a.rows, a.outliers) == (b.rows, b.outliers)
    assert a.said == b.said
    for group, matrix in a.groups.items():
        np.testing.assert_array_equal(matrix.overlap, b.groups[group].overlap)


def test_row_is_the_adapters_own_audit(found, folder):
    for row in found.rows:
        if not row.error:
            adapter = read_adapter(folder / row.name)
            report = identify(adapter.updates)
            assert list(row.findings) == findings(adapter, report)
            assert row.numbers == {m.key: m.value for m in measurements(report)}
            assert (row.modules, row.ranks, row.side, row.verdict) == (6, (4,), "write", report.verdict)


def test_pairs_are_those_of_the_matrix_of_runs_within_one_base(found, folder):
    names = [row.name for row in found.rows if row.base == "base"]
    known = overlap_matrix({name: read_adapter(folder / name).updates for name in names}, top=TOP)
    (matrix,) = found.groups.values()  # the other base has one adapter
    assert matrix.names == tuple(names)
    for field in ("overlap", "random", "spread", "start_cosine"):
        np.testing.assert_allclose(getattr(matrix, field), getattr(known, field), atol=1e-5)
    above = (matrix.overlap - matrix.random)[np.triu_indices(COUNT, 1)] / matrix.spread[np.triu_indices(COUNT, 1)]
    assert above.min() > 4  # they share a direction
    other, overlap, chance, spread = found.nearest()[names[0]]
    assert overlap == max(matrix.overlap[0, 1:])
    assert (other, chance, spread) == (names[int(np.argmax(matrix.overlap[0, 1:])) + 1], *(
        m[0, int(np.argmax(matrix.overlap[0, 1:])) + 1] for m in (matrix.random, matrix.spread)
    ))  # fmt: skip


def test_outlier_is_the_one_that_was_made_large(found):
    """Control: nothing else lies apart, and the one of another base is not compared."""
    assert {o.name for o in found.outliers} == {"sweep1/run3"}
    norm = next(o for o in found.outliers if o.key == "norm")
    assert 30 < norm.value / norm.median < 80
    assert norm.z > 5


def numbered(values: np.ndarray) -> list[Surveyed]:
    """One group of adapters with one number each."""
    label = {"x": "a number"}
    return [
        Surveyed(str(n), base="b", side="write", numbers={"x": float(v)}, labels=label) for n, v in enumerate(values)
    ]


@pytest.mark.parametrize("n", [5, 12, 60])
def test_normal_numbers_seldom_lie_apart_in_groups_of_any_size(n):
    """At most 2% of 400 groups (simulated: 0.6% and less); control: one that is far out is found in all of them."""
    groups = np.random.default_rng(n).standard_normal((400, n))
    assert sum(bool(outliers(numbered(group))) for group in groups) <= 8
    groups[:, 0] = 300.0
    found = [{o.name for o in outliers(numbered(group))} for group in groups[:50]]
    assert sum("0" in names for names in found) >= 45
    assert not outliers(numbered(groups[0, :4]))  # too few to tell


def test_broken_adapters_are_rows_with_their_reason(found):
    broken = {row.name: row.error for row in found.broken}
    assert broken.keys() == {"bad/no-weights", "bad/no-config", "bad/text"}
    assert "holds no weights" in broken["bad/no-weights"]
    assert "holds no adapter_config.json" in broken["bad/no-config"]
    assert "safetensors" in broken["bad/text"]
    assert len(found.rows) == COUNT + 4


def test_folder_of_any_name_is_a_row_that_can_be_printed(tmp_path):
    """Control characters (here one that colours a terminal, and a new line) and bytes that are no text."""
    names = {"red\x1b[31m\nline": r"red\x1b[31m\nline", "bytes\udcff": r"bytes\udcff", "plain": "plain"}
    for seed, name in enumerate(names):
        planted(tmp_path / "in" / name, seed=seed)
    (tmp_path / "in" / "red\x1b[31m\nline" / "adapter_model.safetensors").unlink()
    found = survey(tmp_path / "in", tmp_path / "store", top=TOP, n_jobs=1)
    assert {row.name for row in found.rows} == set(names.values())
    assert all((row.error or "").isprintable() for row in found.rows)
    assert next(iter(unread_table(found).rows))[1].startswith("holds no weights")


def test_what_the_code_cannot_read_is_a_row_too(folder, tmp_path, monkeypatch):
    from real_models.audit import survey as module

    real = module.read_adapter

    def read(place):
        if place.name == "run1":
            raise ZeroDivisionError("nobody thought of this")
        return real(place)

    monkeypatch.setattr(module, "read_adapter", read)
    rows = {row.name: row.error for row in survey(folder, tmp_path, top=TOP, n_jobs=1).rows}
    assert rows["sweep1/run1"] == "ZeroDivisionError: nobody thought of this"
    assert rows["sweep0/run2"] is None


def test_second_survey_reads_only_what_changed(found, folder, store):
    again = survey(folder, store, top=TOP, n_jobs=1)
    assert again.reused == len(again.rows) - len(again.broken)  # these are tried again
    same(again, found)
    path = folder / "sweep0" / "run2" / "adapter_model.safetensors"
    before = path.stat()
    planted(path.parent, seed=100)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    changed = survey(folder, store, top=TOP, n_jobs=1)
    assert changed.reused == again.reused - 1
    rows = [{row.name: row for row in s.rows} for s in (found, changed)]
    assert [name for name in rows[0] if rows[0][name] != rows[1][name]] == ["sweep0/run2"]
    planted(path.parent, seed=2)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    same(survey(folder, store, top=TOP, n_jobs=1), found)


def test_adapters_that_an_archive_gave_one_time_are_told_apart(tmp_path):
    """Same name, size and time of change: in another folder, and put in the place of the first."""
    one, other = (planted(tmp_path / folder / "run", seed=seed) for seed, folder in enumerate(("one", "other")))

    def numbers(folder: Path) -> float:
        for path in folder.iterdir():
            os.utime(path, (0, 0))
        return survey(folder.parent, tmp_path / "store", top=TOP, n_jobs=1).rows[0].numbers["norm"]

    first, second = numbers(one), numbers(other)
    assert first != second
    for path in other.iterdir():
        path.replace(one / path.name)
    assert numbers(one) == second


def test_directions_that_were_damaged_are_made_again(found, folder, store):
    for file in store.glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:100])
    again = survey(folder, store, top=TOP, n_jobs=1)
    assert again.reused == 0
    same(again, found)


@pytest.mark.slow
def test_killed_survey_goes_on_where_it_was_with_any_number_of_workers(found, folder, tmp_path):
    """SIGKILL after the second result; then two workers finish it, with the bits of one."""
    arguments = ["survey", str(folder), "--results", str(tmp_path), "--top", str(TOP), "--jobs", "1"]
    slow = "import time, real_models.audit.survey as s, grasp_cli; row = s._row\n"
    slow += "s._row = lambda *a: (time.sleep(0.3), row(*a))[1]\n"
    command = [sys.executable, "-c", f"{slow}grasp_cli.main({arguments!r})"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        limit = time.monotonic() + 120
        while len(list(tmp_path.glob("survey/*.json"))) < 5 and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = len(list(tmp_path.glob("survey/*.json")))
    assert 5 <= kept < COUNT + 1
    again = survey(folder, tmp_path / "survey", top=TOP, n_jobs=2)
    assert again.reused == kept
    same(again, found)


@pytest.mark.slow
def test_survey_on_a_dask_cluster_has_the_same_bits(found, folder, tmp_path):
    from dask.distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster:
        same(survey(folder, tmp_path, top=TOP, dask=cluster.scheduler_address), found)


def test_reason_is_given_once_for_all_that_it_is_the_reason_of(found, folder):
    one = found.broken[0]
    error = (one.error or "").replace(str(folder / one.name), str(folder / "twin"))
    twins = replace(found, rows=(*found.rows, replace(one, name="twin", error=error)))
    rows = [list(row) for row in unread_table(twins).rows]
    assert len(rows) == len(unread_table(found).rows) == len(found.broken)
    assert rows[0][0] == f"{one.name}, twin"
    assert not any(reason.startswith(str(folder)) for _, reason in rows)


def test_command_writes_the_table_the_pairs_and_the_page(found, folder, tmp_path, capsys):
    target = tmp_path / "s.json"
    options = ["--results", tmp_path, "--top", TOP, "--jobs", 1, "--json", target]
    code, said, _ = grasp(capsys, "survey", folder, *options)
    assert code == 0
    for words in (
        "11 adapters in",
        "3 not read",
        "most basic finding of each: ",
        "stands apart",
        "sweep1/run3",
        "holds no adapter_config.json",
        "By chance",
    ):
        assert words in said
    with (tmp_path / "survey.csv").open() as file:
        rows = {row["adapter"]: row for row in csv.DictReader(file)}
    assert rows.keys() == {row.name for row in found.rows}
    assert "norm of the update" in rows["sweep1/run3"]["apart"]
    assert float(rows["sweep0/run0"]["overlap"]) > float(rows["sweep0/run0"]["random"])
    with (tmp_path / "pairs.csv").open() as file:
        assert sum(1 for _ in csv.DictReader(file)) == COUNT * (COUNT - 1) // 2
    page = (tmp_path / "survey.html").read_text()
    assert all(row.name in page for row in found.rows)
    record = json.loads(target.read_text())
    assert {a["name"] for a in record["adapters"]} == rows.keys()
    assert record["schema_version"] == 1


def test_survey_of_nothing_is_refused(tmp_path, capsys):
    with pytest.raises(InputError, match=r"there is no adapter in .* or below"):
        survey(tmp_path, tmp_path / "store")
    assert_refuses(capsys, "does not exist", "survey", tmp_path / "no", "--results", tmp_path / "r")
    assert not (tmp_path / "r").exists()
