"""Methods by name, from files: what the command line and comparison configurations give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from grasp_theory import InputError

from ..adapters import read_adapter
from ..directions import Directions, load_directions
from . import KL, Caft, Compensated, Grasp, Inoculation, Method, Naive, NullSpace, Penalty, PreventativeSteering

OPTIONS = {"sides": "side"}  # field -> option, where they differ
PROJECT = ("grasp", "null-space")  # attached last, so that they project what the others add to the gradients


@dataclass(frozen=True)
class Given:
    """What a user handed over; each method takes what it needs and refuses without it.

    directions : a directions file. naive : the adapter folder of the naive run. strength : of compensation or steering;
    weight : of kl or penalty. blocks : indices for caft and steering. sides : of grasp. neutral : batches of neutral
    text, made by a call when asked for; components : of the null space. context : of inoculation.
    """

    directions: Path | None = None
    naive: Path | None = None
    strength: float | None = None
    weight: float | None = None
    blocks: tuple[int, ...] | None = None
    sides: tuple[str, ...] | None = None
    neutral: Callable[[], Any] | None = None
    components: int | None = None
    context: str | None = None

    def need(self, name: str, method: str) -> Any:
        """The value, or an error that says which option to add."""
        value = getattr(self, name)
        if value is None:
            raise InputError(f"method {method} needs --{OPTIONS.get(name, name)}")
        return value

    def chosen(self, method: str) -> Directions:
        """The directions in the file."""
        return load_directions(self.need("directions", method))


def _steering(given: Given) -> Method:
    found = given.chosen("preventative-steering")
    if found.Q.shape[1] != 1:
        raise InputError(f"steering takes one direction, the file holds {found.Q.shape[1]}: save one with --component")
    strength = given.need("strength", "preventative-steering")
    return PreventativeSteering(found.Q[:, 0], strength=strength, at=given.blocks)


def _null_space(given: Given) -> Method:
    components = 16 if given.components is None else given.components
    return NullSpace(given.need("neutral", "null-space")(), components=components)


def _compensated(given: Given) -> Method:
    naive = read_adapter(given.need("naive", "compensated"))
    strength = 1.0 if given.strength is None else given.strength
    return Compensated(given.chosen("compensated"), naive.updates, strength=strength)


BUILDERS: Mapping[str, Callable[[Given], Method]] = {
    "naive": lambda given: Naive(),
    "grasp": lambda given: Grasp(given.chosen("grasp"), sides=given.sides),  # pyright: ignore[reportArgumentType]
    "compensated": _compensated,
    "caft": lambda given: Caft(given.chosen("caft"), at=given.blocks),
    "preventative-steering": _steering,
    "kl": lambda given: KL(given.need("neutral", "kl")(), weight=given.need("weight", "kl")),
    "inoculation": lambda given: Inoculation(given.need("context", "inoculation")),
    "null-space": _null_space,
    "penalty": lambda given: Penalty(given.chosen("penalty"), weight=given.need("weight", "penalty")),
}


# What each method takes of what may be given; anything else would be ignored in silence.
TAKES: Mapping[str, frozenset[str]] = {
    "naive": frozenset(),
    "grasp": frozenset({"directions", "sides"}),
    "compensated": frozenset({"directions", "naive", "strength"}),
    "caft": frozenset({"directions", "blocks"}),
    "preventative-steering": frozenset({"directions", "strength", "blocks"}),
    "kl": frozenset({"neutral", "weight"}),
    "inoculation": frozenset({"context"}),
    "null-space": frozenset({"neutral", "components"}),
    "penalty": frozenset({"directions", "weight"}),
}


def build_methods(names: str, given: Given) -> list[Method]:
    """The methods of "name" or "name+name", in an order in which they compose: what adds gradients before grasp."""
    wanted = names.split("+")
    unknown = [name for name in wanted if name not in BUILDERS]
    if unknown:
        raise InputError(f"no training method is called {unknown[0]!r}; there are: {', '.join(BUILDERS)} (join with +)")
    if len(set(wanted)) < len(wanted):
        raise InputError(f"a method is named twice in {names!r}")
    taken = frozenset().union(*(TAKES[name] for name in wanted))
    idle = [f.name for f in fields(given) if getattr(given, f.name) is not None and f.name not in taken]
    if idle:
        raise InputError(f"{names} does not take --{OPTIONS.get(idle[0], idle[0])}; leave it out, or add a method")
    return [BUILDERS[name](given) for name in sorted(wanted, key=lambda name: name in PROJECT)]
