"""What a user hands over has the type it should, or an InputError says what was expected and what came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from grasp_theory import InputError, Subspace, Update

if TYPE_CHECKING:
    import torch


def real(name: str, value: Any) -> float:
    """One number, of Python or numpy, or an array or tensor with no dimensions."""
    value = _scalar(value)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{name} must be a number, got {value!r:.60}")
    return float(value)


def whole(name: str, value: Any) -> int:
    """One whole number, likewise."""
    value = _scalar(value)
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(f"{name} must be a whole number, got {value!r:.60}")
    return int(value)


def listed(name: str, values: Any, what: str) -> tuple[Any, ...]:
    """The entries of anything that can be gone through, once, but a text.

    Args:
        what: they are, for the error.
    """
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable) or getattr(values, "ndim", 1) == 0:
        raise InputError(f"{name} must be a list of {what}, got {values!r:.60}")
    return tuple(values)


def indices(name: str, values: Any) -> tuple[int, ...]:
    """Whole numbers."""
    return tuple(whole(f"an index in {name}", value) for value in listed(name, values, "indices"))


def mapping(name: str, value: Any, what: str) -> Mapping[Any, Any]:
    """A mapping.

    Args:
        what: from what to what, for the error.
    """
    if not isinstance(value, Mapping):
        raise InputError(f"{name} must be a mapping from {what}, got {value!r:.60}")
    return value


def numbers(name: str, value: Any) -> np.ndarray:
    """Real numbers along one axis or more, not ragged; a tensor in float64."""
    if hasattr(value, "detach"):
        import torch

        if value.is_complex() or value.is_meta or value.is_quantized or value.layout != torch.strided:
            kind = f"a {value.layout} tensor of {value.dtype} on {value.device}".replace("torch.", "")
            raise InputError(f"{name} must hold real numbers, every one of them, got {kind}")
        return value.detach().to("cpu").double().numpy()
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise InputError(f"{name} must be an array of numbers, got {value!r:.60}: {error}") from error
    if found.dtype.kind not in "biuf" or not found.ndim:
        hint = "; load_directions(FILE) reads a file of `grasp identify -o`" if isinstance(value, str | Path) else ""
        raise InputError(f"{name} must be an array of numbers, got {value!r:.60}{hint}")
    if np.ma.is_masked(value):
        raise InputError(f"{name} must hold numbers, every one of them, got a masked array with entries left out")
    return found


def span(name: str, value: Any) -> Subspace:
    """The span of the columns of an array or tensor: what is independent is judged in the type that it came in."""
    stored = str(value.dtype).removeprefix("torch.") if hasattr(value, "detach") else None
    return Subspace.span(numbers(name, value), stored=stored)


def tensor(name: str, value: Any) -> torch.Tensor:
    """A tensor as it is; else the numbers of an :func:`numbers`."""
    import torch

    return value if isinstance(value, torch.Tensor) else torch.as_tensor(numbers(name, value))


def updates_of(name: str, values: Any) -> list[Update]:
    """Updates, such as an adapter has."""
    found = listed(name, values, "updates, such as read_adapter(path).updates")
    wrong = next((type(u).__name__ for u in found if not isinstance(u, Update)), None)
    if wrong:
        raise InputError(f"{name}: expected updates, such as read_adapter(path).updates, got {wrong}")
    return list(found)


def _scalar(value: Any) -> Any:
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value
