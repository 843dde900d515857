"""*two routes*: a side of a claim computed a second time, and which functions of this library both ways called."""

from __future__ import annotations

import sys
from collections.abc import Callable
from cProfile import Profile
from dataclasses import fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from types import CodeType
from typing import Any, TypeVar

import numpy as np

from ..errors import InputError
from .statement import Statement

HERE = Path(__file__).parent
# the geometry that defines what is measured, and the sides themselves
DEFINITIONS = {HERE / "statement.py", HERE / "shared" / "draws.py"}

ACCURATE = 0.01  # of the largest value, the slack of most instances
FEW = 3  # instances; fewer may all have a value next to 0

R = TypeVar("R")


def called(compute: Callable[[], R]) -> tuple[R, set[CodeType]]:
    """What it returns, and the code of every function of this library that ran meanwhile.

    Another profiler or debugger may be at work: from Python 3.12 on the interpreter tells several tools at once.
    3.11 knows one profiler at a time, so that another one, cProfile or a function, sees nothing of ``compute``.
    """
    result, codes = (_monitored if sys.version_info >= (3, 12) else _profiled)(compute)
    library = str(HERE.parent)
    return result, {code for code in codes if code.co_filename.startswith(library)}


def _monitored(compute: Callable[[], R]) -> tuple[R, set[CodeType]]:
    """All code that ran, told by ``sys.monitoring`` under the first number that no other tool has taken."""
    monitoring, seen = sys.monitoring, set()  # type: ignore[attr-defined]
    tool = next((number for number in range(6) if monitoring.get_tool(number) is None), None)
    if tool is None:
        raise InputError(
            "the check of two routes notes which functions run, and all six places of sys.monitoring are taken by "
            "debuggers, profilers or coverage: run it without one of them"
        )
    monitoring.use_tool_id(tool, __name__)
    try:
        monitoring.register_callback(tool, monitoring.events.PY_START, lambda code, _: seen.add(code))
        monitoring.set_events(tool, monitoring.events.PY_START)
        return compute(), seen
    finally:
        monitoring.set_events(tool, 0)
        monitoring.register_callback(tool, monitoring.events.PY_START, None)
        monitoring.free_tool_id(tool)


def _profiled(compute: Callable[[], R]) -> tuple[R, set[CodeType]]:
    """All code that ran, seen by cProfile in the place of another profiler."""
    outer, profile = sys.getprofile(), Profile(subcalls=False, builtins=False)
    try:
        result = profile.runcall(compute)
    finally:
        if isinstance(outer, Profile):
            outer.enable()
        else:
            sys.setprofile(outer)
    return result, {entry.code for entry in profile.getstats() if isinstance(entry.code, CodeType)}


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
