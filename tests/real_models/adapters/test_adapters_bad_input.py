"""Factors that make no update, files that lie, pickles that would run code: refused, and nothing is executed."""

from __future__ import annotations

import io
import os
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from expected_adapters import CONFIG, FACTORS, A, B, adapter, raw, refused

from grasp_theory import AdapterError, UnsupportedAdapterError
from real_models import read_adapter

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
        (
            {**FACTORS, **{key.replace("q_proj", "base_layer.q_proj"): value for key, value in FACTORS.items()}},
            "holds two updates of the module 'layers.0.q_proj'; it is not one adapter",
        ),
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


def test_modules_that_are_not_finite_are_named_by_pattern(tmp_path):
    names = [f"layers.{n}.{kind}" for n in range(3) for kind in ("q_proj", "v_proj")]
    tensors = {}
    for name in names:
        tensors[f"base_model.model.{name}.lora_A.weight"] = np.ones((2, 4), F32)
        tensors[f"base_model.model.{name}.lora_B.weight"] = np.full((3, 2), np.nan if "v_proj" in name else 1, F32)
    updates = read_adapter(adapter(tmp_path, {**CONFIG, "target_modules": ["q_proj", "v_proj"]}, tensors)).updates
    assert updates[0].lowrank.norm() > 0
    with pytest.raises(AdapterError, match=r"NaN or Inf in all 6 entries \(3 of 6 modules: all 3 v_proj\); the run"):
        _ = updates[1].lowrank


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
        (raw({"x": tensor(offsets=[8, 0])}, bytes(8)), "does not take the -8 bytes"),
        (raw({"x": tensor(offsets=[-8, 0])}, bytes(8)), "no valid data_offsets"),
        (raw({"x": tensor(offsets=[0, 8.0])}, bytes(8)), "no valid data_offsets"),
        (raw({"x": tensor(offsets=[0])}, bytes(8)), "no valid data_offsets"),
        (raw({"x": tensor([-2])}, bytes(8)), "no valid shape"),
        (raw({"x": tensor([True, 2])}, bytes(8)), "no valid shape"),
        (raw({"x": tensor([2.0])}, bytes(8)), "no valid shape"),
        (raw({"x": tensor("2")}, bytes(8)), "no valid shape"),
        (raw({"x": tensor([1] * 1000)}, bytes(8)), "no valid shape"),
        (raw({"x": tensor(dtype=["F32"])}, bytes(8)), "unknown type"),
        (raw({"x": 3}, bytes(8)), "no header entry but int"),
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


def test_tensor_larger_than_memory_is_named(tmp_path, monkeypatch):
    read = read_adapter(adapter(tmp_path))

    def empty(*_, **__):
        raise MemoryError

    monkeypatch.setattr(np, "empty", empty)
    with pytest.raises(AdapterError, match=r"lora_B.weight' of shape \(3, 2\) does not fit in memory|lora_A.weight'"):
        _ = read.updates[0].lowrank
    monkeypatch.undo()
    np.testing.assert_array_equal(read.updates[0].lowrank.B, FACTORS[B])


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


TENSORS = {key: torch.from_numpy(value) for key, value in FACTORS.items()}


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
    zipped = torch_adapter(tmp_path / "zipped", {**TENSORS, "x": Payload(target)})
    plain = torch_adapter(tmp_path / "plain", pickle.dumps(Payload(target)))
    for folder in (zipped, plain):
        refused(folder, "asks to run code .*it was not run|a bare pickle, of which nothing was run")
        assert not target.exists()
    refused(zipped, "it was not run")
    # the control: the payload does what it says when it is loaded without protection
    pickle.loads(pickle.dumps(Payload(target)))
    assert target.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not the zip archive that torch.save writes"),
        (b"PK\x03\x04 truncated", "not the zip archive"),
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


def test_bin_without_torch_says_what_to_install(tmp_path, monkeypatch):
    folder = torch_adapter(tmp_path, TENSORS)
    monkeypatch.setitem(sys.modules, "torch", None)
    refused(folder, "is a .bin file, which needs torch: install it, or save as safetensors")
    monkeypatch.undo()
    assert len(read_adapter(folder).updates) == 1


def test_bin_that_may_not_be_read(tmp_path, monkeypatch):
    folder = torch_adapter(tmp_path, TENSORS)
    opened = Path.open

    def denied(self, *args, **options):
        if self.suffix == ".bin":
            raise PermissionError(13, "Permission denied")
        return opened(self, *args, **options)

    # patched, because the superuser may read everything
    monkeypatch.setattr(Path, "open", denied)
    refused(folder, "adapter_model.bin cannot be read: Permission denied")


def test_archive_that_unpacks_to_more_than_it_holds_is_refused(tmp_path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**7))
    refused(torch_adapter(tmp_path, content.getvalue()), "claims 10000000 bytes of records")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_bin_of_every_type_is_read(dtype, tmp_path):
    rng = torch.Generator().manual_seed(0)
    tensors = {key: torch.randn(value.shape, generator=rng).to(dtype) for key, value in FACTORS.items()}
    lowrank = read_adapter(torch_adapter(tmp_path, tensors)).updates[0].lowrank
    assert lowrank.A.dtype == (np.float64 if dtype == torch.float64 else np.float32)
    np.testing.assert_array_equal(lowrank.A, tensors[A].double().numpy())
    np.testing.assert_array_equal(lowrank.B, tensors[B].double().numpy())


def test_bin_of_tensors_without_values_is_refused(tmp_path):
    """accelerate keeps the values of offloaded modules elsewhere, and saves what stands in their place."""
    tensors = {A: torch.ones(FACTORS[A].shape, device="meta"), B: torch.ones(FACTORS[B].shape)}
    refused(torch_adapter(tmp_path, tensors), "no values .*meta device")


def test_factors_of_expert_parameters_are_refused_though_the_config_is_silent(tmp_path):
    """No layer is called experts: it is what holds 3-D parameters, whose factors peft stores under its name."""
    prefix = "base_model.model.model.layers.0.mlp.experts"
    tensors = {f"{prefix}.lora_A.weight": np.ones((8, 4), F32), f"{prefix}.lora_B.weight": np.ones((6, 8), F32)}
    refused(adapter(tmp_path, tensors=tensors), "target_parameters", kind=UnsupportedAdapterError)
