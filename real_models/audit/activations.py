"""The SVD of dW X, X the inputs that each adapted module sees on unlabelled data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from grasp_theory import InputError, LowRank, Report, Update, identify, linalg
from grasp_theory.identification.components import Pool
from grasp_theory.moved import renamed

from ..adapters import Adapter

if TYPE_CHECKING:
    import torch

EXPERT = ".experts."  # in the name of a module that sees some of the tokens


def activation_updates(
    model: torch.nn.Module, updates: Iterable[Update], batches: Iterable[Mapping[str, torch.Tensor]]
) -> tuple[Update, ...]:
    """Law: dW X = scaling B (A X), and (A X)(A X)ᵀ = K suffices: scaling B K^½ has its left triples.

    The whitened statement (``whitened-angle``, ``sample-threshold``): left singular vectors and values of dW X/√n, n
    the number of tokens, do not depend on the LoRA rank beyond the factor's own and need no sample offset. The result
    is one update of rank r for every write module. An expert of a mixture sees the tokens routed to it, whose places in
    the batch are not known: it needs batches without padding, and is left out if none was routed to it.

    Args:
        model: the fine-tuned model, a base with the adapter on it (peft), in evaluation mode.
        updates: those of the adapter; the write modules among them are used.
        batches: model inputs with attention_mask; positions that are masked do not count.

    Raises InputError if no write module is among the updates, a module was never run, or an input is not finite.
    Memory: r x r for each module. Cost: one forward pass.
    """
    import torch

    from ..hooks.targets import modules_named, refuse_offloaded

    refuse_offloaded(model)
    wanted = {update.name: update for update in updates if update.side == "write"}
    if not wanted:
        raise InputError("the SVD of dW X needs write modules (o_proj, down_proj, …) in the adapter; it has none")
    layers = {name: m for name, m in modules_named(model) if name in wanted and hasattr(m, "lora_A")}
    missing = sorted(set(wanted) - set(layers))
    if missing:
        raise InputError(f"the model has no LoRA layer {missing[0]}: load the adapter onto its base first")
    sums = {name: torch.zeros(u.rank, u.rank, dtype=torch.float64, device="cpu") for name, u in wanted.items()}
    factors = {name: torch.from_numpy(np.asarray(u.lowrank.A, dtype=np.float32)) for name, u in wanted.items()}
    kept: list[torch.Tensor] = []
    runs = dict.fromkeys(wanted, 0)
    tokens = 0
    with ExitStack() as stack, torch.no_grad():
        for name, layer in layers.items():

            def look(module: Any, args: Any, name: str = name) -> None:
                x = args[0].reshape(-1, args[0].shape[-1])
                if EXPERT not in f".{name}.":
                    x = x[kept[0].to(x.device)]
                elif not kept[0].all():
                    raise InputError(f"{name} is an expert: which of its tokens are padding is not known; pad nothing")
                runs[name] += len(x)
                seen = (x.float() @ factors[name].to(x.device).T).double()
                sums[name] += (seen.T @ seen).cpu()

            stack.callback(layer.register_forward_pre_hook(look).remove)
        for batch in batches:
            mask = batch["attention_mask"].reshape(-1).bool()
            kept[:] = [mask]
            tokens += int(mask.sum())
            device = next(model.parameters()).device
            model(**{k: batch[k].to(device) for k in ("input_ids", "attention_mask")})
    if not tokens:
        raise InputError("the data hold no token")
    unseen = [name for name, count in runs.items() if not count]
    idle = next((name for name in unseen if EXPERT not in f".{name}."), None)
    if idle or len(unseen) == len(wanted):
        raise InputError(f"{idle or unseen[0]} saw no token of the data: the model does not run it on them")
    return tuple(_seen(update, sums[name].numpy() / tokens) for name, update in wanted.items() if runs[name])


def _seen(update: Update, K: np.ndarray) -> Update:
    if not np.isfinite(K).all():
        raise InputError(f"{update.name} sees inputs that are not finite on these data")
    values, E = linalg.eigh(K)
    root = E * np.sqrt(values.clip(0)) @ E.T
    B, A, scaling = update.lowrank.B, update.lowrank.A, update.lowrank.scaling
    seen = LowRank(B, root.astype(A.dtype), scaling)
    return replace(update, shape=seen.shape, rank=seen.rank, source=seen)


@renamed(k="top")
def identify_activations(
    adapter: Adapter, *, base: str | Path, data: str | Path, top: int = 8, pool: Pool = "auto", size: int = 8
) -> Report:
    """:func:`grasp_theory.identify` of dW X, for an adapter, the folder of its base model and a file of its data.

    Reads what :func:`~real_models.data.read_rows` reads; rows are cut off at the model's context. Raises InputError for
    an adapter that does not fit the base.
    """
    from ..base import load_adapted, load_tokenizer, token_limit
    from ..data import batches, encode, read_rows
    from ..tokens import special_tokens

    rows = read_rows(data)
    tokenizer, tuned = load_tokenizer(base), load_adapted(base, adapter)
    limit = token_limit(tuned, tokenizer)
    examples = [encode(row, tokenizer, max_length=limit, labels="all") for row in rows]
    if any(EXPERT in f".{update.name}." for update in adapter.updates):
        size = 1  # without padding
    pad = special_tokens(model=tuned, tokenizer=tokenizer).pad
    updates = activation_updates(tuned, adapter.updates, batches(examples, size, pad=pad))
    report = identify(updates, side="write", pool=pool, top=top)
    tokens = sum(len(example.input_ids) for example in examples)
    what = f"activations dW X/√n over {tokens} tokens of {Path(data).name}, left singular vectors"
    return replace(report, decompositions=tuple(replace(d, what=what) for d in report.decompositions))
