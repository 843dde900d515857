"""What draws do not vary: a part of the instance that is trivial on every draw tries no law that it stands in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import numpy as np


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
