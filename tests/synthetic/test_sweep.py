"""The engine of the linear lab: same bits however it runs, nothing lost, nothing wrong read, errors in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_experiment as tiny
from checkout import ROOT, SUPPORT, python
from hypothesis import given
from hypothesis import strategies as st
from tiny_experiment import run

import synthetic.experiments.phase_diagram as phase_diagram
import synthetic.runner.code_version as versions
import synthetic.runner.sweep as engine
from synthetic.experiment import generators, identity, seed, table
from synthetic.runner.store import digest
from synthetic.runner.sweep import sweep


def cell_files(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Name -> (inode, time of the last change, content) of every result."""
    files = [p for p in folder.glob("*.json") if p.name not in ("manifest.json", "timings.json")]
    return {p.name: (p.stat().st_ino, p.stat().st_mtime_ns, p.read_bytes()) for p in files}


def values(folder: Path) -> dict[str, dict]:
    """Cell, as text -> measured values."""
    contents = [json.loads(content) for _, _, content in cell_files(folder).values()]
    return {json.dumps(c["cell"]): c["values"] for c in contents}


# same bits


def test_table_has_the_same_bits_in_two_processes(fresh, tmp_path):
    done = run(tmp_path, n_jobs=2)
    assert done.rows == fresh[0].rows
    assert values(tmp_path) == values(fresh[1])


@pytest.mark.slow
def test_table_has_the_same_bits_on_a_dask_cluster(fresh, tmp_path):
    from dask.distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster:
        done = run(tmp_path, dask=cluster.scheduler_address)
    assert (done.cells, done.reused) == (12, 0)
    assert done.rows == fresh[0].rows
    assert values(tmp_path) == values(fresh[1])


def test_table_does_not_depend_on_the_order_of_cells(fresh, tmp_path, monkeypatch):
    def shuffled(quick):
        return [tiny.cells(quick)[n] for n in np.random.default_rng(0).permutation(12)]

    monkeypatch.setattr(tiny, "EXPERIMENT", replace(tiny.EXPERIMENT, cells=shuffled))
    done = run(tmp_path)
    assert done.rows != fresh[0].rows
    assert sorted(map(repr, done.rows)) == sorted(map(repr, fresh[0].rows))


def test_phase_diagram_cells_measured_alone_are_those_of_the_sweep(tmp_path):
    module, changes = "synthetic.experiments.phase_diagram", {"d": "16"}
    done = sweep(module, tmp_path, quick=True, trials=2, changes=changes, n_jobs=2)
    experiment = phase_diagram.EXPERIMENT
    rows = []
    for cell in experiment.chosen(True, changes):
        alone = experiment.measure(cell, generators(experiment.name, cell, 2))
        rows += table(experiment, cell, alone)
    assert len(rows) > 200
    assert done.rows == rows


@given(few=st.integers(1, 6), more=st.integers(0, 6), size=st.integers(4, 30), scale=st.floats(0.1, 9))
def test_a_trial_does_not_depend_on_the_number_of_trials(few, more, size, scale):
    cell = tiny.Cell(size, scale)
    short, long = (engine.measure_cell(tiny.NAME, cell, n)[0] for n in (few, few + more))
    for quantity in long:
        np.testing.assert_array_equal(short[quantity], long[quantity][:few])


def test_cells_fields_and_experiments_have_seeds_of_their_own():
    cells = phase_diagram.cells(False)
    base = tiny.Cell(16)
    changes = {"size": 17, "scale": 1.5, "centred": True, "label": "broken", "points": (2, 5)}
    others = [replace(base, **{name: value}) for name, value in changes.items()]
    seeds = [seed("phase-diagram", c) for c in cells] + [seed("other", cells[0])]
    seeds += [seed("tiny", c) for c in [base, *others]] + [seed("tiny-2", base)]
    assert len(cells) > 1600
    assert len(set(seeds)) == len(seeds)
    draws = [rng.standard_normal() for c in (base, *others) for rng in generators("tiny", c, 3)]
    assert len(set(draws)) == 18


def test_identity_is_the_same_in_every_process():
    code = "import tiny_experiment as t; from synthetic.experiment import identity as name\n"
    code += "print(name('tiny', t.Cell(16)))"
    env = os.environ | {"PYTHONPATH": f"{SUPPORT}:{ROOT}", "PYTHONHASHSEED": "7"}
    assert python("-c", code, env=env).stdout.strip() == identity("tiny", tiny.Cell(16))


# nothing lost


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_sweep_goes_on_where_it_was(fresh, tmp_path, monkeypatch, jobs):
    code = f"from tiny_experiment import run; from pathlib import Path; run(Path('.'), n_jobs={jobs})"
    env = os.environ | {"PYTHONPATH": f"{SUPPORT}:{ROOT}", "TINY_PAUSE": "0.2"}
    with subprocess.Popen([sys.executable, "-c", code], env=env, cwd=tmp_path, start_new_session=True) as killed:
        end = time.monotonic() + 60
        while len(cell_files(tmp_path)) < 3 and time.monotonic() < end:
            time.sleep(0.01)
        os.killpg(killed.pid, signal.SIGKILL)  # its workers with it
    before = cell_files(tmp_path)
    assert 3 <= len(before) < 12
    log = tmp_path / "log"
    monkeypatch.setenv("TINY_LOG", str(log))
    done = run(tmp_path)
    assert done.reused == len(before)
    assert len(set(log.read_text().splitlines())) == len(log.read_text().splitlines()) == 12 - len(before)
    after = cell_files(tmp_path)
    assert len(after) == 12
    assert {name: after[name] for name in before} == before
    assert done.rows == fresh[0].rows


def test_cells_before_a_failing_one_are_kept(tmp_path, monkeypatch):
    cells = [tiny.Cell(16), tiny.Cell(40), tiny.Cell(40, label="broken"), tiny.Cell(90)]
    monkeypatch.setattr(tiny, "EXPERIMENT", replace(tiny.EXPERIMENT, cells=lambda quick: cells))
    with pytest.raises(ValueError, match="tiny, square: expected 20 finite trials"):
        run(tmp_path)
    assert len(cell_files(tmp_path)) == 2


def test_a_second_run_measures_nothing_and_other_trials_do_not_touch_it(tmp_path, monkeypatch):
    first = run(tmp_path, quick=True)
    before = cell_files(tmp_path)
    other = run(tmp_path, quick=True, trials=3)
    assert (first.reused, other.reused) == (0, 0)
    log = tmp_path / "log"
    monkeypatch.setenv("TINY_LOG", str(log))
    again = run(tmp_path, quick=True)
    assert again.reused == again.cells == first.cells
    assert not log.exists()
    assert again.rows == first.rows != other.rows
    after = cell_files(tmp_path)
    assert {name: after[name] for name in before} == before


def test_manifest_and_timings_are_never_read(fresh, tmp_path):
    run(tmp_path)
    for name in ("manifest.json", "timings.json"):
        (tmp_path / name).write_bytes(b"\xff not JSON")
    next(p for p in tmp_path.glob("*-20.json")).unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = run(tmp_path)
    assert done.reused == 11
    assert done.rows == fresh[0].rows
    assert len(json.loads((tmp_path / "timings.json").read_text())["cells"]) == 1
    config = json.loads((tmp_path / "manifest.json").read_text())["config"]
    assert config["code"] == versions.code_version(tiny.NAME)
    assert (config["experiment"], config["trials"], config["quick"]) == ("tiny", 20, False)


# nothing wrong read


def edited(content: bytes, **changes) -> bytes:
    """The file with other fields and the checksum that belongs to them."""
    new = json.loads(content) | changes
    del new["sha256"]
    return json.dumps(new | {"sha256": digest(new)}).encode()


def shifted(content: bytes) -> bytes:
    """One value moved, the checksum left."""
    new = json.loads(content)
    new["values"]["square"][4] += 1e-9
    return json.dumps(new).encode()


BAD = {
    "truncated": (lambda good, other: good[: len(good) // 2], "not a whole result file"),
    "empty": (lambda good, other: b"", "not a whole result file"),
    "bytes": (lambda good, other: b"\xff\xfe\x00", "not a whole result file"),
    "a list": (lambda good, other: b"[1, 2]", "not a whole result file"),
    "no values": (lambda good, other: edited(good, values=None), "not a whole result file"),
    "ragged": (lambda good, other: edited(good, values={"square": [[1.0], 2.0]}), "not a whole result file"),
    "one value": (lambda good, other: shifted(good), "checksum does not match"),
    "other code": (lambda good, other: edited(good, code="0123456789ab"), "measured by other code"),
    "other cell": (lambda good, other: other, "of another cell"),
    "other seed": (lambda good, other: edited(good, seed=1), "of another cell"),
    "other trials": (lambda good, other: edited(good, trials=19), "of another cell"),
    "other format": (lambda good, other: edited(good, format=0), "of another cell"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_set_aside_and_measured_again(fresh, tmp_path, kind):
    spoil, reason = BAD[kind]
    good = {name: content for name, (_, _, content) in cell_files(fresh[1]).items()}
    for name, content in good.items():
        (tmp_path / name).write_bytes(content)
    name, other = sorted(good)[:2]
    bad = spoil(good[name], good[other])
    assert bad != good[name]
    (tmp_path / name).write_bytes(bad)
    with pytest.warns(UserWarning, match=f"1 result files .* measured again: 1 {reason}") as said:
        done = run(tmp_path)
    assert len(said) == 1
    assert done.reused == 11
    assert done.rows == fresh[0].rows
    assert (tmp_path / name).read_bytes() == good[name]
    assert (tmp_path / name).with_suffix(".aside").read_bytes() == bad
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(tmp_path).reused == 12


def test_many_bad_files_make_one_warning_with_a_count_for_each_reason(fresh, tmp_path):
    good = {name: content for name, (_, _, content) in cell_files(fresh[1]).items()}
    names = sorted(good)
    for name, spoil in zip(names, BAD.values(), strict=False):
        (tmp_path / name).write_bytes(spoil[0](good[name], good[names[0] if name != names[0] else names[1]]))
    with pytest.warns(UserWarning, match="12 result files") as said:
        done = run(tmp_path)
    assert len(said) == 1
    for text in ("6 not a whole", "1 checksum", "1 measured by other code", "4 of another cell"):
        assert text in str(said[0].message)
    assert done.reused == 0
    assert done.rows == fresh[0].rows


def test_results_of_other_code_are_not_used(fresh, tmp_path, monkeypatch):
    run(tmp_path)
    monkeypatch.setattr(engine, "code_version", lambda module: "changed")
    with pytest.warns(UserWarning, match="12 measured by other code"):
        assert run(tmp_path).reused == 0
