"""A persona organism that is pretrained in a second."""

from __future__ import annotations

from real_models.organisms.persona import OrganismSpec
from real_models.organisms.persona_run import RunSpec
from synthetic.generators.persona import PersonaSpec

LANGUAGE = PersonaSpec(words=16, withheld=2)
SMALL = OrganismSpec(LANGUAGE, hidden=40, layers=2, heads=2, steps=60, batch=16, lr=1e-2)
RUN = RunSpec(SMALL, rank=8, lr=3e-2, batch=8, steps=16, every=8)
