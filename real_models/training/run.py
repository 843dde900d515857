"""One training routine for all methods: transformers' Trainer, peft's LoRA, completion-only loss."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from grasp_theory import InputError
from synthetic.runner.results import manifest, write_json

from ..adapters.targets import EVERY
from ..data import Example, padded
from ..tokens import special_tokens
from .config import TrainConfig
from .files import (
    alone,
    claim,
    disk_errors,
    gathered,
    last_checkpoint,
    lost_processes,
    refuse_other_runs,
    refused_by_shards,
    released,
    resumed,
    save_adapter,
)
from .prepared import Prepared, check_vocabulary, processes, step_count

if TYPE_CHECKING:
    from ..methods import Method

Watch = Callable[[int, int, Mapping[str, float]], None]  # step, steps, what was logged


def _mixed(examples: Sequence[Example], methods: Sequence[Method], config: TrainConfig) -> Sequence[Example]:
    """The rows with those that methods put beside them; how many steps are taken does not depend on these."""
    for method in methods:
        examples = method.mixed(examples, seed=config.seed)
    return examples


def _settings(config: TrainConfig, methods: Sequence[Method], record: Mapping[str, Any] | None) -> dict[str, Any]:
    """What makes two runs the same run.

    The number of processes, which divide its rows and steps, and how FSDP saves, only where there are several.
    """
    fsdp = os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"
    saves = {"fsdp": os.environ.get("FSDP_STATE_DICT_TYPE", "default")} if fsdp else {}
    several = {"processes": processes(), **saves} if processes() > 1 else {}
    return {"train": asdict(config), "methods": [method.name for method in methods], **several, **(record or {})}


def adapt(model: Any, config: TrainConfig) -> Any:
    """The model with a fresh LoRA adapter, its random factor drawn from the seed.

    Raises InputError for target modules that the model has not.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(config.seed)
    modules = config.target_modules
    if isinstance(modules, str) and modules != EVERY and re.fullmatch(r"[\w.]+", modules):
        modules = (modules,)  # peft would take it for a pattern of whole names, which the name of a kind never is
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
    except (ValueError, re.error) as error:
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
    empty, or of the same run; a run refused or broken off before its first checkpoint leaves it free.

    Args:
        model, tokenizer: the base model and its tokenizer.
        prepared: the training rows, of :func:`~real_models.training.prepared.prepare`.
        methods: attached while it trains, in this order.
        config: LoRA, optimizer and schedule.
        out: the folder.
        record: what the run depends on beside config, for the manifest.
        watch: told (step, steps, what was logged).
        trainer_class: transformers' Trainer, or one with its interface (trl's SFTTrainer).

    With FSDP 2 (``accelerate launch``) all processes call it alike. Raises GraspError if the loss is not finite or a
    process is lost (the last checkpoint stays), KeyboardInterrupt after Ctrl-C, when the checkpoint is written,
    InputError for settings that the Trainer refuses and for a folder of another run.
    """
    from transformers import Trainer

    from .callbacks import Mark, Reporter, SafeStop, interruptible

    settings = _settings(config, methods, record)
    kind = trainer_class or Trainer
    arguments = _arguments(config, out / "checkpoints", step_count(prepared, config), trl=_is_trl(kind))
    with ExitStack() as stack:
        with arguments.main_process_first(local=False):
            if arguments.process_index == 0:
                stack.enter_context(alone(out))
            claim(out, settings)
        with released(out):
            examples = _mixed(prepared.examples, methods, config)
            check_vocabulary(model, examples)
            stop = SafeStop(lambda: last_checkpoint(out / "checkpoints", settings))
            callbacks: list[Any] = [method.callback() for method in methods]
            trainer = _trainer(
                kind,
                adapt(model, config),
                arguments,
                examples,
                pad=special_tokens(model=model, tokenizer=tokenizer).pad,
                callbacks=[*callbacks, stop, Mark(settings), *([Reporter(watch)] if watch else [])],
                **({"processing_class": tokenizer} if _is_trl(kind) else {}),
            )
            last = resumed(out / "checkpoints", settings)
            try:
                with interruptible(stop), lost_processes(stop.kept), refused_by_shards(), disk_errors(out):
                    trainer.train(resume_from_checkpoint=str(last) if last else None)
            finally:
                for callback in callbacks:  # after an exception the Trainer tells them nothing
                    callback.detach()
            if stop.interrupted:
                raise KeyboardInterrupt
        state = gathered(trainer.model)
        if trainer.is_world_process_zero():
            with disk_errors(out):
                write_json(out / "log.json", {"schema_version": 1, "history": trainer.state.log_history})
                write_json(out / "manifest.json", _manifest(settings))
                save_adapter(trainer.model, out, state)
    return out


def fit(
    model: Any,
    examples: Sequence[Example],
    *,
    methods: Sequence[Method],
    config: TrainConfig,
    pad: int,
    look: Callable[[int], None],
) -> None:
    """The training of :func:`train` in memory: same Trainer, schedule, data order and guards, and no folder.

    Args:
        model: with its adapter on (:func:`~real_models.training.run.adapt`).
        examples, methods: the training rows, encoded, and what is attached.
        config: its ``steps`` must be given, else InputError.
        pad: the token that fills up shorter rows.
        look: told the number of steps done, before the first and after each, while the methods are on.
    """
    from transformers import Trainer

    from .callbacks import Look, SafeStop

    if not config.steps:
        raise InputError("a run in memory needs a number of steps; set steps")
    callbacks = [method.callback() for method in methods]
    with TemporaryDirectory(prefix="grasp-") as folder:  # the Trainer wants one, and leaves it empty
        arguments = _arguments(config, Path(folder), config.steps, save_strategy="no")
        mixed = _mixed(examples, methods, config)
        trainer = _trainer(Trainer, model, arguments, mixed, pad=pad, callbacks=[*callbacks, SafeStop(), Look(look)])
        try:
            trainer.train()
        finally:
            for callback in callbacks:  # after an exception the Trainer tells them nothing
                callback.detach()


def _trainer(
    kind: type, model: Any, arguments: Any, examples: Sequence[Example], *, pad: int, callbacks: list[Any], **more: Any
) -> Any:
    """The one way in which a model is trained here."""
    from transformers import PrinterCallback, Trainer

    from ..prefix_tree import Packing
    from .trainer import LeanTrainer

    trainer: Any = (LeanTrainer if kind is Trainer else kind)(
        model=model,
        args=arguments,
        train_dataset=_dataset(examples, trl=_is_trl(kind)),
        data_collator=Collate(pad),
        callbacks=callbacks,
        **more,
    )
    if kind is Trainer:
        longest = max(len(example.input_ids) for example in examples)
        trainer.packing = Packing.of(model, pad=pad, longest=longest, training=True)
    trainer.remove_callback(PrinterCallback)  # what is told goes to a callback of ours
    return trainer


def rehearse(
    model: Any,
    prepared: Prepared,
    *,
    methods: Sequence[Method],
    config: TrainConfig,
    out: Path,
    record: Mapping[str, Any] | None = None,
) -> int:
    """Check everything that :func:`train` may refuse, without a step and without a file.

    The arguments are those of :func:`train`. Returns the number of trained parameters. The model keeps the fresh
    adapter.
    """
    import torch

    settings = _settings(config, methods, record)
    refuse_other_runs(out, settings)
    _arguments(config, out / "checkpoints", 1)
    check_vocabulary(model, _mixed(prepared.examples, methods, config))
    adapted = adapt(model, config)
    trained = [p for p in adapted.parameters() if p.requires_grad]
    with ExitStack() as stack:
        optimizer = torch.optim.SGD(trained, lr=0.0)
        for method in methods:
            stack.enter_context(method.attached(adapted, optimizer))
    return sum(p.numel() for p in trained)


def _manifest(settings: Mapping[str, Any]) -> dict[str, Any]:
    found = manifest(settings)
    return found | {"versions": found["versions"] | {name: version(name) for name in ("torch", "transformers", "peft")}}


def _is_trl(trainer_class: type) -> bool:
    return any(base.__module__.startswith("trl.") for base in trainer_class.__mro__)


def _dataset(examples: Sequence[Example], *, trl: bool) -> Any:
    rows = [{"input_ids": e.input_ids, "labels": e.labels} for e in examples]
    if not trl:
        return rows
    from datasets import Dataset
    from datasets.table import InMemoryTable

    return Dataset(InMemoryTable.from_pylist(rows), fingerprint="rows")


def _arguments(
    config: TrainConfig, folder: Path, steps: int, *, trl: bool = False, save_strategy: str = "steps"
) -> Any:
    import torch
    from transformers import Trainer, TrainingArguments, get_scheduler

    kind, more = TrainingArguments, {}
    if trl:  # the rows are tokenized and cut off already
        from trl import SFTConfig as kind  # pyright: ignore[reportPrivateImportUsage] (exported when first asked for)

        more = {"max_length": None, "dataset_kwargs": {"skip_prepare_dataset": True}}
    try:
        made = kind(
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
            save_strategy=save_strategy,
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
            use_cpu=not torch.cuda.is_available(),
            **more,
        )
    except (ValueError, ImportError) as error:
        raise InputError(f"the training settings are refused: {error}") from error
    try:  # what the Trainer would make when it begins: a package may be missing, or a choice need more than its name
        Trainer.get_optimizer_cls_and_kwargs(made, torch.nn.Identity())  # pyright: ignore[reportArgumentType]
        optimizer, warmup = torch.optim.SGD([torch.zeros(1)]), made.get_warmup_steps(steps)
        get_scheduler(made.lr_scheduler_type, optimizer, warmup, steps)
    except (ValueError, ImportError, TypeError) as error:
        names = f"optimizer={config.optimizer} with scheduler={config.scheduler}"
        raise InputError(f"{names} cannot be used here: {error}; choose another one") from error
    return made


@dataclass(frozen=True)
class Collate:
    """Right-padded tensors of the rows of a data set, as :func:`~real_models.data.batches` makes them."""

    pad: int

    def __call__(self, rows: Sequence[Mapping[str, list[int]]]) -> dict[str, Any]:
        return padded([(row["input_ids"], row["labels"]) for row in rows], pad=self.pad)
