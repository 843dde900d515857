"""``grasp reproduce`` under kill -9: resumed as often as it takes, it ends with the files of a run left in peace.

``python -m benchmarks.kills [--kills N] [--seed S] [--folder F] [OPTIONS OF grasp reproduce]``, exit code 1 if a file
differs. All processes run from one copy of the code, so that it may be edited meanwhile. Every file of the results
folder and of the cache of organisms is compared but ``timings.json`` (how long the last run took: beside the results,
read by nothing) and hidden ``*.part`` files, writes that were cut off, which nothing reads either; they are counted.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer

import numpy as np

from .timing import Claim, at_least, at_most

QUICK = ("--only", "audit", "--only", "verdict", "--trials", "8")
SWEPT = ("pooling", "optimizer-leak")
ROOT = Path(__file__).parents[1]
ROOMS = ("grasp_theory", "synthetic", "real_models", "figures", "grasp_cli")
START = "start-up"
HEAD = re.compile(r"\d+/\d+  (.*?)(: current)?$")
# titles of stages that go on where they were, with their cells or their cache; the others begin again
KEEPING = ("the statements of the theory", "the linear lab", "a persona organism", "removal methods")


@dataclass
class Attempt:
    """One process. began : (title, seconds since the start) of the stages that ran; seconds, code : how it ended."""

    began: list[tuple[str, float]]
    seconds: float = 0.0
    code: int = 0

    def lengths(self) -> list[tuple[str, float]]:
        """(title, seconds) of each stage."""
        ends = [start for _, start in self.began[1:]] + [self.seconds]
        return [(title, end - start) for (title, start), end in zip(self.began, ends, strict=True)]


@dataclass
class Schedule:
    """When to kill: moments of the undisturbed run, each met again in the stage it belongs to.

    lengths : of the undisturbed run. moments : (index of the stage, seconds into it), in order. lived : how long the
    stages that go on have run in all attempts. met : titles of the stages that were killed.
    """

    lengths: list[tuple[str, float]]
    moments: list[tuple[int, float]]
    lived: dict[str, float] = field(default_factory=dict)
    met: list[str] = field(default_factory=list)

    @classmethod
    def draw(cls, lengths: list[tuple[str, float]], kills: int, *, rng: np.random.Generator) -> Schedule:
        """One moment in every stage, the others anywhere in the run."""
        ends = np.cumsum([seconds for _, seconds in lengths])
        moments = [(n, rng.uniform(0, seconds)) for n, (_, seconds) in enumerate(lengths)]
        for t in rng.uniform(0, ends[-1], max(0, kills - len(moments))):
            n = int(np.searchsorted(ends, t, side="right"))
            moments.append((n, t - (ends[n - 1] if n else 0.0)))
        return cls(lengths, sorted(moments))

    def delay(self, title: str) -> float | None:
        """Seconds from the beginning of this stage to the next kill, None if that is in a later one."""
        here = [name for name, _ in self.lengths].index(title)
        if not self.moments or self.moments[0][0] > here:
            return None
        stage, after = self.moments[0]
        return max(0.05, after - self.lived.get(title, 0)) if stage == here else 0.05  # the moment was missed: now

    def killed(self, attempt: Attempt) -> None:
        """The first moment is over."""
        title, seconds = attempt.lengths()[-1]
        self.moments.pop(0)
        self.met.append(title)
        if title.startswith(KEEPING):
            self.lived[title] = self.lived.get(title, 0) + seconds


def claims(folder: Path, options: Sequence[str] = QUICK, *, kills: int = 10, seed: int = 0) -> list[Claim]:
    """A run in peace, one killed at seeded moments until it ends, a control, a sweep on one and on two workers."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / "code" / room, ignore=shutil.ignore_patterns("__pycache__"))
    calm, killed = folder / "calm", folder / "killed"
    alone = reproduce(calm, options, lambda title: None)
    schedule = Schedule.draw(alone.lengths(), kills + 2, rng=np.random.default_rng(seed))
    # two more than asked: a stage that is faster than it was may end before its moment
    seconds, attempt = 0.0, Attempt([], code=-signal.SIGKILL)
    while attempt.code == -signal.SIGKILL:
        attempt = reproduce(killed, options, schedule.delay)
        seconds += attempt.seconds
        if attempt.code == -signal.SIGKILL:
            schedule.killed(attempt)
    found = differences(calm, killed)
    where = ", ".join(f"{n} in {title.split(',')[0]!r}" for title, n in Counter(schedule.met).items())
    parts = list(killed.rglob(".*.part"))
    detail = f"{len(contents(calm))} files compared; {alone.seconds:.0f} s in peace, {seconds - alone.seconds:.0f} s "
    detail += f"lost; {len(parts)} cut-off writes left {sum(p.stat().st_size for p in parts)} bytes"
    return [
        at_least("grasp reproduce: kills with -9 before it ended", len(schedule.met), kills, where, ""),
        at_most("files that differ from the undisturbed run", len(found), 0, listed(found) or detail, ""),
        at_least("the same after one byte was changed (control)", control(calm, killed), 1, "must be seen", ""),
        workers(folder),
    ]


def reproduce(folder: Path, options: Sequence[str], delay: Callable[[str], float | None]) -> Attempt:
    """``grasp reproduce`` in ``folder``, killed with all its workers ``delay(title)`` seconds after a stage began."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "grasp_cli", "reproduce", "--results", "results", *options]
    started = time.monotonic()
    with (
        (folder.parent / f"{folder.name}.log").open("a") as log,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment(folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as child,
    ):
        attempt = Attempt([])

        def enter(title: str) -> Timer:
            attempt.began.append((title, time.monotonic() - started))
            seconds = delay(title)
            made = Timer(0 if seconds is None else seconds, lambda: os.killpg(child.pid, signal.SIGKILL))
            if seconds is not None:
                made.start()
            return made

        timer = enter(START)
        try:
            for line in child.stdout or ():  # ends when the workers are dead too: they hold the pipe
                log.write(line)
                head = HEAD.match(line.rstrip())
                if head and not head[2]:
                    timer.cancel()
                    timer = enter(head[1])
        except BaseException:  # Ctrl-C does not reach another session
            os.killpg(child.pid, signal.SIGKILL)
            raise
        finally:
            timer.cancel()
    attempt.seconds, attempt.code = time.monotonic() - started, child.returncode
    if attempt.code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{' '.join(command)} ended with code {attempt.code}: see {log.name}")
    return attempt


def environment(folder: Path) -> dict[str, str]:
    """The copy of the code, and a cache of its own: what one run leaves does not help the other."""
    code, cache = folder.absolute().parent / "code", folder.absolute() / "cache"
    return os.environ | {"PYTHONPATH": str(code), "GRASP_CACHE": str(cache), "OMP_NUM_THREADS": "1"}


def workers(folder: Path) -> Claim:
    """The same quick sweeps on one and on two workers."""
    folders = [folder / f"workers-{jobs}" for jobs in (1, 2)]
    for jobs, place in enumerate(folders, start=1):
        place.mkdir()
        command = [sys.executable, "-m", "grasp_cli", "sweep", *SWEPT, "--quick", "--jobs", str(jobs)]
        subprocess.run(command, check=True, cwd=place, env=environment(place), stdout=subprocess.DEVNULL)
    found = differences(*folders)
    detail = listed(found) or f"{len(contents(folders[0]))} files compared"
    return at_most(f"sweep of {' and '.join(SWEPT)} on 1 and 2 workers: files that differ", len(found), 0, detail, "")


def control(one: Path, other: Path) -> int:
    """How many files differ when the last byte of one of them is another; it is put back."""
    name = sorted(contents(other))[-1]
    content = (other / name).read_bytes()
    (other / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    found = differences(one, other)
    (other / name).write_bytes(content)
    return len(found)


def differences(one: Path, other: Path) -> list[str]:
    """Names of the files that are not the same, or not there, in both folders."""
    first, second = contents(one), contents(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def contents(folder: Path) -> dict[str, str]:
    """Name -> sha256 of what is compared."""
    found = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    kept = {n: p for n, p in found.items() if p.name != "timings.json" and not re.fullmatch(r"\..*\.part", p.name)}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in kept.items()}


def listed(names: Sequence[str]) -> str:
    """The first of them."""
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def main() -> int:
    """Print the claims; 1 if one does not hold."""
    epilog = "All other options go to grasp reproduce."
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", epilog=epilog, allow_abbrev=False)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="new or empty, kept; a temporary one otherwise")
    given, options = parser.parse_known_args()
    if given.folder is not None and given.folder.exists() and any(given.folder.iterdir()):
        parser.error(f"{given.folder} holds something already")
    with tempfile.TemporaryDirectory() as name:
        found = claims(given.folder or Path(name), options, kills=given.kills, seed=given.seed)
    for c in found:
        print(f"{'holds' if c.holds else 'FAILS'}  {c.name}: {c.measured:g} ({c.bound}). {c.detail}")
    return 0 if all(c.holds for c in found) else 1


if __name__ == "__main__":
    sys.exit(main())
