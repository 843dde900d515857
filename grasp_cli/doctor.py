"""``grasp doctor``: what a report of a problem has to say of the machine, and what is missing for which command."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .options import JsonOption, check_targets
from .requirements import PACKAGE, Needed, install, installed, needed

if TYPE_CHECKING:
    from rich.console import Console

# extra -> the commands that ask for it, and with which option where they do without
USES: dict[str, dict[str, str]] = {
    "hf": {
        "train": "", "evaluate": "--base", "compare": "", "explain": "", "linearity": "", "model": "", "reproduce": "",
        "identify": "--base", "effects": "--base", "sweep": "on organisms and real models",
    },
    "lm": {"model": "", "data": "smollm2-insecure"},
    "cluster": {"sweep": "--dask"},
    "proofs": {"verify": "by z3"},
    "quantised": {"train": "on a base of 4 or 8 bits"},
}  # fmt: skip
VARIABLES = ("GRASP_CACHE", "GRASP_REAL", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
RESULTS = Path("results")  # where commands leave what they measured, unless told otherwise


def doctor(json: JsonOption = None) -> None:
    """Show versions, devices, caches, and what each command lacks.

    Exit code 1 if something that every command needs is missing. Nothing is imported to learn its version; torch is
    imported only where it was built for more than the CPU, to ask it for its devices.
    """
    from dataclasses import asdict

    from figures.tables import console
    from synthetic.runner.results import write_json

    check_targets(json)
    packages = needed()
    found = {"schema_version": 1, "system": _system(), "devices": _devices(), "blas": _blas(), "caches": _caches()}
    if json is not None:
        write_json(json, {**found, "packages": [asdict(one) for one in packages], "uses": USES})
    if json != Path("-"):
        _show(found, packages, console())
    if not packages or not all(one.fits for one in packages if not one.extra):
        raise typer.Exit(1)


def _system() -> dict[str, Any]:
    """Python, the machine, settings, and the program that no package brings."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "grasp": installed(PACKAGE),
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "cores": cores,
        "memory_bytes": _memory(),
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "coq": _coq(),
    }


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not on Windows
        return None


def _coq() -> str | None:
    """The version of Coq, None where there is none."""
    program = shutil.which("coqc")
    if program is None:
        return None
    try:
        done = subprocess.run([program, "-print-version"], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(done.stdout.split()), None)


def _devices() -> dict[str, Any]:
    """What torch was built for, and the accelerators that it finds; none are sought by a build for the CPU alone."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return {"torch": None, "built_for": [], "accelerators": []}
    import runpy

    try:  # a file of constants, which imports nothing of torch
        version = runpy.run_path(str(Path(spec.origin).with_name("version.py")))
    except OSError:
        version = {}
    built = [kind for kind in ("cuda", "hip", "xpu") if version.get(kind)]
    built += ["mps"] if sys.platform == "darwin" else []
    return {"torch": installed("torch"), "built_for": built, "accelerators": _accelerators() if built else []}


def _accelerators() -> list[str]:
    import torch

    if torch.cuda.is_available():
        return [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    if hasattr(torch, "xpu") and torch.xpu.is_available():
        return [torch.xpu.get_device_name(n) for n in range(torch.xpu.device_count())]
    return ["mps"] if torch.backends.mps.is_available() else []


def _blas() -> list[dict[str, Any]]:
    """The libraries that numpy and scipy compute with, each once."""
    import scipy.linalg  # noqa: F401 (loads its own beside numpy's)
    from threadpoolctl import threadpool_info

    names = ("internal_api", "version", "architecture", "num_threads")
    every = [{name: library.get(name) for name in names} for library in threadpool_info()]
    return [one for n, one in enumerate(every) if one not in every[:n]]


def _caches() -> list[dict[str, Any]]:
    """Folders that commands keep things in: path, size, and the models in the cache."""
    from real_models.organisms.persona import cache_folder

    cache = cache_folder()
    models = sorted(path.name for path in (cache / "models").glob("*") if path.is_dir())
    return [
        {"name": "cache", "path": str(cache), "bytes": _size(cache), "models": models},
        {"name": "results", "path": str(RESULTS.resolve()), "bytes": _size(RESULTS), "models": []},
    ]


def _size(folder: Path) -> int | None:
    """Bytes in a folder, None where there is none."""
    if not folder.is_dir():
        return None
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:  # gone meanwhile
                continue
    return total


def _show(found: Mapping[str, Any], packages: Sequence[Needed], out: Console) -> None:
    from figures.tables import Table

    system, devices = found["system"], found["devices"]
    cores = f"{system['cores']} cores" + (f", {_bytes(system['memory_bytes'])}" if system["memory_bytes"] else "")
    out.print(f"grasp:    {system['grasp'] or 'not installed'}, Python {system['python']} ({system['executable']})")
    out.print(f"machine:  {system['platform']}, {cores}")
    out.print(f"devices:  {_devices_line(devices)}")
    libraries = [f"{b['internal_api']} {b['version'] or ''}".strip() for b in found["blas"]]
    threads = sorted({b["num_threads"] for b in found["blas"]})
    out.print(f"BLAS:     {', '.join(libraries) or 'none found'}; threads: {', '.join(map(str, threads))}")
    for cache in found["caches"]:
        size = "nothing yet" if cache["bytes"] is None else _bytes(cache["bytes"])
        models = f", models {', '.join(cache['models'])}" if cache["models"] else ""
        out.print(f"{cache['name'] + ':':9} {cache['path']} ({size}{models})")
    settings = [f"{name}={value}" for name, value in system["environment"].items()]
    out.print(f"settings: {' '.join(settings) or 'none'}")
    rows = []
    for extra in dict.fromkeys(one.extra for one in packages):
        own = [one for one in packages if one.extra == extra]
        state = "ok" if all(one.fits for one in own) else "missing"
        rows.append([extra or "always", state, _uses(extra), ", ".join(map(_package, own))])
    coq = system["coq"]
    rows.append(["coq", "ok" if coq else "missing", "make formal", f"coqc {coq}" if coq else "no coqc"])
    out.print(Table(["extra", "", "for", "packages"], rows, left=4))
    if not packages:
        out.print(f"{PACKAGE} is not installed here, so what it needs is not known: pip install --editable .")
    for extra in dict.fromkeys(one.extra for one in packages if not one.fits):
        lacking = ", ".join(f"{one.name}{one.wanted}" for one in packages if one.extra == extra and not one.fits)
        out.print(f"missing for {_uses(extra)}: {lacking}: {install(extra)}")
    if not coq:
        out.print("missing for make formal: Coq 8.16: apt-get install coq, or opam install coq.8.16.1")


def _devices_line(devices: Mapping[str, Any]) -> str:
    if devices["torch"] is None:
        return "unknown, torch is missing"
    if devices["accelerators"]:
        return f"{', '.join(devices['accelerators'])}; torch {devices['torch']}"
    if devices["built_for"]:
        return (
            f"CPU; torch {devices['torch']} is built for {', '.join(devices['built_for'])} too and finds no such device"
        )
    return f"CPU; torch {devices['torch']} is built for nothing else"


def _uses(extra: str) -> str:
    """The commands of an extra; those of contributors are no commands of ``grasp``."""
    if not extra:
        return "every command"
    own = {"docs": "make docs", "dev": "make test"}
    return own.get(extra) or ", ".join(f"{name} {how}".strip() for name, how in USES.get(extra, {}).items()) or extra


def _package(one: Needed) -> str:
    if one.installed is None:
        return f"no {one.name}"
    return f"{one.name} {one.installed}" + ("" if one.fits else f" (not {one.wanted})")


def _bytes(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
