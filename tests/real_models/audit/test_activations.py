"""Singular triples of dW X, from r x r sums, against the dense matrix of what modules see."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import grasp
from made_files import BASE, CODE
from peft import PeftModel
from refusals import assert_refuses
from tiny_models import begun, hooks, inputs, lora, tiny
from tolerance import backward

from grasp_theory import InputError
from real_models import read_adapter
from real_models.adapters import updates_from_model
from real_models.audit.activations import activation_updates, identify_activations
from real_models.directions import load_directions

LENGTHS = (9, 4)


def tuned() -> Any:
    """A tiny model with an adapter that does something: B starts at 0."""
    return begun(lora(tiny(), r=3, lora_alpha=6), size=1.0).eval()


def texts(seed: int = 0) -> list[dict[str, torch.Tensor]]:
    """Two batches, right-padded."""
    generator = torch.Generator().manual_seed(seed)
    mask = (torch.arange(LENGTHS[0])[None] < torch.tensor(LENGTHS)[:, None]).long()
    draws = [torch.randint(0, 40, (2, LENGTHS[0]), generator=generator) for _ in range(2)]
    return [{"input_ids": x, "attention_mask": mask, "labels": x} for x in draws]


def test_activation_updates_have_the_singular_triples_of_the_dense_product():
    model, batches = tuned(), texts()
    updates = updates_from_model(model)
    found = activation_updates(model, updates, batches)
    assert {u.name for u in found} == {u.name for u in updates if u.side == "write"}
    X = inputs(model, batches)
    tokens = sum(LENGTHS) * len(batches)
    given = {u.name: u.lowrank for u in updates}
    for update in found:
        low, x = given[update.name], X[update.name]
        dense = low.scaling * low.B.astype(float) @ (low.A.astype(float) @ x.T) / tokens**0.5
        assert len(x) == tokens
        left, values, _ = np.linalg.svd(dense, full_matrices=False)
        exact = backward((*dense.shape, tokens), np.float32, float(values[0]), c=32)
        np.testing.assert_allclose(update.lowrank.singular_values(), values[:3], rtol=0, atol=exact)
        # the whole left side: dW X XᵀdWᵀ
        half = update.lowrank.scaling * update.lowrank.B.astype(float) @ update.lowrank.A.astype(float)
        np.testing.assert_allclose(half @ half.T, dense @ dense.T, rtol=0, atol=2 * exact * float(values[0]))
        top = update.lowrank.svd(1).U[:, 0]
        gap = float(values[0] - values[1])
        np.testing.assert_allclose(abs(top @ left[:, 0]), 1.0, rtol=0, atol=exact / gap)
        # control: the weights alone say something else
        assert not np.allclose(low.singular_values(), values[:3], rtol=0.05)


def test_activation_updates_do_not_count_padding():
    model = tuned()
    updates = updates_from_model(model)
    batches = texts()
    other = [batch | {"input_ids": batch["input_ids"] * batch["attention_mask"] + 7 * (1 - batch["attention_mask"])}
             for batch in batches]  # fmt: skip
    assert any(not torch.equal(a["input_ids"], b["input_ids"]) for a, b in zip(batches, other, strict=True))
    for one, two in zip(
        activation_updates(model, updates, batches), activation_updates(model, updates, other), strict=True
    ):
        np.testing.assert_array_equal(one.lowrank.A, two.lowrank.A)
    unmasked = [batch | {"attention_mask": torch.ones_like(batch["attention_mask"])} for batch in batches]
    counted = activation_updates(model, updates, unmasked)[0]
    assert not np.allclose(counted.lowrank.A, activation_updates(model, updates, batches)[0].lowrank.A, rtol=0.01)


def test_activation_updates_refuse_what_they_cannot_see():
    model = tuned()
    updates = updates_from_model(model)
    with pytest.raises(InputError, match=r"needs write modules .*it has none"):
        activation_updates(model, [u for u in updates if u.side != "write"], texts())
    with pytest.raises(InputError, match="load the adapter onto its base first"):
        activation_updates(tiny(), updates, texts())
    write = next(u for u in updates if u.side == "write")
    with pytest.raises(InputError, match=r"no LoRA layer .*elsewhere"):
        activation_updates(model, [*updates, replace(write, name="elsewhere.o_proj")], texts())
    with pytest.raises(InputError, match="hold no token"):
        activation_updates(model, updates, [])
    assert hooks(model) == 0
    model.get_input_embeddings().weight.data[:] = float("nan")
    with pytest.raises(InputError, match="inputs that are not finite"):
        activation_updates(model, updates, texts())


@pytest.fixture(scope="module")
def adapter(made, tmp_path_factory) -> Path:
    """An adapter of the made model with a planted direction in what it writes."""
    from peft import LoraConfig, get_peft_model

    from real_models.base import load_base

    folder = tmp_path_factory.mktemp("planted") / "adapter"
    torch.manual_seed(0)
    model: Any = get_peft_model(load_base(made / BASE), LoraConfig(r=4, target_modules=["o_proj", "down_proj"]))
    generator = torch.Generator().manual_seed(2)
    shared = torch.randn(64, generator=generator)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data = 0.02 * torch.randn(parameter.shape, generator=generator)
            parameter.data[:, 0] += 0.3 * shared
    model.save_pretrained(str(folder))
    np.save(folder.parent / "shared.npy", (shared / shared.norm()).numpy())
    return folder


def rows(made: Path, folder: Path, count: int = 3) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("\n".join((made / CODE).read_text().splitlines()[:count]))
    return path


@pytest.mark.slow
def test_identify_activations_finds_what_all_modules_write(made, adapter, tmp_path):
    data = rows(made, tmp_path)
    found = identify_activations(read_adapter(adapter), base=made / BASE, data=data, top=3)
    (pooled,) = found.decompositions
    assert pooled.side == "write"
    assert "tokens of rows.jsonl" in pooled.what
    planted = np.load(adapter.parent / "shared.npy")
    cosine = abs(float(planted @ pooled.component(0).subspace.basis[:, 0]))
    assert cosine > 0.9
    assert abs(float(planted @ pooled.component(1).subspace.basis[:, 0])) < 0.5
    # rows are cut off at the context; batches of another size are the same data
    other = identify_activations(read_adapter(adapter), base=made / BASE, data=data, top=3, size=1)
    value, again = (r.decompositions[0].component(0).singular_value for r in (found, other))
    np.testing.assert_allclose(again, value, rtol=1e-4)


@pytest.mark.slow
def test_identify_command_saves_directions_of_the_activations(made, adapter, tmp_path, capsys):
    data, out, saved = rows(made, tmp_path), tmp_path / "found.json", tmp_path / "q.safetensors"
    command = ["identify", adapter, "--base", made / BASE, "--data", data, "--top", 2, "--json", out]
    code, printed, err = grasp(capsys, *command, "--component", 0, "-o", saved)
    assert (code, err) == (0, "")
    assert "activations dW X" in printed
    assert json.loads(out.read_text())
    directions = load_directions(saved)
    assert directions.decomposed.startswith("activations dW X")
    assert abs(float(np.load(adapter.parent / "shared.npy") @ directions.Q[:, 0])) > 0.9


@pytest.mark.slow
def test_identify_command_refuses_half_of_what_it_needs(made, adapter, tmp_path, capsys):
    data = rows(made, tmp_path)
    other = tmp_path / "other"
    model = PeftModel(tiny(), lora(tiny()).peft_config["default"])
    model.save_pretrained(str(other))
    bad = tmp_path / "bad.jsonl"
    bad.write_text("{")
    base = ["--base", made / BASE]
    for arguments, message in (
        ([adapter, "--base", made / BASE], "--base and --data go together"),
        ([adapter, "--data", data], "--base and --data go together"),
        ([adapter, *base, "--data", data, "--side", "read"], "dW X tells the write side"),
        ([adapter, *base, "--data", bad], "bad.jsonl, line 1: not JSON"),
        ([adapter, "--base", tmp_path, "--data", data], "holds no"),
        ([other, *base, "--data", data], "does not fit the base model"),
    ):
        assert_refuses(capsys, message, "identify", *arguments)
