"""The engine of the linear lab: the version of the code that results carry, and bad input in one line."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import tiny_experiment as tiny
from command import grasp
from tiny_experiment import run

import synthetic.runner.code_version as versions
from grasp_theory import InputError

# the version of the code


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A package of four modules, top -> middle -> deep and top -> (a function) -> lazy, and the version of top."""
    package = tmp_path / "temporary_room"
    (package / "below").mkdir(parents=True)
    sources = {
        "__init__": "from .below.deep import f as f\n",
        "top": "from . import middle\nimport numpy\n\ndef g():\n    from .lazy import h\n    return h\n",
        "middle": "from temporary_room import f\n",
        "lazy": "def h():\n    return 1\n",
        "below/__init__": "",
        "below/deep": '"""Words."""\n\ndef f():\n    """Words."""\n    return 1  # words\n',
        "apart": "x = 1\n",
    }
    for name, text in sources.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(versions, "ROOMS", ("temporary_room",))

    def forget():
        versions.code_version.cache_clear()
        versions._read.cache_clear()

    def version(name="top"):
        importlib.invalidate_caches()
        forget()
        return versions.code_version(f"temporary_room.{name}")

    yield package, version
    forget()
    for name in [n for n in sys.modules if n.partition(".")[0] == "temporary_room"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("file", "old", "new", "same"),
    [
        ("below/deep", "return 1", "return 2", False),
        ("lazy", "return 1", "return 2", False),
        ("middle", "import f\n", "import f\nx = 0\n", False),
        ("top", "import numpy\n", "import scipy\n", False),
        ("below/deep", "Words", "Other words", True),
        ("below/deep", "# words", "# other words", True),
        ("below/deep", '"""Words."""\n\n', "\n", True),
        ("apart", "x = 1", "x = 2", True),
    ],
)
def test_version_follows_code_however_deep_and_not_words(room, file, old, new, same):
    package, version = room
    before = version()
    path = package / f"{file}.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert (version() == before) is same


def test_version_changes_when_an_import_is_turned_to_other_code(room):
    package, version = room
    before = version()
    (package / "below" / "copy.py").write_text((package / "below" / "deep.py").read_text())
    (package / "__init__.py").write_text("from .below.copy import f as f\n")
    assert version() != before


def test_versions_of_experiments_differ_and_hold_what_they_import():
    first, second = (versions.code_version(name) for name in (tiny.NAME, "synthetic.experiments.phase_diagram"))
    assert first != second
    assert len(first) == len(second) == 12
    with pytest.raises(ImportError):
        versions.code_version("synthetic.experiments.no_such")


# bad input


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colour": "1"}, "no setting of tiny is called 'colour'; there are: size, scale, centred, label, points"),
        ({"size": "many"}, "size must be an integer, got 'many'"),
        ({"size": "16.5"}, "size must be an integer"),
        ({"scale": "big"}, "scale must be a number"),
        ({"centred": "yes"}, "centred must be true or false"),
        ({"points": "2,x"}, "must be an integer|must be numbers"),
        ({"size": "1"}, "size must be at least 4"),
        ({"label": "odd"}, "label must be plain or broken"),
    ],
)
def test_settings_that_make_no_experiment_are_refused(tmp_path, capsys, registered, changes, words):
    with pytest.raises(InputError, match=words):
        run(tmp_path / "one", changes=changes)
    assert not (tmp_path / "one").exists()
    option = [f"--set={name}={value}" for name, value in changes.items()]
    code, _, err = grasp(capsys, "sweep", "tiny", *option, "--jobs=1", "--results", tmp_path / "two")
    assert code == 2
    assert len(err.strip().splitlines()) == 1


def test_settings_are_taken_as_their_kind_and_equal_cells_once(tmp_path):
    changes = {"size": "9", "scale": "2", "centred": "True", "points": "3,5,9"}
    done = run(tmp_path, changes=changes)
    assert done.cells == 1
    assert tiny.EXPERIMENT.chosen(False, changes) == [tiny.Cell(9, 2.0, True, "plain", (3, 5, 9))]
    assert [r["points"] for r in done.rows if r["quantity"] == "curve"] == [3, 5, 9]


@pytest.mark.parametrize("trials", [0, -1])
def test_no_trials_are_refused(tmp_path, trials):
    with pytest.raises(InputError, match=f"trials must be at least 1, got {trials}"):
        run(tmp_path / "none", trials=trials)
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    for folder in (file, file / "below", Path("/proc/none")):
        with pytest.raises(InputError, match="cannot create the folder"):
            run(folder)


def test_a_cluster_that_does_not_answer_is_refused(tmp_path, monkeypatch):
    from dask.distributed import Client

    for address in ("nonsense://x", "tcp://127.0.0.1:1"):
        monkeypatch.setattr(Client, "__init__", _impatient(Client.__init__))
        with pytest.raises(InputError, match="no Dask scheduler answers at"):
            run(tmp_path, dask=address)


def _impatient(start):
    return lambda self, address, timeout: start(self, address, timeout=0.5)


@pytest.mark.parametrize(
    "arguments",
    [
        ["sweep", "no-such-experiment"],
        ["sweep", "verdict-rates"],  # a figure that is not swept
        ["sweep", "tiny", "--set", "size"],
        ["sweep", "tiny", "--trials", "0"],
        ["sweep", "tiny", "--jobs", "0"],
        ["sweep", "tiny", "--results", "/dev/null/below"],
        ["sweep", "tiny", "--json", "/no-such-folder/x.json"],
        ["figures", "no-such-figure"],
        ["figures", "tiny", "--quick"],
        ["figures", "tiny", "--check", "--data", "."],
        ["figures", "tiny", "--data", "/no-such-folder"],
    ],
)
def test_bad_commands_exit_2_with_one_line(tmp_path, monkeypatch, capsys, registered, arguments):
    monkeypatch.chdir(tmp_path)
    code, out, err = grasp(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.rglob("*.csv"))
