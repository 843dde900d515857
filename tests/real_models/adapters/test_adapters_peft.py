"""What is read equals merged minus base weights as peft merges them, for random configs and every kind of layer."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections import Counter

import numpy as np
import pytest
import tolerance
import torch
from expected_adapters import as_weight, dense
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers.pytorch_utils import Conv1D

from grasp_theory import InputError, UnsupportedAdapterError
from real_models import read_adapter, updates_from_model

# --- a model with every kind of layer --------------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin, self.narrow = nn.Linear(6, 7), nn.Linear(9, 2, bias=False)
        self.conv1d = Conv1D(5, 6)
        self.conv2d, self.pointwise = nn.Conv2d(2, 3, (2, 3)), nn.Conv2d(3, 4, 1)
        self.signal = nn.Conv1d(3, 4, 2)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.emb, self.layers, self.head = nn.Embedding(11, 6), nn.ModuleList([Block(), Block()]), nn.Linear(6, 3)


TARGETS = ["emb", "lin", "narrow", "conv1d", "conv2d", "pointwise", "signal"]
PATTERNS = [
    "lin",
    "emb",
    r"^layers.0.lin",
    r"layers\.1\.(lin|conv1d)",
    ".*conv2d",
    "1.narrow",
    "in",
    "layers.0.lin$",
    "no",
]


def randomised(model: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)


def saved(model, folder: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder, save_embedding_layers=False)


def wrapped(base: nn.Module, **config):
    with warnings.catch_warnings():  # peft reports that it corrects fan_in_fan_out for Conv1D
        warnings.simplefilter("ignore")
        return get_peft_model(base, LoraConfig(**config))


def assert_equals_merged_minus_base(updates, peft_model, base: nn.Module) -> None:
    merged = copy.deepcopy(peft_model).merge_and_unload()
    changed, before = dict(merged.named_modules()), dict(base.named_modules())
    for update in updates:
        weight, start = changed[update.name].weight.detach(), before[update.name].weight.detach()
        delta = (weight.double() - start.double()).numpy()
        # merging rounds the sum of base and update: relative to the larger of the two
        scale = max(float(weight.abs().max()), float(start.abs().max()), abs(delta).max())
        dtype = np.float64 if weight.dtype == torch.float64 else np.float32
        atol = tolerance.backward([update.rank], dtype, scale)
        np.testing.assert_allclose(as_weight(update, before[update.name]), delta, rtol=1e-6, atol=atol)


# peft sorts the config when it saves it, and the first matching pattern decides: see the test of ambiguous patterns
def patterns(values):
    return st.dictionaries(st.sampled_from(PATTERNS), values, max_size=3).map(lambda d: dict(sorted(d.items())))


alphas = st.one_of(st.integers(1, 64), st.floats(0.01, 64))
configs = st.fixed_dictionaries(
    {
        "r": st.integers(1, 5),
        "lora_alpha": alphas,
        "target_modules": st.sets(st.sampled_from(TARGETS), min_size=1).map(sorted),
        "rank_pattern": patterns(st.integers(1, 8)),
        "alpha_pattern": patterns(alphas),
        "use_rslora": st.booleans(),
        "bias": st.sampled_from(["none", "all", "lora_only"]),
        "init_lora_weights": st.sampled_from([True, False, "gaussian"]),
    }
)


@pytest.mark.slow
@settings(deadline=None)
@given(config=configs, dtype=st.sampled_from([torch.float32, torch.float64]), seed=st.integers(0, 2**31))
def test_read_update_is_merged_minus_base(config, dtype, seed):
    base = Model().to(dtype)
    model = wrapped(copy.deepcopy(base), **config)
    randomised(model, seed)
    with tempfile.TemporaryDirectory() as folder:
        saved(model, folder)
        adapter = read_adapter(folder)
        assert_equals_merged_minus_base(adapter.updates, model, base)
        live = updates_from_model(model)
        for u, v in zip(adapter.updates, live, strict=True):
            assert (u.name, u.layer, u.side, u.shape, u.rank) == (v.name, v.layer, v.side, v.shape, v.rank)
            np.testing.assert_array_equal(dense(u), dense(v))
    names = {u.name.rpartition(".")[2] for u in adapter.updates}
    assert names == set(config["target_modules"])
    assert all("several keys of alpha_pattern" in warning for warning in adapter.warnings)
    assert set(Counter(e.kind for e in adapter.extras)) <= ({"bias"} if config["bias"] != "none" else set())


def test_ambiguous_patterns_are_read_as_peft_reloads_them_and_warned_about(tmp_path):
    """Saving sorts the keys, so that peft itself reloads another scaling than it trained with."""
    base = Model()
    model = wrapped(
        copy.deepcopy(base), target_modules=["lin"], r=1, alpha_pattern={"lin": 1.0, r"layers\.0\.lin": 2.0}
    )
    randomised(model, 0)
    saved(model, str(tmp_path))
    adapter = read_adapter(tmp_path)
    reloaded = PeftModel.from_pretrained(copy.deepcopy(base), str(tmp_path))
    assert_equals_merged_minus_base(adapter.updates, reloaded, base)
    assert [u.lowrank.scaling for u in updates_from_model(model)] == [1.0, 1.0]
    assert [u.lowrank.scaling for u in adapter.updates] == [2.0, 1.0]
    assert any("layers.0.lin" in warning and "alpha_pattern" in warning for warning in adapter.warnings)


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        ({"bias": "all"}, {"bias": 11}),
        ({"bias": "lora_only"}, {"bias": 2}),
        ({"lora_bias": True, "modules_to_save": ["head"]}, {"lora_bias": 2, "modules_to_save": 2}),
        ({"trainable_token_indices": {"emb": [1, 3]}}, {"trainable_tokens": 1}),
    ],
)
def test_what_is_trained_beside_the_factors_is_kept_apart(config, kinds, tmp_path):
    saved(wrapped(Model(), target_modules=["lin"], **config), str(tmp_path))
    adapter = read_adapter(tmp_path)
    assert Counter(e.kind for e in adapter.extras) == kinds
    assert [u.name for u in adapter.updates] == ["layers.0.lin", "layers.1.lin"]
    assert "bias" not in kinds or any(f"{kinds['bias']} biases" in note for note in adapter.notes)


def test_attention_of_torch_is_merged_minus_base(tmp_path):
    """peft wraps out_proj inside the wrapped attention: rank and alpha are those of the attention.

    It also adds that product twice (merge adds it and then merges the wrapped out_proj once more), which the reader
    warns of. If this test fails because the factor is 1, peft has been mended and the warning may name its version.
    """

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn = nn.MultiheadAttention(6, 2)

    base = Attention()
    config = {"target_modules": ["attn"], "rank_pattern": {"attn": 3}, "alpha_pattern": {"attn": 5, "out_proj": 50}}
    model = wrapped(copy.deepcopy(base), **config)
    randomised(model, 0)
    saved(model, str(tmp_path))
    adapter = read_adapter(tmp_path)
    updates = {u.name: dense(u) for u in adapter.updates}
    assert [w for w in adapter.warnings if "twice" in w and "attn.out_proj" in w]
    merged = copy.deepcopy(model).merge_and_unload().attn
    for name, weight, start, times in (
        ("attn", merged.in_proj_weight, base.attn.in_proj_weight, 1),
        ("attn.out_proj", merged.out_proj.weight, base.attn.out_proj.weight, 2),
    ):
        np.testing.assert_allclose(times * updates[name], (weight - start).detach().numpy(), atol=1e-5)


def test_second_adapter_is_selected_by_name(tmp_path):
    model = wrapped(Model(), target_modules=["lin"], r=2)
    model.add_adapter("other", LoraConfig(target_modules=["narrow"], r=3))
    randomised(model, 1)
    saved(model, str(tmp_path))
    for name, module in (("default", "lin"), ("other", "narrow")):
        read, live = read_adapter(tmp_path, name).updates, updates_from_model(model, name)
        assert {u.name for u in read} == {u.name for u in live} == {f"layers.{i}.{module}" for i in (0, 1)}
        np.testing.assert_array_equal(dense(read[1]), dense(live[1]))


def test_grouped_convolution_is_refused(tmp_path):
    class Grouped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 6, 3, groups=2)

    model = wrapped(Grouped(), target_modules=["conv"], r=4)
    saved(model, str(tmp_path))
    with pytest.raises(UnsupportedAdapterError, match="convolution in groups"):
        read_adapter(tmp_path)
    with pytest.raises(UnsupportedAdapterError, match="convolution in groups"):
        updates_from_model(model)


@pytest.mark.parametrize(
    "variant", [{"use_dora": True}, {"init_lora_weights": "pissa"}, {"init_lora_weights": "olora"}]
)
def test_variant_that_moves_the_base_is_refused(variant, tmp_path):
    model = wrapped(Model(), target_modules=["lin"], **variant)
    saved(model, str(tmp_path))
    with pytest.raises(UnsupportedAdapterError, match="not W_tuned - W_base"):
        read_adapter(tmp_path)
    with pytest.raises(UnsupportedAdapterError, match="not W_tuned - W_base"):
        updates_from_model(model)


def test_mica_update_is_merged_minus_base_with_its_write_side_fixed(tmp_path):
    base = Model()
    model = wrapped(copy.deepcopy(base), target_modules=["lin"], init_lora_weights="mica", r=2)
    randomised(model, 3)
    saved(model, str(tmp_path))
    adapter = read_adapter(tmp_path)
    assert_equals_merged_minus_base(adapter.updates, model, base)
    assert {u.fixed for u in adapter.updates} == {"write"}


def test_live_update_follows_the_training():
    model = wrapped(Model(), target_modules=["lin"])
    update = updates_from_model(model)[0]
    assert update.lowrank.norm() == 0
    randomised(model, 0)
    assert update.lowrank.norm() > 0


def test_live_model_without_the_adapter_is_refused():
    with pytest.raises(InputError, match="has no adapter 'x'"):
        updates_from_model(wrapped(Model(), target_modules=["lin"]), "x")
    with pytest.raises(InputError, match="no peft model"):
        updates_from_model(Model())
