"""Whole processes: start-up, wall time of ``grasp identify``, memory, growth with the size of the adapter.

Of 2.0 CPU seconds for 7B at rank 16 (``import torch``: 2.6) 1.0 are identification and findings; about 0.4 are typer,
which builds every command and parses with pydantic (0.15), 0.1 numpy, 0.06 jaxtyping (by unittest.mock and asyncio),
0.1 rich, the rest the modules of this toolkit.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from . import adapters
from .timing import AUDIT, IMPORTS, Claim, at_most, interleaved, peak_megabytes, process


def claims(folder: Path) -> list[Claim]:
    """Run after benchmarks.decompose, whose adapters it uses again."""
    small, large = folder / "7B-r16", folder / "7B-r64"
    run, torch, start = interleaved(
        5,
        process(["-m", "grasp_cli", "identify", str(small)]),
        process(["-c", "import torch"]),
        process(["-m", "grasp_cli", "--help"]),
    )
    base = peak_megabytes(IMPORTS)
    peaks = [peak_megabytes(f"{IMPORTS}\n{AUDIT.format(str(path))}") for path in (small, large)]
    sizes, seconds = [], []
    for layers in (8, 16, 24, 32):
        path = adapters.write(folder / f"7B-{layers}", "7B", 16, layers=layers)
        sizes.append((path / "adapter_model.safetensors").stat().st_size / 2**20)
        seconds.append(interleaved(3, process(["-m", "grasp_cli", "identify", str(path)]))[0])
    slope, intercept = np.polyfit(sizes, seconds, 1)
    distance = float(np.abs(np.array(seconds) - (slope * np.array(sizes) + intercept)).max() / seconds[-1])
    big = adapters.write(folder / "70B-r16", "70B", 16)
    (seventy,) = interleaved(1, process(["-m", "grasp_cli", "identify", str(big)]))
    megabytes = (large / "adapter_model.safetensors").stat().st_size / 2**20
    return [
        at_most("grasp identify on 7B r = 16 / import torch", run / torch, 0.85, f"{run:.2f} s, {torch:.2f} s"),
        at_most("grasp --help", start, 0.4, "whole process", " s"),
        at_most(
            f"peak memory of identify and findings on {megabytes:.0f} MB (7B, r = 64) − after imports",
            max(peaks) - base,
            60,
            f"{peaks[1]:.0f} MB, r = 16 {peaks[0]:.0f} MB, {base:.0f} MB",
            " MB",
        ),
        at_most(
            "time against adapter size: largest distance from a line / time of the largest",
            distance,
            0.15,
            f"{1e3 * slope:.1f} ms a MB + {intercept:.2f} s; {', '.join(f'{s:.2f}' for s in seconds)} s",
            "",
        ),
        at_most(
            "grasp identify on 70B r = 16 / on 7B r = 16",
            seventy / run,
            (big / "adapter_model.safetensors").stat().st_size
            / (small / "adapter_model.safetensors").stat().st_size
            * 2,
            f"{seventy:.2f} s",
        ),
    ]
