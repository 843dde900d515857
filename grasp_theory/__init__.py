"""The mathematics of identifying and removing spurious directions: numpy and scipy only, no files, no models."""

from . import statements
from .errors import AdapterError, AssumptionError, GraspError, InputError, UnsupportedAdapterError
from .identification.agreement import Agreement
from .identification.components import identify
from .identification.diff import Difference, Overlap, diff, random_overlap
from .identification.floor import Edge, factored_edge, gavish_donoho_threshold, noise_scale, white_edge
from .identification.lanczos import LeadingSVD, leading_svd
from .identification.report import Certificate, Component, Decomposition, Floor, ModuleSpectrum, Power, Report
from .identification.spectra import Spike, critical_strength, sample_critical_strength, sample_threshold, spike
from .identification.trajectory import Checkpoint, trajectory
from .lowrank import FactoredSVD, LowRank, add, hstack
from .moved import install as _install_moved
from .statements import verify
from .subspace import Subspace, fix_sign
from .updates import Side, Update

_install_moved()

__all__ = [
    "AdapterError",
    "Agreement",
    "AssumptionError",
    "Certificate",
    "Checkpoint",
    "Component",
    "Decomposition",
    "Difference",
    "Edge",
    "FactoredSVD",
    "Floor",
    "GraspError",
    "InputError",
    "LeadingSVD",
    "LowRank",
    "ModuleSpectrum",
    "Overlap",
    "Power",
    "Report",
    "Side",
    "Spike",
    "Subspace",
    "UnsupportedAdapterError",
    "Update",
    "add",
    "critical_strength",
    "diff",
    "factored_edge",
    "fix_sign",
    "gavish_donoho_threshold",
    "hstack",
    "identify",
    "leading_svd",
    "noise_scale",
    "random_overlap",
    "sample_critical_strength",
    "sample_threshold",
    "spike",
    "statements",
    "trajectory",
    "verify",
    "white_edge",
]
