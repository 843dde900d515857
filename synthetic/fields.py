"""What a validating dataclass asks of its fields: each refusal names the field, what was expected and what came."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from grasp_theory import InputError


def require_known(spec: Any, **known: Collection[str]) -> None:
    """InputError unless each of these fields is one of the values given for it."""
    for name, values in known.items():
        if getattr(spec, name) not in values:
            raise InputError(f"{name} must be one of {', '.join(values)}, got {getattr(spec, name)!r}")


def require_counts(spec: Any, *names: str) -> None:
    """InputError unless these fields are at least 1."""
    for name in names:
        if getattr(spec, name) < 1:
            raise InputError(f"{name} must be at least 1, got {getattr(spec, name)}")


def require_at_least(spec: Any, **least: float) -> None:
    """InputError unless these fields are finite and at least so much."""
    for name, low in least.items():
        if not (np.isfinite(getattr(spec, name)) and getattr(spec, name) >= low):
            raise InputError(f"{name} must be finite and at least {low}, got {getattr(spec, name)}")


def require_not_negative(spec: Any, *names: str) -> None:
    """InputError unless these fields are finite and at least 0."""
    for name in names:
        if not (np.isfinite(getattr(spec, name)) and getattr(spec, name) >= 0):
            raise InputError(f"{name} must be finite and not negative, got {getattr(spec, name)}")


def require_positive(spec: Any, *names: str) -> None:
    """InputError unless these fields are finite and above 0."""
    for name in names:
        if not (np.isfinite(getattr(spec, name)) and getattr(spec, name) > 0):
            raise InputError(f"{name} must be finite and positive, got {getattr(spec, name)}")
