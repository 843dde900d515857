"""Which statements there are, in which order, and the files of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import InputError, unknown_name
from .statement import Statement

# The order of the theory: identification (what can be known), then removal (what can be done).
ORDER: tuple[str, ...] = (
    "theorem-1",
    "naive-solution",
    "factored-svd",
    "posterior-angle",
    "whitened-angle",
    "prior-angle",
    "minimax-angle",
    "subspace-angle",
    "scalar-output",
    "control-contrast",
    "layer-in-a-product",
    "complexity-law",
    "phase-transition",
    "bbp-converse",
    "self-certificate",
    "pooled-layers",
    "sample-threshold",
    "noise-floor",
    "one-step-sketch",
    "spectral-order",
    "projection-invariance",
    "optimizer-leak",
    "write-removal",
    "read-removal",
    "caft-gap",
    "ablation-cost",
    "steering-bias",
    "posthoc-rank-gain",
    "angle-forgiveness",
    "identify-then-remove",
    "minimax-removal",
    "old-inputs",
    "null-space-depth",
    "rerouting-share",
    "stream-hold",
    "compensation-removes-pressure",
    "who-wins",
)


def find(keys: Sequence[str] | None = None) -> list[Statement[Any]]:
    """The statements of these keys, or all in their order; InputError names the unknown ones and those there are."""
    unknown = sorted(set(keys or ()) - set(ORDER))
    if unknown:
        raise unknown_name("statement", unknown, ORDER)
    return [_load(key) for key in keys or ORDER]


def _load(key: str) -> Statement[Any]:
    module, false = import_module(package(key)), import_module(f"{package(key)}.variants")
    if module.__doc__ is None:
        raise InputError("the statements are docstrings, which python -OO (PYTHONOPTIMIZE=2) leaves out: run without")
    variants, blind = {**false.OWN, **false.BLIND}, frozenset(false.BLIND)
    return replace(module.STATEMENT, variants=variants, blind=blind, text=module.__doc__)


def symbolic(key: str) -> ModuleType | None:
    """The module with the statement's residuals and twin; None where it has no algebra to derive."""
    return _own(key, "symbolic")


def decided(key: str) -> ModuleType | None:
    """The module with the questions that a decision procedure answers; None where the statement has none."""
    return _own(key, "decided")


def _own(key: str, file: str) -> ModuleType | None:
    name = f"{package(key)}.{file}"
    return import_module(name) if find_spec(package(key)) and find_spec(name) else None


def modules(key: str) -> tuple[str, ...]:
    """Names of the modules that a statement's outcome depends on: the checks and every file of its folder."""
    folder = Path(__file__).parent / key.replace("-", "_")
    own = (path.stem for path in sorted(folder.glob("*.py")) if path.stem != "__init__")
    return (f"{__package__}.checks", package(key), *(f"{package(key)}.{name}" for name in own))


def package(key: str) -> str:
    """Name of the package that holds everything about a statement."""
    return f"{__package__}.{key.replace('-', '_')}"
