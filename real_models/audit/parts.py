"""Parts of an adapter's update: components of the stream, of blocks and modules, and whole groups of modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np

from grasp_theory import InputError, LowRank, Subspace, Update
from grasp_theory.identification.lanczos import leading_svd
from grasp_theory.updates import Side, require_size

from ..adapters.patterns import kind
from ..adapters.sides import natural_key

Scope = Literal["pooled", "block", "module", "group"]
Which = Literal["both", "write", "read"]
Factors = Mapping[str, LowRank]  # module -> its update
KEPT = 2**28  # bytes of factors that stay in memory
SCOPES: tuple[Scope, ...] = get_args(Scope)
DEFAULT_TOP = 8
SMALLEST = 1e-6  # of the largest singular value of a place: below, a direction is made of rounding
WRITE_PREFIX, READ_PREFIX = "write modules: ", "read modules: "


@dataclass(frozen=True, eq=False)
class Part:
    """A part P(dW) of an update, P an orthogonal projection: dW = without + only, without = dW − P(dW), only = P(dW).

    Inside ``modules`` P(dW_l) = Q Qᵀ dW_l (write side) or dW_l Q Qᵀ (read side), Q the basis of ``span``, or all of
    dW_l where ``span`` is None; outside of them it is 0. Hence ‖without‖² + ‖only‖² = ‖dW‖².

    Attributes:
        scope: "pooled" (one span for all blocks), "block", "module", or "group" of whole modules.
        place: what it lies in, in words.
        side: of the stream that the span lies in; of a whole group None.
        components: 0-based indices at this place; empty for groups and for random directions.
        draw: number of a random control, None of anything else.
        modules: names of the modules that it is a part of.
        energy: ‖P(dW)‖²/‖dW‖², over all modules of the adapter.
    """

    scope: Scope
    place: str
    side: Side | None
    components: tuple[int, ...]
    draw: int | None
    modules: tuple[str, ...]
    span: Subspace | None = field(repr=False)
    energy: float = 0.0

    @property
    def dimension(self) -> int | None:
        """Dimension of the span; None of a whole group."""
        return None if self.span is None else self.span.dimension

    @property
    def name(self) -> str:
        """What tells it from other parts of the adapter, such as "pooled write 0"."""
        if self.span is None:
            return self.place
        place = self.place if self.scope == "module" else f"{self.place} {self.side}"
        return f"{place} {self.which}"

    @property
    def which(self) -> str:
        """The component, the first and the last of several, or how many random directions."""
        if self.draw is not None:
            return f"random {self.dimension} (draw {self.draw})"
        return "–".join(dict.fromkeys(map(str, (self.components[0], self.components[-1])))) if self.components else ""

    def only(self, name: str, dW: LowRank) -> LowRank:
        """P(dW) of this module, from its factors and in their type; the rank and the scaling stay."""
        if name not in self.modules:
            return _nothing(dW)
        return dW if self.span is None else _through(dW, self.side, self.span.project)

    def without(self, name: str, dW: LowRank) -> LowRank:
        """dW − P(dW) of this module, likewise; the same object where P(dW) = 0."""
        if name not in self.modules:
            return dW
        return _nothing(dW) if self.span is None else _through(dW, self.side, self.span.reject)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values; of the modules their number."""
        fields = {name: getattr(self, name) for name in ("name", "scope", "place", "side", "draw", "dimension")}
        return fields | {"components": list(self.components), "modules": len(self.modules), "energy": self.energy}


def _nothing(dW: LowRank) -> LowRank:
    return LowRank(np.zeros_like(dW.B), dW.A, dW.scaling)


def _through(dW: LowRank, side: Side | None, act: Any) -> LowRank:
    if side == "read":
        return LowRank(dW.B, act(dW.A.T.astype(np.float64)).T.astype(dW.A.dtype), dW.scaling)
    return LowRank(act(dW.B.astype(np.float64)).astype(dW.B.dtype), dW.A, dW.scaling)


@dataclass(frozen=True, eq=False)
class _Place:
    """Modules whose updates are put side by side, seen from one side of the stream."""

    scope: Scope
    name: str
    side: Side
    members: tuple[Update, ...]

    @property
    def width(self) -> int:
        return self.members[0].shape[0 if self.side == "write" else 1]


class Read(Mapping[str, LowRank]):
    """Module -> its update, in memory up to ``KEPT`` bytes and read anew beyond."""

    def __init__(self, updates: Iterable[Update]) -> None:
        self._updates = {u.name: u for u in updates}
        self._kept: dict[str, LowRank] = {}
        self._bytes = 0

    def __getitem__(self, name: str) -> LowRank:
        if name in self._kept:
            return self._kept[name]
        dW = self._updates[name].lowrank
        size = dW.B.nbytes + dW.A.nbytes
        if self._bytes + size <= KEPT:
            self._kept[name] = dW
            self._bytes += size
        return dW

    def __iter__(self) -> Iterator[str]:
        return iter(self._updates)

    def __len__(self) -> int:
        return len(self._updates)

    def holds(self, names: Iterable[str]) -> bool:
        """Whether all of these are in memory."""
        return all(name in self._kept for name in names)


@dataclass(frozen=True)
class _Blocks:
    """W_l with W_l W_lᵀ = dW_l dW_lᵀ on one side, made whenever they are iterated over."""

    place: _Place
    factors: Read

    def __iter__(self) -> Iterator[np.ndarray]:
        return (_facing(self.factors[u.name], self.place.side).left_factor() for u in self.place.members)


def parts_of(
    updates: Iterable[Update],
    *,
    scopes: Sequence[Scope] = ("pooled", "group"),
    side: Which = "both",
    top: int | None = None,
    draws: int = 3,
    seed: int = 0,
) -> tuple[list[Part], Read]:
    """(parts, the factors they are parts of).

    *Components*: leading singular directions of the updates of a place side by side, as ``identify`` takes them; each,
    and the leading ``top`` together. "pooled": all modules that write the stream, and all that read it. "block": those
    of each block. "module": each module by itself, where s_i u_i v_iᵀ is a component of both sides, so that no side is
    told apart. *Controls*: random subspaces of the stream as large, ``draws`` of them for each scope and side, at
    places spread evenly over it. *Groups*: all modules of a side, the kinds of them, the halves of the blocks, every
    block; those that are the whole update are left out.

    Args:
        top: components of each place; by default 8, or as many as the ranks allow.
        side: of the stream; of groups it leaves out those of the other side.

    Raises InputError for an update of 0, for options out of range, for ``top`` above what every place has, and where
    no module is of this side or scope.
    Cost: O((m + d) r²) a module, and the Lanczos steps of ``identify``; of more than ``KEPT`` bytes of factors every
    step reads those that are not in memory anew. Memory: ``KEPT``, two or three times, and one module.
    """
    updates = list(updates)
    _check(scopes, side, top, draws)
    factors = Read(updates)
    norms = {name: dW.norm() for name, dW in factors.items()}
    total = float(np.sum(np.square(list(norms.values()))))
    if not total:
        raise InputError(f"all {len(updates)} modules have an update of exactly 0: there is nothing to take apart")
    require_size({name: norm for name, norm in norms.items() if norm})
    alive = [u for u in updates if norms[u.name]]
    found: list[Part] = []
    for scope in dict.fromkeys(scopes):
        if scope == "group":
            found += _groups(alive, side)
            continue
        places = list(_places(alive, scope, side))
        made = [_components(place, factors, DEFAULT_TOP if top is None else top) for place in places]
        most = max((len(parts[-1].components) for parts in made), default=0)
        if top is not None and made and top > most:
            raise InputError(f"top is {top}, and no place of scope {scope!r} has more than {most} components; lower it")
        found += [part for parts in made for part in parts]
        found += _controls(places, made, draws, np.random.default_rng(seed))
    if not found:
        raise InputError(f"no module of this adapter makes a part of scope {', '.join(scopes)} on side {side}")
    energies = _energies(found, factors)
    return [replace(part, energy=energy / total) for part, energy in zip(found, energies, strict=True)], factors


def _check(scopes: Sequence[str], side: str, top: int | None, draws: int) -> None:
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise InputError(f"scopes must be of {', '.join(SCOPES)}, got {unknown or 'none'}")
    if side not in get_args(Which):
        raise InputError(f"side must be both, write or read, got {side!r}")
    if (top is not None and top < 1) or draws < 0:
        raise InputError(f"expected top >= 1 and draws >= 0, got {top} and {draws}")


def _places(updates: Sequence[Update], scope: Scope, side: Which) -> Iterator[_Place]:
    """Of one width each; embeddings, which are trained from A = 0, by themselves."""
    names = block_names(updates)
    sided = [u for u in updates if side == "both" or u.side == side]
    if scope == "module":
        for u in sided:
            yield _Place(scope, u.name, u.side or "write", (u,))
        return
    grouped: dict[tuple[str, Side, int, bool], list[Update]] = {}
    for u in sided:
        where = "pooled" if scope == "pooled" else names.get(u.name)
        if u.side is not None and where is not None:
            width = u.shape[0 if u.side == "write" else 1]
            grouped.setdefault((where, u.side, width, u.zero_start == "A"), []).append(u)
    for (where, own, width, embedding), members in grouped.items():
        several = sum(key[:2] == (where, own) for key in grouped) > 1
        more = f" (width {width}{', embeddings' if embedding else ''})" if several else ""
        yield _Place(scope, where + more, own, tuple(members))


def block_names(updates: Iterable[Update]) -> dict[str, str]:
    """Module -> "block 3", or "block layers.0.blocks.3" where numbers are not enough; not of modules outside blocks."""
    inside = [u for u in updates if u.place is not None]
    numbered = len({u.layer for u in inside}) == len({u.place for u in inside})
    return {u.name: f"block {u.layer if numbered else u.place}" for u in inside}


def _components(place: _Place, factors: Read, top: int) -> list[Part]:
    """Each, then all of them together where there are several."""
    blocks: Iterable[np.ndarray] = _Blocks(place, factors)
    if factors.holds(u.name for u in place.members):
        blocks = list(blocks)
    columns = sum(min(u.rank, *u.shape) for u in place.members)
    svd = leading_svd(blocks, min(top, place.width, columns))
    count = int(np.sum(svd.S > SMALLEST * svd.S[0]))
    together = [tuple(range(count))] if count > 1 else []
    return [_part(place, svd.U[:, list(chosen)], chosen) for chosen in [*((i,) for i in range(count)), *together]]


def _facing(dW: LowRank, side: Side) -> LowRank:
    return dW if side == "write" else dW.T


def _part(place: _Place, directions: np.ndarray, components: tuple[int, ...], draw: int | None = None) -> Part:
    names = tuple(u.name for u in place.members)
    return Part(place.scope, place.name, place.side, components, draw, names, Subspace.span(directions))


def _controls(
    places: Sequence[_Place], made: Sequence[Sequence[Part]], draws: int, rng: np.random.Generator
) -> Iterator[Part]:
    """One random direction, and as many as components are taken together, for each side."""
    for side in dict.fromkeys(place.side for place in places):
        here = [(place, parts) for place, parts in zip(places, made, strict=True) if place.side == side]
        for draw in range(draws):
            place, parts = here[draw * len(here) // draws]
            for size in sorted({len(part.components) for part in parts}):
                yield _part(place, rng.standard_normal((place.width, size)), (), draw)


def _groups(updates: Sequence[Update], side: Which) -> list[Part]:
    """Whole modules; a group that is one of those before, or all there is, is left out."""
    named: dict[str, list[str]] = {}
    for own, prefix in (("write", WRITE_PREFIX), ("read", READ_PREFIX)):
        if side in ("both", own):
            mine = [u for u in updates if u.side == own]
            named[f"{prefix}all"] = [u.name for u in mine]
            for u in mine:
                named.setdefault(prefix + _parent(u.name), []).append(u.name)
            for u in mine:
                named.setdefault(prefix + kind(u.name), []).append(u.name)
    if side == "both":
        blocks = block_names(updates)
        order = sorted(set(blocks.values()), key=natural_key)
        for block in order:
            named[block] = [name for name, at in blocks.items() if at == block]
        for half, chosen in (("lower", order[: len(order) // 2]), ("upper", order[len(order) // 2 :])):
            named[f"{half} half of the blocks"] = [name for name, block in blocks.items() if block in chosen]
    whole, seen, found = {u.name for u in updates}, set[frozenset[str]](), []
    for name, members in named.items():
        key = frozenset(members)
        if key and key != whole and key not in seen:
            seen.add(key)
            found.append(Part("group", name, None, (), None, tuple(members), None))
    return found


def _parent(name: str) -> str:
    """self_attn of self_attn.q_proj; the kind itself where a module lies in its block directly."""
    return kind(name).rpartition(".")[0] or kind(name)


def _energies(parts: Sequence[Part], factors: Factors) -> list[float]:
    """‖P(dW)‖² of each, every module being read once."""
    members = [frozenset(part.modules) for part in parts]
    found = [0.0] * len(parts)
    for name, dW in factors.items():
        for n, part in enumerate(parts):
            if name in members[n]:
                found[n] += _energy(part, dW)
    return found


def _energy(part: Part, dW: LowRank) -> float:
    """‖P(dW)‖² of one module."""
    if part.span is None:
        return float(dW.norm() ** 2)
    facing = _facing(dW, part.side or "write")
    return float(LowRank(part.span.basis.T @ facing.B, facing.A, facing.scaling).norm() ** 2)
