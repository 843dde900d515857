"""Every bad input is a GraspError that says what came and what to do; nothing is executed, nothing else escapes."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from grasp_theory import AdapterError, GraspError, InputError, UnsupportedAdapterError
from real_models import find_checkpoints, read_adapter
from real_models.adapters.refusals import KNOWN_FIELDS, OTHER_TYPES

CONFIG = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]}
A, B = "base_model.model.layers.0.q_proj.lora_A.weight", "base_model.model.layers.0.q_proj.lora_B.weight"
FACTORS = {A: np.ones((2, 4), np.float32), B: np.ones((3, 2), np.float32)}


def adapter(folder: Path, config: Any = None, tensors: dict[str, np.ndarray] | None = None) -> Path:
    """A small sound adapter, apart from what is given."""
    folder.mkdir(exist_ok=True)
    config = CONFIG if config is None else config
    (folder / "adapter_config.json").write_bytes(config if isinstance(config, bytes) else json.dumps(config).encode())
    save_file(FACTORS if tensors is None else tensors, folder / "adapter_model.safetensors")
    return folder


def refused(path, match: str, *, kind: type[GraspError] = AdapterError, name: str | None = None) -> None:
    with pytest.raises(kind, match=match):
        _ = [update.lowrank for update in read_adapter(path, name).updates]


def test_the_sound_adapter_is_read(tmp_path):
    """The control of this file: what the cases below break is what they are refused for."""
    read = read_adapter(adapter(tmp_path))
    np.testing.assert_array_equal(read.updates[0].lowrank @ np.eye(4), np.full((3, 4), 4.0))
    assert (read.warnings, read.notes, read.extras) == ((), (), ())


# --- the folder ------------------------------------------------------------------------------------------------


def test_missing_path_says_what_to_give(tmp_path):
    refused(tmp_path / "no", "does not exist; give the folder that holds adapter_config.json")


def test_empty_folder_and_folder_without_config(tmp_path):
    refused(tmp_path, "is empty; expected a folder written by peft's save_pretrained")
    (tmp_path / "notes.txt").write_text("x")
    refused(tmp_path, "holds no adapter_config.json")


def test_any_of_the_two_files_stands_for_the_folder(tmp_path):
    folder = adapter(tmp_path / "a")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert read_adapter(folder / name).path == folder
    (folder / "other.txt").write_text("x")
    refused(folder / "other.txt", "no adapter folder and none of its files")


@pytest.mark.parametrize("path", [3, None, b"bytes"])
def test_path_of_another_type(path):
    refused(path, "must be text or a Path", kind=InputError)


def test_null_byte_and_endless_name_in_path():
    refused("a\0b", "cannot be read|does not exist")
    refused("a" * 5000, "cannot be read|does not exist")


def test_spaces_other_alphabets_dots_and_links_are_followed(tmp_path):
    folder = adapter(tmp_path / "mit Leerzeichen – 適応 ё")
    (tmp_path / "link").symlink_to(folder)
    for path in (folder, tmp_path / "link", tmp_path / "link" / ".." / folder.name, str(folder)):
        assert len(read_adapter(path).updates) == 1


def test_broken_link_is_named(tmp_path):
    (tmp_path / "gone").symlink_to(tmp_path / "target")
    refused(tmp_path / "gone", "symbolic link to .*target', which does not exist")
    folder = adapter(tmp_path / "a")
    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_model.safetensors").symlink_to("nowhere")
    refused(folder, "symbolic link to 'nowhere'")
    (folder / "adapter_config.json").unlink()
    (folder / "adapter_config.json").symlink_to("nowhere")
    refused(folder, "adapter_config.json is a symbolic link")


def test_folders_and_pipes_in_the_place_of_files(tmp_path):
    folder = adapter(tmp_path / "a")
    (folder / "adapter_model.safetensors").unlink()
    os.mkfifo(folder / "adapter_model.safetensors")  # opening it would wait for ever
    refused(folder, "not a regular file")
    shutil.rmtree(folder)
    (folder / "adapter_config.json").mkdir(parents=True)
    refused(folder, "adapter_config.json is not a file")


def test_file_that_may_not_be_read(tmp_path, monkeypatch):
    folder = adapter(tmp_path)

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    # patched, because the superuser may read everything
    monkeypatch.setattr(Path, "open", denied)
    refused(folder, "Permission denied")
    monkeypatch.undo()
    monkeypatch.setattr(Path, "read_bytes", denied)
    refused(folder, "adapter_config.json cannot be read: Permission denied")


def test_several_adapters_are_listed_and_one_is_chosen_by_name(tmp_path):
    adapter(tmp_path / "first")
    assert any("'first', is read" in w for w in read_adapter(tmp_path).warnings)
    adapter(tmp_path / "second")
    refused(tmp_path, "2 adapters; choose one with name=: first, second")
    assert read_adapter(tmp_path, "second").name == "second"
    refused(tmp_path, "no adapter named 'third'; it holds first, second", name="third")
    refused(tmp_path, "name must be", name="", kind=InputError)
    adapter(tmp_path)
    top = read_adapter(tmp_path)
    assert top.path == tmp_path
    assert any("first, second" in note for note in top.notes)


def test_checkpoints_come_in_the_order_of_their_steps(tmp_path):
    for step in (1000, 20, 3):
        adapter(tmp_path / f"checkpoint-{step}")
    (tmp_path / "checkpoint-5").mkdir()  # an empty one, as a full run's optimizer state may leave
    assert [step for step, _ in find_checkpoints(tmp_path)] == [3, 20, 1000]
    with pytest.raises(AdapterError, match="does not exist"):
        find_checkpoints(tmp_path / "no")
    refused(tmp_path, "choose one with name=: checkpoint-3, checkpoint-20, checkpoint-1000")


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"])
def test_git_lfs_pointer_is_recognised(file, tmp_path):
    folder = adapter(tmp_path)
    if file.endswith(".bin"):
        (folder / "adapter_model.safetensors").unlink()
    (folder / file).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 123\n")
    refused(folder, "Git LFS pointer.*git lfs pull")


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("adapter_model.safetensors.index.json", "several shards"),
        ("model.safetensors", "a full model \\(model.safetensors\\) instead of adapter weights"),
        ("pytorch_model.bin", "a full model"),
        ("README.md", "holds no weights; expected adapter_model.safetensors or adapter_model.bin"),
    ],
)
def test_config_without_adapter_weights(file, reason, tmp_path):
    folder = adapter(tmp_path)
    (folder / "adapter_model.safetensors").unlink()
    (folder / file).write_text("{}")
    refused(folder, reason)


def test_safetensors_go_before_bin(tmp_path):
    folder = adapter(tmp_path)
    (folder / "adapter_model.bin").write_bytes(b"not read")
    assert read_adapter(folder).weights.suffix == ".safetensors"


@pytest.mark.parametrize(
    ("file", "key", "tool"),
    [
        ("pytorch_lora_weights.safetensors", "unet.up.0.attn1.to_q.lora_A.weight", "diffusers"),
        ("pytorch_lora_weights.safetensors", "transformer.blocks.0.to_q.lora.up.weight", "diffusers"),
        ("pytorch_lora_weights.bin", None, "diffusers"),
        ("my_style.safetensors", "lora_unet_down_blocks_0_to_q.lora_down.weight", "Kohya"),
        ("my_style.safetensors", "lora_te_text_model_encoder.alpha", "Kohya"),
    ],
)
def test_layout_of_another_tool_is_refused_by_its_name(file, key, tool, tmp_path):
    if key and key.endswith("lora_A.weight"):  # beside a config of peft these are peft's own names
        save_file({key: np.ones((2, 2), np.float32)}, tmp_path / file)
    elif key:
        save_file({key: np.ones((2, 2), np.float32)}, tmp_path / file)
        refused(tmp_path / file, tool, kind=UnsupportedAdapterError)
        adapter(tmp_path / "with config", tensors={key: np.ones((2, 2), np.float32)})
        refused(tmp_path / "with config", tool, kind=UnsupportedAdapterError)
        shutil.rmtree(tmp_path / "with config")
    else:
        (tmp_path / file).write_bytes(b"x")
    refused(tmp_path, tool, kind=UnsupportedAdapterError)


# --- the config ------------------------------------------------------------------------------------------------


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
    import dataclasses

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


# --- the tensors -----------------------------------------------------------------------------------------------

F32 = np.float32


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({A: FACTORS[A]}, "has the factor .*lora_A.weight' but no factor B"),
        ({B: FACTORS[B]}, "but no factor A"),
        ({A: np.ones((2, 4), F32), B: np.ones((3, 5), F32)}, r"\(2, 4\).*\(3, 5\) do not fit"),
        ({A: np.ones((0,), F32), B: np.ones((3, 2), F32)}, "were not gathered before saving"),
        ({A: np.ones((2, 0), F32), B: np.ones((3, 2), F32)}, "were not gathered"),
        ({A: np.ones(8, F32), B: np.ones(6, F32)}, "were not gathered"),
        ({A: np.ones((2, 4, 3, 3), F32), B: np.ones((3, 2, 3, 3), F32)}, "B must have kernel 1"),
        ({A: np.ones((2, 4, 3, 3), F32), B: np.ones((3, 2), F32)}, "no factors of a linear layer"),
        ({"base_model.model.x.weight": np.ones((2, 2), F32)}, "no LoRA factors among its 1 tensors"),
        ({}, "no LoRA factors among its 0 tensors"),
        ({**FACTORS, A.replace("weight", "other.weight"): FACTORS[A]}, "more than one adapter"),
        ({**FACTORS, "layers.0.q_proj.lora_A.weight": FACTORS[A]}, "more than one adapter"),
        ({**FACTORS, "x" * 3000: FACTORS[A]}, "a name of 3000 characters"),
        ({**FACTORS, "x\x1b[2J": FACTORS[A]}, "unprintable"),
    ],
)
def test_factors_that_make_no_update(tensors, reason, tmp_path):
    refused(adapter(tmp_path, tensors=tensors), f"(?s){reason}")


STEM = "base_model.model.layers.0.q_proj"


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({f"{STEM}.lora_magnitude_vector": np.ones(3, F32)}, "DoRA"),
        ({f"{STEM}.lora_magnitude_vector.weight": np.ones(3, F32)}, "DoRA"),
        ({f"{STEM}.lora_E": np.ones((2, 1), F32)}, "AdaLoRA"),
        ({f"{STEM}.lora_diag": np.ones(2, F32)}, "KaSA"),
        ({f"{STEM}.lora_C.weight": np.ones((2, 2), F32)}, "the tensor lora_C"),
        ({A: np.ones((4, 4), F32), B: np.ones((6, 2, 1), F32)}, "MergedLinear"),
        ({A: np.ones((4, 4, 3, 3), F32), B: np.ones((6, 2, 1, 1), F32)}, "convolution in groups"),
    ],
)
def test_tensor_of_a_variant_is_refused_though_the_config_is_silent(tensors, reason, tmp_path):
    refused(adapter(tmp_path, tensors={**FACTORS, **tensors}), reason, kind=UnsupportedAdapterError)


def test_factor_of_an_unreadable_type_is_refused(tmp_path):
    folder = adapter(tmp_path, tensors={**FACTORS, A: np.ones((2, 4), np.int8)})
    refused(folder, "stored as I8", kind=UnsupportedAdapterError)


@pytest.mark.parametrize(("count", "amount"), [(1, "1 of 8"), (8, "all 8")])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted(value, count, amount, tmp_path):
    factor = np.ones(8, F32)
    factor[:count] = value
    folder = adapter(tmp_path, tensors={**FACTORS, A: factor.reshape(2, 4)})
    assert len(read_adapter(folder).updates) == 1  # found when the factor is read, not before
    refused(folder, f"lora_A.weight' holds NaN or Inf in {amount} entries")


def test_large_but_finite_values_are_valid(tmp_path):
    """Their sum overflows float32: the fast check must not be the last word."""
    folder = adapter(tmp_path, tensors={**FACTORS, A: np.full((2, 4), 3e38, F32)})
    np.testing.assert_array_equal(read_adapter(folder).updates[0].lowrank.A, np.full((2, 4), 3e38, F32))


def test_zero_b_is_a_valid_update_of_zero(tmp_path):
    folder = adapter(tmp_path, tensors={**FACTORS, B: np.zeros((3, 2), F32)})
    assert read_adapter(folder).updates[0].lowrank.norm() == 0


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("base_model.model.classifier.weight", "modules_to_save"),
        ("base_model.model.classifier.modules_to_save.default.weight", "modules_to_save"),
        ("base_model.model.classifier.original_module.weight", "original_module"),
        ("base_model.model.value_head.weight", "modules_to_save"),
        ("base_model.model.value_head.lora_A.weight", "modules_to_save"),
        ("base_model.model.layers.0.norm.bias", "bias"),
        ("base_model.model.layers.0.q_proj.lora_B.bias", "lora_bias"),
        ("base_model.model.layers.0.q_proj.lora_B.default.bias", "lora_bias"),
        ("base_model.model.model.embed_tokens.weight", "embedding"),
        ("base_model.model.model.embed_tokens.base_layer.weight", "embedding"),
        ("base_model.model.lm_head.weight", "embedding"),
        ("base_model.model.embed.token_adapter.trainable_tokens_delta", "trainable_tokens"),
        ("base_model.model.layers.0.q_proj.base_layer.weight", "base_layer"),
        ("base_model.model.layers.0.norm.weight", "other"),
    ],
)
def test_tensor_beside_the_factors_is_kept_apart_and_reported(key, kind, tmp_path):
    config = {**CONFIG, "modules_to_save": ["value_head"]}
    read = read_adapter(adapter(tmp_path, config, {**FACTORS, key: np.ones(3, F32)}))
    (extra,) = read.extras
    assert (extra.name, extra.kind, extra.shape) == (key.removeprefix("base_model.model."), kind, (3,))
    assert len(read.updates) == len(read.notes) == 1
    assert bool(read.warnings) == (kind in ("other", "base_layer") or "lora_A" in key)


@pytest.mark.parametrize(
    "rename",
    [
        lambda key: key.removeprefix("base_model.model."),
        lambda key: f"base_model.model.base_model.model.{key}",
        lambda key: key.replace(".weight", ".default.weight"),
        lambda key: key.replace(".weight", ".default"),
    ],
)
def test_spelling_of_the_key_does_not_matter(rename, tmp_path):
    read = read_adapter(adapter(tmp_path, tensors={rename(key): value for key, value in FACTORS.items()}))
    assert [(u.name, u.layer, u.side) for u in read.updates] == [("layers.0.q_proj", 0, "read")]


# --- safetensors files that lie --------------------------------------------------------------------------------


def raw(header: Any, data: bytes = b"", *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def tensor(shape: Any = (2,), offsets: Any = (0, 8), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "0 bytes, too few"),
        (b"1234567", "7 bytes, too few"),
        (raw({"x": tensor()}, bytes(8), length=10**11), "claims 100000000000 bytes"),
        (raw({"x": tensor()}, bytes(8), length=2**64 - 1), "claims"),
        (raw({"x": tensor()}, bytes(8))[:20], "truncated or not safetensors"),
        (raw({"x": tensor()}, bytes(4)), "describes 8 bytes of tensors but 4 follow"),
        (raw({"x": tensor()}, bytes(12)), "describes 8 bytes of tensors but 12 follow"),
        (raw({"x": tensor([25 * 10**9], [0, 10**11])}, bytes(8)), "describes 100000000000 bytes"),
        (raw({"x": tensor([2**40, 2**40], [0, 8])}, bytes(8)), "does not take the 8 bytes"),
        (raw({"x": tensor([4], [0, 8])}, bytes(8)), "does not take"),
        (raw({"x": tensor(), "y": tensor()}, bytes(8)), "overlaps"),
        (raw({"x": tensor(), "y": tensor(offsets=[12, 20])}, bytes(20)), "leaves a hole"),
        (raw({"x": tensor(offsets=[8, 0])}, bytes(8)), "does not take the -8 bytes"),
        (raw({"x": tensor(offsets=[-8, 0])}, bytes(8)), "no valid data_offsets"),
        (raw({"x": tensor(offsets=[0, 8.0])}, bytes(8)), "no valid data_offsets"),
        (raw({"x": tensor(offsets=[0])}, bytes(8)), "no valid data_offsets"),
        (raw({"x": tensor([-2])}, bytes(8)), "no valid shape"),
        (raw({"x": tensor([True, 2])}, bytes(8)), "no valid shape"),
        (raw({"x": tensor([2.0])}, bytes(8)), "no valid shape"),
        (raw({"x": tensor("2")}, bytes(8)), "no valid shape"),
        (raw({"x": tensor([1] * 1000)}, bytes(8)), "no valid shape"),
        (raw({"x": tensor(dtype="F31")}, bytes(8)), "unknown type 'F31'"),
        (raw({"x": tensor(dtype=["F32"])}, bytes(8)), "unknown type"),
        (raw({"x": 3}, bytes(8)), "no header entry but int"),
        (raw({"x": tensor(), "__metadata__": {"a": 1}}, bytes(8)), "__metadata__ must map text to text"),
        (raw(b'{"x": 1, "x": 2}'), "key 'x' twice"),
        (raw(b"[]"), "must hold a JSON object"),
        (raw(b"\xff\xfe"), "not UTF-8"),
        (raw(b"{"), "not valid JSON"),
        (raw(b'{"a":' * 100_000), "too deeply"),
        (raw({"\ud800": tensor()}, bytes(8)), "unprintable"),
    ],
)
def test_safetensors_file_that_lies_is_refused(content, reason, tmp_path):
    folder = adapter(tmp_path)
    (folder / "adapter_model.safetensors").write_bytes(content)
    refused(folder, reason)


def test_file_that_shrinks_after_it_was_opened(tmp_path):
    read = read_adapter(adapter(tmp_path))
    content = read.weights.read_bytes()
    read.weights.write_bytes(content[:-4])
    with pytest.raises(AdapterError, match="changed while it was read"):
        _ = read.updates[0].lowrank
    read.weights.unlink()
    for action in (lambda: read.updates[0].lowrank, lambda: read.sha256):
        with pytest.raises(AdapterError, match="No such file"):
            action()


# --- pickles ---------------------------------------------------------------------------------------------------


class Payload:
    """What an attacker would put into a .bin: a pickle that runs a command when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def torch_adapter(folder: Path, content: Any) -> Path:
    adapter(folder)
    (folder / "adapter_model.safetensors").unlink()
    if isinstance(content, bytes):
        (folder / "adapter_model.bin").write_bytes(content)
    else:
        torch.save(content, folder / "adapter_model.bin")
    return folder


def test_pickle_payload_is_refused_and_not_run(tmp_path):
    target = tmp_path / "created"
    tensors = {key: torch.from_numpy(value) for key, value in FACTORS.items()}
    zipped = torch_adapter(tmp_path / "zipped", {**tensors, "x": Payload(target)})
    plain = torch_adapter(tmp_path / "plain", pickle.dumps(Payload(target)))
    for folder in (zipped, plain):
        refused(folder, "pickle that asks to run code .*it was not run|it is damaged, or a pickle of something else")
        assert not target.exists()
    refused(zipped, "it was not run")
    # the control: the payload does what it says when it is loaded without protection
    pickle.loads(pickle.dumps(Payload(target)))
    assert target.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read by torch.load"),
        (b"PK\x03\x04 truncated", "cannot be read by torch.load"),
        ([1, 2], "must hold a dictionary of tensors, got list"),
        ({}, "must hold a dictionary"),
        ({"x": 3}, "no dense named tensor but int"),
        ({3: torch.ones(2)}, "no dense named tensor"),
        ({"x": torch.ones(2, 2).to_sparse()}, "no dense named tensor"),
        ({"x": torch.ones(1).expand(10**6, 10**6)}, "more than is stored"),
        ({A: torch.ones(2, 4, dtype=torch.int8), B: torch.ones(3, 2)}, "stored as int8"),
    ],
)
def test_bin_that_holds_no_adapter(content, reason, tmp_path):
    refused(torch_adapter(tmp_path, content), reason)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_bin_of_every_type_is_read(dtype, tmp_path):
    rng = torch.Generator().manual_seed(0)
    tensors = {key: torch.randn(value.shape, generator=rng).to(dtype) for key, value in FACTORS.items()}
    lowrank = read_adapter(torch_adapter(tmp_path, tensors)).updates[0].lowrank
    assert lowrank.A.dtype == (np.float64 if dtype == torch.float64 else np.float32)
    np.testing.assert_array_equal(lowrank.A, tensors[A].double().numpy())
    np.testing.assert_array_equal(lowrank.B, tensors[B].double().numpy())
