"""Base models and naive runs made beforehand, each once: cells of one organism that start together would each make
their own."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from synthetic.runner.sweep import Progress
from synthetic.runner.workers import in_workers

from .common import one_thread
from .persona import OrganismSpec, base_path, pretrained
from .persona_run import RunSpec
from .runs import naive_path, naive_run
from .setup import Setup


def make_naive_runs(specs: Iterable[Setup], *, n_jobs: int, progress: Progress | None = None) -> None:
    """Put the naive runs that the cache does not have into it, and before them the base models, which organisms may
    share.

    Each is made by one process on one thread.

    Args:
        progress: wraps the stream of both.
    """
    from joblib import delayed

    missing = [spec for spec in dict.fromkeys(specs) if not naive_path(spec).exists()]
    organisms = {base_path(spec.organism): spec.organism for spec in missing if isinstance(spec, RunSpec)}
    bases = [delayed(_pretrain)(organism) for path, organism in organisms.items() if not path.exists()]
    runs = [delayed(_make)(spec) for spec in missing]
    made = chain(in_workers(bases, n_jobs), in_workers(runs, n_jobs))
    for _ in progress(made, len(bases) + len(runs)) if progress and runs else made:
        pass


def _pretrain(organism: OrganismSpec) -> None:
    with one_thread():
        pretrained(organism)


def _make(spec: Setup) -> None:
    with one_thread():
        naive_run(spec)
