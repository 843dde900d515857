"""Bases of 4 and 8 bits: what is guaranteed of dW holds there, what depends on the base is the dequantised one's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tolerance
import torch
from tiny_models import BLOCKS, OPTIMIZERS, assert_same, batch, deltas, descend, frozen, lora, subspace, tiny
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from grasp_theory import GraspError, InputError
from real_models import read_adapter, updates_from_model
from real_models.adapters.sides import side_of
from real_models.audit.linearity import along_update
from real_models.base import dequantised, load_base
from real_models.hooks.gains import output_gains
from real_models.hooks.quantised import quantised_modules
from real_models.hooks.stream import find_stream, stream_outputs
from real_models.hooks.targets import lora_factors, modules_named
from real_models.methods import Compensated, Edit, Grasp, Hold, NullSpace

pytest.importorskip("bitsandbytes", reason="no quantised base without bitsandbytes: pip install '.[quantised]'")

Q = subspace(1, 3)
TEXT = [batch(7, sequences=4)]
CONFIGS = {4: {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, 8: {"load_in_8bit": True}}
INT8 = 0.05  # bitsandbytes rounds the inputs of 8-bit layers too, to 127 levels a row


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module", params=[4, 8], ids="{}-bit".format)
def load(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """A function that loads the tiny model with its linear layers quantised."""
    return partial(_load, request.param, tmp_path_factory.mktemp("models"))


def _load(bits: int, folder: Path, kind: str = "llama") -> Any:
    place = folder / kind
    if not place.exists():
        tiny(kind).save_pretrained(place)
    config = BitsAndBytesConfig(**CONFIGS[bits])
    model = AutoModelForCausalLM.from_pretrained(place, quantization_config=config, dtype=torch.float32).eval()
    assert len(quantised_modules(model)) == 7 * BLOCKS
    return model


def rounding(load: Any) -> float:
    return INT8 if load.args[0] == 8 else 1e-5


def part(dW: np.ndarray, basis: np.ndarray, side: str) -> float:
    return float(np.linalg.norm(basis.T @ dW if side == "write" else dW @ basis) / np.linalg.norm(dW))


def test_projection_keeps_the_update_off_the_directions_on_a_quantised_base(load, tmp_path):
    """While it trains, saved, and read back; control: the same training without the method."""
    model, naive = lora(load()), lora(load())
    before = frozen(model)
    optimizer = OPTIMIZERS["adamw"](model)
    with Grasp(Q).attached(model, optimizer) as attached:
        descend(model, optimizer, 3)
        assert attached.leak()["write"] < tolerance.GUARANTEE
        model.save_pretrained(tmp_path)
    assert_same(model, before)  # the integers of the base among it
    descend(naive, OPTIMIZERS["adamw"](naive), 3)
    free = deltas(naive)
    found = {u.name: u for u in read_adapter(tmp_path).updates}
    assert len(found) == len(free) == 7 * BLOCKS
    for name, dW in deltas(model).items():
        np.testing.assert_allclose(found[name].lowrank @ np.eye(dW.shape[1]), dW, atol=1e-6 * np.linalg.norm(dW))
        if side_of(name) == "write":
            assert part(dW, Q, "write") < tolerance.GUARANTEE
            assert part(free[name], Q, "write") > 0.1


def test_null_space_inputs_are_those_of_the_dequantised_base(load):
    """The guarantee is on dW; V is what the base sees, and the 8-bit base rounds what it sees."""
    model, plain = lora(load()), lora(dequantised(load()))
    methods = [NullSpace(TEXT, components=4), NullSpace(TEXT, components=4)]
    bases = []
    for m, method in zip((model, plain), methods, strict=True):
        optimizer = OPTIMIZERS["adamw"](m)
        with method.attached(m, optimizer) as attached:
            bases.append({c.factors.name: c.Q.double().numpy() for c in method._constraints})
            descend(m, optimizer, 2)
            assert attached.leak()["read"] < tolerance.GUARANTEE
    for name, dW in deltas(model).items():
        assert part(dW, bases[0][name], "read") < tolerance.GUARANTEE
        np.testing.assert_allclose(methods[0].held[name], methods[1].held[name], atol=rounding(load))
        missing = bases[1][name] - bases[0][name] @ (bases[0][name].T @ bases[1][name])
        assert np.linalg.norm(missing) < (0.5 if load.args[0] == 8 else 1e-2)  # of 2: singular values may be close


def test_gains_are_those_of_the_base_that_was_not_quantised(load):
    model, plain = load("gemma2"), tiny("gemma2")
    found, known = (
        {name: output[module] for name, module in modules_named(m) if module in output}
        for m in (model, plain)
        for output in [output_gains(m, find_stream(m))]
    )
    assert found.keys() == known.keys()
    assert len(known) == 2 * BLOCKS
    for name, gain in known.items():
        torch.testing.assert_close(found[name], gain, rtol=1e-4, atol=1e-4)
    llama = load()
    assert not output_gains(llama, find_stream(llama))  # control: no norm behind the writers


def test_compensated_term_stands_beside_the_quantised_layer(load):
    """y − y_plain = Q Qᵀ dW_naive x in training mode; control: nothing in evaluation mode."""
    naive = lora(load())
    descend(naive, OPTIMIZERS["adamw"](naive), 2)
    updates = updates_from_model(naive)
    model = lora(load())
    name = next(u.name for u in updates if u.side == "write")
    layer = layers(model)[name]
    dW = next(u.lowrank @ np.eye(u.shape[1]) for u in updates if u.name == name)
    x = torch.randn(3, dW.shape[1], generator=torch.Generator().manual_seed(0))
    plain, training = layer(x).detach(), layer.train()(x).detach()
    with Compensated(Q, updates).attached(model):
        silent = layer.eval()(x).detach()
        added = layer.train()(x).detach() - training  # 8-bit layers round another way then
    torch.testing.assert_close(silent, plain, rtol=0, atol=0)
    expected = Q @ Q.T @ dW @ x.double().numpy().T
    np.testing.assert_allclose(added.double().numpy().T, expected, atol=1e-5 * float(plain.norm()))
    assert np.linalg.norm(expected) > 1e-3 * float(plain.norm())


def test_hold_keeps_the_stream_of_the_quantised_base(load):
    model = lora(load())
    descend(model, OPTIMIZERS["adamw"](model), 2)
    model.eval()
    ids = {"input_ids": TEXT[0]["input_ids"]}
    with model.disable_adapter():
        base = [h @ torch.tensor(Q).float() for h in stream_outputs(model, ids)]
    naive = [h @ torch.tensor(Q).float() for h in stream_outputs(model, ids)]
    with Hold(Q).attached(model):
        held = [h @ torch.tensor(Q).float() for h in stream_outputs(model, ids)]
    for b, h, n in zip(base, held, naive, strict=True):
        assert float((h - b).norm()) < 1e-5 * float(b.norm())
        assert float((n - b).norm()) > 0.01 * float(b.norm())  # control


def test_edits_act_on_the_update_and_leave_the_base(load):
    model = lora(load())
    descend(model, OPTIMIZERS["adamw"](model), 2)
    before, free = frozen(model), deltas(model)
    writers = [name for name in free if side_of(name) == "write"]
    with Edit(write=dict.fromkeys(writers, Q)).attached(model):
        edited = deltas(model)
    assert_same(model, before)
    for name in writers:
        assert part(edited[name], Q, "write") < tolerance.GUARANTEE < 0.1 < part(free[name], Q, "write")


def test_merging_into_a_quantised_base_is_refused_while_a_projection_is_on(load):
    """What it would do: the merged weights move along Q, as no update kept off Q does in the dequantised base."""
    model = lora(load())
    optimizer = OPTIMIZERS["adamw"](model)
    with Grasp(Q).attached(model, optimizer):
        descend(model, optimizer, 2)
        before = frozen(model)
        with pytest.raises(GraspError, match="the base is quantised: merging would round"):
            model.merge_adapter()
        assert_same(model, before)
        inner = Grasp(subspace(2, 1)).attach(model, optimizer)
        inner.detach()
        with pytest.raises(GraspError, match="the base is quantised"):  # still on
            model.merge_adapter()
    name = next(name for name in deltas(model) if side_of(name) == "write")
    layer = layers(model)[name]
    W0 = weight(layer)
    model.merge_adapter()  # peft's own affair once the method is off
    assert part(weight(layer) - W0, Q, "write") > 0.02


def layers(model: Any) -> dict[str, Any]:
    return {f.name: f.layer for f in lora_factors(model)}


def weight(layer: Any) -> np.ndarray:
    """The floating point values of its base weight."""
    from peft.utils.integrations import dequantize_bnb_weight

    base = layer.base_layer
    return dequantize_bnb_weight(base.weight, state=getattr(base, "state", None)).double().numpy()


def test_linearity_is_measured_on_the_dequantised_base_and_refused_on_the_other(load):
    """The kernels leave the derivative out (4 bits: it would be wrong by nearly all of itself) or fail."""
    ids = TEXT[0]["input_ids"]
    rows = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    quantised, plain = load(), dequantised(load())
    with torch.no_grad():
        a, b = quantised(ids).logits, plain(ids).logits
    assert float((a - b).norm()) <= rounding(load) * float(b.norm())
    with pytest.raises(InputError, match=r"the base is quantised .*dequantize"):
        along_update(lora(quantised), rows)
    found = along_update(lora(plain), rows)
    torch.testing.assert_close(found[0], found[2])  # B is 0 at the start


def test_saved_quantised_base_loads_from_its_folder(load, tmp_path):
    model = load()
    model.save_pretrained(tmp_path)
    again = load_base(tmp_path, dtype="float32")
    assert quantised_modules(again) == quantised_modules(model)
    ids = TEXT[0]["input_ids"]
    with torch.no_grad():
        torch.testing.assert_close(again(ids).logits, model(ids).logits)
    assert dequantised(again) is not again or not quantised_modules(again)
