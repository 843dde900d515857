"""Naive runs made beforehand, side by side: cells of one organism that start together would each make its own."""

from __future__ import annotations

from collections.abc import Iterable

from synthetic.workers import in_workers

from .common import one_thread
from .persona import cache_folder
from .runs import _key, naive_run
from .setup import Setup


def prepare(specs: Iterable[Setup], *, n_jobs: int) -> None:
    """Put the naive runs that the cache does not have into it, each made by one process on one thread."""
    from joblib import delayed

    there = cache_folder()
    missing = [spec for spec in dict.fromkeys(specs) if not (there / f"naive-{_key(spec)}.safetensors").exists()]
    for _ in in_workers([delayed(_make)(spec) for spec in missing], n_jobs):
        pass


def _make(spec: Setup) -> None:
    with one_thread():
        naive_run(spec)
