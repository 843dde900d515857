"""One training routine for all methods: transformers' Trainer, peft's LoRA, completion-only loss."""

from __future__ import annotations

import json
import math
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grasp_theory import GraspError, InputError
from synthetic.results import manifest, write_json

from .data import IGNORED, Example, Row, encode
from .train_config import TrainConfig

if TYPE_CHECKING:
    from .methods import Method

UNSTATED = 10**9  # a tokenizer that knows no limit says 10**30
Watch = Callable[[int, int, Mapping[str, float]], None]  # step, steps, what was logged


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
    if limit > UNSTATED:
        raise InputError("neither the model nor its tokenizer says how many tokens it can see: set max_length")
    examples, skipped = [], 0
    for row in rows:
        row = _prompted(row, methods)
        try:
            examples.append(encode(row, tokenizer, max_length=limit, overflow=config.overflow))  # pyright: ignore
        except InputError as error:
            if not (config.skip_empty and "nothing to learn" in str(error)):
                raise
            skipped += 1
    if not examples:
        raise InputError(f"no row is left: nothing to learn within {limit} tokens in any of {len(rows)} rows")
    return Prepared(tuple(examples), sum(e.truncated for e in examples), skipped, limit)


def _prompted(row: Row, methods: Sequence[Method]) -> Row:
    """The row as the methods that act on prompts want it."""
    from .methods import Method

    for method in methods:
        if row.messages:
            row = replace(row, messages=tuple(method.prepare([dict(turn) for turn in row.messages])))
        elif type(method).prepare is not Method.prepare:
            raise InputError(f"{row.source}: {method.name} acts on conversations; write the row with 'messages'")
    return row


def step_count(prepared: Prepared, config: TrainConfig) -> int:
    """Optimizer steps of a run, in as many processes as a launcher says there are."""
    if config.steps:
        return config.steps
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    batches = math.ceil(len(prepared.examples) / (config.batch_size * processes))
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
                lora_alpha=int(config.alpha) if config.alpha.is_integer() else config.alpha,  # pyright: ignore
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
    from transformers import PrinterCallback, Trainer

    from .train_callbacks import Guard, Reporter, interruptible

    settings = {"train": asdict(config), "methods": [method.name for method in methods], **(record or {})}
    arguments = _arguments(config, out / "checkpoints", step_count(prepared, config))
    with arguments.main_process_first(local=False):
        claim(out, settings)
    check_vocabulary(model, prepared)
    dataset: Any = [{"input_ids": e.input_ids, "labels": e.labels} for e in prepared.examples]
    guard = Guard(lambda: last_checkpoint(out / "checkpoints"))
    callbacks = [method.callback() for method in methods]
    trainer = (trainer_class or Trainer)(
        model=adapt(model, config),
        args=arguments,
        train_dataset=dataset,
        data_collator=Collate(tokenizer.pad_token_id),
        callbacks=[*callbacks, guard, *([Reporter(watch)] if watch else [])],
    )
    trainer.remove_callback(PrinterCallback)  # what is told goes to ``watch``
    last = last_checkpoint(out / "checkpoints")
    try:
        with interruptible(guard), _disk_errors(out):
            trainer.train(resume_from_checkpoint=str(last) if last else None)
    finally:
        for callback in callbacks:  # after an exception the Trainer tells them nothing
            callback.detach()
    if guard.interrupted:
        raise KeyboardInterrupt
    if trainer.is_world_process_zero():
        with _disk_errors(out):
            write_json(out / "log.json", {"schema_version": 1, "history": trainer.state.log_history})
            write_json(out / "manifest.json", manifest(settings))
            _save(trainer.model, out)
    return out


def rehearse(
    model: Any,
    prepared: Prepared,
    *,
    methods: Sequence[Method],
    config: TrainConfig,
    out: Path,
    record: Mapping[str, Any] | None = None,
) -> int:
    """Everything :func:`train` may refuse, without a step and without a file: the number of trained parameters.

    The model keeps the fresh adapter.
    """
    import torch

    settings = {"train": asdict(config), "methods": [method.name for method in methods], **(record or {})}
    _refuse_other_runs(out, settings)
    _arguments(config, out / "checkpoints", 1)
    check_vocabulary(model, prepared)
    adapted = adapt(model, config)
    trained = [p for p in adapted.parameters() if p.requires_grad]
    with ExitStack() as stack:
        optimizer = torch.optim.SGD(trained, lr=0.0)
        for method in methods:
            stack.enter_context(method.attached(adapted, optimizer))
    return sum(p.numel() for p in trained)


def _arguments(config: TrainConfig, folder: Path, steps: int) -> Any:
    import torch
    from transformers import TrainingArguments

    try:
        return TrainingArguments(
            output_dir=str(folder),
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
    except (ValueError, ImportError) as error:
        raise InputError(f"the training settings are refused: {error}") from error


def check_vocabulary(model: Any, prepared: Prepared) -> None:
    """InputError if the tokenizer makes tokens that the model has no embedding for."""
    known = model.get_input_embeddings().num_embeddings
    for example in prepared.examples:
        if max(example.input_ids) >= known:
            raise InputError(
                f"{example.source}: token {max(example.input_ids)}, but the model embeds {known}: the tokenizer is of "
                "another model"
            )


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


def _refuse_other_runs(out: Path, settings: Mapping[str, Any]) -> None:
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
        _refuse_other_runs(out, settings)
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "run.json", settings)
        (out / "checkpoints").mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write in {out}: {error.strerror or error}") from error


@contextmanager
def _disk_errors(out: Path) -> Iterator[None]:
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


def _save(model: Any, out: Path) -> None:
    """The adapter's files all at once, its config last: a folder with a config is whole."""
    part = out / ".adapter.part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        model.save_pretrained(str(part), safe_serialization=True)
        for path in sorted(part.iterdir(), key=lambda path: path.name == "adapter_config.json"):
            os.replace(path, out / path.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)
