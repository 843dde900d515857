"""The folder of a run: whose it is, which checkpoint is whole, the adapter written at once, full disks."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from grasp_theory import GraspError, InputError
from synthetic.runner.results import write_json


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint: a run killed while saving leaves one without its last file."""
    numbered = [p for p in folder.glob("checkpoint-*") if p.name.rpartition("-")[2].isdigit() and _is_whole(p)]
    return max(numbered, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _is_whole(checkpoint: Path) -> bool:
    from safetensors import SafetensorError, safe_open

    try:
        json.loads((checkpoint / "trainer_state.json").read_bytes())
        with safe_open(str(checkpoint / "adapter_model.safetensors"), framework="np"):  # checks the length
            pass
    except (OSError, ValueError, SafetensorError):
        return False
    return zipfile.is_zipfile(checkpoint / "optimizer.pt")


def refuse_other_runs(out: Path, settings: Mapping[str, Any]) -> None:
    """InputError if the folder holds anything but an unfinished run with these settings."""
    run = out / "run.json"
    if run.exists():
        try:
            same = json.loads(run.read_bytes()) == json.loads(json.dumps(settings))
        except ValueError:
            same = False
        if not same:
            raise InputError(f"{out} holds another run (its run.json differs); choose another folder, or remove it")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists and is not an empty folder; choose another one")
    if (out / "adapter_config.json").exists():
        raise InputError(f"{out} holds the finished adapter of this run already; remove it to train again")


def claim(out: Path, settings: Mapping[str, Any]) -> None:
    """The folder is new or of the same run, and says from now on what run it is of. InputError otherwise."""
    try:
        refuse_other_runs(out, settings)
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "run.json", settings)
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
            (out / "run.json").unlink()
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
