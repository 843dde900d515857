"""The folder of a run: whose it is, which checkpoint is whole, the adapter written at once, full disks."""

from __future__ import annotations

import json
import os
import shutil
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from grasp_theory import GraspError, InputError
from synthetic.runner.results import write_json

from ..adapters.folder import CHECKPOINT

RUN = "run.json"  # the settings of a run, in its folder and in each checkpoint


def last_checkpoint(folder: Path, run: Mapping[str, Any] | None = None) -> Path | None:
    """The newest whole checkpoint: a run killed while saving leaves one without its last file.

    Args:
        run: the settings that it has to be of (``mark``); any by default.
    """
    return next((path for path in _newest_first(folder) if _flaw(path, run) is None), None)


def resumed(folder: Path, run: Mapping[str, Any]) -> Path | None:
    """:func:`last_checkpoint`, with a warning that names each newer one and what is wrong with it."""
    for path in _newest_first(folder):
        flaw = _flaw(path, run)
        if flaw is None:
            return path
        warnings.warn(f"the checkpoint {path} is passed over: {flaw}", stacklevel=2)
    return None


def mark(checkpoint: Path, run: Mapping[str, Any]) -> None:
    """The last file of a checkpoint: whose it is."""
    write_json(checkpoint / RUN, run)


def _newest_first(folder: Path) -> list[Path]:
    numbered = [p for p in folder.glob("checkpoint-*") if CHECKPOINT.fullmatch(p.name) and p.is_dir()]
    return sorted(numbered, key=_number, reverse=True)


def _number(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _flaw(checkpoint: Path, run: Mapping[str, Any] | None) -> str | None:
    """Why a run cannot go on from here as if it had not stopped, None if it can. Every file that is read back."""
    from safetensors import SafetensorError, safe_open

    state = _json(checkpoint / "trainer_state.json")
    if not isinstance(state, dict) or state.get("global_step") != _number(checkpoint):
        return "trainer_state.json is missing, damaged or of another step"
    try:
        with safe_open(str(checkpoint / "adapter_model.safetensors"), framework="np") as file:  # checks the length
            if not list(file.keys()):
                return "adapter_model.safetensors is empty"
    except (OSError, ValueError, SafetensorError):
        return "adapter_model.safetensors is missing or damaged"
    random = sorted(path.name for path in checkpoint.glob("rng_state*.pth")) or ["rng_state.pth"]
    for name in ("optimizer.pt", "scheduler.pt", *random):
        if not _is_whole_zip(checkpoint / name):
            return f"{name} is missing or damaged"
    if run is not None and _json(checkpoint / RUN) != json.loads(json.dumps(run)):
        return f"its {RUN} is missing, damaged or of another run"
    return None


def _is_whole_zip(path: Path) -> bool:
    """By the checksum of every part: the list of parts stands at the end, and says nothing of what is before it."""
    try:
        with zipfile.ZipFile(path) as file:
            return bool(file.namelist()) and file.testzip() is None
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        return False


def _json(path: Path) -> Any:
    """What is in the file; None if it is missing or damaged."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def refuse_other_runs(out: Path, settings: Mapping[str, Any]) -> None:
    """InputError if the folder holds anything but an unfinished run with these settings."""
    run = out / RUN
    if run.exists():
        found = _json(run)
        if found != json.loads(json.dumps(settings)):
            why = "is damaged, so whose it is cannot be told" if found is None else "differs"
            raise InputError(f"{out} holds another run (its {RUN} {why}); choose another folder, or remove it")
    elif out.exists() and (not out.is_dir() or any(path.suffix != ".part" for path in out.iterdir())):
        raise InputError(f"{out} exists and is not an empty folder; choose another one")
    if (out / "adapter_config.json").exists():
        raise InputError(f"{out} holds the finished adapter of this run already; remove it to train again")


def claim(out: Path, settings: Mapping[str, Any]) -> None:
    """The folder is new or of the same run, and says from now on what run it is of. InputError otherwise."""
    try:
        refuse_other_runs(out, settings)
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / RUN, settings)
        (out / "checkpoints").mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write in {out}: {error.strerror or error}") from error


@contextmanager
def released(out: Path) -> Iterator[None]:
    """If the block ends badly before there is any checkpoint, the folder is nobody's again: settings may be changed."""
    try:
        yield
    except BaseException:
        with suppress(OSError):  # the folder of checkpoints is removed only if it is empty
            (out / "checkpoints").rmdir()
            (out / RUN).unlink()
        raise


@contextmanager
def disk_errors(out: Path) -> Iterator[None]:
    """What a full disk makes of the operating system, torch and safetensors, as one error of ours."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not any(word in str(error) for word in ("PytorchStream", "iostream")):
            raise
        raise GraspError(
            f"cannot save in {out}: {getattr(error, 'strerror', None) or error}; the checkpoints before it are whole: "
            "make room and give the same command again"
        ) from error


def save_adapter(model: Any, out: Path) -> None:
    """The adapter's files all at once, its config last: a folder with a config is whole.

    All with the permissions of the config, which peft opens as any file; safetensors may write for the owner alone.
    """
    part = out / ".adapter.part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        model.save_pretrained(str(part), safe_serialization=True)
        config = part / "adapter_config.json"
        _order_sets(config)
        for path in sorted(part.iterdir(), key=lambda path: path == config):
            shutil.copymode(config, path)
            os.replace(path, out / path.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _order_sets(path: Path) -> None:
    """peft keeps names of modules in sets, whose order is another one in every process."""
    config = json.loads(path.read_bytes())
    for key in ("target_modules", "exclude_modules"):
        if isinstance(config.get(key), list):
            config[key].sort()
    path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")
