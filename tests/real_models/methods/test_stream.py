"""The residual stream of every architecture: its blocks, what a writer adds to it, and what GRASP keeps out of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from grasp_runs import LEAKS
from tiny_models import (
    BLOCKS,
    KINDS,
    OPTIMIZERS,
    WIDTH,
    assert_same,
    batch,
    deltas,
    descend,
    everything,
    hooks,
    lora,
    subspace,
    tiny,
)
from tolerance import GUARANTEE
from torch import nn

from grasp_theory import InputError
from real_models.hooks.gains import output_gains
from real_models.hooks.stream import find_stream
from real_models.methods.grasp import Grasp

POST_LN = ("opt-post-ln", "bert")
ARCHITECTURES = [kind for kind in KINDS if kind not in (*POST_LN, "t5")]
LISTS = {
    "gpt2": "transformer.h",
    "gpt-neox": "gpt_neox.layers",
    "opt": "model.decoder.layers",
    "bloom": "transformer.h",
}
LISTS |= {"falcon": "transformer.h"}
# What writes the stream in a block. Mixtral's experts are one module of fused parameters, which LoRA leaves alone here.
WRITERS = {
    "phi": ("self_attn.dense", "mlp.fc2"),
    "gpt2": ("attn.c_proj", "mlp.c_proj"),
    "gpt-neox": ("attention.dense", "mlp.dense_4h_to_h"),
    "opt": ("self_attn.out_proj", "fc2"),
    "bloom": ("self_attention.dense", "mlp.dense_4h_to_h"),
    "falcon": ("self_attention.dense", "mlp.dense_4h_to_h"),
    "mixtral": ("self_attn.o_proj",),
}
# The norm behind each writer, where there is one, and its gain.
NORMS: dict[str, tuple[str, str]] = {
    "gemma2": ("post_attention_layernorm", "post_feedforward_layernorm"),
    "gemma3": ("post_attention_layernorm", "post_feedforward_layernorm"),
    "olmo2": ("post_attention_layernorm", "post_feedforward_layernorm"),
}
EPS = {"gemma2": 1e-6, "gemma3": 1e-6, "olmo2": 1e-5}


def writers(kind: str) -> tuple[str, ...]:
    return WRITERS.get(kind, ("self_attn.o_proj", "mlp.down_proj"))


def blocks_of(kind: str, model: Any) -> list[nn.Module]:
    return list(model.get_submodule(LISTS.get(kind, "model.layers")))


def gain_of(kind: str, norm: Any) -> torch.Tensor:
    """Gemma stores its gain less one."""
    return norm.weight.detach() + (1 if kind.startswith("gemma") else 0)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_stream_and_gains_are_those_of_the_architecture(kind: str) -> None:
    for wrapped in (False, True):
        model = tiny(kind)
        blocks = blocks_of(kind, model)
        given = lora(model, target_modules=[name.rsplit(".", 1)[-1] for name in writers(kind)]) if wrapped else model
        stream = find_stream(given)
        assert stream.width == WIDTH
        assert [*map(id, stream.blocks)] == [*map(id, blocks)]
        found = output_gains(given, stream)
        expected = {
            block.get_submodule(name): gain_of(kind, block.get_submodule(norm))
            for block in blocks
            for name, norm in zip(writers(kind), NORMS.get(kind, ()), strict=False)
        }
        assert set(found) == set(expected)
        for module, gain in expected.items():
            torch.testing.assert_close(found[module], gain, rtol=1e-5, atol=1e-5)
            assert gain.std() > 0.1


def adapted(kind: str) -> Any:
    """LoRA on every linear layer; on the attention alone where the experts are fused parameters."""
    return lora(tiny(kind), **({"target_modules": r".*self_attn.[qkvo]_proj"} if kind == "mixtral" else {}))


def through(block: nn.Module, given: tuple[Any, Any], replaced: dict[nn.Module, Any]) -> torch.Tensor:
    """The block's output when these modules give this."""
    args, kwargs = given
    with ExitStack() as stack, torch.no_grad():
        for module, y in replaced.items():
            stack.callback(module.register_forward_hook(lambda m, a, o, y=y: y.clone()).remove)
        output = block(*args, **kwargs)
    return output[0] if isinstance(output, tuple) else output


def observed(modules: list[nn.Module], run: Callable[[], Any]) -> dict[nn.Module, tuple[Any, Any, Any]]:
    """module -> (arguments, keyword arguments, output) in a run."""
    seen: dict[nn.Module, tuple[Any, Any, Any]] = {}
    with ExitStack() as stack, torch.no_grad():
        for module in modules:
            hook = module.register_forward_hook(lambda m, a, k, o: seen.update({m: (a, k, o)}), with_kwargs=True)
            stack.callback(hook.remove)
        run()
    return seen


def learnt(kind: str, model: Any) -> dict[str, np.ndarray]:
    """For every writer: what dW x adds at the *block output*, (width, tokens), all else in the block standing still.

    Behind a norm that is (c r − c₀ r₀), with c = gain · y/r what the writer adds, r = rms(y), and c₀ the same without
    dW: what the norm rescales in the pretrained part is no new content.
    """
    model = model.double().eval()
    base = model.get_base_model()
    blocks, updates, found = blocks_of(kind, base), deltas(model), {}
    calls = observed(blocks, lambda: model(input_ids=batch(0)["input_ids"], use_cache=False))
    for index, block in enumerate(blocks):
        parts = {name: block.get_submodule(name) for name in writers(kind)}
        fixed = [*parts.values(), *([block.get_submodule("mlp")] if kind == "mixtral" else [])]
        seen = observed(fixed, lambda b=block: b(*calls[b][0], **calls[b][1]))
        given = {module: seen[module][2] for module in fixed}
        for name, module in parts.items():
            dW = updates[f"{LISTS.get(kind, 'model.layers')}.{index}.{name}"]
            x, y = seen[module][0][0], given[module]
            y0 = y - x @ torch.from_numpy(dW).T
            rest, c, c0 = (
                through(block, calls[block][:2], {**given, module: z.reshape(y.shape)}) for z in (0 * y, y, y0)
            )
            r, r0 = (size(z, kind).reshape(*c.shape[:-1], 1) for z in (y, y0))
            found[f"{index}.{name}"] = ((c - rest) * r - (c0 - rest) * r0).reshape(-1, WIDTH).T.numpy()
    return found


def size(y: torch.Tensor, kind: str) -> torch.Tensor:
    """What the norm behind the writer divides by."""
    return (y.square().mean(-1, keepdim=True) + EPS[kind]).sqrt() if kind in NORMS else torch.ones_like(y[..., :1])


def parts_along(kind: str, Q: np.ndarray, method: Grasp | None) -> list[float]:
    """‖Qᵀ(what was learnt)‖/‖what was learnt‖ of every writer after six steps of Adam."""
    model = adapted(kind)
    optimizer = OPTIMIZERS["adam"](model)
    with nullcontext() if method is None else method.attached(model, optimizer):
        descend(model, optimizer, 6)
    found = learnt(kind, model)
    assert len(found) == BLOCKS * len(writers(kind))
    return [float(np.linalg.norm(Q.T @ x) / np.linalg.norm(x)) for x in found.values()]


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_nothing_new_arrives_along_the_directions_at_any_block_output(kind: str) -> None:
    Q = subspace(1, 3)
    found = parts_along(kind, Q, Grasp(Q))
    np.testing.assert_array_less(found, GUARANTEE)
    np.testing.assert_array_less(LEAKS, parts_along(kind, Q, None))


@pytest.mark.parametrize("kind", NORMS)
def test_projection_that_forgets_the_gain_of_a_norm_behind_the_writer_leaks(kind: str) -> None:
    Q = subspace(1, 3)
    np.testing.assert_array_less(LEAKS, parts_along(kind, Q, Grasp(Q, gains={})))


def test_module_shared_by_two_blocks_is_kept_off_the_directions_of_both() -> None:
    first, second = subspace(6, 2), subspace(7, 1)
    for directions in ({0: first, 1: second}, {1: second}, {0: first}, {0: first, 1: first}):
        base = tiny()
        base.model.layers[1].mlp = base.model.layers[0].mlp
        model = lora(base)
        optimizer = OPTIMIZERS["adam"](model)
        with Grasp(directions).attached(model, optimizer) as attachment:
            descend(model, optimizer, 4)
            assert attachment.leak()["write"] <= GUARANTEE
        dW = deltas(model)["model.layers.0.mlp.down_proj"]
        assert "model.layers.1.mlp.down_proj" not in deltas(model)
        for Q in (first, second):
            part = np.linalg.norm(Q.T @ dW) / np.linalg.norm(dW)
            assert part <= GUARANTEE if any(Q is x for x in directions.values()) else part > LEAKS


@pytest.mark.parametrize("kind", POST_LN)
@pytest.mark.parametrize("sides", [{"stream", "write"}, {"write"}])
def test_norm_after_the_residual_sum_is_refused(kind: str, sides: Any) -> None:
    model = adapted(kind)
    before, optimizer = everything(model), OPTIMIZERS["adam"](model)
    with pytest.raises(InputError, match=r"post-LN.*no projection of weights keeps a direction out of the stream"):
        Grasp(subspace(1, 2), sides=sides).attach(model, optimizer)
    assert_same(model, before)
    assert hooks(model, optimizer) == hooks(adapted(kind))
    with pytest.raises(InputError, match="post-LN"):
        output_gains(model, find_stream(model))


def test_encoder_decoder_is_refused_unless_told_which_stream() -> None:
    Q, model = subspace(2, 2), lora(tiny("t5"))
    optimizer = OPTIMIZERS["adam"](model)
    with pytest.raises(InputError, match="two streams: pass blocks="):
        Grasp(Q).attach(model, optimizer)
    blocks = list(model.get_base_model().decoder.block)
    with pytest.raises(InputError, match=r"does not run on inputs_embeds.*pass gains=\{\}"):
        Grasp(Q, blocks=blocks).attach(model, optimizer)
    with Grasp(Q, blocks=blocks, gains={}).attached(model, optimizer) as attachment:
        descend(model, optimizer, 2)
        assert attachment.leak()["write"] <= GUARANTEE
    for name, dW in deltas(model).items():
        if name.endswith((".o", ".wo")):
            part = np.linalg.norm(Q.T @ dW) / np.linalg.norm(dW)
            assert part <= GUARANTEE if name.startswith("decoder") else part > LEAKS


class Unknown(nn.Module):
    """Two lists of as many blocks as the configuration says, or none, and no width if told so."""

    def __init__(self, lists: int, config: Any) -> None:
        super().__init__()
        self.config = config
        for number in range(lists):
            self.add_module(f"stack{number}", nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(BLOCKS)))


@pytest.mark.parametrize(
    ("lists", "fields", "reason"),
    [
        (
            0,
            {"hidden_size": WIDTH, "num_hidden_layers": BLOCKS},
            "expected one list of 2 modules, found none; pass blocks",
        ),
        (2, {"hidden_size": WIDTH, "num_hidden_layers": BLOCKS}, "found stack0, stack1; pass blocks="),
        (1, {"hidden_size": WIDTH, "num_hidden_layers": 7}, "expected one list of 7 modules, found none; pass blocks="),
        (1, {"num_hidden_layers": BLOCKS}, "no config.hidden_size"),
    ],
)
def test_unknown_architecture_is_told_what_to_pass(lists: int, fields: dict[str, int], reason: str) -> None:
    model = Unknown(lists, SimpleNamespace(**fields))
    with pytest.raises(InputError, match=reason):
        find_stream(model)
    if "hidden_size" in fields and lists:
        stream = find_stream(model, blocks=list(model.stack0))  # pyright: ignore[reportArgumentType]
        assert (stream.width, [*stream.blocks]) == (WIDTH, [*model.stack0])  # pyright: ignore[reportArgumentType]
        with pytest.raises(InputError, match="known to write the residual stream"):
            output_gains(model, stream)
