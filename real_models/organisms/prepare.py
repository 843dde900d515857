"""Naive runs made beforehand, side by side: cells of one organism that start together would each make its own."""

from __future__ import annotations

from collections.abc import Iterable

from synthetic.sweep import Progress
from synthetic.workers import in_workers

from .common import one_thread
from .runs import naive_path, naive_run
from .setup import Setup


def prepare(specs: Iterable[Setup], *, n_jobs: int, progress: Progress | None = None) -> None:
    """Put the naive runs that the cache does not have into it, each made by one process on one thread.

    progress : wraps the stream of runs.
    """
    from joblib import delayed

    missing = [spec for spec in dict.fromkeys(specs) if not naive_path(spec).exists()]
    made = in_workers([delayed(_make)(spec) for spec in missing], n_jobs)
    for _ in progress(made, len(missing)) if progress and missing else made:
        pass


def _make(spec: Setup) -> None:
    with one_thread():
        naive_run(spec)
