"""A direction file: Q (d, k) with everything one must know to use it, as safetensors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import AdapterError, InputError, Subspace
from grasp_theory.identification.report import Decomposition
from grasp_theory.updates import Side
from synthetic.runner.results import write_atomically

if TYPE_CHECKING:
    from .adapters import Adapter

SCHEMA = "grasp-directions-1"
SIGN_RULE = "the entry of largest modulus is positive"
# Where a direction of each side lives, so that nobody adds it one layer off or before the sum.
HOOK_POINT = {
    "write": "residual stream, output of the decoder block (after the residual sum)",
    "read": "input of the adapted module (after the norm)",
}
# Where the names do not tell that a module meets the stream, only the module itself can be named.
UNKNOWN_HOOK_POINT = {"write": "output of the adapted module", "read": "input of the adapted module"}


@dataclass(frozen=True, eq=False)
class Directions:
    """Components that were chosen explicitly, with where they come from.

    Attributes:
        Q: (d, k), orthonormal columns, float32: a direction each.
        singular_values: (k,), the strengths of the components.
        components: (k,), their 0-based indices in the decomposition.
        decomposed: the matrix that was decomposed, in words.
        side, modules, layers: the side of the stream, and the modules and layers that the decomposition was made of.
        hook_point, operation: where and how the directions are meant to be used.
        base_model, adapter_sha256: the name of the base model, and the SHA-256 of the adapter's weights.
    """

    Q: Float[ndarray, "d k"]
    singular_values: Float[ndarray, " k"]
    components: tuple[int, ...]
    decomposed: str
    side: Side
    modules: tuple[str, ...]
    layers: tuple[int | None, ...]
    hook_point: str
    operation: str
    base_model: str | None
    adapter_sha256: str

    @property
    def subspace(self) -> Subspace:
        """The span of the columns of Q."""
        return Subspace.span(self.Q)


def may_be_one_model(here: str | None, there: str | None) -> bool:
    """Whether two names of base models may mean one: one is not known, or their last parts are equal.

    A local path and a name on a hub may be the same model; so may a path of Windows, and a snapshot in the hub's cache
    (``models--owner--name/snapshots/…``), which is called by its commit.
    """
    return len({called(name) for name in (here, there) if name}) < 2


def called(name: str) -> str:
    """What a base model is called: the last part of its name or path."""
    parts = [part for part in re.split(r"[/\\]", name) if part]
    cached = next((part for part in parts if part.startswith("models--")), None)
    return cached.rsplit("--", 1)[-1] if cached else parts[-1] if parts else name


def choose_directions(adapter: Adapter, found: Decomposition, components: tuple[int, ...]) -> Directions:
    """The chosen components of a decomposition, with what it was made of.

    Args:
        adapter: that was decomposed.
        found: the decomposition, such as ``report.decomposition()``.
        components: 0-based indices.

    Raises InputError for no component, a component named twice, or one that there is not.
    """
    if not components or len(set(components)) != len(components):
        raise InputError(f"choose one or more different components, got {list(components)}")
    chosen = [found.component(i) for i in components]
    return Directions(
        Q=np.hstack([c.subspace.basis for c in chosen]).astype(np.float32),
        singular_values=np.array([c.singular_value for c in chosen]),
        components=components,
        decomposed=found.what,
        side=found.side,
        modules=found.modules,
        layers=found.layers,
        hook_point=_hook_point(adapter, found),
        operation="project out: x − Q Qᵀ x",
        base_model=adapter.config.base_model_name,
        adapter_sha256=adapter.sha256,
    )


def _hook_point(adapter: Adapter, found: Decomposition) -> str:
    sides = {u.side for u in adapter.updates if u.name in set(found.modules)}
    return (UNKNOWN_HOOK_POINT if None in sides else HOOK_POINT)[found.side]


def _lists(kind: type | UnionType) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(isinstance(x, kind) for x in value)


# Field -> whether a value of JSON can be its
_FIELDS: dict[str, Callable[[Any], bool]] = {
    "components": _lists(int),
    "modules": _lists(str),
    "layers": _lists(int | None),
    "side": lambda value: value in ("write", "read"),
    "base_model": lambda value: isinstance(value, str | None),
    **dict.fromkeys(("decomposed", "hook_point", "operation", "adapter_sha256"), lambda value: isinstance(value, str)),
}


def save_directions(path: str | Path, directions: Directions) -> Path:
    """Write a directions file (safetensors), whole or not at all. Raises InputError if it cannot be written."""
    from safetensors.numpy import save

    fields = {name: json.dumps(getattr(directions, name)) for name in _FIELDS}
    tensors = {"Q": np.ascontiguousarray(directions.Q), "singular_values": directions.singular_values}
    return write_atomically(path, save(tensors, {"schema": SCHEMA, "sign_rule": SIGN_RULE, **fields}))


def load_directions(path: str | Path) -> Directions:
    """Read a file written by :func:`save_directions`. Raises AdapterError if it is anything else, or damaged."""
    from safetensors import SafetensorError, safe_open

    if Path(path).is_dir():
        how = "`grasp identify ADAPTER --component 0 -o FILE`"
        raise AdapterError(f"{path} is a folder; a directions file is written by {how}")
    try:
        with safe_open(str(path), framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in ("Q", "singular_values") if name in set(file.keys())}
    except (SafetensorError, OSError, TypeError, ValueError) as error:  # TypeError: a type that numpy has not
        raise AdapterError(
            f"cannot read the directions file {path} ({error}); name a file of `grasp identify -o`"
        ) from error
    if metadata.get("schema") != SCHEMA:
        raise AdapterError(
            f"{path} is not a directions file: its metadata has schema {metadata.get('schema')!r}, expected "
            f"{SCHEMA!r}; write one with `grasp identify ADAPTER --component 0 -o FILE`"
        )
    try:
        fields = {k: json.loads(v) for k, v in metadata.items() if k not in ("schema", "sign_rule")}
        wrong = sorted(name for name, holds in _FIELDS.items() if not holds(fields[name]))
        for name in ("components", "modules", "layers"):
            fields[name] = tuple(fields[name])
        found = Directions(**tensors, **fields)
    except (TypeError, KeyError, ValueError, RecursionError) as error:
        raise AdapterError(f"the directions file {path} is damaged: {error}; write it again") from error
    shapes = {"Q": found.Q.shape, "singular_values": found.singular_values.shape, "components": len(found.components)}
    if found.Q.ndim != 2 or {found.singular_values.shape, found.Q.shape[1:]} != {(len(found.components),)}:
        raise AdapterError(f"the directions file {path} holds parts of different shapes: {shapes}; write it again")
    wrong += [name for name in ("Q", "singular_values") if not np.isfinite(tensors[name]).all()]
    if wrong:
        raise AdapterError(f"the directions file {path} is damaged in {', '.join(wrong)}; write it again")
    return found
