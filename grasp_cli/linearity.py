"""``grasp linearity``: whether the linear theory speaks about a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import JsonOption, Name, check_targets

if TYPE_CHECKING:
    from real_models.audit.linearity import Linearity, Measured


def linearity(
    adapter: Annotated[Path, typer.Argument(help="A PEFT adapter folder.")],
    base: Annotated[Path, typer.Option(help="Folder of the base model, safetensors.")],
    data: Annotated[Path, typer.Option(help="The fine-tuning data (JSON lines or text).")],
    neutral: Annotated[Path | None, typer.Option(help="Neutral text (JSON lines or .txt).")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows to measure on, evenly spaced, of each file.")] = 64,
    name: Name = None,
    json: JsonOption = None,
) -> None:
    """Measure whether the linear theory applies to a run.

    How well a first-order step from the base predicts the fine-tuned logits, beside the certificate: relative error of
    f'(0) for f(1) − f(0), f(t) the logits of base + t dW, by forward-mode differentiation. Runs the model in float32.
    """
    from figures.tables import Table, console, progress
    from figures.tables.identify import show_adapter
    from real_models import read_adapter
    from real_models.audit.describe import provenance, summary
    from real_models.audit.linearity import CAVEAT, measure_linearity
    from synthetic.runner.results import write_json

    found = read_adapter(adapter, name)
    check_targets(json, inputs=[*found.files, data, neutral])
    out = console()
    with progress("linearity") as watch:
        watch.says("model")
        result = measure_linearity(found, base=base, data=data, neutral=neutral, rows=rows, watch=watch)
    if json is not None:
        files = {"base": str(base), "data": str(data), "neutral_data": None if neutral is None else str(neutral)}
        write_json(json, {**result.to_dict(), "adapter": provenance(found), **files})
    if json != Path("-"):
        show_adapter(summary(found), found.warnings, found.notes, out)
        pairs = [(data.name, result.training)]
        if neutral is not None and result.neutral is not None:
            pairs.append((f"{neutral.name} (neutral)", result.neutral))
        headers = ["logits on", "rows", "tokens", "change", "error", "cosine", "slope", "rounding"]
        title = "first-order prediction of the fine-tuned logits from the base"
        rank = ["rounding", "slope", "rows"]
        out.print(Table(headers, [_row(*p) for p in pairs], title=title, left=1, droppable=rank))
        out.print(certificate_line(result))
        out.print(f"reading: {CAVEAT}", style="dim")


def _row(name: str, found: Linearity) -> list[str]:
    from figures.tables import number

    shown = [number(v, ".3f") for v in (found.error, found.cosine, found.slope)]
    return [name, str(found.rows), str(found.tokens), f"{found.change:.2g}", *shown, f"{found.rounding:.1g}"]


def certificate_line(found: Measured) -> str:
    """What `grasp identify` certifies about the leading component."""
    from figures.tables import number

    if found.component is None or found.strength is None:
        return "certificate: none, there is nothing to decompose"
    what = f"certificate: component 0 of {found.component}, strength {number(found.strength)}"
    if found.tau is None or found.angle_degrees is None:
        return f"{what}: none, the rank allows no next singular value"
    return f"{what}: within {found.angle_degrees:.1f}° of the factor behind it if tau is {number(found.tau)}"
