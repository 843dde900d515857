"""The statements of the theory checked in worker processes, and each outcome kept in a file where a folder is given."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import cast

from threadpoolctl import threadpool_limits

from grasp_theory.formal import machine_checked
from grasp_theory.identification.report import plain
from grasp_theory.statements import Outcome, verify
from grasp_theory.statements.registry import find, modules

from .code_version import code_version
from .store import Place, Store
from .sweep import Progress
from .workers import in_workers


def check_statements(
    keys: Sequence[str],
    *,
    deep: bool = False,
    folder: Path | None = None,
    n_jobs: int = 2,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Outcomes in the order of ``keys``.

    Args:
        folder: each outcome is written there by the worker that found it, failures too (a check is deterministic), and
            is not sought again unless the code of its statement or of the checks changed. Without, all are checked.
        progress: wraps the stream of outcomes.

    Raises InputError for a folder that cannot be written.
    """
    from joblib import delayed

    store = None if folder is None else Store(folder)
    places = {key: _place(key, deep) for key in keys}
    kept = [None] * len(places) if store is None else store.read(places.values(), Outcome.of)
    found = dict(zip(places, kept, strict=True))
    # limits take longest: they come first, so that no worker is left with one at the end
    missing = sorted((key for key, outcome in found.items() if outcome is None), key=lambda key: not _is_limit(key))
    if missing:
        tasks = [delayed(_check)(key, deep, store, places[key]) for key in missing]
        stream = in_workers(tasks, n_jobs, prepare=_prepare)
        found |= zip(missing, progress(stream, len(missing)) if progress else stream, strict=True)
    return [cast("Outcome", found[key]) for key in keys]


def _prepare() -> None:
    """What the checks import late: in the middle, joblib would take it for a memory leak and start a new worker."""
    for name in ("scipy.optimize", "scipy.stats", "sympy", "torch", "z3"):
        with suppress(ImportError):
            import_module(name)


def _is_limit(key: str) -> bool:
    return find([key])[0].kind == "limit"


def _check(key: str, deep: bool, store: Store | None, place: Place) -> Outcome:
    with threadpool_limits(1):
        outcome = verify(key, deep=deep)
    if store is not None:
        store.write(*place, plain(outcome))
    return outcome


def _place(key: str, deep: bool) -> Place:
    """The file of an outcome."""
    code = [code_version(module) for module in modules(key)]
    formal = machine_checked(key, find([key])[0].text)
    return f"{key}{'-deep' if deep else ''}.json", {"statement": key, "deep": deep, "code": code, "formal": formal}
