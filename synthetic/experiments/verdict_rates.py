"""How often the verdict of ``identify`` fires: on benign adapters (false alarms) and on planted ones (hits)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
from scipy.stats import binomtest
from threadpoolctl import threadpool_limits

from grasp_theory import identify

from ..generators.adapters import AdapterSpec, draw_adapter
from ..runner.workers import in_workers

BENIGN = {
    "isotropic": AdapterSpec(),
    "isotropic, rank 64": AdapterSpec(rank=64),
    "isotropic, 4 layers": AdapterSpec(layers=4),
    "decaying spectra": AdapterSpec(decay=1.0),
    "a strong direction of its own in each layer": AdapterSpec(own=5.0),
    "the same, 4 layers": AdapterSpec(layers=4, own=5.0),
    "shared row scales j^-0.25": AdapterSpec(anisotropy=0.25),
    "shared row scales j^-0.5": AdapterSpec(anisotropy=0.5),
    "shared row scales j^-1": AdapterSpec(anisotropy=1.0),
    "rank 8 (no floor, cannot fire)": AdapterSpec(rank=8),
}
PLANTED = {
    "16 layers": AdapterSpec(),
    "4 layers": AdapterSpec(layers=4),
    "16 layers, rank 64": AdapterSpec(rank=64),
    "16 layers, each with a stronger direction of its own": AdapterSpec(own=5.0),
}
RELATIVE = (0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0)


@dataclass(frozen=True)
class Rate:
    """One cell: how often the verdict stood out.

    Attributes:
        relative: strength in units of the weakest that the *power* line says could have been seen (0: benign). fired /
            trials with its 95% Clopper-Pearson interval [low, high].
        overlap: mean ``|cos|`` of component 0 with the planted direction (for benign cells with one that is not there).
    """

    setting: str
    layers: int
    width: int
    rank: int
    relative: float
    strength: float
    trials: int
    fired: int
    rate: float
    low: float
    high: float
    overlap: float


def cells() -> list[tuple[str, AdapterSpec, float]]:
    """(setting, spec without the plant, relative strength), false alarms first."""
    return [(name, spec, 0.0) for name, spec in BENIGN.items()] + [
        (name, spec, relative) for name, spec in PLANTED.items() for relative in RELATIVE
    ]


def measure_cell(setting: str, spec: AdapterSpec, relative: float, trials: int) -> Rate:
    """One cell; its seed is derived from what it is, so that order and number of workers do not matter."""
    key = zlib.crc32(repr((setting, asdict(spec), relative)).encode())
    with threadpool_limits(1):
        strength = relative * visible_strength(spec) if relative else 0.0
        fired, overlaps = 0, []
        for trial in range(trials):
            updates, u = draw_adapter(replace(spec, strength=strength), rng=np.random.default_rng([key, trial]))
            report = identify(updates, top=4)
            fired += report.verdict in ("one stands out", "several stand out")
            overlaps.append(abs(float(u @ report.component(0).subspace.basis[:, 0])))
    interval = binomtest(fired, trials).proportion_ci(0.95)
    return Rate(
        setting=setting,
        layers=spec.layers,
        width=spec.width,
        rank=spec.rank,
        relative=relative,
        strength=round(strength, 6),
        trials=trials,
        fired=fired,
        rate=round(fired / trials, 4),
        low=round(float(interval.low), 4),
        high=round(float(interval.high), 4),
        overlap=round(float(np.mean(overlaps)), 4),
    )


def visible_strength(spec: AdapterSpec) -> float:
    """The weakest strength per module by the *power* line of a benign draw, in the spec's units."""
    updates, _ = draw_adapter(replace(spec, strength=0.0), rng=np.random.default_rng(0))
    power = identify(updates, top=1).decompositions[0].power.per_module
    if power is None:
        raise ValueError(f"no noise floor, hence no visible strength, at rank {spec.rank}")
    A = updates[0].lowrank.A
    return power / float(np.sqrt(spec.width * np.trace(A @ A.T) / spec.rank))


def measure_rates(
    trials: int, *, n_jobs: int = 2, progress: Callable[[Iterable[Rate], int], Iterator[Rate]] | None = None
) -> list[Rate]:
    """All cells, in parallel worker processes with one BLAS thread each; ``progress`` wraps the stream of results."""
    from joblib import delayed

    todo = cells()
    stream = in_workers([delayed(measure_cell)(*cell, trials) for cell in todo], n_jobs)
    return list(progress(stream, len(todo)) if progress else stream)
