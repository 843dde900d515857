"""What touches checkpoints and torch models; importing this package imports neither torch nor transformers.

Reading, writing and auditing adapters, and directions files. ``real_models.methods`` holds the methods, ``.training``
trains with them, ``.evaluation`` scores.
"""

from .adapters import Adapter, find_checkpoints, read_adapter, updates_from_model, write_adapter
from .audit.finding import Finding
from .audit.findings import findings
from .directions import Directions, choose_directions, load_directions, save_directions

__all__ = [
    "Adapter",
    "Directions",
    "Finding",
    "choose_directions",
    "find_checkpoints",
    "findings",
    "load_directions",
    "read_adapter",
    "save_directions",
    "updates_from_model",
    "write_adapter",
]
