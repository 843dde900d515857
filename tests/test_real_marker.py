"""Tests of public files: skipped and counted where there are none, an error where they should be there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT

ROOM = """
import pytest

@pytest.mark.parametrize("n", [0, 1])
def test_reads(real, n): ...
def test_reads_nothing(): ...
"""


def outcome(folder: Path, *options: str) -> tuple[int, str]:
    """Exit code and output of three made tests under this suite's conftest, in a process of their own."""
    (folder / "conftest.py").write_bytes((ROOT / "tests" / "conftest.py").read_bytes())
    (folder / "test_room.py").write_text(ROOM)
    kept = {k: v for k, v in os.environ.items() if k != "GRASP_REAL" and not k.startswith("PYTEST")}
    config = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), "-p", "no:cacheprovider", "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *config, str(folder), *options],
        cwd=folder,
        env=kept,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_without_the_folder_its_tests_are_skipped_with_a_line_and_counted(tmp_path):
    code, out = outcome(tmp_path)
    assert code == 0
    assert out.count("set GRASP_REAL to a folder as tests/support/expected_adapters.py describes it") == 1
    assert "2 tests of real adapters, models and data skipped" in out
    assert "1 passed, 2 skipped" in out


@pytest.mark.slow
def test_marker_is_on_what_asks_for_the_folder(tmp_path):
    code, out = outcome(tmp_path, "-m", "not real")
    assert code == 0
    assert "1 passed, 2 deselected" in out


def configure(config: pytest.Config) -> None:
    """What this suite's conftest says to a run with this configuration."""
    (conftest,) = (p for _, p in config.pluginmanager.list_name_plugin() if hasattr(p, "NEEDS"))
    conftest.pytest_configure(config)


def test_folder_that_is_named_and_holds_nothing_is_an_error(tmp_path, monkeypatch, pytestconfig):
    for folder in (tmp_path / "missing", tmp_path):
        monkeypatch.setenv("GRASP_REAL", str(folder))
        with pytest.raises(pytest.UsageError, match="expected a folder with adapters, datasets and models"):
            configure(pytestconfig)
    for name in ("adapters", "datasets", "models"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one").touch()
    configure(pytestconfig)  # control: one that holds something is taken


@pytest.mark.slow
def test_required_folder_that_is_not_named_is_an_error(tmp_path):
    code, out = outcome(tmp_path, "--require-real")
    assert code == 4
    assert "GRASP_REAL is not set" in out
