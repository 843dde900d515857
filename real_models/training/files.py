"""The folder of a run: whose it is, which checkpoint is whole, the adapter written at once, full disks."""

from __future__ import annotations

import json
import os
import shutil
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from grasp_theory import GraspError, InputError
from synthetic.runner.results import file_sha256, write_json

from ..adapters.folder import CHECKPOINT

RUN = "run.json"  # the settings of a run, in its folder and in each checkpoint
PARTS = "parts.json"  # of a checkpoint that every process wrote a part of: sha256 of each
_WHOLE = ("pytorch_model_fsdp.bin", "optimizer.bin")  # what accelerate calls them under FSDP, gathered
_IN_PARTS = ("pytorch_model_fsdp_0", "optimizer_0")  # the same, a folder of parts each


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
    """The last files of a checkpoint: what its parts are, and whose it is."""
    parts = _parts(checkpoint)
    if parts:
        write_json(checkpoint / PARTS, parts)
    write_json(checkpoint / RUN, run)


def _parts(checkpoint: Path) -> dict[str, str]:
    """Name of each part that torch.distributed.checkpoint wrote -> sha256."""
    found = (path for folder in _IN_PARTS for path in (checkpoint / folder).glob("*"))
    return {path.relative_to(checkpoint).as_posix(): file_sha256(path) for path in sorted(found)}


def _newest_first(folder: Path) -> list[Path]:
    numbered = [p for p in folder.glob("checkpoint-*") if CHECKPOINT.fullmatch(p.name) and p.is_dir()]
    return sorted(numbered, key=_number, reverse=True)


def _number(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _flaw(checkpoint: Path, run: Mapping[str, Any] | None) -> str | None:
    """Why a run cannot go on from here as if it had not stopped, None if it can. Every file that is read back."""
    state, own = _json(checkpoint / "trainer_state.json"), _json(checkpoint / RUN)
    if not isinstance(state, dict) or state.get("global_step") != _number(checkpoint):
        return "trainer_state.json is missing, damaged or of another step"
    if any((checkpoint / name).is_dir() for name in _IN_PARTS):
        flaw, saved = _flaw_of_parts(checkpoint), ()
    elif any((checkpoint / name).exists() for name in _WHOLE):
        flaw, saved = None, _WHOLE
    else:
        flaw, saved = _flaw_of_adapter(checkpoint / "adapter_model.safetensors"), ("optimizer.pt",)
    if flaw is not None:
        return flaw
    processes = own.get("processes") if isinstance(own, dict) else None
    random = {f"rng_state_{n}.pth" for n in range(processes)} if isinstance(processes, int) else set()
    random |= {path.name for path in checkpoint.glob("rng_state*.pth")}
    for name in (*saved, "scheduler.pt", *sorted(random or {"rng_state.pth"})):
        if not _is_whole_zip(checkpoint / name):
            return f"{name} is missing or damaged"
    if run is not None and own != json.loads(json.dumps(run)):
        return f"its {RUN} is missing, damaged or of another run"
    return None


def _flaw_of_adapter(path: Path) -> str | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="np") as file:  # checks the length
            return None if list(file.keys()) else f"{path.name} is empty"
    except (OSError, ValueError, SafetensorError):
        return f"{path.name} is missing or damaged"


def _flaw_of_parts(checkpoint: Path) -> str | None:
    """Parts are of one checkpoint only if they are those that were there when it was done, byte for byte."""
    meant, there = _json(checkpoint / PARTS), _parts(checkpoint)
    if not isinstance(meant, dict) or any(not (checkpoint / name).is_dir() for name in _IN_PARTS):
        return f"{PARTS} or one of the folders {', '.join(_IN_PARTS)} is missing or damaged"
    wrong = sorted(name for name in {*meant, *there} if meant.get(name) != there.get(name))
    return f"{wrong[0]} is missing, damaged or of another checkpoint" if wrong else None


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
            damaged = "is damaged, so whose it is cannot be told"
            why = f"differs in {_differing(found, settings)}" if isinstance(found, dict) else damaged
            raise InputError(f"{out} holds another run (its {RUN} {why}); choose another folder, or remove it")
    elif out.exists() and (not out.is_dir() or any(path.suffix != ".part" for path in out.iterdir())):
        raise InputError(f"{out} exists and is not an empty folder; choose another one")
    if (out / "adapter_config.json").exists():
        raise InputError(f"{out} holds the finished adapter of this run already; remove it to train again")


def _differing(found: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """The settings that are not the same, with their values where these are short."""
    names = []
    for key in sorted({*found, *settings}):
        there, here = (json.loads(json.dumps(x.get(key))) for x in (found, settings))
        if there != here:
            short = all(isinstance(x, (int, str, type(None))) and len(str(x)) < 40 for x in (there, here))
            names.append(f"{key} ({there} there, {here} here)" if short else key)
    return ", ".join(names)


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
def alone(out: Path) -> Iterator[None]:
    """No other process trains in the folder, which is made, during the block: InputError if one does already.

    The lock is the operating system's own (flock), on the folder itself: it leaves no file, and goes with the process,
    however that ends. Where there is none (Windows, some network file systems) nothing is locked.
    """
    with ExitStack() as undo:
        try:
            import fcntl

            out.mkdir(parents=True, exist_ok=True)
            undo.callback(os.close, place := os.open(out, os.O_RDONLY))
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another process is training in {out} at this moment; wait until it has ended, or choose another one"
            ) from error
        except (ImportError, OSError):  # what is wrong with the folder is said when it is claimed
            pass
        yield


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
    """What a full disk makes of the operating system, torch and safetensors, as one error of ours.

    Where processes write parts of a checkpoint, all of them say what went wrong in which.
    """
    try:
        yield
    except BaseException as error:
        reason = _disk_reason(error)
        if reason is None:
            raise
        raise GraspError(
            f"cannot save in {out}: {reason}; the checkpoints before it are whole: mend that (make room on a full "
            "disk) and give the same command again"
        ) from error


def _disk_reason(error: BaseException) -> str | None:
    from safetensors import SafetensorError

    if type(error).__name__ == "CheckpointException":  # of torch.distributed, no Exception: process -> (error, trace)
        failures: Any = getattr(error, "failures", {})
        process, (cause, _) = min(failures.items(), key=lambda item: item[0])
        return f"process {process}: {_disk_reason(cause) or f'{type(cause).__name__}: {cause}'}"
    if isinstance(error, (OSError, SafetensorError)):
        return str(getattr(error, "strerror", None) or error)
    of_torch = isinstance(error, RuntimeError) and any(word in str(error) for word in ("PytorchStream", "iostream"))
    return str(error) if of_torch else None


@contextmanager
def refused_by_shards() -> Iterator[None]:
    """What torch says of an operation that it cannot do on sharded parameters (some optimizers' steps), as ours."""
    try:
        yield
    except RuntimeError as error:
        if not any(word in str(error) for word in ("and DTensor", "sharding strategy")):
            raise
        reason = str(error).strip().splitlines()[0]
        raise GraspError(
            f"torch cannot do this on parameters that FSDP has cut into rows: {reason}. Choose an optimizer that acts "
            "on each number by itself (adamw_torch, sgd), or train by DistributedDataParallel"
        ) from error


@contextmanager
def lost_processes(kept: Callable[[], str]) -> Iterator[None]:
    """What torch.distributed says where another process of the run is gone or silent, as one error of ours.

    Args:
        kept: asked which checkpoint is left.
    """
    import torch

    try:
        yield
    except RuntimeError as error:
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            raise
        words = ("gloo", "NCCL", "ProcessGroup", "Connection closed by peer", "Connection reset by peer")
        if not (isinstance(error, torch.distributed.DistError) or any(word in str(error) for word in words)):
            raise
        reason = str(error).strip().splitlines()[0]
        raise GraspError(
            f"process {torch.distributed.get_rank()} lost touch with another one of this run, which has ended or hangs "
            f"({reason}); {kept()}. Look at what the others said, and give the same command again"
        ) from error


def gathered(model: Any) -> dict[str, Any] | None:
    """The state of the adapters on the CPU, of a sharded model (all processes have to ask); None if it is whole."""
    from ..hooks.sharded import is_sharded, whole

    state = {name: x for name, x in model.state_dict().items() if "lora_" in name}
    if not any(is_sharded(x) for x in state.values()):
        return None
    return {name: whole(x).cpu() for name, x in state.items()}


def save_adapter(model: Any, out: Path, state: Mapping[str, Any] | None = None) -> None:
    """The adapter's files all at once, its config last: a folder with a config is whole.

    All with the permissions of the config, which peft opens as any file; safetensors may write for the owner alone.

    Args:
        state: as of :func:`gathered`.
    """
    part = out / ".adapter.part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        model.save_pretrained(str(part), safe_serialization=True, state_dict=state)
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
