"""LoRA adapters in the format of PEFT: reading, the one scaling rule, refusals, writing. No base model is needed."""

from .config import LoraSettings, parse_config
from .extras import Extra
from .folder import find_checkpoints
from .live import updates_from_model
from .reader import Adapter, read_adapter
from .sides import block_of, layer_of, side_of
from .writer import write_adapter

__all__ = [
    "Adapter",
    "Extra",
    "LoraSettings",
    "block_of",
    "find_checkpoints",
    "layer_of",
    "parse_config",
    "read_adapter",
    "side_of",
    "updates_from_model",
    "write_adapter",
]
