"""Worker processes: results in order, and a Ctrl-C that says one line, wherever the workers are, and leaves none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from checkout import ROOT
from joblib import Parallel, delayed

from synthetic.runner.workers import in_workers

# Every worker writes its number down and then waits: while it starts, or in its task.
STARTING = """
import os, sys, time
if any("popen_loky" in a for a in sys.orig_argv):
    open("pids", "a").write(f"{os.getpid()}\\n")
    if os.environ["WAIT"] == "starting":
        time.sleep(100)
"""
SCRIPT = """
import contextlib, os, signal, sys, time
import grasp_cli, synthetic.runner.workers
from joblib import delayed

signal.signal(signal.SIGINT, signal.default_int_handler)
if os.environ["BLOCKED"] == "no":
    synthetic.runner.workers._without_interrupts = contextlib.nullcontext

def command(args, prog_name, standalone_mode):
    return list(synthetic.runner.workers.in_workers([delayed(time.sleep)(100)] * 4, 2))

sys.exit(grasp_cli.run(command))
"""


def mask(_: int) -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.parametrize("jobs", [1, 2])
def test_workers_give_results_in_order(jobs):
    tasks = [delayed(time.strftime)(str(n)) for n in range(7)]
    assert list(in_workers(tasks, jobs)) == [str(n) for n in range(7)]
    assert list(in_workers([], jobs)) == []


def test_workers_have_ctrl_c_blocked_and_nobody_else():
    assert list(in_workers([delayed(mask)(n) for n in range(4)], 2)) == [True] * 4
    assert not mask(0)
    assert not any(in_workers([delayed(mask)(n) for n in range(4)], 1))  # in this process


def test_workers_given_up_say_nothing():
    def some(stream) -> list[str]:
        with warnings.catch_warnings(record=True) as said:
            next(stream)
            stream.close()
        return [str(w.message) for w in said]

    tasks = [delayed(time.sleep)(0.1 * n) for n in range(4)]
    assert some(in_workers(tasks, 2)) == []
    assert "still being processed" in some(Parallel(2, return_as="generator")(tasks))[0]  # control


def interrupted(folder: Path, wait: str, blocked: str) -> tuple[int, str, list[int]]:
    """(code, stderr, processes left) of a Ctrl-C, as a terminal sends it, while two workers start or work."""
    (folder / "sitecustomize.py").write_text(STARTING)
    env = os.environ | {"PYTHONPATH": f"{folder}:{ROOT}", "WAIT": wait, "BLOCKED": blocked}
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(
        command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        pids, end = folder / "pids", time.monotonic() + 60
        while (not pids.exists() or len(pids.read_text().split()) < 2) and time.monotonic() < end:
            time.sleep(0.05)
        if wait == "working":
            time.sleep(2)
        os.killpg(child.pid, signal.SIGINT)
        err = child.communicate(timeout=60)[1]
    return child.returncode, err, [int(pid) for pid in pids.read_text().split() if alive(int(pid))]


def alive(pid: int) -> bool:
    """After some seconds of grace; what its parent has not asked for is dead."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
        if not state.strip() or state.startswith("Z"):
            return False
        time.sleep(0.05)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("wait", ["starting", "working"])
def test_workers_interrupted_leave_one_line_and_no_process(tmp_path, wait):
    code, err, left = interrupted(tmp_path, wait, "yes")
    assert (code, left) == (130, [])
    assert err == "interrupted; nothing was left half-written\n"


@pytest.mark.slow
def test_workers_that_hear_ctrl_c_say_where_they_were(tmp_path):
    """Control of the block."""
    code, err, _ = interrupted(tmp_path, "starting", "no")
    assert code == 130
    assert "Traceback" in err
