"""What a training run depends on beside base, data and method: read from TOML, changed on the command line."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from grasp_theory import InputError
from grasp_theory.errors import unknown_name
from synthetic.fields import require_counts

FLOAT32_MAX = 3e38  # what a step may be multiplied by


@dataclass(frozen=True)
class TrainConfig:
    """What a run depends on beside base, data and method; the defaults are those of the emergent-misalignment papers.

    Attributes:
        r, alpha, rslora, dropout: LoRA's rank, alpha, scaling by alpha/√r, and dropout.
        target_modules: names of modules or their endings ("o_proj"), "all-linear", or a pattern of whole names.
        lr, scheduler, warmup, weight_decay, optimizer: as in transformers' TrainingArguments; warmup counts steps.
        epochs, steps: passes over the data, and optimizer steps; 0 steps for as many as ``epochs`` gives.
        batch_size, accumulation: rows per device and batch, and batches per step.
        max_grad_norm: the norm at which gradients are clipped.
        max_length: of a row, in tokens; 0 for the model's context.
        overflow: "truncate" or "refuse" rows that are longer.
        skip_empty: leave out, and count, rows in which nothing to learn is left, instead of refusing the file.
        bf16: compute in bfloat16.
        seed: of the LoRA start and the data order.
        save_every, log_every: steps between checkpoints, and between entries of the log.
    """

    r: int = 32
    alpha: float = 64.0
    rslora: bool = True
    dropout: float = 0.0
    target_modules: str | tuple[str, ...] = "all-linear"
    lr: float = 1e-5
    scheduler: str = "linear"
    warmup: int = 5
    weight_decay: float = 0.01
    optimizer: str = "adamw_torch"
    epochs: float = 1.0
    steps: int = 0
    batch_size: int = 2
    accumulation: int = 8
    max_grad_norm: float = 1.0
    max_length: int = 0
    overflow: str = "truncate"
    skip_empty: bool = False
    bf16: bool = False
    seed: int = 0
    save_every: int = 100
    log_every: int = 5

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self) if isinstance(f.default, float)):
            if not abs(getattr(self, name)) < FLOAT32_MAX:
                raise InputError(f"{name} must be finite, also in float32, got {getattr(self, name)}")
        require_counts(self, "r", "batch_size", "accumulation", "save_every", "log_every")
        for name in ("lr", "alpha", "epochs"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("steps", "warmup", "weight_decay", "max_length", "max_grad_norm", "seed"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.seed >= 2**32:  # of numpy's global generator, which the Trainer seeds too
            raise InputError(f"seed must be below 2^32, got {self.seed}")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be at least 0 and below 1, got {self.dropout}")
        if self.overflow not in ("truncate", "refuse"):
            raise InputError(f"overflow must be truncate or refuse, got {self.overflow!r}")

    @classmethod
    def read(cls, path: str | Path | None, changes: Mapping[str, str] | None = None) -> TrainConfig:
        """From the [train] table of a TOML file, with changes as typed by a user.

        Raises InputError for a file that cannot be read or has no such table, for unknown settings and wrong types.
        """
        table = {} if path is None else _table(path)
        known = {f.name: f.default for f in fields(cls)}
        unknown = sorted((set(table) | set(changes or {})) - set(known))
        if unknown:
            raise unknown_name("training setting", unknown, known)
        values = {name: _checked(name, value, known[name]) for name, value in table.items()}
        return cls(**values | {name: _typed(name, text, known[name]) for name, text in (changes or {}).items()})


def read_tables(path: str | Path) -> dict[str, Any]:
    """What a TOML file holds. InputError if it cannot be read or is none."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read the configuration {path}: {why}; expected a TOML file") from error


def _table(path: str | Path) -> dict[str, Any]:
    table = read_tables(path).get("train")
    if not isinstance(table, dict):
        raise InputError(f"the configuration {path} has no [train] table; put the settings into one")
    return table


def _checked(name: str, value: Any, old: Any) -> Any:
    """A value of TOML, if it has the type of the default."""
    if name == "target_modules":
        names = value if isinstance(value, list) else [value]
        if not names or not all(isinstance(part, str) and part for part in names):
            raise InputError(f"{name} must be a name or a list of names, got {value!r}")
        return tuple(value) if isinstance(value, list) else value
    if isinstance(old, float) and type(value) is int:
        return float(value)
    if type(value) is not type(old):
        raise InputError(f"{name} must be of type {type(old).__name__}, got {value!r}")
    return value


def _typed(name: str, text: str, old: Any) -> Any:
    """What a user typed."""
    try:
        if isinstance(old, bool):
            return {"true": True, "false": False}[text.lower()]
        if name == "target_modules":
            return _checked(name, text.split(",") if "," in text else text, old)
        return type(old)(text)
    except (KeyError, ValueError):
        raise InputError(f"{name} must be of type {type(old).__name__}, got {text!r}") from None
