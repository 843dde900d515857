"""A survey of many adapters with two workers against one; an adapter of 70B, rank 64: time against size, memory."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from grasp_theory import LowRank
from real_models import write_adapter
from real_models.audit.survey import survey

from . import adapters
from .timing import AUDIT, IMPORTS, Claim, at_least, at_most, interleaved, peak_megabytes, process

COUNT, WIDTH, BLOCKS, RANK = 1000, 256, 12, 8
LAYERS = (10, 20, 40, 80)
DIFF = "a, b = (real_models.read_adapter(p) for p in ({!r}, {!r}))\ngrasp_theory.diff(a.updates, b.updates)"


def claims(folder: Path) -> list[Claim]:
    """Both."""
    folder.mkdir()
    return [*many(folder / "many"), *large(folder / "large")]


def many(folder: Path, count: int = COUNT) -> list[Claim]:
    """Reading and pairs of ``count`` small adapters; then again, nothing having changed."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for n in range(count):
        write_adapter(folder / f"run{n}", _table(rng), base_model_name="made")

    def look(jobs: int) -> None:
        shutil.rmtree(folder.parent / "store", ignore_errors=True)
        survey(folder, folder.parent / "store", top=4, n_jobs=jobs)

    one, two, again = interleaved(
        1, lambda: look(1), lambda: look(2), lambda: survey(folder, folder.parent / "store", top=4, n_jobs=2)
    )
    name = f"survey of {count} adapters"
    return [
        at_least(f"{name}: one worker / two", one / two, 1.7, f"{one:.1f} s against {two:.1f} s"),
        at_most(f"{name}: again, nothing changed / first, two workers", again / two, 0.5, f"{again:.1f} s"),
    ]


def _table(rng: np.random.Generator) -> dict[str, LowRank]:
    names = [f"model.layers.{n}.{m}" for n in range(BLOCKS) for m in ("self_attn.q_proj", "self_attn.o_proj")]
    return {
        name: LowRank(0.01 * rng.standard_normal((WIDTH, RANK)), rng.uniform(-1, 1, (RANK, WIDTH)) / WIDTH**0.5)
        for name in names
    }


def large(folder: Path) -> list[Claim]:
    """``grasp identify`` on a quarter to all of the blocks, and the memory of identify and diff on the ends."""
    folder.mkdir()
    sizes, seconds, paths = [], [], []
    for layers in LAYERS:
        path = adapters.write(folder / f"70B-r64-{layers}", "70B", 64, layers=layers)
        paths.append(path)
        sizes.append((path / "adapter_model.safetensors").stat().st_size / 2**20)
        seconds.append(interleaved(1, process(["-m", "grasp_cli", "identify", str(path)]))[0])
    slope, intercept = np.polyfit(sizes, seconds, 1)
    off = float(np.abs(np.array(seconds) - (slope * np.array(sizes) + intercept)).max() / seconds[-1])
    base = peak_megabytes(IMPORTS)
    ends = [str(paths[0]), str(paths[-1])]
    audits = [peak_megabytes(f"{IMPORTS}\n{AUDIT.format(path)}") - base for path in ends]
    diffs = [peak_megabytes(f"{IMPORTS}\n{DIFF.format(path, path)}") - base for path in ends]
    what = f"70B, r = 64, {sizes[0]:.0f} to {sizes[-1]:.0f} MB"
    return [
        at_most(
            f"{what}: largest distance of the time from a line / time of the largest",
            off,
            0.15,
            f"{1e3 * slope:.1f} ms a MB + {intercept:.2f} s; {', '.join(f'{s:.1f}' for s in seconds)} s",
            "",
        ),
        at_most(
            f"{what}: peak memory of identify and findings on the largest / its size",
            audits[1] / sizes[-1],
            0.25,
            f"{audits[1]:.0f} MB, on the smallest {audits[0]:.0f} MB, over imports",
            "",
        ),
        at_most(
            f"{what}: peak memory of diff on the largest / its size",
            diffs[1] / sizes[-1],
            0.35,
            f"{diffs[1]:.0f} MB, on the smallest {diffs[0]:.0f} MB, over imports",
            "",
        ),
    ]
