"""Interleaved repeats and medians."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

# what ``peak_megabytes`` runs: the imports of an audit, and one
IMPORTS = "import numpy, grasp_theory, real_models; from real_models.audit.findings import findings"
AUDIT = "a = real_models.read_adapter({!r})\nfindings(a, grasp_theory.identify(a.updates))"


@dataclass(frozen=True)
class Claim:
    """One line of the report: a measured figure, its bound, and the seconds behind it."""

    name: str
    measured: float
    bound: str
    holds: bool
    detail: str


def at_most(name: str, measured: float, bound: float, detail: str, unit: str = "x") -> Claim:
    """A claim that something is not above a bound."""
    return Claim(name, measured, f"<= {bound:g}{unit}", measured <= bound, detail)


def at_least(name: str, measured: float, bound: float, detail: str, unit: str = "x") -> Claim:
    """A claim that something is not below a bound."""
    return Claim(name, measured, f">= {bound:g}{unit}", measured >= bound, detail)


def interleaved(repeats: int, *work: Callable[[], object]) -> list[float]:
    """Median seconds of each piece of work, run in turn A B C A B C … after one warm-up round."""
    seconds: list[list[float]] = [[] for _ in work]
    for n in range(repeats + 1):
        for piece, taken in zip(work, seconds, strict=True):
            start = time.perf_counter()
            piece()
            if n:
                taken.append(time.perf_counter() - start)
    return [float(np.median(taken)) for taken in seconds]


def process(arguments: Sequence[str]) -> Callable[[], None]:
    """A whole process of this interpreter, output thrown away; fails if it fails."""
    return lambda: subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL) and None


def peak_megabytes(code: str) -> float:
    """Peak resident memory of ``python -c code`` in a fresh process, from Linux's own count.

    (ru_maxrss would not do: it survives exec, so that a child starts with what its parent had.)
    """
    script = f"{code}\nprint(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    out = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return int(out.stdout.split()[-1]) / 1024
