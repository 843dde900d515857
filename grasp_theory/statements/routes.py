"""*two routes*: a side of a claim computed a second time, and which functions of this library both ways called."""

from __future__ import annotations

from collections.abc import Callable
from cProfile import Profile
from dataclasses import fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from types import CodeType
from typing import Any, TypeVar

import numpy as np

from .statement import Statement

HERE = Path(__file__).parent
# the geometry that defines what is measured, and the sides themselves
DEFINITIONS = {HERE / "statement.py", HERE / "shared" / "draws.py"}

ACCURATE = 0.01  # of the largest value, the slack of most instances
FEW = 3  # instances; fewer may all have a value next to 0

R = TypeVar("R")


def called(compute: Callable[[], R]) -> tuple[R, set[CodeType]]:
    """What it returns, and the code of every function of this library that ran meanwhile, seen by cProfile."""
    profile, library = Profile(subcalls=False, builtins=False), str(HERE.parent)
    result = profile.runcall(compute)
    codes = {entry.code for entry in profile.getstats()}
    return result, {code for code in codes if isinstance(code, CodeType) and code.co_filename.startswith(library)}


def differences(statement: Statement[Any], instances: list[Any]) -> tuple[float, list[str]]:
    """The largest difference of the two ways in units of the slack, and what is wrong, in words.

    Each way gets its own copy of the instance, so that nothing cached by one is there for the other, but what is given.
    """
    route = statement.route
    if route is None:
        return 0.0, []
    if route.of not in statement.claims:
        return 0.0, [f"{route.of!r} is no claim of it"]
    if not instances:
        return 0.0, ["no instance takes them"]
    foreign = [name for name in route.given if name not in _data(instances[0])]
    if foreign:
        return 0.0, [f"{', '.join(foreign)} is no attribute of an instance, nor of what it holds"]
    largest, slacks, values = 0.0, [0.0], [0.0]
    for instance in instances:
        one, two = (_copy(instance, route.given) for _ in range(2))
        sides, first = called(lambda one=one: statement.claims[route.of].sides(one))
        other, second = called(lambda two=two: route.other(two))
        shared = sorted({_name(code) for code in first & second} - {"", *route.given})
        if shared:
            return largest, [f"both ways call {', '.join(shared)}"]
        slack = route.slack(instance) if callable(route.slack) else route.slack
        value = getattr(sides, route.side)
        if not abs(value - other) <= slack:  # NaN too
            return largest, [f"{route.side} of {route.of}: {value:.10g}, by the second way {other:.10g} ± {slack:.1g}"]
        largest = max(largest, abs(value - other) / slack)
        slacks.append(slack)
        values.append(abs(value))
    if len(instances) >= FEW and np.median(slacks) > ACCURATE * max(values):
        return largest, [f"a slack of {np.median(slacks):.1g} where {route.side} of {route.of} is {max(values):.1g}"]
    return largest, []


def _copy(instance: Any, given: tuple[str, ...]) -> Any:
    """A copy for which nothing is computed yet but its own attributes of these qualified names."""
    copy, kind = replace(instance), type(instance)
    for owner, _, name in (qualified.partition(".") for qualified in given):
        if owner == kind.__name__ and isinstance(vars(kind).get(name), cached_property):
            vars(copy)[name] = getattr(instance, name)
    return copy


def _data(instance: Any) -> set[str]:
    """The attributes, by qualified name, of an instance and of the records that it holds."""
    held = (getattr(instance, field.name) for field in fields(instance))
    records = [instance, *(value for value in held if is_dataclass(value))]
    return {f"{type(r).__name__}.{name}" for r in records for name in dir(type(r))}


def _name(code: CodeType) -> str:
    """Its qualified name; "" for the definitions and for what makes an instance, which no way owns."""
    if Path(code.co_filename) in DEFINITIONS or code.co_name in ("__init__", "__post_init__"):
        return ""
    return code.co_qualname
