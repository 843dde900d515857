"""Removal methods on live models: one file each, one interface (:class:`Method`).

A file that defines a :class:`Method` with a name is in ``METHODS``, in ``grasp methods``, in ``grasp train`` if it has
``options``, and in ``grasp compare`` if it has ``compared``: nothing else is to be edited.
"""

from __future__ import annotations

import inspect
from dataclasses import fields
from importlib import import_module
from pkgutil import iter_modules
from typing import get_args

from grasp_theory import InputError
from grasp_theory.errors import unknown_name

from ..hooks.given import OPTIONS, Given
from ..hooks.method import Attachment, Method, Phase
from .caft import Ablation, Caft
from .compensated import Compensated
from .contrast import ContrastiveSteering
from .edit import Edit, edit
from .gradient_surgery import GradientSurgery
from .grasp import Grasp
from .hold import Hold
from .inoculation import Inoculation
from .interleaved import Interleaved
from .keep_rank import KeepRank
from .kl import KL
from .lineas import LinEAS
from .naive import Naive
from .null_space import NullSpace
from .penalty import Penalty
from .scale import Scale
from .shrinkage import MinimaxRemoval, SoftThreshold
from .steering import InferenceSteering, PreventativeSteering


def _found() -> tuple[type[Method], ...]:
    """Every method that a file of this folder defines, by when it acts: naive first of all, then what trains."""
    modules = [import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__)]
    classes = [
        cls
        for module in modules
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Method) and cls.__module__ == module.__name__ and not inspect.isabstract(cls)
    ]
    return tuple(sorted(classes, key=lambda cls: (cls is not Naive, get_args(Phase).index(cls.phase), cls.name)))


METHODS: tuple[type[Method], ...] = _found()


def build_methods(names: str, given: Given) -> list[Method]:
    """The training methods of "name" or "name+name", in an order in which they compose: what projects comes last.

    Raises InputError for unknown names, a name that stands there twice, and what none of them takes.
    """
    offered = {cls.name: cls for cls in METHODS if cls.options is not None}
    wanted = names.split("+")
    unknown = [name for name in wanted if name not in offered]
    if unknown:
        raise unknown_name("training method", unknown, offered)
    if len(set(wanted)) < len(wanted):
        raise InputError(f"a method is named twice in {names!r}")
    classes = [offered[name] for name in wanted]
    taken = frozenset().union(*(cls.options or () for cls in classes))
    idle = [f.name for f in fields(given) if getattr(given, f.name) is not None and f.name not in taken]
    if idle:
        raise InputError(f"{names} does not take --{OPTIONS.get(idle[0], idle[0])}; leave it out, or add a method")
    return [cls.from_given(given) for cls in sorted(classes, key=lambda cls: cls.projects)]


__all__ = [
    "KL",
    "METHODS",
    "Ablation",
    "Attachment",
    "Caft",
    "Compensated",
    "ContrastiveSteering",
    "Edit",
    "Given",
    "GradientSurgery",
    "Grasp",
    "Hold",
    "InferenceSteering",
    "Inoculation",
    "Interleaved",
    "KeepRank",
    "LinEAS",
    "Method",
    "MinimaxRemoval",
    "Naive",
    "NullSpace",
    "Penalty",
    "PreventativeSteering",
    "Scale",
    "SoftThreshold",
    "build_methods",
    "edit",
]
