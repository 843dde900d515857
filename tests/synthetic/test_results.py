"""Result files: whole or not at all, JSON without NaN, manifests."""

from __future__ import annotations

import json
import os
import stat

import pytest

from figures.rows import read_rows
from grasp_theory import InputError
from synthetic.runner.results import (
    check_target,
    json_text,
    manifest,
    replacing,
    write_atomically,
    write_csv,
    write_json,
)


class Stop(BaseException):
    """Stands for Ctrl-C: no Exception."""


def test_replacing_keeps_the_old_file_whatever_interrupts(tmp_path):
    target = tmp_path / "a ü.json"
    target.write_bytes(b"old")

    def interrupted() -> None:
        with replacing(target) as file:
            file.write(b"half")
            raise Stop

    with pytest.raises(Stop):
        interrupted()
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == [target.name]
    with replacing(target) as file:  # the control: without an interruption it is replaced
        file.write(b"new")
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_written_file_has_the_permissions_the_umask_leaves_and_nobody_asks_for_it(tmp_path, monkeypatch, mask, mode):
    """To ask for the umask is to change it, for every thread of the process."""
    before = os.umask(mask)
    try:
        with monkeypatch.context() as patch:
            patch.delattr(os, "umask")
            written = write_atomically(tmp_path / "written", b"")
        (tmp_path / "private").touch(0o600)  # control: a mode that is not asked of the umask
    finally:
        left = os.umask(before)
    assert left == mask
    assert stat.S_IMODE(written.stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600


def test_link_stays_and_what_it_points_to_is_replaced(tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "results.json"
    link.symlink_to("disk/results.json")
    for content in (b"1", b"2"):  # the first time it points to nothing
        write_atomically(link, content)
        assert link.is_symlink()
        assert (tmp_path / "disk" / "results.json").read_bytes() == content
    astray = tmp_path / "astray.json"
    astray.symlink_to("nowhere/results.json")
    with pytest.raises(InputError, match="nowhere does not exist"):
        write_atomically(astray, b"")
    astray.unlink()
    astray.symlink_to("astray.json")
    with pytest.raises(InputError, match="a symbolic link to itself"):
        write_atomically(astray, b"")


def test_name_that_is_no_text_is_written_all_the_same(tmp_path):
    """The name of a file may hold any bytes; Python makes lone surrogates of those that are no UTF-8."""
    name = os.fsdecode(b"k\xc3\xb6ln\xff")
    for value in ({"name": name}, {"name": "k\N{LATIN SMALL LETTER O WITH DIAERESIS}ln"}):
        assert json.loads(write_json(tmp_path / "a.json", value).read_bytes()) == value
    assert (
        write_atomically(tmp_path / "a.html", name).read_text(encoding="utf-8")
        == "k\N{LATIN SMALL LETTER O WITH DIAERESIS}ln?"
    )


def test_closed_standard_output_is_refused(monkeypatch):
    """As a shell closes it (>&-)."""
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(InputError, match="standard output is closed"):
        write_json("-", {})


def test_long_names_fit(tmp_path):
    assert write_atomically(tmp_path / ("x" * 250), b"1").read_bytes() == b"1"


def test_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []
    assert json.loads(json_text({"x": None, "é": 1})) == {"x": None, "é": 1}


def test_csv_round_trip_quotes_what_needs_it(tmp_path):
    rows = [{"name": 'a, "b"\nc', "n": 3, "x": 0.1}, {"name": "d", "n": -1, "x": 1e-9}]
    assert read_rows(write_csv(tmp_path / "a.csv", rows)) == rows


def test_targets_are_refused_with_the_reason(tmp_path):
    with pytest.raises(InputError, match="name a file in it"):
        check_target(tmp_path)
    with pytest.raises(InputError, match="create it first"):
        check_target(tmp_path / "no" / "file")


def test_manifest_names_config_and_versions():
    found = manifest({"seed": 3})
    assert found["config"] == {"seed": 3}
    assert set(found["versions"]) == {"grasp-toolkit", "python", "numpy", "scipy"}
    assert found["commit"] is None or len(found["commit"]) == 40
