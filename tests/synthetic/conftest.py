"""What the tests of the engine share."""

from __future__ import annotations

import pytest
from tiny_experiment import NAME, run

from figures.catalogue import FIGURES, Entry


@pytest.fixture(scope="package")
def fresh(tmp_path_factory):
    """(sweep, folder) of one process; not to be changed."""
    folder = tmp_path_factory.mktemp("fresh")
    return run(folder), folder


@pytest.fixture
def registered(monkeypatch):
    """The tiny experiment as a figure of the catalogue."""
    monkeypatch.setitem(FIGURES, "tiny", Entry("Moments.", "identification", (NAME,)))
