"""Fine-tuning: one routine for all methods, its configuration and files."""

from .config import TrainConfig
from .run import Prepared, fit, prepare, rehearse, step_count, train

__all__ = ["Prepared", "TrainConfig", "fit", "prepare", "rehearse", "step_count", "train"]
