"""One thread, shape contracts on, hypothesis profiles, files made and real. Read before any test file."""

from __future__ import annotations

import gc
import os
import shutil
import zipfile

# A BLAS reads these once, when numpy is imported; worker processes inherit them. A pytest plugin (jaxtyping's) imports
# numpy before this file is read, so the process that runs without workers is told by threadpoolctl as well.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
from beartype import BeartypeConf, beartype
from checkout import ROOMS, ROOT, SUPPORT, python
from filelock import FileLock
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
    max_examples=40,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "nightly", max_examples=2000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@contextmanager
def _without_contracts() -> Iterator[None]:
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture
def no_contracts() -> Iterator[None]:
    """Contracts off, as they are for users: for tests of the library's own refusals of a wrong type or shape."""
    with _without_contracts():
        yield


@pytest.fixture(scope="session")
def _organism_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("organisms")


@pytest.fixture(scope="module")
def organism_cache(_organism_folder: Path) -> Iterator[Path]:
    """Where base models and naive runs are kept: one folder for all modules that ask for it.

    Contracts are off there: they cost a tenth, and what these runs call is called by the tests of the audit as well.
    """
    with pytest.MonkeyPatch.context() as patch, _without_contracts():
        patch.setenv("GRASP_CACHE", str(_organism_folder))
        yield _organism_folder


@pytest.fixture(scope="module")
def two_counted() -> Iterator[None]:
    """The arithmetic of a step is counted over two steps, not eight: each takes a quarter of a second to count."""
    from real_models.comparison import cost

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "STEPS", 2)
        cost._plain.cache_clear()
        yield
    cost._plain.cache_clear()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of ``made_files``: a base model with its tokenizer, and data. Not to be written into."""
    from made_files import make_files

    return make_files(tmp_path_factory.mktemp("made"))


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that is filled once for all workers of pytest-xdist."""
    base, own = factory.getbasetemp(), factory.mktemp(name)
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            make(own)
            own.rename(folder)
    return folder


@pytest.fixture(scope="session")
def processes(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``processes.py`` trained."""
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])

    def train(folder: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": paths}
        python(str(SUPPORT / "processes.py"), str(made), str(folder), cwd=ROOT, env=environment, timeout=600)

    return once(tmp_path_factory, "processes", train)


def build(folder: Path) -> None:
    """``tree``, a copy of what is built (a build folder that lies about in a checkout may hold modules that are gone);
    the wheel, built without network; and ``site``, which it is unpacked into."""
    for name in (*ROOMS, "tests", "benchmarks"):
        shutil.copytree(ROOT / name, folder / "tree" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "tree")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "-q", "-w", str(folder)]
    python("-m", "pip", "wheel", *options, str(folder / "tree"), timeout=600)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "site")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``build`` fills."""
    if find_spec("setuptools") is None:
        pytest.skip("the build backend setuptools is not installed here")
    return once(tmp_path_factory, "built", build)


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest) -> Path:
    """Where a process finds the packages: the unpacked wheel, or this checkout where none can be built."""
    return request.getfixturevalue("built") / "site" if find_spec("setuptools") else ROOT


NEEDS = (
    "needs public adapters, models and data: "
    "set GRASP_REAL to a folder as tests/support/expected_adapters.py describes it"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-real", action="store_true", help="without GRASP_REAL fail instead of skipping tests")


def pytest_configure(config: pytest.Config) -> None:
    """A folder that is named and not there is a mistake of whoever named it, and no reason to skip."""
    folder = os.environ.get("GRASP_REAL")
    if folder is None and config.getoption("--require-real"):
        raise pytest.UsageError("--require-real: GRASP_REAL is not set; " + NEEDS)
    if folder is not None:
        missing = [name for name in ("adapters", "datasets", "models") if not any(Path(folder, name).glob("*"))]
        if missing or not folder:
            raise pytest.UsageError(
                f"GRASP_REAL={folder!r}: expected a folder with adapters, datasets and models that hold something, "
                f"found none in {', '.join(missing)}; unset it to skip these tests"
            )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for ``real`` carries the marker, so that none is forgotten."""
    for item in items:
        if "real" in getattr(item, "fixturenames", ()):
            item.add_marker("real")


def pytest_collection_finish() -> None:
    """What the imports made stays: collections of garbage, which a Trainer asks for in every run, pass over it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real artefacts (adapters, datasets, models)."""
    folder = os.environ.get("GRASP_REAL")
    if folder is None:
        pytest.skip(NEEDS)
    return Path(folder).resolve()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    count = sum("real" in getattr(report, "keywords", ()) for report in terminalreporter.stats.get("skipped", ()))
    if count:
        tests = "test" if count == 1 else "tests"
        terminalreporter.write_line(f"{count} {tests} of real adapters, models and data skipped: set GRASP_REAL")
