"""One thread, shape contracts on, hypothesis profiles, and the folder of real artefacts. Read before any test file."""

from __future__ import annotations

import os

# A BLAS reads these once, when numpy is imported; worker processes inherit them. A pytest plugin (jaxtyping's) imports
# numpy before this file is read, so the process that runs without workers is told by threadpoolctl as well.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
from beartype import BeartypeConf, beartype
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

threadpool_limits(1)

# PEP 484 lets an int stand for a float, as every type checker and caller here takes it; beartype asks to be told.
contract = beartype(conf=BeartypeConf(is_pep484_tower=True))
# The annotations of these modules are checked at every call, shapes included. Must come before their first import.
# Not those of the statements and their checks: there a shape is named by the theory's letters, which one call may use
# twice (a left and a right basis), claims are generic in their instance, and both are called ten thousands of times.
_files = {path.stem for path in (Path(__file__).parents[1] / "grasp_theory").glob("*.py")} - {"__init__"}
_rooms = ["grasp_theory.identification", *(f"grasp_theory.{name}" for name in sorted(_files))]
jaxtyping.install_import_hook([*_rooms, "synthetic"], f"{__name__}.contract")

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile(
    "ci",
    max_examples=60,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "nightly", max_examples=2000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture
def no_contracts() -> Iterator[None]:
    """Contracts off, as they are for users: for tests of the library's own refusals of a wrong type or shape."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def _organism_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("organisms")


@pytest.fixture(scope="module")
def organism_cache(_organism_folder: Path) -> Iterator[Path]:
    """Where base models and naive runs are kept: one folder for all modules that ask for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRASP_CACHE", str(_organism_folder))
        yield _organism_folder


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real artefacts (adapters, models, data). Its absence is a failure, not a skip."""
    folder = Path(os.environ.get("GRASP_REAL") or Path(__file__).parents[2] / "shared" / "real").resolve()
    if not folder.is_dir():
        pytest.fail(f"the folder of real artefacts {folder} is missing; set GRASP_REAL to where it lies")
    return folder
