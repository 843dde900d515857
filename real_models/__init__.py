"""What touches checkpoints and torch models; importing this package imports neither torch nor transformers."""

from .adapters import Adapter, find_checkpoints, read_adapter, updates_from_model, write_adapter

__all__ = ["Adapter", "find_checkpoints", "read_adapter", "updates_from_model", "write_adapter"]
