"""``grasp explain``: what goes along with a direction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import JsonOption, check_targets

if TYPE_CHECKING:
    from rich.console import Console

    from real_models.audit.explain import Explained, Explanation

SHOWN = 2  # prompts of a direction, so that it fits on a screen


def explain(
    directions: Annotated[Path, typer.Argument(help="A directions file of `grasp identify -o`, write side.")],
    base: Annotated[Path, typer.Option(help="Folder of the base model, safetensors.")],
    data: Annotated[
        Path | None, typer.Option(help="Rows to project, and to take prompts from; else neutral questions.")
    ] = None,
    amount: Annotated[
        float | None, typer.Option(help="a of ±a q at every block; default: 0.4 of the stream's norm over the blocks.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Tokens and rows to show on each side.")] = 5,
    layer: Annotated[
        int | None,
        typer.Option(min=0, help="Block whose output rows are read at; default: the middle one."),
    ] = None,
    json: JsonOption = None,
) -> None:
    """Show the tokens, rows and text that go with a direction.

    Tokens it raises and lowers, rows it is strong on, and what adding it does to greedy text. Each beside a random
    direction. These are correlations, not a meaning.
    """
    from figures.tables import console, progress
    from real_models.audit.explain import CAVEAT
    from real_models.audit.explain import explain as run
    from real_models.directions import load_directions
    from synthetic.runner.results import write_json

    check_targets(json, inputs=[directions, data])
    chosen = load_directions(directions)
    out = console()
    with progress("explain") as watch:
        watch.says("model")
        found = run(chosen, base=base, data=data, amount=amount, top=top, layer=layer, watch=watch)
    if json is not None:
        origin = {"directions_file": str(directions), "adapter_sha256": chosen.adapter_sha256, "base": str(base)}
        write_json(json, {**found.to_dict(), **origin, "data": None if data is None else str(data)})
    if json != Path("-"):
        out.print(f"directions: {chosen.Q.shape[1]} of {chosen.decomposed}, components {list(chosen.components)}")
        for one in found.directions:
            _show(one, found, chosen.components, out)
        out.print(f"caveat: {CAVEAT}", style="dim")


def _show(one: Explained, found: Explanation, components: tuple[int, ...], out: Console) -> None:
    from figures.tables import Table
    from real_models.adapters.text import many

    control = one.index is None
    out.print()
    out.print("random direction, for comparison" if one.index is None else f"component {components[one.index]}")
    for sign, tokens in (("+", one.raised), ("−", one.lowered)):
        out.print(f"  {sign} tokens: " + "  ".join(f"{t.text!r} {t.logit:+.2f}" for t in tokens))
    if one.mean is not None and not control:
        rows = [
            [sign, e.source, f"{e.mean:+.3g}", f"{e.largest:+.3g}", f"{e.smallest:+.3g}", repr(e.peak)]
            for sign, chosen in (("+", one.highest), ("−", one.lowest))
            for e in chosen
        ]
        title = f"rows by the mean of h·q at the output of block {found.block}; all {found.tokens} tokens of "
        title += f"{found.rows} rows: mean {one.mean:+.3g}, standard deviation {one.std:.3g}"
        headers = ["", "row", "mean", "max", "min", "peak at"]
        out.print(Table(headers, rows, title=title, left=2, droppable=["peak at", "min"]))
    elif one.mean is not None:
        out.print(f"  h·q at the output of block {found.block}: mean {one.mean:+.3g}, standard deviation {one.std:.3g}")
    out.print(f"  greedy text with ±{found.amount:.3g} q at every block (‖h‖ is about {found.norm:.3g}):")
    for text in one.texts[:SHOWN]:
        out.print(f"  after {text.prompt[-60:]!r}")
        out.print(f"    plain {text.plain!r}")
        for sign, said, shared in (("+", text.plus, text.shared[0]), ("−", text.minus, text.shared[1])):
            out.print(f"    {sign}     {said!r} (first {shared} of {text.length} tokens as plain)")
    if len(one.texts) > SHOWN:
        out.print(f"  … and {many(len(one.texts) - SHOWN, 'more prompt')}; --json has all of them", style="dim")
