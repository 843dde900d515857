"""``grasp train``: fine-tune with any method."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .names import methods
from .options import parse_changes

OWN = "own"  # --neutral own: what the base model says by itself, 256 documents of
OWN_TOKENS = 64

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console

    from figures.tables.terminal import Watch
    from real_models.data import Row
    from real_models.hooks.method import Method
    from real_models.training.config import TrainConfig
    from real_models.training.prepared import Prepared


def _option(help: str, **options: Any) -> Any:
    return typer.Option(help=help, rich_help_panel="What methods take", **options)


def train(
    base: Annotated[Path, typer.Option(help="Folder of the base model, safetensors.")],
    data: Annotated[Path, typer.Option(help="JSON lines: messages, prompt and completion, or text.")],
    out: Annotated[Path, typer.Option("-o", "--output", help="Folder for the adapter; new, or of the same run.")],
    method: Annotated[
        str,
        typer.Option(help="See `grasp methods`; join with +, as in compensated+grasp.", autocompletion=methods),
    ] = "naive",
    config: Annotated[Path | None, typer.Option(help="TOML file with a [train] table.")] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Replace a training setting; repeatable.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, print the cost, train nothing.")
    ] = False,
    directions: Annotated[Path | None, _option("Directions file of `grasp identify -o`.")] = None,
    naive: Annotated[Path | None, _option("Adapter of the naive run (compensated).")] = None,
    strength: Annotated[float | None, _option("Of compensation or steering.")] = None,
    weight: Annotated[float | None, _option("Of kl or penalty.")] = None,
    layer: Annotated[list[int] | None, _option("Blocks for caft and steering, from 0; repeatable.")] = None,
    side: Annotated[list[str] | None, _option("Sides of grasp: stream, write, read; repeatable.")] = None,
    neutral: Annotated[
        str | None,
        _option("Text for kl, null-space, gradient-surgery; own: what the base says.", metavar="FILE|own"),
    ] = None,
    components: Annotated[int | None, _option("Of null-space, for every module.")] = None,
    energy: Annotated[
        float | None, _option("Share of each module's inputs that null-space keeps, in place of components.")
    ] = None,
    every: Annotated[int | None, _option("Steps between references of gradient-surgery.")] = None,
    references: Annotated[
        int | None, _option("Gradients whose span gradient-surgery takes out; without it, what conflicts.")
    ] = None,
    neutral_data: Annotated[Path | None, _option("Neutral training rows for interleaved, as --data.")] = None,
    share: Annotated[float | None, _option("Of the neutral rows among all, for interleaved.")] = None,
    context: Annotated[str | None, _option("Context of inoculation.")] = None,
) -> None:
    """Fine-tune a base model with LoRA under any method.

    Leaves an adapter that peft loads. Completion-only loss; the same data order, LoRA start and optimizer for every
    method. Ctrl-C ends with a checkpoint (exit code 130); the same command goes on from it.
    """
    from functools import cache

    from figures.tables import console, progress
    from real_models.base import context_length, load_base, load_tokenizer
    from real_models.data import read_rows
    from real_models.methods import Given, build_methods
    from real_models.training.config import TrainConfig
    from real_models.training.prepared import prepare
    from real_models.training.run import rehearse
    from real_models.training.run import train as run

    settings = TrainConfig.read(config, parse_changes(change))
    rows = read_rows(data)
    tokenizer = load_tokenizer(base)
    load = cache(lambda: load_base(base, dtype="auto" if settings.bf16 else "float32"))

    def encoded(some: list[Row], methods: Sequence[Method] = ()) -> Prepared:
        return prepare(some, tokenizer, methods=methods, config=settings, context=context_length(load()))

    given = Given(
        directions=directions,
        naive=naive,
        strength=strength,
        weight=weight,
        layers=tuple(layer) if layer else None,
        sides=tuple(side) if side else None,
        neutral=None if neutral is None else lambda: _neutral(neutral, load, tokenizer, settings),
        components=components,
        energy=energy,
        every=every,
        references=references,
        neutral_data=None if neutral_data is None else lambda: encoded(read_rows(neutral_data)).examples,
        share=share,
        context=context,
    )
    out_console = console()
    if int(os.environ.get("RANK", "0")):  # under a launcher, one process speaks
        out_console.quiet = True
    with progress("model, data and methods", quiet=out_console.quiet):
        methods = build_methods(method, given)
        model = load()
        prepared = encoded(rows, methods)
    _describe(model, prepared, settings, out_console)
    text = None if neutral in (None, OWN) else Path(neutral)
    files = {"data": data, "directions": directions, "neutral": text, "neutral_data": neutral_data}
    options = _options(given) | ({"neutral": OWN} if neutral == OWN else {})
    record = {"base": str(base), "options": options, "files": _hashes(files)}
    if dry_run:
        trained = rehearse(model, prepared, methods=methods, config=settings, out=out, record=record)
        _cost(model, prepared, settings, trained, out_console)
        return
    with progress("steps", quiet=out_console.quiet) as bar:
        watch = _follow(bar, out_console)
        run(model, tokenizer, prepared, methods=methods, config=settings, out=out, record=record, watch=watch)
    out_console.print(f"adapter: {out}")


def _options(given: Any) -> dict[str, Any]:
    """What was given, as JSON."""
    from dataclasses import fields

    values = {f.name: getattr(given, f.name) for f in fields(given) if not callable(getattr(given, f.name))}
    return {name: str(v) if isinstance(v, Path) else v for name, v in values.items() if v is not None}


def _hashes(files: dict[str, Path | None]) -> dict[str, dict[str, str]]:
    """Path and sha256 of what was given: a run does not go on with other data under the same name."""
    from synthetic.runner.results import file_sha256

    return {name: {"path": str(path), "sha256": file_sha256(path)} for name, path in files.items() if path is not None}


def _neutral(source: str, load: Callable[[], Any], tokenizer: Any, settings: TrainConfig) -> list[dict[str, Any]]:
    """Batches of a file's text, or of the base model's own."""
    from real_models.base import context_length
    from real_models.data import batches, encode, read_rows
    from real_models.tokens import special_tokens

    if source == OWN:
        from real_models.own_text import own_text

        length = min(OWN_TOKENS, (context_length(load()) or OWN_TOKENS + 1) - 1)
        size = settings.batch_size
        return [
            {name: x[first : first + size] for name, x in batch.items()}
            for batch in own_text(load(), length=length, seed=settings.seed)
            for first in range(0, len(batch["input_ids"]), size)
        ]
    path = Path(source)
    limit = settings.max_length or min(tokenizer.model_max_length, 512)
    examples = [encode(row, tokenizer, max_length=limit, labels="all") for row in read_rows(path)]
    return list(batches(examples, settings.batch_size, pad=special_tokens(model=load(), tokenizer=tokenizer).pad))


def _describe(model: Any, prepared: Prepared, settings: TrainConfig, out: Console) -> None:
    """Rows, tokens, steps and what they cost."""
    from real_models.training.prepared import step_count

    steps, weights = step_count(prepared, settings), sum(p.numel() for p in model.parameters())
    held = sum(p.numel() * p.element_size() for p in model.parameters())
    per_step = prepared.tokens / len(prepared.examples) * settings.batch_size * settings.accumulation
    out.print(
        f"data:    {len(prepared.examples)} rows, {prepared.tokens} tokens, at most {prepared.max_length} a row; "
        f"{prepared.truncated} cut off, {prepared.skipped} left out"
    )
    out.print(
        f"model:   {weights / 1e6:.3g} M parameters, {held / 2**20:.3g} MiB; "
        f"LoRA r {settings.r}, alpha {settings.alpha:g}"
    )
    out.print(
        f"run:     {steps} steps of about {per_step:.0f} tokens, about {4 * weights * per_step * steps / 1e12:.3g} "
        "TFLOP (forward and backward through frozen weights)"
    )


def _cost(model: Any, prepared: Prepared, settings: TrainConfig, trained: int, out: Console) -> None:
    """Memory: what is certain, and the logits, the largest activation of small models with large vocabularies."""
    weights = sum(p.numel() * p.element_size() for p in model.parameters() if not p.requires_grad)
    longest = max(len(example.input_ids) for example in prepared.examples)
    logits = settings.batch_size * longest * model.get_input_embeddings().num_embeddings * 4
    out.print(
        f"memory:  {weights / 2**20:.3g} MiB base, {16 * trained / 2**20:.3g} MiB for {trained} trained parameters "
        f"with gradients and moments, {2 * logits / 2**20:.3g} MiB logits and their gradient at {longest} tokens, and "
        "activations on top"
    )
    out.print("dry run: everything fits together; nothing was trained or written")


def _follow(bar: Watch, out: Console) -> Callable[[int, int, Mapping[str, float]], None]:
    """Steps, losses and leaks: on the bar, and as lines where standard output is no terminal and is kept."""
    shown = [""]

    def watch(step: int, total: int, logs: Mapping[str, float]) -> None:
        told = ", ".join(f"{k} {v:.3g}" for k, v in logs.items() if k == "loss" or k.startswith("leak/"))
        bar.reached(step, total, told)
        if not out.is_terminal and told and told != shown[-1]:
            out.print(f"step {step} of {total}: {told}")
            shown.append(told)

    return watch
