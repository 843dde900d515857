"""The theory: one statement a folder, whose docstring is the statement and its proof, and the checks of them all."""

from .checks import verify
from .outcome import Outcome
from .registry import ORDER, find

__all__ = ["ORDER", "Outcome", "find", "verify"]
