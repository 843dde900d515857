"""What the tests of several commands read."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import PLANTED
from planted import saved


@pytest.fixture(scope="session")
def planted(tmp_path_factory) -> Path:
    """An adapter with one planted direction, in a folder whose name has a space and letters outside ASCII.

    Not to be written into.
    """
    return saved(tmp_path_factory.mktemp("rooms") / "my ädapter", **PLANTED)
