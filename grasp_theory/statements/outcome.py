"""What the checks of a statement found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .derivations import Decided
from .rates import RateFound


@dataclass
class Outcome:
    """Result of all checks of one statement. None: the check does not apply to its kind.

    Attributes:
        draws, held: draws inside the assumptions, and those among them on which every claim held.
        rejected: share of draws outside them.
        borders: borders approached from both sides / all.
        best_ratio: the largest measured/bound of a tight claim found by extremal instance or search.
        needed: assumptions shown needed / assumptions.
        variants: refuted / all.
        variant_draws: draws the slowest needed.
        derived: symbolic residuals that simplify to 0 / all.
        route: largest difference of the two routes in slacks.
        decided: what the decision procedure answered.
        formal: theorems that a proof assistant accepted for the statement as it reads now (``grasp_theory.formal``).
        failures: what went wrong, in words; empty if the statement stands.
    """

    key: str
    kind: str
    basis: str
    draws: int = 0
    held: int = 0
    rejected: float = 0.0
    borders: tuple[int, int] | None = None
    best_ratio: float | None = None
    needed: tuple[int, int] | None = None
    variants: tuple[int, int] = (0, 0)
    variant_draws: int = 0
    derived: tuple[int, int] | None = None
    route: float | None = None
    rates: list[RateFound] = field(default_factory=list)
    decided: Decided | None = None
    formal: tuple[str, ...] | None = None
    failures: list[str] = field(default_factory=list)

    @property
    def stands(self) -> bool:
        """Whether no check failed."""
        return not self.failures

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Outcome:
        """The outcome that ``plain`` of the reports made this record of. TypeError if it is none."""
        names = ("borders", "needed", "variants", "derived", "formal")
        found = {name: record[name] and tuple(record[name]) for name in names}
        tuples = ("sizes", "errors", "failures")
        rates = [RateFound(**r | {name: tuple(r[name]) for name in tuples}) for r in record["rates"]]
        decided = record["decided"] and Decided(**record["decided"] | {"sizes": tuple(record["decided"]["sizes"])})
        return cls(**{**record, **found, "rates": rates, "decided": decided})
