"""A run beside control runs: what of it they learnt too, which of its numbers are unlike theirs, what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from grasp_theory import InputError, Report, identify
from grasp_theory.identification.components import Pool
from grasp_theory.identification.control import Covered, contrast, control_spaces, covered, require_same_modules
from grasp_theory.identification.diff import factor_cosines
from grasp_theory.identification.report import plain
from grasp_theory.moved import renamed

from ..adapters import Adapter
from .describe import different_bases, provenance
from .difference import CONTINUED, same_start
from .measurements import Deviation, deviations, measurements


@dataclass(frozen=True, eq=False)
class Against:
    """A run's components and numbers beside those of its controls.

    Attributes:
        report: components of (I − QQᵀ)(dW − mean of the controls' dW).
        own: the run's components by themselves.
        covered: how much of each of these lies in the controls' leading directions.
        dimension: of these, the most in one decomposition.
        starts: whether the run and each control started from one random factor, None where that cannot be told.
        one_run: pairs of controls that are of one run, whose spread says too little.
        deviations: the run's numbers beside the controls'.
    """

    controls: tuple[Adapter, ...]
    own: Report
    report: Report
    covered: tuple[Covered, ...]
    dimension: int
    starts: tuple[bool | None, ...]
    one_run: tuple[tuple[int, int], ...]
    deviations: tuple[Deviation, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON values, without the two reports."""
        strengths = {
            (d.name, c.index): (c.singular_value, c.energy) for d in self.own.decompositions for c in d.components
        }
        named = ("singular_value", "energy")
        components = [
            {**asdict(c), **dict(zip(named, strengths[c.decomposition, c.index], strict=True))} for c in self.covered
        ]
        return {
            "controls": [
                {**provenance(control), "same_start": start}
                for control, start in zip(self.controls, self.starts, strict=True)
            ],
            "controls_of_one_run": plain(self.one_run),
            "removed_directions": self.dimension,
            "components": plain(components),
            "measurements": plain(self.deviations),
        }


@renamed(k="top")
def against(
    adapter: Adapter,
    report: Report,
    controls: Sequence[Adapter],
    *,
    top: int = 8,
    pool: Pool = "auto",
) -> Against:
    """What ``adapter`` has beside its controls; ``report`` is its own, of ``top`` components.

    Every control is decomposed once, as the run was. Raises InputError unless all adapt the same modules in the same
    shapes (with the names of the base models where these differ), and for a control given twice or the run itself.
    Cost: that of :func:`grasp_theory.identify` for each control, and for one adapter of the sum of all ranks.
    """
    _check(adapter, controls)
    options: dict[str, Any] = {"side": report.side, "pool": pool, "top": top, "normalize": report.normalized}
    others = [identify(control.updates, **options) for control in controls]
    spaces = control_spaces(report, others)
    left = contrast(adapter.updates, [c.updates for c in controls], spaces=spaces, side=report.side)
    return Against(
        controls=tuple(controls),
        own=report,
        report=identify(left, **options),
        covered=covered(report, spaces),
        dimension=max((s.together.dimension for s in spaces), default=0),
        starts=tuple(same_start([c[0] for c in _cosines(adapter, control)]) for control in controls),
        one_run=tuple((i, j) for i, j in combinations(range(len(controls)), 2) if _one_run(controls[i], controls[j])),
        deviations=tuple(deviations(measurements(report), [measurements(other) for other in others])),
    )


def _check(adapter: Adapter, controls: Sequence[Adapter]) -> None:
    seen = {adapter.sha256: "the run itself"}
    for control in controls:
        try:
            require_same_modules(adapter.updates, control.updates)
        except InputError as error:
            raise InputError("; ".join([f"{control.path}: {error}", *different_bases(adapter, control)])) from None
        if control.sha256 in seen:
            raise InputError(
                f"{control.path} holds the same weights as {seen[control.sha256]}: give controls that differ"
            )
        seen[control.sha256] = str(control.path)


def _cosines(one: Adapter, other: Adapter) -> list[tuple[float | None, float | None]]:
    others = {u.name: u for u in other.updates}
    return [factor_cosines((u, u.lowrank), (others[u.name], others[u.name].lowrank)) for u in one.updates]


def _one_run(one: Adapter, other: Adapter) -> bool:
    """Whether one continues the other, as far as their factors tell: both point the same way in half of the modules."""
    kin = [start >= CONTINUED and trained >= CONTINUED for start, trained in _cosines(one, other) if start and trained]
    return sum(kin) > len(kin) / 2
