"""LoRA adapters in the format of PEFT: reading, the one scaling rule, refusals, writing. No base model is needed."""

from .folder import find_checkpoints
from .live import updates_from_model
from .reader import Adapter, read_adapter
from .writer import write_adapter

__all__ = [
    "Adapter",
    "find_checkpoints",
    "read_adapter",
    "updates_from_model",
    "write_adapter",
]
