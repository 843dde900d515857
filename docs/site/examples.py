"""The gallery of examples: their order, which are left out here, and what is undone between two of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "examples"
NAMES = (
    "audit_adapter",
    "compare_checkpoints",
    "verify_theorem",
    "phase_diagram",
    "fine_tune_loop",
    "fine_tune_trainer",
    "fine_tune_trl",
    "own_method",
    "own_statement",
    "smollm2",
)
NEEDS_MODEL = ("smollm2",)


class Order:
    """The order above, for Sphinx-Gallery's ``within_subsection_order``."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, name: str) -> int:
        """The place of a file; ValueError for one that is not in the list."""
        return NAMES.index(Path(name).stem)


def left_out() -> str:
    """A pattern of the files that are not shown: those that need the pretrained model where it is not in the cache."""
    from real_models.language_model import ORIGIN, model_folder

    missing = () if (model_folder() / ORIGIN).is_file() else NEEDS_MODEL
    return "|".join(re.escape(f"{name}.py") for name in (*missing, "__init__"))


def reset(configuration: dict[str, Any], file: str) -> None:
    """Before an example: seeds, matplotlib as it was installed, and no warnings of what one library says of another."""
    import warnings

    import matplotlib
    import numpy as np
    import torch

    matplotlib.rcdefaults()
    matplotlib.rcParams |= {"figure.figsize": (6.4, 3.4), "figure.constrained_layout.use": True, "savefig.dpi": 140}
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    np.random.seed(0)  # noqa: NPY002 - what an example does not seed itself
    torch.manual_seed(0)
