"""What the tests of several commands read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import SPEC

from real_models import write_adapter
from synthetic.generators.adapters import draw_adapter


@pytest.fixture(scope="session")
def planted(tmp_path_factory) -> Path:
    """An adapter with one planted direction, in a folder whose name has a space and letters outside ASCII.

    Not to be written into.
    """
    updates, _ = draw_adapter(SPEC, rng=np.random.default_rng(0))
    return write_adapter(tmp_path_factory.mktemp("rooms") / "my ädapter", updates, r=16, lora_alpha=16)
