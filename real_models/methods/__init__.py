"""Removal methods on live models: one file each, one interface (:class:`Method`)."""

from .caft import Ablation, Caft
from .compensated import Compensated
from .edit import edit
from .grasp import Grasp
from .inoculation import Inoculation
from .kl import KL
from .lineas import LinEAS
from ..hooks.method import Attachment, Method
from .naive import Naive
from .null_space import NullSpace
from .penalty import Penalty
from .steering import InferenceSteering, PreventativeSteering

METHODS: tuple[type[Method], ...] = (
    Naive,
    Grasp,
    Compensated,
    Caft,
    PreventativeSteering,
    KL,
    Inoculation,
    Penalty,
    NullSpace,
    Ablation,
    InferenceSteering,
    LinEAS,
)

__all__ = [
    "KL",
    "METHODS",
    "Ablation",
    "Attachment",
    "Caft",
    "Compensated",
    "Grasp",
    "InferenceSteering",
    "Inoculation",
    "LinEAS",
    "Method",
    "Naive",
    "NullSpace",
    "Penalty",
    "PreventativeSteering",
    "edit",
]
