"""Does the linear theory speak about this run? The first-order prediction of the fine-tuned logits, and its error."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from grasp_theory import InputError, identify

from ..adapters import Adapter

if TYPE_CHECKING:
    import torch

UNCHANGED = ("original_module", "base_layer")  # saved with the factors
_ON_THE_LINE = (*UNCHANGED, "lora_bias")  # scaled with the update
CAVEAT = (
    "with an error near 0 the linear statements speak about this run, with one near 1 and above they do not; linear "
    "means in dW at these tokens, not in the factors B and A, whose training is not linear either way"
)


@dataclass(frozen=True)
class Linearity:
    """Law: error = ‖f(1) − f(0) − f'(0)‖/‖f(1) − f(0)‖, f(t) the logits of the base with t dW, over all tokens.

    Attributes:
        error: 0 if the logits are linear in the update.
        cosine: of f'(0) with f(1) − f(0).
        slope: ‖f'(0)‖/‖f(1) − f(0)‖.
        change: ‖f(1) − f(0)‖/‖f(0)‖.
        rounding: the error that rounding alone may cause, 8 eps/change. The first three are None where rounding >= 1:
            the update does not change these logits.
        tokens, rows: measured on.
    """

    error: float | None
    cosine: float | None
    slope: float | None
    change: float
    rounding: float
    tokens: int
    rows: int


@dataclass(frozen=True)
class Measured:
    """What ``grasp linearity`` reports.

    Attributes:
        neutral: None if no neutral text was given.
        component, strength, tau, angle_degrees: the certificate of component 0 of the largest decomposition, at tau =
            the next singular value (the smallest that the spectrum allows); None where the rank allows no next one.
    """

    training: Linearity
    neutral: Linearity | None
    component: str | None
    strength: float | None
    tau: float | None
    angle_degrees: float | None

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values, with the caveat."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return {"schema_version": 1, **{k: _plain(v) for k, v in parts.items()}, "caveat": CAVEAT}


@contextmanager
def update_scaled(model: torch.nn.Module, t: Any) -> Iterator[None]:
    """Inside, every LoRA update of the model is t times what it is (t a number or a tensor); as before afterwards.

    Raises InputError if the model has no LoRA layer, or its updates are merged into the weights.
    """
    layers: list[Any] = [m for m in model.modules() if hasattr(m, "lora_A") and hasattr(m, "scaling")]
    if not layers:
        raise InputError("the model has no LoRA layer: load the adapter onto its base with peft first")
    if any(layer.merged for layer in layers):
        raise InputError("the adapter is merged into the weights, so it cannot be scaled: call model.unmerge_adapter()")
    before = [dict(layer.scaling) for layer in layers]
    try:
        for layer in layers:
            for name, value in layer.scaling.items():
                layer.scaling[name] = t * value
        yield
    finally:
        for layer, scaling in zip(layers, before, strict=True):
            layer.scaling.update(scaling)


def along_update(
    model: torch.nn.Module, batch: Mapping[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """f(0), f'(0), f(1): logits (tokens, vocabulary) of the base, their derivative along dW, those fine-tuned.

    LoRA's output is scaling · B A x, so f(t) is the model with t · scaling in every layer, and the derivative one
    forward-mode product (torch.func.jvp). Padding is left out. A constant added to all logits of a token says nothing;
    their mean over the vocabulary is taken away.
    Raises InputError on a quantised base: its kernels have no forward-mode derivative, and some leave it out silently.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from ..hooks.gains import evaluating
    from ..hooks.quantised import quantised_modules
    from ..hooks.targets import refuse_offloaded

    refuse_offloaded(model)
    if quantised := quantised_modules(model):
        raise InputError(
            f"the base is quantised ({quantised[0]}, …), and its kernels have no derivative along the update: "
            "load it, call model.dequantize(), and put the adapter on that; it is the same model but for rounding"
        )
    place = next(model.parameters())
    inputs = {k: batch[k].to(place.device) for k in ("input_ids", "attention_mask")}
    kept = inputs["attention_mask"].bool()

    def logits(t: Any) -> torch.Tensor:
        with update_scaled(model, t):
            found = model(**inputs, use_cache=False).logits[kept].to(exact)
        return found - found.mean(dim=-1, keepdim=True)

    exact = torch.promote_types(place.dtype, torch.float32)
    zero, one = (torch.full((), x, device=place.device, dtype=exact) for x in (0.0, 1.0))
    # the fused attention kernels have no forward-mode derivative
    with evaluating(model), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        found: Any = torch.func.jvp(logits, (zero,), (one,))
        start, slope = found
        return start, slope, logits(1.0)


def measure(model: torch.nn.Module, batches: Iterable[Mapping[str, torch.Tensor]]) -> Linearity:
    """Law: the relative error of the first-order prediction over all tokens of the batches.

    For an update c dW the error is c ‖f''‖/2‖f'‖ + O(c²): it vanishes with the size of the update.
    Raises InputError if there is no token, or logits are not finite. Cost: about four forward passes a batch.
    """
    import torch

    rest = change = slope = size = inner = eps = 0.0
    tokens = rows = 0
    for batch in batches:
        f0, d, f1 = along_update(model, batch)
        moved = (f1 - f0).double()
        rest += float((moved - d).square().sum())
        change += float(moved.square().sum())
        slope += float(d.double().square().sum())
        inner += float((moved * d).sum())
        size += float(f0.double().square().sum())
        eps = torch.finfo(f0.dtype).eps
        tokens += len(f0)
        rows += len(batch["input_ids"])
    if not tokens:
        raise InputError("the data hold no token")
    if not np.isfinite([rest, size]).all():
        raise InputError("the logits, or their derivative along the update, are not finite on these data")
    relative = (change / size) ** 0.5 if size else 0.0
    rounding = 8 * eps / relative if relative else float("inf")
    if rounding >= 1:
        return Linearity(None, None, None, relative, rounding, tokens, rows)
    cosine = inner / (change * slope) ** 0.5 if slope else 0.0
    return Linearity((rest / change) ** 0.5, cosine, (slope / change) ** 0.5, relative, rounding, tokens, rows)


def measure_linearity(
    adapter: Adapter,
    *,
    base: str | Path,
    data: str | Path,
    neutral: str | Path | None = None,
    rows: int = 64,
    watch: Callable[[Iterable[Any], int], Iterable[Any]] | None = None,
) -> Measured:
    """:func:`measure` on training rows and on neutral text, in float32, beside the certificate of the adapter.

    A quantised base is dequantised first.

    Args:
        rows: at most so many of each file, evenly spaced.
        watch: (stream, total) -> stream, told of every row.

    Raises InputError for an adapter of another base, and for adapters that hold more than low-rank updates (modules
    trained whole, biases): base + t dW is then not all that was trained.
    """
    from ..base import dequantised, load_adapted, load_base, load_tokenizer

    require_factors_alone(adapter)
    if rows < 1:
        raise InputError(f"rows must be at least 1, got {rows}")
    tokenizer, model = load_tokenizer(base), dequantised(load_base(base, dtype="float32"))
    parts = [_read(path, tokenizer, model, rows) for path in (data, neutral) if path is not None]
    tuned = load_adapted(base, adapter, model=model)
    follow = watch or (lambda stream, total: stream)
    found = [measure(tuned, follow(part, len(part))) for part in parts]
    return Measured(found[0], found[1] if neutral is not None else None, *_certificate(adapter))


def require_factors_alone(adapter: Adapter, *, allowed: Collection[str] = _ON_THE_LINE) -> None:
    """InputError for an adapter that holds more than its factors and extras of the ``allowed`` kinds."""
    whole = [extra for extra in adapter.extras if extra.kind not in allowed]
    if whole:
        raise InputError(
            f"the adapter holds {whole[0].name} ({whole[0].kind}) beside its LoRA factors, and that part of the "
            "fine-tune is not on the line base + t dW; train without modules_to_save and biases"
        )


def _read(path: str | Path, tokenizer: Any, model: Any, rows: int) -> list[dict[str, torch.Tensor]]:
    """One batch a row: no padding, and the logits of one row at a time in memory."""
    from ..base import token_limit
    from ..data import batches, encode, read_rows
    from ..tokens import special_tokens

    every = read_rows(path)
    limit = token_limit(model, tokenizer)
    chosen = [every[i] for i in np.unique(np.linspace(0, len(every) - 1, min(rows, len(every))).round().astype(int))]
    examples = [encode(row, tokenizer, max_length=limit, labels="all") for row in chosen]
    return list(batches(examples, 1, pad=special_tokens(model=model, tokenizer=tokenizer).pad))


def _certificate(adapter: Adapter) -> tuple[str | None, float | None, float | None, float | None]:
    report = identify(adapter.updates, top=1)
    if not report.decompositions:
        return None, None, None, None
    largest = report.decomposition()
    first = largest.component(0)
    name = f"{largest.what}: {largest.name}"
    if first.separated is None:
        return name, first.singular_value, None, None
    tau = first.certificate.smallest_tau
    return name, first.singular_value, tau, float(np.degrees(first.certificate.angle(tau)))


def _plain(value: Any) -> Any:
    if isinstance(value, Linearity):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return None if isinstance(value, float) and not np.isfinite(value) else value
