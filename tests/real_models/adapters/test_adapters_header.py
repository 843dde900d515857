"""Oddities of a safetensors header are read as the reference reader reads them, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from expected_adapters import CONFIG, A, B, adapter, raw
from safetensors import SafetensorError, safe_open

from grasp_theory import AdapterError, UnsupportedAdapterError
from real_models import read_adapter
from real_models.adapters.safetensors_file import SafetensorsFile

ONE = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
HALF = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
REST = {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}
TEXT = json.dumps({"a": ONE})


def written(folder: Path, header: bytes | dict, data: int = 16) -> Path:
    path = folder / "x.safetensors"
    path.write_bytes(raw(header, bytes(data)))
    return path


def empty(at: int) -> dict:
    return {"dtype": "F32", "shape": [0, 3], "data_offsets": [at, at]}


READ = {
    "metadata null": {"a": ONE, "__metadata__": None},
    "metadata empty": {"a": ONE, "__metadata__": {}},
    "a tensor of no size at the end": {"a": ONE, "z": empty(16)},
    "a tensor of no size between two": {"a": HALF, "z": empty(8), "b": REST},
    "padding with spaces": TEXT.encode() + b" " * 7,
    "padding with newlines": TEXT.encode() + b"\n" * 7,
    "space first": b" " + TEXT.encode(),
    "another field": {"a": ONE | {"more": 1}},
    "no tensor of ours: float8": {"a": {"dtype": "F8_E4M3", "shape": [16], "data_offsets": [0, 16]}},
    "no tensor of ours: float4": {"a": {"dtype": "F4", "shape": [32], "data_offsets": [0, 16]}},
    "no tensor of ours: complex": {"a": {"dtype": "C64", "shape": [2], "data_offsets": [0, 16]}},
}
REFUSED = {
    "metadata with null in it": ({"a": ONE, "__metadata__": {"k": None}}, "__metadata__ must map text to text"),
    "metadata with a number": ({"a": ONE, "__metadata__": {"k": 1}}, "__metadata__ must map text to text"),
    "metadata a list": ({"a": ONE, "__metadata__": []}, "__metadata__ must map text to text"),
    "metadata false": ({"a": ONE, "__metadata__": False}, "__metadata__ must map text to text"),
    "a tensor null": ({"a": ONE, "b": None}, "'b' has no header entry"),
    "a shape null": ({"a": ONE | {"shape": None}}, "'a' has no valid shape"),
    "offsets null": ({"a": ONE | {"data_offsets": None}}, "'a' has no valid data_offsets"),
    "type null": ({"a": ONE | {"dtype": None}}, "'a' has the unknown type None"),
    "an unknown type": ({"a": ONE | {"dtype": "Q4"}}, "'a' has the unknown type 'Q4'"),
    "no size inside another": ({"a": ONE, "z": empty(8)}, "'z' overlaps"),
    "overlap": ({"a": ONE, "b": REST}, "'b' overlaps"),
    "hole": ({"a": REST}, "'a' leaves a hole"),
    "byte order mark": (b"\xef\xbb\xbf" + TEXT.encode(), "BOM"),
    "padding with zeros": (TEXT.encode() + bytes(7), "not valid JSON"),
}


def reference(path: Path) -> list[str]:
    with safe_open(path, "np") as file:
        return sorted(file.keys())


@pytest.mark.parametrize("header", READ.values(), ids=READ)
def test_header_that_the_reference_reads_is_read(header, tmp_path):
    path = written(tmp_path, header)
    assert sorted(SafetensorsFile.open(path).tensors) == reference(path)


@pytest.mark.parametrize(("header", "words"), REFUSED.values(), ids=REFUSED)
def test_header_that_the_reference_refuses_is_refused_by_name(header, words, tmp_path):
    path = written(tmp_path, header)
    with pytest.raises(SafetensorError):
        reference(path)
    with pytest.raises(AdapterError) as refusal:
        SafetensorsFile.open(path)
    assert words in str(refusal.value)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("key", ["a", "k"])
def test_header_with_a_key_twice_is_refused_though_the_reference_takes_the_last(key, tmp_path):
    twice = {"a": TEXT[:-1] + ", " + TEXT[1:], "k": TEXT[:-1] + ', "__metadata__": {"k": "1", "k": "2"}}'}[key]
    path = written(tmp_path, twice.encode())
    assert reference(path) == ["a"]
    with pytest.raises(AdapterError, match=f"gives the key '{key}' twice"):
        SafetensorsFile.open(path)


@pytest.mark.parametrize("kind", ["F8_E4M3", "F8_E5M2", "I8", "BOOL"])
def test_tensor_of_another_type_is_refused_by_its_name_when_read(kind, tmp_path):
    file = SafetensorsFile.open(written(tmp_path, {"a": {"dtype": kind, "shape": [16], "data_offsets": [0, 16]}}))
    with pytest.raises(UnsupportedAdapterError, match=f"tensor 'a' is stored as {kind}"):
        file.read("a")


@pytest.mark.parametrize("mark", [None, {}])
def test_adapter_with_null_fields_is_read_as_without_them(mark, tmp_path):
    values = [np.random.default_rng(0).standard_normal(shape).astype("<f4") for shape in ((2, 4), (3, 2))]
    header = {
        A: {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 32]},
        B: {"dtype": "F32", "shape": [3, 2], "data_offsets": [32, 56]},
        "__metadata__": mark,
    }
    fields = ["rank_pattern", "alpha_pattern", "use_rslora", "use_dora", "bias", "modules_to_save"]
    fields += ["base_model_name_or_path", "layers_to_transform", "loftq_config"]
    folder = adapter(tmp_path, CONFIG | (dict.fromkeys(fields) if mark is None else {}))
    (folder / "adapter_model.safetensors").write_bytes(raw(header, b"".join(x.tobytes() for x in values)))
    (update,) = read_adapter(folder).updates
    np.testing.assert_allclose(update.lowrank @ np.eye(4), 2 * values[1] @ values[0], rtol=1e-6)
