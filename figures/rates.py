"""Rates with exact intervals, counted over the rows of an experiment whose trials are 0 or 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NOT_YET = ("nothing-learnt", "hardly-begun")  # what is to be said of a run that is only at its start
FACTS = ("trained", "sides", "stable-rank")  # what is said of any other run
MEAN, COSINE = "reads the mean", "cosine with the mean"  # about ``read-directions``, no findings


@dataclass(frozen=True)
class Rate:
    """fired of trials, with the exact (Clopper–Pearson) 95% interval [low, high]."""

    fired: int
    trials: int

    @property
    def value(self) -> float:
        return self.fired / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        from scipy.stats import binomtest

        found = binomtest(self.fired, self.trials).proportion_ci(0.95)
        return float(found.low), float(found.high)


def rate(rows: Sequence[Mapping[str, Any]], quantity: str) -> Rate:
    """Of a quantity over all these rows together; cells without it are counted as never.

    Every cell has the verdict, whose trials are all there are. Of every quantity the mean over trials is in ``mean``.
    Raises ZeroDivisionError without a trial.
    """
    fired = sum(round(r["mean"] * r["trials"]) for r in rows if r["quantity"] == quantity)
    trials = sum(r["trials"] for r in rows if r["quantity"] == "verdict")
    if not trials:
        raise ZeroDivisionError("no row of the verdict")
    return Rate(int(fired), int(trials))


def alarms(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The findings of ``finding_rates`` that fire anywhere and are no facts of any run, and last the verdict."""
    fired = sorted({r["quantity"] for r in rows if r["mean"] > 0} - {*NOT_YET, *FACTS, MEAN, COSINE, "verdict"})
    return [*fired, "verdict"]
