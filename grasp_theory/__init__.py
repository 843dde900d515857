"""The mathematics of identifying and removing spurious directions: numpy and scipy only, no files, no models.

``identify`` the components of a set of updates, ``diff`` two of them, follow a ``trajectory``; ``verify`` one of the
``statements``. What else there is lies in the modules, such as ``grasp_theory.identification.floor``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import AdapterError, AssumptionError, GraspError, InputError, UnsupportedAdapterError
from .identification.components import identify
from .identification.diff import diff
from .identification.report import Report
from .identification.trajectory import trajectory
from .lowrank import LowRank
from .moved import install as _install_moved
from .moved import old_name as _old_name
from .subspace import Subspace
from .updates import Update

if TYPE_CHECKING:
    from . import statements
    from .statements import verify

_install_moved()


def __getattr__(name: str) -> Any:
    if name == "statements":  # an identification needs none of them, and they take a tenth of a second to import
        return import_module("grasp_theory.statements")
    if name == "verify":
        return import_module("grasp_theory.statements").verify
    return _old_name(name)


__all__ = [
    "AdapterError",
    "AssumptionError",
    "GraspError",
    "InputError",
    "LowRank",
    "Report",
    "Subspace",
    "UnsupportedAdapterError",
    "Update",
    "diff",
    "identify",
    "statements",
    "trajectory",
    "verify",
]
