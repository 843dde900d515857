"""Every damaged, absurd or unsupported config is refused with what came and what to do; the others are noted."""

from __future__ import annotations

import dataclasses

import pytest
from expected_adapters import CONFIG, FACTORS, adapter, refused

from grasp_theory import UnsupportedAdapterError
from real_models import read_adapter
from real_models.adapters.refusals import KNOWN_FIELDS, OTHER_TYPES


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[1]", "must hold a JSON object, got list"),
        (b'{"peft_type": "LORA"\xff}', "not UTF-8"),
        (b'{"a":' * 100_000, "too deeply"),
        (b'{"r": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"peft_type": "LORA", "r": 2, "r": 4}', "key 'r' twice"),
        (b'\xef\xbb\xbf{"peft_type": "LORA"}', r"adapter_config\.json is not valid JSON .*BOM"),
    ],
)
def test_config_that_is_no_json_object(raw, reason, tmp_path):
    refused(adapter(tmp_path, raw), reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"r": 0}, "r must be an integer from 1"),
        ({"r": -2}, "r must be"),
        ({"r": True}, "r must be an integer .*got True"),
        ({"r": "8"}, "r must be an integer .*got '8'"),
        ({"r": 2.0}, "r must be"),
        ({"r": 10**7}, "r must be an integer from 1 to 1000000"),
        ({"r": {}}, "r must be"),
        ({"lora_alpha": "16"}, "lora_alpha must be a number"),
        ({"lora_alpha": True}, "lora_alpha must be a number"),
        ({"lora_alpha": float("nan")}, "lora_alpha must be a number .*got nan"),
        ({"lora_alpha": float("inf")}, "lora_alpha must be a number"),
        ({"lora_alpha": 10**400}, "lora_alpha must be a number"),
        ({"rank_pattern": []}, "rank_pattern must be an object"),
        ({"rank_pattern": {"q_proj": 0}}, r"rank_pattern\['q_proj'\] must be an integer"),
        ({"alpha_pattern": {"q_proj": None}}, r"alpha_pattern\['q_proj'\] must be a number"),
        ({"alpha_pattern": {"(": 2}}, "alpha_pattern holds '\\(', which is no valid regular expression"),
        ({"rank_pattern": {"x{99999999999}": 2}}, "no valid regular expression"),
        ({"rank_pattern": {"x" * 5000: 2}}, "no valid regular expression"),
        ({"rank_pattern": {"(q+)+": 2}}, "a repeated group that itself repeats or branches can take for ever"),
        ({"use_rslora": "yes"}, "use_rslora must be true or false"),
        ({"bias": 3}, "bias must be text"),
        ({"modules_to_save": 3}, "modules_to_save must be a list"),
        ({"modules_to_save": [""]}, "modules_to_save must be a list"),
        ({"base_model_name_or_path": ["x"]}, "base_model_name_or_path must be text"),
        ({"base_model_name_or_path": "\x1b[2J"}, "unprintable"),
        ({"init_lora_weights": 3}, "init_lora_weights must be"),
        ({"peft_type": None}, "peft_type must name the method"),
        ({"peft_type": 3}, "peft_type must name the method"),
    ],
)
def test_config_value_of_wrong_type_or_range(change, reason, tmp_path):
    refused(adapter(tmp_path, {**CONFIG, **change}), reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"use_dora": True}, "DoRA.*learnt magnitudes"),
        ({"init_lora_weights": "pissa"}, "PiSSA.*path_initial_model_for_weight_conversion"),
        ({"init_lora_weights": "pissa_niter_16"}, "PiSSA"),
        ({"init_lora_weights": "corda"}, "CorDA"),
        ({"init_lora_weights": "OLoRA"}, "OLoRA"),
        ({"init_lora_weights": "lora_ga"}, "LoRA-GA"),
        ({"init_lora_weights": "loftq"}, "LoftQ.*quantised"),
        ({"init_lora_weights": "brand_new"}, "not known whether it changes the base"),
        ({"init_lora_weights": "none"}, "not known whether it changes the base"),
        ({"layer_replication": [[0, 4], [2, 5]]}, "layer_replication"),
        ({"target_parameters": ["experts.down_proj"]}, "3-D expert"),
        ({"use_qalora": True}, "QA-LoRA"),
        ({"use_bdlora": {"nblocks": 2}}, "BD-LoRA"),
        ({"kasa_config": {}}, "KaSA"),
        ({"monteclora_config": {"num_samples": 2}}, "MonteCLoRA"),
        ({"arrow_config": {"top_k": 2}}, "Arrow"),
        ({"alora_invocation_tokens": [1, 2]}, "aLoRA"),
        ({"enable_lora": [True, False, True]}, "MergedLinear"),
        ({"peft_type": "SOMETHING_NEW"}, "does not know"),
        *[({"peft_type": name}, f"the method {name}") for name in sorted(OTHER_TYPES)],
    ],
)
def test_variant_is_refused_with_the_reason(change, reason, tmp_path):
    folder = adapter(tmp_path, {**CONFIG, **change})
    refused(folder, reason, kind=UnsupportedAdapterError)
    refused(folder, "scaling \\* B @ A is therefore not W_tuned - W_base; .", kind=UnsupportedAdapterError)


@pytest.mark.parametrize(
    ("change", "fixed", "note"),
    [
        ({"init_lora_weights": "eva"}, "read", "principal directions of the activations"),
        ({"init_lora_weights": "mica"}, "write", "B was frozen"),
        ({"init_lora_weights": False}, None, "contains its random start"),
        ({"init_lora_weights": None}, None, "contains its random start"),
        ({"init_lora_weights": "orthogonal"}, None, "product of zero"),
        ({"init_lora_weights": "gaussian"}, None, None),
        ({"init_lora_weights": "true"}, None, None),
        ({"velora_config": {"num_groups": 4}, "use_dora": False, "enable_lora": None, "loftq_config": {}}, None, None),
    ],
)
def test_start_that_keeps_the_base_is_read_and_noted(change, fixed, note, tmp_path):
    read = read_adapter(adapter(tmp_path, {**CONFIG, **change}))
    assert read.updates[0].fixed == fixed
    assert read.warnings == ()
    assert len(read.notes) == (note is not None)
    assert note is None or note in read.notes[0]


def test_lists_of_fields_and_methods_cover_the_installed_peft():
    from peft import LoraConfig
    from peft.utils.peft_types import PeftType

    assert {f.name for f in dataclasses.fields(LoraConfig)} <= KNOWN_FIELDS
    assert {t.value for t in PeftType} - {"LORA"} <= OTHER_TYPES


def test_unknown_field_and_missing_r_and_alpha_warn(tmp_path):
    config = {"peft_type": "LORA", "new_trick": {"on": True}, "new_switch": False, "new_list": []}
    read = read_adapter(adapter(tmp_path, config))
    assert read.updates[0].lowrank.scaling == 8 / 2
    assert len(read.warnings) == 3
    assert any("'new_trick'" in w and "new_switch" not in w for w in read.warnings)
    assert any("default 8" in w for w in read.warnings)


def test_rank_of_the_file_decides_with_one_warning_for_all_modules(tmp_path):
    tensors = {k.replace("0", str(i)): v for i in range(50) for k, v in FACTORS.items()}
    read = read_adapter(adapter(tmp_path, {**CONFIG, "r": 8}, tensors))
    assert {u.lowrank.scaling for u in read.updates} == {4 / 2}
    assert len(read.warnings) == 1
    assert "rank 8, the file holds rank 2" in read.warnings[0]
    assert "and 47 more" in read.warnings[0]
