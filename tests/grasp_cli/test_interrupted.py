"""Commands that cannot end as they should: output that is closed, disks that are full, interrupts."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys

import pytest
from command import grasp


@pytest.mark.parametrize("function", ["tempfile.mkstemp", "os.fsync", "os.replace"])
def test_full_disk_leaves_the_old_file(planted, tmp_path, capsys, monkeypatch, function):
    target = tmp_path / "out.json"
    target.write_text("old")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(function, full)
    code, out, err = grasp(capsys, "identify", planted, "--json", target)
    assert code == 2
    assert out == ""
    assert "No space left on device" in err
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.json"]


@pytest.mark.slow
def test_interrupt_leaves_no_file_and_code_130(planted, tmp_path):
    """Ctrl-C while the directions file is being written: the old file stays whole, no temporary is left."""
    target = tmp_path / "d.safetensors"
    target.write_bytes(b"old")
    script = (
        "import os, signal, sys, time, grasp_cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background inherits it ignored
        "def slow(descriptor):\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(60)\n"
        "os.fsync = slow\n"
        f"arguments = ['identify', {str(planted)!r}, '-o', {str(target)!r}, '--component', '0']\n"
        "sys.exit(grasp_cli.run(grasp_cli.app, arguments))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "writing\n"
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "interrupted" in err
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["d.safetensors"]


@pytest.mark.slow
def test_closed_pipe_is_no_error(planted, tmp_path):
    target = tmp_path / "out.json"
    with subprocess.Popen(
        [sys.executable, "-m", "grasp_cli", "identify", str(planted), "--json", str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        err = child.stderr.read()
        assert child.wait(timeout=60) == 0
    assert err == ""
    assert json.loads(target.read_text())["verdict"] == "one stands out"
