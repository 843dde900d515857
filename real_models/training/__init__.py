"""Fine-tuning: one routine for all methods, its configuration and files."""

from .config import TrainConfig
from .prepared import Prepared, prepare, step_count
from .run import fit, rehearse, train

__all__ = ["Prepared", "TrainConfig", "fit", "prepare", "rehearse", "step_count", "train"]
