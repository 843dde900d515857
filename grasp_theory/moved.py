"""Modules, names and arguments of 0.1 for one release: they give what there is today, with a warning."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, TypeVar

MOVED = {
    "grasp_theory.checks": "grasp_theory.statements.checks",
    "grasp_theory.measure": "grasp_theory.identification.measure",
    "grasp_theory.search": "grasp_theory.statements.search",
    "grasp_theory.statement": "grasp_theory.statements.statement",
    "grasp_theory.theorems": "grasp_theory.statements",
    "grasp_theory.agreement": "grasp_theory.identification.agreement",
    "grasp_theory.compare": "grasp_theory.identification.diff",
    "grasp_theory.components": "grasp_theory.identification.components",
    "grasp_theory.floor": "grasp_theory.identification.floor",
    "grasp_theory.pooling": "grasp_theory.identification.lanczos",
    "grasp_theory.report": "grasp_theory.identification.report",
    "grasp_theory.rule": "grasp_theory.identification.rule",
    "grasp_theory.spectra": "grasp_theory.identification.spectra",
    "grasp_theory.verdict": "grasp_theory.identification.verdict",
    "real_models.activations": "real_models.audit.activations",
    "real_models.describe": "real_models.audit.describe",
    "real_models.experiments.comparison": "real_models.comparison.experiment",
    "real_models.experiments.components": "real_models.comparison.components",
    "real_models.experiments.cost": "real_models.comparison.cost",
    "real_models.experiments.matching": "real_models.comparison.matching",
    "real_models.explain": "real_models.audit.explain",
    "real_models.generations": "real_models.evaluation.generations",
    "real_models.judge": "real_models.evaluation",
    "real_models.linearity": "real_models.audit.linearity",
    "real_models.methods.bases": "real_models.hooks.bases",
    "real_models.methods.build": "real_models.methods",
    "real_models.methods.callback": "real_models.hooks.callback",
    "real_models.methods.checked": "real_models.arguments",
    "real_models.methods.edit_report": "real_models.audit.edit_report",
    "real_models.methods.gains": "real_models.hooks.gains",
    "real_models.methods.gradient": "real_models.hooks.gradient",
    "real_models.methods.method": "real_models.hooks.method",
    "real_models.methods.projection": "real_models.hooks.projection",
    "real_models.methods.reference": "real_models.hooks.references",
    "real_models.methods.stream": "real_models.hooks.stream",
    "real_models.methods.target": "real_models.hooks.targets",
    "real_models.methods.term": "real_models.hooks.term",
    "real_models.organisms.arms": "real_models.comparison.methods",
    "real_models.pairs": "real_models.evaluation.pairs",
    "real_models.train_callbacks": "real_models.training.callbacks",
    "real_models.train_config": "real_models.training.config",
    "real_models.train_files": "real_models.training.files",
    "synthetic.adapters": "synthetic.generators.adapters",
    "synthetic.code_version": "synthetic.runner.code_version",
    "synthetic.curation": "synthetic.generators.curation",
    "synthetic.inputs": "synthetic.generators.inputs",
    "synthetic.linear": "synthetic.generators.linear",
    "synthetic.low_rank": "synthetic.generators.task_updates",
    "synthetic.net_training": "synthetic.training.net_training",
    "synthetic.nets": "synthetic.training.nets",
    "synthetic.persona": "synthetic.generators.persona",
    "synthetic.removal": "synthetic.training.one_layer",
    "synthetic.results": "synthetic.runner.results",
    "synthetic.stages": "synthetic.runner.stages",
    "synthetic.statements": "synthetic.runner.statements",
    "synthetic.store": "synthetic.runner.store",
    "synthetic.sweep": "synthetic.runner.sweep",
    "synthetic.verdict_rates": "synthetic.experiments.verdict_rates",
    "synthetic.workers": "synthetic.runner.workers",
}

NAMES = {  # module -> what grasp_theory itself exported of it
    "grasp_theory.identification.agreement": "Agreement",
    "grasp_theory.identification.diff": "Difference Overlap random_overlap",
    "grasp_theory.identification.floor": "Edge factored_edge gavish_donoho_threshold noise_scale white_edge",
    "grasp_theory.identification.lanczos": "LeadingSVD leading_svd",
    "grasp_theory.identification.report": "Certificate Component Decomposition Floor ModuleSpectrum Power",
    "grasp_theory.identification.spectra": "Spike critical_strength sample_critical_strength sample_threshold spike",
    "grasp_theory.identification.trajectory": "Checkpoint",
    "grasp_theory.lowrank": "FactoredSVD add hstack",
    "grasp_theory.subspace": "fix_sign",
    "grasp_theory.updates": "Side",
}

Function = TypeVar("Function", bound=Callable[..., Any])


class Moved(MetaPathFinder, Loader):
    """Finds what moved; asked only for names that no file has."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new = MOVED[spec.name]
        warnings.warn(f"{spec.name} is {new} now; the old name goes in 0.3", DeprecationWarning, stacklevel=2)
        module: Any = import_module(new)
        self._own = module.__spec__  # the import system would put its own in the place
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._own


def install() -> None:
    """Once a process."""
    if not any(isinstance(finder, Moved) for finder in sys.meta_path):
        sys.meta_path.append(Moved())


def old_name(name: str) -> Any:
    """What ``grasp_theory.<name>`` was; AttributeError for anything else."""
    module = next((module for module, names in NAMES.items() if name in names.split()), None)
    if module is None:
        raise AttributeError(f"module 'grasp_theory' has no attribute {name!r}")
    warnings.warn(f"{name} is exported by {module} now; the old place goes in 0.3", DeprecationWarning, stacklevel=3)
    return getattr(import_module(module), name)


def renamed(**names: str) -> Callable[[Function], Function]:
    """A function that takes these arguments (old = "new") by their old names too."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def call(*args: Any, **given: Any) -> Any:
            for old, new in names.items():
                if old in given and new not in given:  # both: the function refuses the old one
                    about = f"{function.__qualname__}: {old} is called {new} now; the old name goes in 0.3"
                    warnings.warn(about, DeprecationWarning, stacklevel=2)
                    given[new] = given.pop(old)
            return function(*args, **given)

        return call  # pyright: ignore[reportReturnType]

    return decorate
