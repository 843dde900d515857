"""Data sets made once for the tests of the experiments on a language model."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_datasets import make_datasets

from real_models.comparison.language import EXPERIMENTS
from real_models.comparison.language.rows import ExperimentData
from real_models.comparison.language.sources import Datasets


@pytest.fixture(scope="session")
def datasets(tmp_path_factory) -> Path:
    return make_datasets(tmp_path_factory.mktemp("datasets"))


@pytest.fixture(scope="session")
def prepared(datasets) -> dict[str, ExperimentData]:
    return {name: make(Datasets(datasets), seed=0) for name, make in EXPERIMENTS.items()}
