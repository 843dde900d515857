"""A persona organism that is pretrained in a second."""

from __future__ import annotations

from real_models.comparison.experiment import Cell
from real_models.organisms.persona import OrganismSpec
from real_models.organisms.persona_run import RunSpec
from real_models.organisms.runs import NaiveRun
from synthetic.generators.persona import PersonaSpec

LANGUAGE = PersonaSpec(words=16, withheld=2)
SMALL = OrganismSpec(LANGUAGE, hidden=40, layers=2, heads=2, steps=60, batch=16, lr=1e-2)
# a rate at which runs converge: at three times that, they end differently on every processor
RUN = RunSpec(SMALL, rank=8, lr=1e-2, batch=8, steps=16, every=8)


class Small(Cell):
    """Of this organism."""

    run_spec = RUN


def halfway(naive: NaiveRun) -> float:
    """A task score in the middle of what the naive run learns, so that no rounding decides whether it is reached."""
    task = [scores.task for scores in naive.scores]
    return (task[0] + max(task)) / 2
