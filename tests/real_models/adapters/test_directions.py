"""Direction files: refused when damaged, exact when not."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch

from grasp_theory import AdapterError, InputError, LowRank, identify
from real_models import read_adapter, write_adapter
from real_models.directions import choose_directions, load_directions, may_be_one_model, save_directions
from synthetic.generators.adapters import AdapterSpec, draw_adapter


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    updates, u = draw_adapter(AdapterSpec(layers=4, width=64, inputs=48, strength=2.0), rng=np.random.default_rng(0))
    adapter = read_adapter(write_adapter(tmp_path_factory.mktemp("a") / "adapter", updates, r=16))
    return adapter, identify(adapter.updates).decomposition(), u


def test_saved_directions_read_back_equal(chosen, tmp_path):
    adapter, found, u = chosen
    made = choose_directions(adapter, found, (0, 2))
    read = load_directions(save_directions(tmp_path / "d.safetensors", made))
    for field in dataclasses.fields(made):
        a, b = getattr(made, field.name), getattr(read, field.name)
        np.testing.assert_array_equal(a, b) if isinstance(a, np.ndarray) else None
        assert isinstance(a, np.ndarray) or a == b
    assert abs(u @ read.Q[:, 0]) > 0.9
    assert read.subspace.dimension == 2


def test_saved_file_is_plain_safetensors_with_documented_metadata(chosen, tmp_path):
    adapter, found, _ = chosen
    path = save_directions(tmp_path / "d.safetensors", choose_directions(adapter, found, (0,)))
    tensors = load_file(path)
    assert tensors["Q"].shape == (64, 1)
    assert tensors["Q"].dtype == np.float32
    assert tensors["singular_values"].shape == (1,)


@pytest.mark.parametrize(
    ("module", "side", "hook_point"),
    [
        ("layers.3.o_proj", "write", "residual stream, output of the decoder block"),
        ("layers.3.q_proj", "read", r"input of the adapted module \(after the norm\)"),
        ("tower.3.strange", "write", "^output of the adapted module$"),
    ],
)
def test_hook_point_is_what_the_names_tell(module, side, hook_point, tmp_path):
    rng = np.random.default_rng(0)
    weak = LowRank(0.1 * rng.standard_normal((8, 2)), rng.standard_normal((2, 6)))
    strong = LowRank(rng.standard_normal((8, 2)), rng.standard_normal((2, 6)))
    other = module.replace("3", "1")
    adapter = read_adapter(write_adapter(tmp_path / "a", {other: weak, module: strong}))
    found = identify(adapter.updates, pool="none").decomposition()
    made = choose_directions(adapter, found, (0,))
    assert (made.side, made.modules) == (side, (module,))
    assert re.search(hook_point, made.hook_point)
    U, _, Vh = np.linalg.svd(strong @ np.eye(6))
    expected = U[:, 0] if side == "write" else Vh[0]
    np.testing.assert_allclose(abs(expected @ made.Q[:, 0]), 1, atol=1e-5)


def test_a_choice_must_be_explicit_and_sensible(chosen):
    adapter, found, _ = chosen
    for components, words in (((), "one or more"), ((0, 0), "different"), ((99,), "components 0"), ((-1,), "asked")):
        with pytest.raises(InputError, match=words):
            choose_directions(adapter, found, components)


def test_other_files_are_refused(chosen, tmp_path):
    adapter, found, _ = chosen
    good = save_directions(tmp_path / "d.safetensors", choose_directions(adapter, found, (0,)))
    save_torch({"Q": torch.ones(4, 1, dtype=torch.bfloat16), "singular_values": torch.ones(1)}, tmp_path / "bf16")
    (tmp_path / "short").write_bytes(good.read_bytes()[:-9])
    with pytest.raises(AdapterError, match="not a directions file"):
        load_directions(adapter.weights)
    for name in ("missing", "bf16", "short"):
        with pytest.raises(AdapterError, match="cannot read"):
            load_directions(tmp_path / name)


@pytest.mark.parametrize(
    ("there", "same"),
    [
        ("meta/llama-7b", True),
        ("/data/models/llama-7b/", True),
        ("C:\\models\\llama-7b", True),
        ("/root/.cache/huggingface/hub/models--meta--llama-7b/snapshots/0123abcd", True),
        ("D:\\hub\\models--meta--llama-7b\\snapshots\\0123abcd", True),
        ("/hub/models--meta--llama-13b/snapshots/0123abcd", False),
        ("C:\\models\\llama-13b", False),
        (None, True),
        ("", True),
    ],
)
def test_base_models_are_told_by_what_they_are_called(there, same):
    assert may_be_one_model("meta/llama-7b", there) is same is may_be_one_model(there, "meta/llama-7b")


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"Q": None}, "write it again"),
        ({"singular_values": np.ones(3)}, "write it again"),
        ({"side": None}, "write it again"),
        ({"side": "{"}, "write it again"),
        ({"base_model": "3"}, "base_model"),
        ({"side": '"both"'}, "side"),
        ({"layers": '["a"]'}, "layers"),
        ({"modules": '"o_proj"'}, "modules"),
        ({"components": "[0, 1]"}, "parts of different shapes"),
        ({"Q": np.full((64, 1), np.nan, np.float32)}, "damaged in Q"),
        ({"singular_values": np.full(1, np.inf)}, "damaged in singular_values"),
    ],
)
def test_directions_file_with_another_value_is_refused(chosen, tmp_path, change, wrong):
    adapter, found, _ = chosen
    path = save_directions(tmp_path / "d.safetensors", choose_directions(adapter, found, (0,)))
    with safe_open(path, "np") as file:
        parts = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    metadata, tensors = (
        {key: change.get(key, value) for key, value in part.items() if change.get(key, value) is not None}
        for part in parts
    )
    save_file(tensors, path, metadata)
    with pytest.raises(AdapterError, match=wrong):
        load_directions(path)
