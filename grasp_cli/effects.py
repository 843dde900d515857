"""``grasp effects``: which parts of an adapter hold its drift and its task."""

from __future__ import annotations

from enum import StrEnum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import MODEL, JsonOption, Name, Results, check_targets, make_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from grasp_theory import LowRank
    from real_models import Adapter
    from real_models.audit.effects import Effects
    from real_models.audit.parts import Part


class ScopeOption(StrEnum):
    pooled = "pooled"
    block = "block"
    module = "module"
    group = "group"


class BothSides(StrEnum):
    both = "both"
    write = "write"
    read = "read"


class PerOption(StrEnum):
    token = auto()
    text = auto()


def _measured(help: str, **options: Any) -> Any:
    return typer.Option(help=help, rich_help_panel=MODEL, **options)


def effects(
    adapter: Annotated[Path, typer.Argument(help="A PEFT adapter folder. It is only read.")],
    base: Annotated[Path | None, _measured("Folder of the base model, safetensors.")] = None,
    pairs: Annotated[Path | None, _measured("Drift: JSON lines: prompt, without, with (the trait).")] = None,
    task: Annotated[Path | None, _measured("Task: such pairs, with: the right answer.")] = None,
    rows: Annotated[int | None, _measured("At most so many pairs of each file, evenly spaced.", min=1)] = None,
    per: Annotated[PerOption, _measured("Log-odds of completions, or per token.")] = PerOption.token,
    batch_size: Annotated[int, _measured("Rows at a time.", min=1)] = 8,
    scope: Annotated[
        list[ScopeOption] | None, typer.Option(help="What to take apart; repeatable. Default: pooled and group.")
    ] = None,
    side: Annotated[BothSides, typer.Option(help="Side of the residual stream.")] = BothSides.both,
    top: Annotated[int | None, typer.Option(min=1, help="Components of each place; default: up to 8.")] = None,
    draws: Annotated[int, typer.Option(min=0, help="Random controls of each scope, side and size.")] = 3,
    weights_only: Annotated[
        bool, typer.Option("--weights-only", help="No model: the share of ‖dW‖² that each part is.")
    ] = False,
    name: Name = None,
    results: Results = Path("results"),
    json: JsonOption = None,
) -> None:
    """Measure which parts of an adapter hold drift and task.

    Both are measured without, and with only, each part. Parts: components of all modules pooled, of each block, of each
    module, on both sides of the residual stream, and whole groups of modules; beside random directions of the same
    number. Every part is taken out of the factors of one loaded model. Writes effects.csv, .html and .png to RESULTS;
    what is measured is kept there, so that an interrupted run goes on where it was.
    """
    from figures.tables import console, progress
    from figures.tables.identify import show_adapter
    from grasp_theory import InputError
    from real_models import read_adapter
    from real_models.audit.describe import summary
    from real_models.audit.parts import parts_of

    files = {"drift": pairs, "task": task}
    if weights_only and (base or pairs or task):
        raise InputError("--weights-only measures no model: leave it out, or --base, --pairs and --task")
    if not weights_only and (base is None or pairs is None):
        missing = " and ".join(o for o, v in (("--base MODEL", base), ("--pairs F.jsonl", pairs)) if v is None)
        raise InputError(f"the drift is measured on pairs by the model: add {missing}, or ask for --weights-only")
    found = read_adapter(adapter, name)
    check_targets(json, inputs=[*found.files, *files.values()], results=None if base is None else results)
    scopes = [s.value for s in scope or (ScopeOption.pooled, ScopeOption.group)]
    parts, factors = parts_of(found.updates, scopes=scopes, side=side.value, top=top, draws=draws)  # pyright: ignore
    out = console()
    if json != Path("-"):
        show_adapter(summary(found), found.warnings, found.notes, out)
    if base is None:
        _weights(found, parts, json, out)
        return
    make_folder(results)
    chosen: dict[str, Path] = {quantity: path for quantity, path in files.items() if path is not None}
    options = {"per": per.value, "batch_size": batch_size, "folder": results / "effects"}
    with progress("effects") as watch:
        watch.says("model")
        note = None if json == Path("-") else out
        made = _measure(found, parts, factors, base, chosen, note, most=rows, watch=watch, **options)
    _report(found, made, base, chosen, results, json, out)


def _weights(adapter: Adapter, parts: Sequence[Part], json: Path | None, out: Console) -> None:
    from figures.tables import show
    from figures.tables.effects import weights_blocks
    from real_models.audit.describe import provenance
    from synthetic.runner.results import write_json

    if json is not None:
        record = {"schema_version": 1, "adapter": provenance(adapter), "parts": [part.to_dict() for part in parts]}
        write_json(json, record)
    if json != Path("-"):
        show(weights_blocks(parts), out)
        out.print("a share of the weights is no share of the drift: --base and --pairs measure that", style="dim")


def _measure(
    adapter: Adapter,
    parts: Sequence[Part],
    factors: Mapping[str, LowRank],
    base: Path,
    files: dict[str, Path],
    note: Console | None,
    *,
    most: int | None,
    **options: Any,
) -> Effects:
    import torch

    from real_models.audit.effects import ask, measure_effects
    from real_models.base import load_adapted, load_tokenizer
    from real_models.tokens import special_tokens

    tokenizer = load_tokenizer(base)
    model = load_adapted(base, adapter).to("cuda" if torch.cuda.is_available() else "cpu")
    asked = {quantity: ask(path, model, tokenizer, most=most) for quantity, path in files.items()}
    if note is not None:
        count, texts = 2 * len(parts) + 2, 2 * sum(len(a.encoded) for a in asked.values())
        tokens = sum(a.tokens for a in asked.values())
        note.print(
            f"cost: {count} variants (without and with only each of {len(parts)} parts, the update, the base) of "
            f"{texts} texts: {count} × {tokens} tokens forward; --top, --scope, --side and --rows make it less"
        )
    pad = special_tokens(model=model, tokenizer=tokenizer).pad
    return measure_effects(model, adapter, parts, factors, asked=asked, pad=pad, base=base, **options)


def _report(
    adapter: Adapter,
    made: Effects,
    base: Path,
    files: dict[str, Path],
    results: Path,
    json: Path | None,
    out: Console,
) -> None:
    from dataclasses import asdict

    from figures.pages.effects import write_effects
    from figures.tables import show
    from figures.tables.effects import effects_tables, reading
    from real_models.audit.describe import provenance
    from real_models.audit.holding import verdict
    from synthetic.runner.results import write_json

    said = verdict(made)
    page = write_effects(results, made, said, adapter, base)
    if json is not None:
        given = {"base": str(base), "files": {quantity: str(path) for quantity, path in files.items()}}
        record = {"schema_version": 1, "adapter": provenance(adapter), **given, "verdict": asdict(said)}
        write_json(json, record | made.to_dict())
    if json != Path("-"):
        show(effects_tables(made, said), out)
        for line in reading(said):
            out.print(line, style="dim")
        if made.reused:
            out.print(f"{made.reused} variants were there already")
        out.print(f"{page}: all parts, with pictures")
