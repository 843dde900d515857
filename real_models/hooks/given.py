"""What the command line gives to a method: each takes what it needs and refuses without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grasp_theory import InputError

from ..directions import Directions, load_directions

OPTIONS = {"sides": "side", "layers": "layer", "neutral_data": "neutral-data"}  # field -> option, where they differ


@dataclass(frozen=True)
class Given:
    """What a user handed over.

    Attributes:
        directions: a directions file.
        naive: the adapter folder of the naive run.
        strength: of compensation or steering.
        weight: of kl or penalty.
        layers: indices, for caft and steering.
        sides: of grasp.
        neutral: batches of neutral text, made by a call when asked for.
        components, energy: of the null space.
        every, references: of gradient surgery.
        neutral_data: encoded training rows to mix in, made by a call likewise.
        share: of them.
        context: of inoculation.
    """

    directions: Path | None = None
    naive: Path | None = None
    strength: float | None = None
    weight: float | None = None
    layers: tuple[int, ...] | None = None
    sides: tuple[str, ...] | None = None
    neutral: Callable[[], Any] | None = None
    components: int | None = None
    energy: float | None = None
    every: int | None = None
    references: int | None = None
    neutral_data: Callable[[], Any] | None = None
    share: float | None = None
    context: str | None = None

    def need(self, name: str, method: str) -> Any:
        """The value, or an error that says which option to add."""
        value = getattr(self, name)
        if value is None:
            raise InputError(f"method {method} needs --{OPTIONS.get(name, name)}")
        return value

    def chosen(self, method: str) -> Directions:
        """The directions in the file."""
        return load_directions(self.need("directions", method))
