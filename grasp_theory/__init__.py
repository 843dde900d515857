"""The mathematics of identifying and removing spurious directions: numpy and scipy only, no files, no models."""

from .errors import AdapterError, AssumptionError, GraspError, InputError, UnsupportedAdapterError
from .lowrank import FactoredSVD, LowRank
from .updates import Side, Update

__all__ = [
    "AdapterError",
    "AssumptionError",
    "FactoredSVD",
    "GraspError",
    "InputError",
    "LowRank",
    "Side",
    "UnsupportedAdapterError",
    "Update",
]
