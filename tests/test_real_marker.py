"""Tests of public files: skipped and counted where there are none, an error where they should be there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT


def outcome(*options: str, named: Path | None = None) -> tuple[int, str]:
    """Exit code and output of the tests of public files in a process of their own."""
    kept = {k: v for k, v in os.environ.items() if k != "GRASP_REAL" and not k.startswith("PYTEST")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-q",
        "tests/real_models/adapters/test_adapters_recorded.py",
        *options,
    ]
    done = subprocess.run(
        [*command, *options],
        cwd=ROOT,
        env=kept | ({} if named is None else {"GRASP_REAL": str(named)}),
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_without_the_folder_its_tests_are_skipped_with_a_line_and_counted():
    code, out = outcome()
    assert code == 0
    assert out.count("set GRASP_REAL to a folder as tests/support/expected_adapters.py describes it") == 1
    assert "4 tests of real adapters, models and data skipped" in out


@pytest.mark.slow
def test_marker_is_on_what_asks_for_the_folder():
    assert outcome("-m", "not real")[0] == 5  # none is left


@pytest.mark.slow
def test_folder_that_is_named_and_holds_nothing_is_an_error(tmp_path):
    for folder in (tmp_path / "missing", tmp_path):
        code, out = outcome(named=folder)
        assert code == 4
        assert "expected a folder with adapters, datasets and models" in out


@pytest.mark.slow
def test_required_folder_that_is_not_named_is_an_error():
    code, out = outcome("--require-real")
    assert code == 4
    assert "GRASP_REAL is not set" in out
