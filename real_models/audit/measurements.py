"""The numbers behind the findings, whether or not one fires, and how far a run's lie from those of control runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grasp_theory import InputError, Report
from grasp_theory.identification.report import ModuleSpectrum
from grasp_theory.identification.sharing import holm

from ..adapters.patterns import kind
from .findings import WEIGHT

NEEDED = 3  # controls, below which their spread says too little for a p-value
SAME = 1e-12  # spread of the controls, relative to their size, that is rounding


@dataclass(frozen=True)
class Measurement:
    """One number of an adapter. ``log``: a size, whose differences are ratios and which is compared in logarithms."""

    key: str
    label: str
    value: float
    log: bool = False


@dataclass(frozen=True)
class Deviation:
    """One number of a run beside the same of n controls.

    Attributes:
        mean, spread: of the controls, the spread with n − 1 (geometric mean and the factor of one standard deviation
            for a size).
        z: distance from the mean in units of the spread.
        p_value: of a new run as far from n normal ones, from t = z/√(1 + 1/n) with n − 1 degrees of freedom, corrected
            for the number of measurements (Holm). Both None where there are fewer than three controls or these do not
            vary.
    """

    key: str
    label: str
    value: float
    controls: tuple[float, ...]
    mean: float
    spread: float | None
    z: float | None
    p_value: float | None
    log: bool


def measurements(report: Report) -> list[Measurement]:
    """The numbers that the findings are decided by, of both sides; none of an adapter without any update.

    A number that the adapter does not have (A's start is unknown, rank 1) is left out. Cost: O(d L²) for each kind of
    module, for the leading directions that the layers share.
    """
    alive = [m for m in report.modules if m.norm > 0]
    energy = float(sum(m.norm**2 for m in alive))
    dead = Measurement("dead", "modules without update, share", 1 - len(alive) / len(report.modules))
    if not alive:
        return [dead]
    entries = [m.norm / np.sqrt(m.shape[0] * m.shape[1]) / WEIGHT for m in alive]
    found = [
        Measurement("norm", "norm of the update", energy**0.5, log=True),
        Measurement("size", "entries over a typical weight's", float(np.median(entries)), log=True),
        dead,
        *_progress(alive),
        *_places(alive, energy),
        Measurement("one-module", "energy in the largest module", max(m.norm**2 for m in alive) / energy),
        *_ranks(alive),
    ]
    shared = _shared(alive)
    found += [] if shared is None else [Measurement("shared-direction", "|cos| shared by layers", shared)]
    return [m for m in found if np.isfinite(m.value)]


def _progress(alive: Sequence[ModuleSpectrum]) -> list[Measurement]:
    starts = [m.start for m in alive if m.start is not None]
    named = (
        ("grown", "B over A", [s.grown for s in starts], True),
        ("kurtosis", "kurtosis of B's entries", [s.kurtosis for s in starts], True),
        ("moved", "A moved, in half widths, about", [s.moved for s in starts], False),
    )
    known = [(key, label, [x for x in values if x is not None], log) for key, label, values, log in named]
    return [Measurement(key, label, float(np.median(x)), log) for key, label, x, log in known if x]


def _places(alive: Sequence[ModuleSpectrum], energy: float) -> list[Measurement]:
    shares: dict[str, float] = {}
    for m in alive:
        shares[kind(m.name)] = shares.get(kind(m.name), 0.0) + m.norm**2 / energy
    write = sum(m.norm**2 for m in alive if m.side == "write") / energy
    found = [Measurement("sides", "energy in modules that write", write)] if len({m.side for m in alive}) > 1 else []
    if len(shares) > 1:
        found += [Measurement(f"energy: {name}", f"energy in {name}", x) for name, x in sorted(shares.items())]
    deep = [(m.layer, m.norm**2) for m in alive if m.layer is not None]
    layers = [layer for layer, _ in deep]
    if deep and max(layers) > min(layers):
        depth = (np.array(layers) - min(layers)) / (max(layers) - min(layers))
        centre = float(np.average(depth, weights=[e for _, e in deep]))
        found.append(Measurement("depth", "mean depth of the energy, 0 to 1", centre))
    return found


def _ranks(alive: Sequence[ModuleSpectrum]) -> list[Measurement]:
    many = [m for m in alive if m.singular_values.size > 1]
    if not many:
        return []
    S = [m.singular_values for m in many]
    first = sum(float(s[0]) ** 2 for s in S) / sum(m.norm**2 for m in many)
    stable = float(np.median([m.norm**2 / float(s[0]) ** 2 for m, s in zip(many, S, strict=True)]))
    end = float(np.median([float(s[-1] / s[0]) for s in S]))
    return [
        Measurement("first", "energy in first components", first),
        Measurement("stable-rank", "stable rank", stable, log=True),
        Measurement("rank-used-up", "smallest over largest s", end),
    ]


def _shared(alive: Sequence[ModuleSpectrum]) -> float | None:
    """Median over the modules of the root mean square |cos| of the leading directions with those of one kind."""
    groups: dict[tuple[str, int], list[np.ndarray]] = {}
    for m in alive:
        if m.leading is not None:
            groups.setdefault((kind(m.name), len(m.leading)), []).append(m.leading.astype(np.float64))
    cosines: list[float] = []
    for group in groups.values():
        if len(group) >= NEEDED:
            gram = np.stack(group) @ np.stack(group).T
            others = np.sum(gram**2, axis=1) - np.diag(gram) ** 2
            cosines += list(np.sqrt(others / (len(group) - 1)))
    return float(np.median(cosines)) if cosines else None


def deviations(run: Sequence[Measurement], controls: Sequence[Sequence[Measurement]]) -> list[Deviation]:
    """Every number that the run and all controls have, with its distance from the controls.

    Law: of n + 1 independent normal numbers of one law, (x − mean of the others)/(s √(1 + 1/n)) has Student's law with
    n − 1 degrees of freedom: the prediction interval. With normal numbers one or more p-values are below alpha with
    probability alpha at most, however the numbers depend on each other (Holm 1979).

    Raises InputError without a control. Cost: none.
    """
    if not controls:
        raise InputError("numbers are compared with those of one or more controls, got none")
    others = [{m.key: m.value for m in control} for control in controls]
    found = [_deviation(m, [o[m.key] for o in others]) for m in run if all(m.key in o for o in others)]
    tested = [d for d in found if d.p_value is not None]
    corrected = dict(zip([d.key for d in tested], holm([d.p_value or 0.0 for d in tested]), strict=True))
    return [Deviation(**{**vars(d), "p_value": float(corrected[d.key]) if d.key in corrected else None}) for d in found]


def _deviation(m: Measurement, controls: Sequence[float]) -> Deviation:
    from scipy.special import stdtr

    n, log = len(controls), m.log and min(m.value, *controls) > 0
    x, others = (np.log(m.value), np.log(controls)) if log else (m.value, np.array(controls))
    mean, spread = float(np.mean(others)), float(np.std(others, ddof=1)) if n > 1 else None
    z = p = None
    if n >= NEEDED and spread is not None and spread > SAME * max(1.0 if log else abs(mean), abs(x)):
        z = float((x - mean) / spread)
        p = float(2 * stdtr(n - 1, -abs(z) / np.sqrt(1 + 1 / n)))
    mean, spread = (float(np.exp(mean)), None if spread is None else float(np.exp(spread))) if log else (mean, spread)
    return Deviation(m.key, m.label, m.value, tuple(controls), mean, spread, z, p, log)
