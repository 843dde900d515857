"""An adapter in words and as JSON: what was read, from where."""

from __future__ import annotations

from typing import Any

from ..adapters import Adapter
from ..adapters.text import listing, many
from ..directions import called


def summary(adapter: Adapter) -> list[tuple[str, str]]:
    """(label, value): where it lies, its base model, what it adapts."""
    config = adapter.config
    kinds = sorted({_last(u.name) for u in adapter.updates})
    layers = {u.place for u in adapter.updates if u.place is not None}
    ranks = ", ".join(map(str, sorted({u.rank for u in adapter.updates})))
    what = f"{many(len(adapter.updates), 'module')} ({', '.join(kinds)}) in {many(len(layers), 'layer')}"
    alpha = f"alpha {config.lora_alpha:g}" + (
        ", other alphas by module" if config.alpha_pattern or config.alphas else ""
    )
    scale = alpha + (", rsLoRA" if config.use_rslora else "") if config.scale is None else f"scaling {config.scale:g}"
    return [
        ("adapter", str(adapter.path)),
        ("base", config.base_model_name or "not named"),
        ("update", f"{what}; rank {ranks}, {scale}; stored as {', '.join(adapter.dtypes)}"),
    ]


def _last(name: str) -> str:
    """The last component of a name, with the one before it where it is a number: to_out.0."""
    parts = name.split(".")
    return ".".join(parts[-2:] if parts[-1].isdigit() else parts[-1:])


def provenance(adapter: Adapter) -> dict[str, Any]:
    """The fields that a result file carries about the adapter it was made from."""
    return {
        "path": str(adapter.path),
        "sha256": adapter.sha256,
        "base_model": adapter.config.base_model_name,
        "dtypes": list(adapter.dtypes),
        "warnings": list(adapter.warnings),
        "notes": list(adapter.notes),
        "extras": [{"name": e.name, "kind": e.kind, "shape": list(e.shape)} for e in adapter.extras],
    }


def different_bases(*adapters: Adapter) -> list[str]:
    """A warning where the configs name different base models, whose streams have no basis in common; else nothing."""
    given = (a.config.base_model_name for a in adapters)
    names = list({called(name): name for name in given if name}.values())
    if len(names) < 2:
        return []
    some = " and ".join(names) if len(names) == 2 else listing(names, 4)
    return [f"the base models differ: {some}; directions compare only within one base model"]
