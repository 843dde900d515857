"""Progress while the factors of a large adapter are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import repeat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from figures.tables.terminal import Watch
    from grasp_theory import LowRank, Update
    from real_models import Adapter


@dataclass
class _Told:
    """A source of factors that says when it is asked for the first time."""

    source: Any
    tell: Callable[[], object]
    asked: bool = False

    def __call__(self) -> LowRank:
        if not self.asked:
            self.asked = True
            self.tell()
        return self.source()

    def factor(self, name: str) -> Any:
        return self.source.factor(name) if hasattr(self.source, "factor") else getattr(self.source(), name)


def counted(adapter: Adapter, watch: Watch) -> tuple[Update, ...]:
    """The adapter's updates, which move the bar as each is read for the first time."""
    ticks = watch(repeat(None), len(adapter.updates))
    return tuple(
        replace(u, source=_Told(u.source, lambda: next(ticks))) if callable(u.source) else u for u in adapter.updates
    )
