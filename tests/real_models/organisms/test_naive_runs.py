"""Naive runs made beforehand: each missing one once, where the comparison looks for it."""

from __future__ import annotations

import dataclasses
import pickle

import pytest
from command import grasp
from tiny_organism import LANGUAGE, RUN, SMALL

from real_models.comparison.experiment import cells
from real_models.organisms import naive_runs as made_runs
from real_models.organisms import runs
from real_models.organisms.naive_runs import make_naive_runs


def test_naive_runs_makes_each_missing_run_once(tmp_path, monkeypatch):
    monkeypatch.setenv("GRASP_CACHE", str(tmp_path))
    made = []

    def run(spec):
        made.append(spec)
        runs.naive_path(spec).touch()

    monkeypatch.setattr(made_runs, "naive_run", run)
    make_naive_runs([RUN, RUN], n_jobs=2)
    make_naive_runs([RUN], n_jobs=2)
    assert made == [RUN]


def test_naive_runs_makes_a_shared_base_once_before_the_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("GRASP_CACHE", str(tmp_path))
    mixed = dataclasses.replace(SMALL, language=dataclasses.replace(LANGUAGE, variant="mixed"))
    specs = [RUN, dataclasses.replace(RUN, organism=mixed)]
    sent = []

    def in_turn(tasks, n_jobs):
        """As workers are sent them, each batch when that before it is done, but in this process."""
        sent.append((len(tasks), n_jobs))
        yield from (function(*args, **options) for function, args, options in pickle.loads(pickle.dumps(tasks)))

    monkeypatch.setattr(made_runs, "in_workers", in_turn)
    make_naive_runs(specs, n_jobs=2)
    assert sent == [(1, 2), (2, 2)]  # the base in a batch of its own: runs that start together would each make it
    (base,) = tmp_path.glob("organism-*")
    before = base.stat().st_mtime_ns
    assert len(list(tmp_path.glob("naive-*"))) == 2
    assert before <= min(path.stat().st_mtime_ns for path in tmp_path.glob("naive-*"))
    make_naive_runs(specs, n_jobs=2)
    assert base.stat().st_mtime_ns == before


def test_naive_runs_leaves_what_naive_run_looks_for(tmp_path, monkeypatch):
    monkeypatch.setenv("GRASP_CACHE", str(tmp_path))
    make_naive_runs([RUN], n_jobs=1)
    runs._naive_run.cache_clear()
    monkeypatch.setattr(runs, "fine_tune", lambda *_, **__: pytest.fail("trained again"))
    assert len(runs.naive_run(RUN).scores) == len(RUN.points)


def test_reproduce_prepares_the_organisms_that_it_compares(tmp_path, monkeypatch, capsys):
    asked = []

    def stop(specs, *, n_jobs, progress):
        asked.append((set(specs), n_jobs))
        raise KeyboardInterrupt

    monkeypatch.setattr(made_runs, "make_naive_runs", stop)
    assert grasp(capsys, "reproduce", "--only", "organism", "--jobs", 3, "--results", tmp_path)[0] == 130
    assert asked == [({cell.run_spec for cell in cells(True)}, 3)]
    assert len(asked[0][0]) == 3
