"""The mathematics of identifying and removing spurious directions: numpy and scipy only, no files, no models."""

from .agreement import Agreement
from .compare import Checkpoint, Difference, Overlap, diff, random_overlap, trajectory
from .components import identify
from .errors import AdapterError, AssumptionError, GraspError, InputError, UnsupportedAdapterError
from .floor import Edge, factored_edge, gavish_donoho_threshold, noise_scale, white_edge
from .lowrank import FactoredSVD, LowRank, add, hstack
from .pooling import LeadingSVD, leading_svd
from .report import Certificate, Component, Decomposition, Floor, ModuleSpectrum, Power, Report
from .spectra import Spike, critical_strength, sample_critical_strength, sample_threshold, spike
from .subspace import Subspace, fix_sign
from .updates import Side, Update

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
    "trajectory",
    "white_edge",
]
