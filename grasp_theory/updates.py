"""One adapted module and what is known about it: the unit that everything else takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from numpy import integer, ndarray

from .errors import InputError
from .lowrank import LowRank

Side = Literal["write", "read"]
AskedSide = Literal["auto", "write", "read"]
SMALLEST, LARGEST = 1e-30, 1e36  # norms whose squares, and whose entries in float32, neither under- nor overflow
TINY = 1e-140  # squares of norms below it, or above its inverse, leave the range of float64


@dataclass(frozen=True, eq=False)
class Update:
    """The update dW of one module.

    Attributes:
        name: module name inside the base model, e.g. ``model.layers.3.self_attn.o_proj``.
        layer: index of the block it belongs to; None where the name has none (embeddings, heads). In hierarchical
            networks several blocks share it (the stage).
        side: "write" if the module's output is added to the residual stream (its LEFT singular vectors are stream
            directions), "read" if its input is the stream (RIGHT singular vectors), None if the name tells neither.
        shape, rank: (d_out, d_in) and the number of columns of B; known without loading the factors.
        source: the factors, or a function that loads them, so that large adapters are read one module at a time.
        fixed: the side whose space was fixed by construction and says nothing about the data ("write", "read" or None).
        zero_start: the factor that training started at zero; the other one started at random (or was chosen) and is
            "observed" in the noise model. "A" for LoRA on embeddings and for MiCA; None if both started at random.
        block: path of the block, such as ``layers.0.blocks.1``, where it is known: what tells layers apart.
    """

    name: str
    layer: int | None
    side: Side | None
    shape: tuple[int, int]
    rank: int
    source: LowRank | Callable[[], LowRank]
    fixed: Side | None = None
    zero_start: Literal["B", "A"] | None = "B"
    block: str | None = None

    @classmethod
    def of(cls, name: str, lowrank: LowRank, *, layer: int | None = None, side: Side | None = None) -> Update:
        """An update whose factors are in memory already, its shape and rank theirs; the rest as above."""
        return cls(name, layer, side, lowrank.shape, lowrank.rank, lowrank)

    @property
    def place(self) -> str | int | None:
        """What tells its layer from others: the path of the block, or the index where no path is known."""
        return self.layer if self.block is None else self.block

    @property
    def lowrank(self) -> LowRank:
        """The factors; loaded afresh at every access when ``source`` is a function."""
        return self.source if isinstance(self.source, LowRank) else self.source()

    def factor(self, name: Literal["B", "A"]) -> ndarray:
        """The factor of that name; the other is not loaded where the source has a method ``factor``, as a file has."""
        return getattr(self.source, "factor", lambda name: getattr(self.lowrank, name))(name)


def resolve_side(updates: Iterable[Update], side: AskedSide) -> Side:
    """The side that is meant: "auto" is the read side where every known side is, else the write side."""
    if side != "auto":
        return side
    return "read" if {u.side for u in updates} - {None} == {"read"} else "write"


def on_side(updates: Sequence[Update], side: Side) -> list[Update]:
    """Those that face this side; all of them where no module's side is known."""
    known = any(u.side for u in updates)
    return [u for u in updates if u.side == side or not known]


def require_options(side: Any, top: Any) -> None:
    """InputError unless ``side`` is one that can be asked for and ``top`` a number of leading components."""
    if side not in get_args(AskedSide):
        raise InputError(f'side must be "auto", "write" or "read", got {side!r}')
    if not isinstance(top, (int, integer)) or isinstance(top, bool) or top < 1:
        raise InputError(f"top must be a positive number of components, got {top!r}")


def require_square(name: str, norm: float) -> None:
    """InputError unless the norm of an update that is not 0 can be squared."""
    if not TINY <= norm <= 1 / TINY:
        raise InputError(
            f"the update of {name} has norm {norm:.3g}, whose square leaves the range of float64; rescale the factors "
            f"(norms between {TINY:g} and {1 / TINY:g} can be decomposed)"
        )


def require_size(norms: Mapping[str, float]) -> None:
    """InputError unless the norms of the updates that are not 0, by their names, can be squared and kept in float32."""
    for update, norm in norms.items():
        require_square(update, norm)
    name = max(norms, key=lambda n: norms[n], default=None)
    if name is not None and not SMALLEST <= norms[name] <= LARGEST:
        raise InputError(
            f"the norm of the largest update, {name}, is {norms[name]:.3g}, expected {SMALLEST:g} to {LARGEST:g} so "
            "that shares of its square can be told: scale all updates by one number"
        )
