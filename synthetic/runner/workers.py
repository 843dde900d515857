"""Worker processes for independent tasks: results in order, and Ctrl-C left to the process that waits for them."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from grasp_theory import InputError

# Importing torch in a worker looks like a memory leak to joblib, which then replaces the worker and says so; and it
# says how many tasks were given up when what waits for them is interrupted.
SAYS = ("A worker stopped while some jobs were given", r".*You could benefit from adjusting the input task iterator")


def in_workers(tasks: Sequence[Any], n_jobs: int, *, prepare: Callable[[], None] | None = None) -> Iterator[Any]:
    """Results of ``joblib.delayed`` tasks in their order, from as many processes with one BLAS thread each.

    Args:
        prepare: called once in each process before its first task, for imports that all tasks need.

    A terminal sends Ctrl-C to all its processes. Workers are started with it blocked, so that none of them, still
    importing, prints where it was: this process is interrupted, and ends them. One job or one task: in this process.
    """
    from joblib import Parallel, parallel_config

    workers = min(n_jobs, len(tasks))
    if workers < 2:
        yield from (function(*args, **options) for function, args, options in tasks)
        return
    for message in SAYS:
        warnings.filterwarnings("ignore", message=message)
    with parallel_config("loky", n_jobs=workers, inner_max_num_threads=1, initializer=prepare):
        with _without_interrupts():
            stream = Parallel(return_as="generator")(tasks)
        yield from stream


def in_workers_or_cluster(
    function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], *, n_jobs: int, dask: str | None
) -> Iterator[Any]:
    """``function(*call)`` of each call, in their order: by :func:`in_workers`, or on the Dask cluster at this address.

    Raises InputError if dask is not installed or no scheduler answers.
    """
    from joblib import Parallel, delayed, parallel_config

    tasks = [delayed(function)(*call) for call in calls]
    if dask is None or not tasks:
        yield from in_workers(tasks, n_jobs)
        return
    client = _connect(dask)
    try:
        with parallel_config("dask"):
            yield from cast("Iterator[Any]", Parallel(return_as="generator")(tasks))
    finally:
        client.close()


def _connect(address: str) -> Any:
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise InputError("--dask needs dask: install the extra with `pip install 'grasp-toolkit[cluster]'`") from error
    try:
        return Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {address} ({error}); start one, or leave --dask out") from error


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """SIGINT waits until the end, and in processes and threads started inside for ever. No effect on Windows."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    from joblib.externals.loky.backend import resource_tracker as tracker_of_loky

    for tracker in (resource_tracker, tracker_of_loky):
        tracker.ensure_running()  # else the first worker starts it, which lifts the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
