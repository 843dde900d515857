"""What :func:`grasp_theory.identify` returns: plain frozen records, and their JSON form."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import AssumptionError, InputError, unknown_name
from ..subspace import Subspace
from ..updates import Side
from .agreement import Agreement
from .read_start import ReadStart
from .self_certificate import SelfCertificate
from .start import Start

SCHEMA_VERSION = 1

Verdict = Literal["one stands out", "several stand out", "none can be told", "nothing to decompose"]


@dataclass(frozen=True)
class Certificate:
    """Angle between the span of components 0 … i and the factors behind them, as a curve over an asserted tau.

    Law: if the decomposed matrix is T + (i + 1 orthonormal factors) with ‖T‖₂ <= tau, the sine of the largest angle
    is at most tau/strength (statements ``posterior-angle``, ``subspace-angle``). The data assert no tau: by Weyl the
    spectrum only shows tau >= smallest_tau, the next singular value.
    """

    strength: float
    smallest_tau: float

    def angle(self, tau: float) -> float:
        """Bound in radians, asin(tau/strength); π/2, which says nothing, for tau >= strength.

        Raises AssumptionError for a tau below ``smallest_tau``: the spectrum contradicts it.
        """
        if np.isnan(tau):
            raise InputError("tau must be a number, got nan")
        if tau < self.smallest_tau * (1 - 1e-9):
            raise AssumptionError(
                f"tau = {tau:.4g} is below the next singular value {self.smallest_tau:.4g}: "
                "by Weyl's inequality the rest of the update is at least that large"
            )
        return float(np.arcsin(min(tau / self.strength, 1.0))) if self.strength > 0 else float(np.pi / 2)

    def curve(self, points: int = 9) -> list[tuple[float, float]]:
        """(tau, bound in radians) from the smallest consistent tau to the strength, where it becomes vacuous."""
        return [(float(t), self.angle(float(t))) for t in np.linspace(self.smallest_tau, self.strength, points)]


@dataclass(frozen=True)
class Floor:
    """The singular value that noise alone exceeds with probability 1 − level; value None if not estimated."""

    value: float | None
    level: float
    reason: str


@dataclass(frozen=True)
class Power:
    """What could have been seen: a factor of this strength comes out just above both the floor and the gap asked for.

    The factor is one that all layers share and that leads in them: agreement is then no narrower than the floor.

    Attributes:
        strength: √(Σ beta_l²) over the modules, None with the reason where nothing could have passed.
        per_module: strength/√(number of modules).
    """

    strength: float | None
    per_module: float | None
    reason: str


@dataclass(frozen=True, eq=False)
class Component:
    """One singular component (0-based index) of the decomposed matrix.

    Attributes:
        ratio: singular value over the next one; None if the rank allows no next one, or that is 0 to rounding.
        separated: whether it is at least RATIO times the next one; None if the rank allows no next one.
        energy: share of ‖dW‖_F².
        above_floor, agreement: None if not estimated.
        layers: effective number 1/Σ share² of layers that a pooled component is made of; None for a single module.
        subspace: the direction in the residual stream (unit norm, sign rule).
    """

    index: int
    singular_value: float
    ratio: float | None
    separated: bool | None
    energy: float
    above_floor: bool | None
    agreement: Agreement | None
    layers: float | None
    certificate: Certificate
    stands_out: bool
    subspace: Subspace


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Components of one module, or of several stacked (``pooled``), on one side.

    Attributes:
        what: the matrix that was decomposed, in words.
        norm: its Frobenius norm.
        error: bound on the error of the singular values.
        largest_module, largest_share: the module with the largest share of ‖·‖_F² and that share.
        self_certificate: of component 0, with no asserted tau; for a task that is random beside the factor alone.
    """

    name: str
    what: str
    side: Side
    pooled: bool
    modules: tuple[str, ...]
    layers: tuple[int | None, ...]
    width: int
    norm: float
    error: float
    largest_module: str
    largest_share: float
    floor: Floor
    power: Power
    self_certificate: SelfCertificate
    components: tuple[Component, ...]
    verdict: Verdict

    def component(self, index: int) -> Component:
        """Component by 0-based index; InputError says how many there are."""
        if not 0 <= index < len(self.components):
            there = f"components 0 … {len(self.components) - 1}" if self.components else "no component"
            raise InputError(f"{self.name} has {there}, asked for {index}")
        return self.components[index]


@dataclass(frozen=True, eq=False)
class ModuleSpectrum:
    """One module's update, whatever side was analysed.

    Attributes:
        block: its path.
        scaling: the factor before B A, as it was used.
        singular_values: all of them.
        leading: the leading singular vector on its own side of the stream, left where it writes and right where it
            reads; None for a module of no side or without an update.
        start: what its factors say about where training began.
    """

    name: str
    layer: int | None
    block: str | None
    side: Side | None
    shape: tuple[int, int]
    rank: int
    scaling: float
    singular_values: Float[ndarray, " q"]
    leading: Float[ndarray, " width"] | None = None
    start: Start | None = None

    @property
    def place(self) -> str | int | None:
        """As of an ``Update``: the path of its block, its index where no path is known."""
        return self.layer if self.block is None else self.block

    @cached_property
    def norm(self) -> float:
        """Frobenius norm."""
        return float(np.sqrt(np.sum(self.singular_values**2)))


@dataclass(frozen=True, eq=False)
class Alignment:
    """cos² (L, L) between the leading directions of the modules that share a space, what agreement averages."""

    modules: tuple[str, ...]
    layers: tuple[int | None, ...]
    cos2: Float[ndarray, "L L"]


@dataclass(frozen=True, eq=False)
class Report:
    """The result of :func:`grasp_theory.identify`.

    Attributes:
        side, pool, normalized: the side that was analysed, and how the modules were put together.
        verdict: the strongest verdict among the decompositions.
        rule, caveat: the rule behind the verdict, and what it does not say.
        decompositions: the components, one record per stack of modules, or per module where they are not pooled.
        alignments: how near the leading directions of the modules are to each other, a record per width.
        modules: the spectrum of every module, whatever side was analysed.
        notes: what else is worth knowing.
        read_start: what the modules that read the stream read beyond A's start, a record per width of the stream; empty
            where none started at random.
    """

    side: Side
    pool: Literal["layers", "none"]
    normalized: bool
    verdict: Verdict
    rule: str
    caveat: str
    decompositions: tuple[Decomposition, ...]
    alignments: tuple[Alignment, ...]
    modules: tuple[ModuleSpectrum, ...]
    notes: tuple[str, ...]
    read_start: tuple[ReadStart, ...] = ()

    def decomposition(self, name: str | None = None) -> Decomposition:
        """The decomposition of that name; without a name, the one whose leading component is the strongest.

        Strength is the singular value: the share of ‖dW‖_F² over all that was decomposed, up to one constant. Of equal
        ones the first in the report is taken. Raises InputError for an unknown name, and where no module has an update.
        """
        names = [d.name for d in self.decompositions]
        if name is None and names:
            return max(self.decompositions, key=lambda d: max((c.singular_value for c in d.components), default=0.0))
        if name is None:
            raise InputError(f"there is no component: none of the {len(self.modules)} modules has an update")
        if name not in names:
            raise unknown_name("decomposition", [name], names, most=6)
        return self.decompositions[names.index(name)]

    def component(self, index: int, *, of: str | None = None) -> Component:
        """Component ``index`` (0-based) of :meth:`decomposition`: of the strongest one, or of the one named ``of``.

        All components that are asked for without a name therefore lie in one space.
        """
        return self.decomposition(of).component(index)

    def to_dict(self, *, vectors: bool = False) -> dict[str, Any]:
        """The fields of these records as JSON values: None, never NaN; directions only with ``vectors=True``."""
        return {"schema_version": SCHEMA_VERSION, **plain(self, vectors)}


def plain(value: Any, vectors: bool = False) -> Any:
    """Records to dictionaries, arrays to lists, numpy scalars to Python ones, NaN and Inf to None."""
    if isinstance(value, Subspace):
        return value.basis.T.tolist() if vectors else None
    if isinstance(value, Certificate):
        degrees = [[tau, float(np.degrees(angle))] for tau, angle in value.curve()]
        return {"strength": value.strength, "smallest_tau": value.smallest_tau, "curve_degrees": degrees}
    if is_dataclass(value) and not isinstance(value, type):
        kept = [f.name for f in fields(value) if vectors or f.name not in ("subspace", "leading")]
        return {name: plain(getattr(value, name), vectors) for name in kept}
    if isinstance(value, ndarray):
        return plain(value.tolist(), vectors)
    if isinstance(value, (list, tuple)):
        return [plain(v, vectors) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
