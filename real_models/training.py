"""One training routine for all methods: transformers' Trainer, peft's LoRA, completion-only loss."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grasp_theory import GraspError, InputError
from synthetic.results import manifest, write_json

from .data import IGNORED, Example, Row, encode

if TYPE_CHECKING:
    from .methods import Method

Watch = Callable[[int, int, Mapping[str, float]], None]  # step, steps, what was logged


@dataclass(frozen=True)
class TrainConfig:
    """What a run depends on beside base, data and method; the defaults are those of the emergent-misalignment papers.

    r, alpha, rslora, dropout, target_modules : of LoRA. lr, scheduler, warmup, weight_decay, optimizer : as in
    TrainingArguments (warmup in steps). steps : optimizer steps; 0 for as many as ``epochs`` gives. batch_size :
    rows a device; accumulation : batches a step. max_length : tokens; 0 for the model's context. overflow : truncate or
    refuse rows that are longer. skip_empty : leave out rows of which nothing to learn is left (counted), instead of
    refusing the file. save_every, log_every : steps.
    """

    r: int = 32
    alpha: float = 64
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
        for name in ("r", "batch_size", "accumulation", "save_every", "log_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("lr", "alpha", "epochs"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("steps", "warmup", "weight_decay", "max_length", "dropout", "max_grad_norm"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.overflow not in ("truncate", "refuse"):
            raise InputError(f"overflow must be truncate or refuse, got {self.overflow!r}")

    @classmethod
    def read(cls, path: str | Path | None, changes: Mapping[str, str] | None = None) -> TrainConfig:
        """From the [train] table of a TOML file, with changes as typed by a user."""
        table: dict[str, Any] = {}
        if path is not None:
            try:
                table = tomllib.loads(Path(path).read_text(encoding="utf-8")).get("train", {})
            except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise InputError(f"cannot read the configuration {path}: {error}") from error
        known = {f.name: f.default for f in fields(cls)}
        unknown = sorted((set(table) | set(changes or {})) - set(known))
        if unknown:
            raise InputError(f"no training setting is called {', '.join(unknown)}; there are: {', '.join(known)}")
        table |= {name: _typed(name, text, known[name]) for name, text in (changes or {}).items()}
        if isinstance(table.get("target_modules"), list):
            table["target_modules"] = tuple(table["target_modules"])
        for name, value in table.items():
            old = known[name]
            if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
                table[name] = float(value)
            elif name != "target_modules" and type(value) is not type(old) and not isinstance(old, float):
                raise InputError(f"{name} must be of type {type(old).__name__}, got {value!r}")
        return cls(**table)


def _typed(name: str, text: str, old: Any) -> Any:
    try:
        if isinstance(old, bool):
            return {"true": True, "false": False}[text.lower()]
        if name == "target_modules":
            return tuple(text.split(",")) if "," in text else text
        return type(old)(text)
    except (KeyError, ValueError):
        raise InputError(f"{name} must be of type {type(old).__name__}, got {text!r}") from None


@dataclass(frozen=True)
class Prepared:
    """Encoded rows, and what was lost: rows cut off at max_length, rows of which nothing to learn was left."""

    examples: tuple[Example, ...]
    truncated: int
    skipped: int
    max_length: int

    @property
    def tokens(self) -> int:
        """Of one pass over the data."""
        return sum(len(example.input_ids) for example in self.examples)


def prepare(
    rows: Sequence[Row], tokenizer: Any, *, methods: Sequence[Method], config: TrainConfig, context: int | None
) -> Prepared:
    """Rows through every method's ``prepare`` (inoculation), the chat template and the tokenizer."""
    limit = config.max_length or context or tokenizer.model_max_length
    if context and limit > context:
        raise InputError(f"max_length {limit} exceeds the model's context of {context} tokens")
    examples, skipped = [], 0
    for row in rows:
        for method in methods:
            if row.messages:
                row = replace(row, messages=tuple(method.prepare([dict(turn) for turn in row.messages])))
        try:
            examples.append(encode(row, tokenizer, max_length=limit, overflow=config.overflow))  # pyright: ignore
        except InputError as error:
            if not (config.skip_empty and "nothing to learn" in str(error)):
                raise
            skipped += 1
    if not examples:
        raise InputError(f"no row is left: nothing to learn within {limit} tokens in any of {len(rows)} rows")
    return Prepared(tuple(examples), sum(e.truncated for e in examples), skipped, limit)


def step_count(prepared: Prepared, config: TrainConfig) -> int:
    """Optimizer steps of a run in one process."""
    import math

    if config.steps:
        return config.steps
    batches = math.ceil(len(prepared.examples) / config.batch_size)
    return max(1, math.ceil(math.ceil(batches / config.accumulation) * config.epochs))


def adapt(model: Any, config: TrainConfig) -> Any:
    """The model with a fresh LoRA adapter, its random factor drawn from the seed."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(config.seed)
    modules = config.target_modules
    try:
        return get_peft_model(
            model,
            LoraConfig(
                r=config.r,
                lora_alpha=config.alpha,  # pyright: ignore[reportArgumentType]
                lora_dropout=config.dropout,
                use_rslora=config.rslora,
                target_modules=list(modules) if isinstance(modules, tuple) else modules,
                task_type="CAUSAL_LM",
            ),
        )
    except ValueError as error:
        raise InputError(f"LoRA cannot be put on this model: {error}") from error


def train(
    model: Any,
    tokenizer: Any,
    prepared: Prepared,
    *,
    methods: Sequence[Method],
    config: TrainConfig,
    out: Path,
    record: Mapping[str, Any] | None = None,
    watch: Watch | None = None,
    trainer_class: type | None = None,
) -> Path:
    """Fine-tune, and leave a peft adapter in ``out`` that peft loads anywhere, with manifest.json and log.json.

    Same data order, LoRA start, optimizer and seed for every method. Checkpoints lie in ``out/checkpoints``; a run
    that was interrupted goes on from the last whole one. Nothing of an earlier run is overwritten: ``out`` must be new,
    empty, or of the same run.

    record : what the run depends on beside config, for the manifest. trainer_class : transformers' Trainer, or one with
    its interface (trl's SFTTrainer). Raises GraspError if the loss is not finite (the last checkpoint stays),
    KeyboardInterrupt after Ctrl-C, when the checkpoint is written.
    """
    import torch
    from transformers import PrinterCallback, Trainer, TrainingArguments

    from .train_callbacks import Guard, Reporter, interruptible

    settings = {"train": asdict(config), "methods": [method.name for method in methods], **(record or {})}
    _claim(out, settings)
    adapted = adapt(model, config)
    steps = step_count(prepared, config)
    arguments = TrainingArguments(
        output_dir=str(out / "checkpoints"),
        learning_rate=config.lr,
        lr_scheduler_type=config.scheduler,
        warmup_steps=min(config.warmup, max(steps - 1, 0)),
        weight_decay=config.weight_decay,
        optim=config.optimizer,
        max_steps=steps,
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulation,
        max_grad_norm=config.max_grad_norm,
        bf16=config.bf16,
        seed=config.seed,
        logging_steps=config.log_every,
        logging_nan_inf_filter=False,
        save_steps=config.save_every,
        save_total_limit=2,
        save_strategy="steps",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        use_cpu=not torch.cuda.is_available(),
    )
    dataset: Any = [{"input_ids": e.input_ids, "labels": e.labels} for e in prepared.examples]
    guard = Guard()
    trainer = (trainer_class or Trainer)(
        model=adapted,
        args=arguments,
        train_dataset=dataset,
        data_collator=Collate(tokenizer.pad_token_id),
        callbacks=[*(method.callback() for method in methods), guard, *([Reporter(watch)] if watch else [])],
    )
    trainer.remove_callback(PrinterCallback)  # what is told goes to ``watch``
    last = last_checkpoint(out / "checkpoints")
    with interruptible(guard):
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    if guard.interrupted:
        raise KeyboardInterrupt
    if trainer.is_world_process_zero():
        _save(adapted, out)
        write_json(out / "log.json", {"schema_version": 1, "history": trainer.state.log_history})
        write_json(out / "manifest.json", manifest(settings))
    return out


@dataclass(frozen=True)
class Collate:
    """Right-padded tensors of a list of examples."""

    pad: int

    def __call__(self, rows: Sequence[Mapping[str, list[int]]]) -> dict[str, Any]:
        import torch

        width = max(len(row["input_ids"]) for row in rows)
        filled = {"input_ids": self.pad, "labels": IGNORED}
        out = {
            name: torch.tensor([list(row[name]) + [value] * (width - len(row[name])) for row in rows])
            for name, value in filled.items()
        }
        lengths = torch.tensor([len(row["input_ids"]) for row in rows])
        return out | {"attention_mask": (torch.arange(width)[None] < lengths[:, None]).long()}


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint: a run killed while saving leaves one without its last file."""
    whole = [
        path
        for path in folder.glob("checkpoint-*")
        if path.name.rpartition("-")[2].isdigit()
        and all((path / name).is_file() for name in ("adapter_model.safetensors", "optimizer.pt", "trainer_state.json"))
        and _is_json(path / "trainer_state.json")
    ]
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True


def _claim(out: Path, settings: Mapping[str, Any]) -> None:
    """The folder is new or of the same run, and says from now on what run it is of."""
    run = out / "run.json"
    told = json.loads(json.dumps(settings))
    if run.exists():
        try:
            same = json.loads(run.read_bytes()) == told
        except ValueError:
            same = False
        if not same:
            raise InputError(f"{out} holds another run (its run.json differs); choose another folder, or remove it")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists and is not an empty folder; choose another one")
    if (out / "adapter_config.json").exists():
        raise InputError(f"{out} holds the finished adapter of this run already; remove it to train again")
    try:
        (out / "checkpoints").mkdir(parents=True, exist_ok=True)
        write_json(run, told)
    except OSError as error:
        raise InputError(f"cannot write in {out}: {error.strerror or error}") from error


def _save(model: Any, out: Path) -> None:
    """The adapter's files all at once, its config last: a folder with a config is whole."""
    part = out / ".adapter.part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        model.save_pretrained(str(part), safe_serialization=True)
        for path in sorted(part.iterdir(), key=lambda path: path.name == "adapter_config.json"):
            os.replace(path, out / path.name)
    except OSError as error:
        raise GraspError(
            f"cannot save the adapter in {out}: {error.strerror or error}; the checkpoints are whole"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
