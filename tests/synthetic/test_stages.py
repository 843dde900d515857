"""Stages run once, again when something changed, and nothing is lost when one is interrupted."""

from __future__ import annotations

import json

import pytest

from synthetic.runner.stages import RECORD, Stage, run_stages


class Work:
    """Two stages that count how often they ran; the second may be told to break."""

    def __init__(self, folder):
        self.folder, self.ran, self.broken = folder, [], False

    def first(self, folder):
        self.ran.append("first")
        (folder / "a.txt").write_text("a")

    def second(self, folder):
        self.ran.append("second")
        (folder / "b").mkdir(exist_ok=True)
        (folder / "b" / "c.txt").write_text((folder / "a.txt").read_text())
        if self.broken:
            raise KeyboardInterrupt

    def run(self, **options):
        stages = [
            Stage("first", "one", ("synthetic.runner.results",), ("a.txt",), self.first),
            Stage("second", "two", ("synthetic.runner.results",), ("b",), self.second),
        ]
        told = []
        ran = run_stages(stages, self.folder, options=options, tell=told.append)
        return ran, told


@pytest.fixture
def work(tmp_path):
    return Work(tmp_path)


def test_stages_run_once_and_say_so(work):
    assert work.run()[0] == ["first", "second"]
    ran, told = work.run()
    assert ran == []
    assert told == ["1/2  one: current", "2/2  two: current"]
    assert work.ran == ["first", "second"]


@pytest.mark.parametrize("reads", [(), ("a.txt",)])
def test_a_stage_runs_again_when_what_it_reads_changed(tmp_path, reads):
    text = ["a"]
    modules = ("synthetic.runner.results",)

    def run(**options):
        stages = [
            Stage("first", "one", modules, ("a.txt",), lambda folder: (folder / "a.txt").write_text(text[0])),
            Stage("second", "two", modules, ("b.txt",), lambda folder: (folder / "b.txt").write_text("b"), reads),
        ]
        return run_stages(stages, tmp_path, options=options, tell=[].append)

    assert run() == ["first", "second"]
    assert run() == []
    text[0] = "other"
    (tmp_path / "a.txt").unlink()
    assert run() == (["first", "second"] if reads else ["first"])


@pytest.mark.parametrize("change", ["edited", "removed", "inside"])
def test_stages_run_again_when_an_output_changed(work, change):
    work.run()
    target = work.folder / ("b/c.txt" if change == "inside" else "a.txt")
    target.unlink() if change == "removed" else target.write_text("other")
    assert work.run()[0] == (["second"] if change == "inside" else ["first"])
    assert (work.folder / "a.txt").read_text() == (work.folder / "b" / "c.txt").read_text() == "a"


def test_stages_run_again_with_other_options(work):
    work.run(full=False)
    assert work.run(full=True)[0] == ["first", "second"]
    assert work.run(full=True)[0] == []


def test_stages_run_again_with_other_code(work, monkeypatch):
    work.run()
    monkeypatch.setattr("synthetic.runner.stages.code_version", lambda module: "another")
    assert work.run()[0] == ["first", "second"]


def test_stages_interrupted_go_on_with_the_interrupted_one(work):
    work.broken = True
    with pytest.raises(KeyboardInterrupt):
        work.run()
    work.broken = False
    assert work.run()[0] == ["second"]
    assert work.ran == ["first", "second", "second"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_stages_with_a_damaged_record_run_again(work, text):
    work.run()
    (work.folder / RECORD).write_text(text)
    assert work.run()[0] == ["first", "second"]
    assert set(json.loads((work.folder / RECORD).read_text())) == {"first", "second"}


def test_stages_that_ran_are_timed(work):
    work.run()
    path = work.folder / "timings.json"
    assert list(json.loads(path.read_text())["seconds"]) == ["first", "second"]
    before = path.stat().st_mtime_ns
    work.run()
    assert path.stat().st_mtime_ns == before
    (work.folder / "b" / "c.txt").write_text("other")
    path.write_text("not JSON")
    work.run()
    assert list(json.loads(path.read_text())["seconds"]) == ["second"]
