"""What draws do not vary: a part of the instance that is trivial on every draw tries no law that it stands in.

Nor does a claim say anything that is true of whatever instance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import numpy as np

from .statement import Claim, Statement


def unvaried(instances: list[Any]) -> dict[str, str]:
    """Fields, "record.field" for those of a record that an instance holds -> what each is on every instance.

    Zero, the identity, or one number or word. A field with a default is a knob of violators, and none of these.
    """
    seen: dict[str, set[str | None]] = {}
    for instance in instances:
        for name, value in _parts(instance):
            seen.setdefault(name, set()).add(_trivial(value))
    return {name: words.pop() or "" for name, words in seen.items() if len(words) == 1 and None not in words}


def shapes(instance: Any) -> tuple[tuple[int, ...], ...]:
    """Of the arrays that an instance and its records hold."""
    return tuple(value.shape for _, value in _parts(instance) if isinstance(value, np.ndarray))


def unrefuted(statement: Statement[Any], exact: set[str], beyond: list[Any]) -> list[str]:
    """Equalities among these claims, and not ``always`` true, that none of the instances refutes.

    A number compared with itself, and rounding added, is refuted nowhere. An instance for which a side is not defined
    (a matrix that is not definite, no bracket of a root) refutes nothing.
    """

    def refuted(claim: Claim[Any], instance: Any) -> bool:
        try:
            return claim.refuted_by(instance)
        except (ArithmeticError, ValueError):
            return False

    asked = [name for name, claim in statement.claims.items() if claim.relation == "=" and name in exact]
    return [
        name
        for name in asked
        if beyond and name not in statement.always and not any(refuted(statement.claims[name], i) for i in beyond)
    ]


def distance(one: Any, other: Any) -> float:
    """The largest difference of a number or an entry of two instances; infinite where sizes differ."""
    largest = 0.0
    for (_, a), (_, b) in zip(_parts(one), _parts(other), strict=True):
        if isinstance(a, np.ndarray | float) and isinstance(b, np.ndarray | float):
            if np.shape(a) != np.shape(b):
                return float("inf")
            largest = max(largest, float(np.abs(np.subtract(a, b)).max(initial=0.0)))
    return largest


def _parts(record: Any, within: str = "") -> Iterator[tuple[str, Any]]:
    for field in fields(record):
        value = getattr(record, field.name)
        if is_dataclass(value) and not within:
            yield from _parts(value, f"{field.name}.")
        elif field.default is MISSING:
            yield within + field.name, value


def _trivial(value: Any) -> str | None:
    """In words; None for what is none of it."""
    if isinstance(value, np.ndarray):
        if not value.any():
            return "zero"
        square = value.ndim == 2 and value.shape[0] == value.shape[1]
        return "the identity" if square and (value == np.eye(len(value))).all() else None
    return repr(value) if isinstance(value, bool | int | float | str | np.number) else None
