"""Modules that the config names are those that peft would load; the others have no scale and are left out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from expected_adapters import CONFIG, adapter, refused
from peft import LoraConfig, PeftModel
from peft.tuners.tuners_utils import check_target_module_exists
from saved_adapters import change, save
from tiny_models import lora, tiny
from torch import nn

from real_models import read_adapter
from real_models.adapters.targets import parse_targets

NAMES = [
    *(f"model.layers.{n}.self_attn.{p}" for n in (0, 2, 10) for p in ("q_proj", "v_proj", "xq_proj")),
    "model.layers.2.mlp.experts.0.up_proj",
    "model.decoder.h.2.q_proj",
    "encoder.layers.1.h.2.q_proj",
    "lm_head",
    "q_proj",
]


@pytest.mark.parametrize(
    "config",
    [
        {"target_modules": ["q_proj", "v_proj"]},
        {"target_modules": ["self_attn.q_proj", "lm_head"]},
        {"target_modules": ["model.layers.2.self_attn.q_proj"]},
        {"target_modules": r".*\.layers\.(0|10)\..*q_proj"},
        {"target_modules": r"layers\.0|lm_head"},
        {"target_modules": ["q_proj"], "exclude_modules": ["layers.2.self_attn.q_proj"]},
        {"target_modules": ["q_proj"], "exclude_modules": r".*\.2\..*"},
        {"target_modules": ["q_proj", "up_proj"], "layers_to_transform": [0, 2]},
        {"target_modules": ["q_proj"], "layers_to_transform": 2},
        {"target_modules": ["q_proj"], "layers_to_transform": [2], "layers_pattern": "h"},
        {"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": ["layers", "h"]},
        {"target_modules": r".*q_proj", "layers_to_transform": [2]},
    ],
)
def test_names_are_those_of_peft(config):
    fields = {"exclude_modules": None, "modules_to_save": None, "layers_to_transform": None, "layers_pattern": None}
    theirs = SimpleNamespace(**{**fields, "target_parameters": None, **config})
    found = {name for name in NAMES if parse_targets(config, "config").names(name)}
    kinds = {name: type(check_target_module_exists(theirs, name)).__name__ for name in NAMES}
    assert found == {n for n, kind in kinds.items() if kind == "Match" or check_target_module_exists(theirs, n) is True}
    assert 0 < len(found) < len(NAMES)


@pytest.mark.parametrize("value", [None, [], "", "all-linear", "(a+)+"])
def test_every_module_counts_as_named_where_the_config_does_not_say(value):
    assert all(parse_targets({"target_modules": value}, "config").names(name) for name in NAMES)


@pytest.mark.parametrize(
    ("field", "value"),
    [("target_modules", 3), ("target_modules", [3]), ("exclude_modules", {"a": 1}), ("layers_to_transform", "x")],
)
def test_field_of_another_type_is_refused(field, value, tmp_path):
    refused(adapter(tmp_path, {**CONFIG, field: value}), f"{field} must be a list")


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q_proj, self.v_proj = nn.Linear(6, 5), nn.Linear(6, 5)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block() for _ in range(3))


def saved(path, **config):
    return save(path, Net(), LoraConfig(r=2, lora_alpha=8, target_modules=["q_proj", "v_proj"], **config))


def test_factors_that_the_config_does_not_name_are_left_out_as_peft_leaves_them_out(tmp_path):
    folder = saved(tmp_path / "a")
    whole = read_adapter(folder)
    assert (len(whole.updates), whole.warnings, whole.extras) == (6, (), ())  # the control
    change(folder, target_modules=["q_proj"])
    read = read_adapter(folder)
    loaded = PeftModel.from_pretrained(Net(), folder)
    theirs = {n.removeprefix("base_model.model.") for n, m in loaded.named_modules() if hasattr(m, "lora_A")}
    assert {u.name for u in read.updates} == theirs == {f"layers.{n}.q_proj" for n in range(3)}
    assert [(e.kind, e.name.rpartition(".lora_")[0]) for e in read.extras] == [
        ("scale_unknown", f"layers.{n}.v_proj") for n in range(3) for _ in "AB"
    ]
    (warning,) = read.warnings
    assert warning.startswith("scale unknown, left out of all strengths: all 3 v_proj; target_modules")
    for update, before in zip(read.updates, (u for u in whole.updates if "q_proj" in u.name), strict=True):
        np.testing.assert_array_equal(update.lowrank @ np.eye(6), before.lowrank @ np.eye(6))


def test_module_with_an_alpha_of_its_own_has_a_scale(tmp_path):
    folder = saved(tmp_path / "a", alpha_pattern={"layers.1.v_proj": 3})
    change(folder, target_modules=["q_proj"])
    scalings = {u.name: u.lowrank.scaling for u in read_adapter(folder).updates}
    assert scalings == {**{f"layers.{n}.q_proj": 4.0 for n in range(3)}, "layers.1.v_proj": 1.5}


def test_config_that_names_no_module_of_the_file_is_refused_as_peft_refuses_it(tmp_path):
    folder = saved(tmp_path / "a")
    change(folder, target_modules=["c_attn"])
    refused(folder, "names none of the 6 modules in the file .all 3 q_proj, all 3 v_proj.")
    with pytest.raises(ValueError, match="c_attn"):
        PeftModel.from_pretrained(Net(), folder)


def test_head_that_shares_the_factors_of_the_embeddings_is_read(tmp_path):
    """peft saves them twice, and names only the embeddings; the control: without the tie it would load them once."""
    model = lora(tiny(tie_word_embeddings=True), target_modules=["embed_tokens"], ensure_weight_tying=True,
                 init_lora_weights=False)  # fmt: skip
    model.save_pretrained(str(tmp_path))
    head = model.get_base_model().lm_head.get_delta_weight("default").detach().numpy()
    read = {u.name: u for u in read_adapter(tmp_path).updates}
    np.testing.assert_allclose(read["lm_head"].lowrank @ np.eye(head.shape[1]), head, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(read["model.embed_tokens"].lowrank @ np.eye(head.shape[0]), head.T, rtol=1e-5, atol=1e-6)
    change(tmp_path, ensure_weight_tying=False)
    assert [u.name for u in read_adapter(tmp_path).updates] == ["model.embed_tokens"]
