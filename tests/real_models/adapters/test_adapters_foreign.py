"""Adapters of MLX and diffusers: the same dW as their own arithmetic gives; other layouts refused by name.

The files are written here in exactly the layouts of those tools, and dW is computed in numpy by their own formulas.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from expected_adapters import adapter, refused
from safetensors.numpy import save_file

from grasp_theory import AdapterError, InputError, UnsupportedAdapterError, identify
from real_models import read_adapter, write_adapter
from real_models.adapters.copy import check_new_folder

F32 = np.float32


def factors(rng, d_out, d_in, r):
    return rng.standard_normal((r, d_in)).astype(F32), rng.standard_normal((d_out, r)).astype(F32)


def check(read, expected):
    """Every dW against the formula, and nothing else there."""
    assert {u.name for u in read.updates} == set(expected)
    for u in read.updates:
        np.testing.assert_allclose(u.lowrank @ np.eye(u.shape[1]), expected[u.name], rtol=1e-5, atol=1e-5)


# --- MLX -------------------------------------------------------------------------------------------------------

MLX_CONFIG = {
    "fine_tune_type": "lora",
    "model": "mlx-community/Some-Model",
    "num_layers": 2,
    "lora_parameters": {"rank": 3, "dropout": 0.0, "scale": 20.0},
}


def mlx(folder, config=None, extra=None):
    """Folder of mlx-lm and its dW: fuse() adds (scale lora_b.T) @ lora_a.T; embeddings scale lora_a @ lora_b."""
    folder.mkdir(exist_ok=True)
    config = MLX_CONFIG if config is None else config
    (folder / "adapter_config.json").write_text(json.dumps(config))
    rng, tensors, expected = np.random.default_rng(0), {}, {}
    scale = config.get("lora_parameters", {}).get("scale", 0)
    scale = scale if isinstance(scale, float) else 0
    for n in (2, 10):
        for kind, d_out, d_in in (("self_attn.q_proj", 8, 6), ("mlp.down_proj", 6, 12)):
            name = f"model.layers.{n}.{kind}"
            a, b = rng.standard_normal((d_in, 3)).astype(F32), rng.standard_normal((3, d_out)).astype(F32)
            tensors |= {f"{name}.lora_a": a, f"{name}.lora_b": b}
            expected[name] = scale * b.T @ a.T
    a, b = rng.standard_normal((30, 3)).astype(F32), rng.standard_normal((3, 6)).astype(F32)
    tensors |= {"model.embed_tokens.lora_a": a, "model.embed_tokens.lora_b": b}
    expected["model.embed_tokens"] = (scale * a @ b).T
    save_file({**tensors, **(extra or {})}, folder / "adapters.safetensors")
    return expected


def test_mlx_adapter_is_scale_times_the_turned_factors(tmp_path):
    expected = mlx(tmp_path / "a")
    read = read_adapter(tmp_path / "a")
    check(read, expected)
    assert [u.name for u in read.updates][1:3] == ["model.layers.2.mlp.down_proj", "model.layers.2.self_attn.q_proj"]
    assert (read.format, read.config.base_model_name, read.warnings) == ("mlx", "mlx-community/Some-Model", ())
    assert {(u.name.rpartition(".")[2], u.side, u.zero_start) for u in read.updates} == {
        ("q_proj", "read", "B"),
        ("down_proj", "write", "B"),
        ("embed_tokens", "write", "B"),
    }
    assert read_adapter(tmp_path / "a" / "adapters.safetensors").path == tmp_path / "a"
    stack = np.hstack([expected[n] for n in identify(read.updates).decomposition().modules])
    np.testing.assert_allclose(identify(read.updates).component(0).singular_value, np.linalg.norm(stack, 2), rtol=1e-5)


def test_mlx_adapter_written_as_peft_is_the_same_update(tmp_path):
    expected = mlx(tmp_path / "a")
    read = read_adapter(tmp_path / "a")
    again = read_adapter(write_adapter(tmp_path / "b", read.updates))
    check(again, expected)
    with pytest.raises(InputError, match="only PEFT folders are copied; write_adapter"):
        check_new_folder(tmp_path / "c", read)


def test_mlx_alpha_is_not_used_and_said(tmp_path):
    expected = mlx(tmp_path / "a", {**MLX_CONFIG, "lora_parameters": {"rank": 3, "alpha": 6, "scale": 20.0}})
    read = read_adapter(tmp_path / "a")
    check(read, expected)
    (warning,) = read.warnings
    assert "alpha 6 beside scale 20" in warning


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fine_tune_type": "dora"}, "DoRA"),
        ({"fine_tune_type": "full"}, "fine_tune_type 'full': it is no LoRA"),
        ({"lora_parameters": None}, "lora_parameters must be an object with rank and scale"),
        ({"lora_parameters": {"rank": 3}}, "lora_parameters.scale must be a number"),
        ({"lora_parameters": {"rank": "3", "scale": 1.0}}, "lora_parameters.rank must be a positive integer"),
        ({"lora_parameters": {"rank": 3, "scale": True}}, "lora_parameters.scale must be a number"),
    ],
)
def test_mlx_config_that_tells_no_update_is_refused(change, reason, tmp_path):
    config = {**MLX_CONFIG, **change}
    config["lora_parameters"] = config["lora_parameters"] or {}
    mlx(tmp_path / "a", config)
    (tmp_path / "a" / "adapter_config.json").write_text(json.dumps({**MLX_CONFIG, **change}))
    refused(tmp_path / "a", reason)


@pytest.mark.parametrize(
    ("key", "shape", "reason"),
    [
        ("model.layers.2.self_attn.q_proj.m", (8,), "DoRA"),
        ("model.layers.2.mlp.switch_mlp.up_proj.lora_b", (4, 6, 3), "experts"),
        ("model.layers.2.self_attn.v_proj.lora_a", (6, 3), "no factor B"),
    ],
)
def test_mlx_tensors_of_variants_are_refused(key, shape, reason, tmp_path):
    mlx(tmp_path / "a", extra={key: np.ones(shape, F32)})
    refused(tmp_path / "a", reason)


# --- diffusers -------------------------------------------------------------------------------------------------

SUFFIXES = {
    "peft": ("{}.lora_A.weight", "{}.lora_B.weight"),
    "0.17": ("{}.lora.down.weight", "{}.lora.up.weight"),
    "text": ("{}.lora_linear_layer.down.weight", "{}.lora_linear_layer.up.weight"),
}
UNET = [
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
    "mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0",
]


def diffusers(path, *, names=UNET, part="unet", style="peft", ranks=(4, 4), alphas=(), metadata=None, extra=None):
    """A diffusers file; returns B @ A of every module, without scaling."""
    rng, tensors, products = np.random.default_rng(1), {}, {}
    for name, r in zip(names, ranks, strict=True):
        A, B = factors(rng, 10, 7, r)
        for key, values in zip(SUFFIXES[style], (A, B), strict=True):
            tensors[key.format(f"{part}.{name}")] = values
        products[name] = B @ A
    tensors |= {f"{part}.{name}.alpha": np.array(a, F32) for name, a in zip(names, alphas, strict=False)}
    kept = None if metadata is None else {"format": "pt", "lora_adapter_metadata": json.dumps(metadata)}
    save_file({**tensors, **(extra or {})}, path, kept)
    return products


@pytest.mark.parametrize("style", SUFFIXES)
@pytest.mark.parametrize("given", ["folder", "file", "renamed file"])
def test_diffusers_file_without_alpha_has_scaling_one(style, given, tmp_path):
    file = tmp_path / ("pytorch_lora_weights.safetensors" if given != "renamed file" else "my_style.safetensors")
    products = diffusers(file, style=style)
    read = read_adapter(tmp_path if given == "folder" else file)
    check(read, products)
    assert (read.format, read.weights) == ("diffusers", file)
    assert any("stores no alpha" in w for w in read.warnings)
    assert [u.block for u in read.updates] == [n.rpartition(".attn1")[0] for n in UNET]
    assert [u.side for u in read.updates] == ["read", "write"]


def test_diffusers_alphas_scale_their_modules(tmp_path):
    products = diffusers(tmp_path / "pytorch_lora_weights.safetensors", ranks=(4, 2), alphas=(2.0, 6.0))
    read = read_adapter(tmp_path)
    check(read, {UNET[0]: 0.5 * products[UNET[0]], UNET[1]: 3 * products[UNET[1]]})
    assert read.warnings == ()


def test_diffusers_metadata_scales_as_peft_does(tmp_path):
    metadata = {
        "unet.r": 4,
        "unet.lora_alpha": 12,
        "unet.target_modules": ["to_q", "to_out.0"],
        "unet.use_rslora": False,
    }
    metadata |= {"unet.alpha_pattern": {"attn1.to_q": 8}, "unet.peft_type": "LORA", "text_encoder.lora_alpha": 99}
    products = diffusers(tmp_path / "pytorch_lora_weights.safetensors", metadata=metadata)
    read = read_adapter(tmp_path)
    check(read, {UNET[0]: 2 * products[UNET[0]], UNET[1]: 3 * products[UNET[1]]})
    assert read.warnings == ()
    diffusers(tmp_path / "pytorch_lora_weights.safetensors", metadata={**metadata, "unet.use_dora": True})
    refused(tmp_path, "DoRA", kind=UnsupportedAdapterError)
    diffusers(tmp_path / "pytorch_lora_weights.safetensors", metadata=metadata, alphas=(2.0, 6.0))
    refused(tmp_path, "alphas twice")


def test_diffusers_attention_processors_name_their_modules(tmp_path):
    rng = np.random.default_rng(2)
    A, B = factors(rng, 10, 7, 4)
    stem = "unet.up_blocks.1.attentions.0.transformer_blocks.0.attn2.processor.to_out_lora"
    save_file({f"{stem}.down.weight": A, f"{stem}.up.weight": B}, tmp_path / "pytorch_lora_weights.safetensors")
    check(read_adapter(tmp_path), {"up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_out.0": B @ A})


def test_diffusers_convolution_is_flattened(tmp_path):
    rng, name = np.random.default_rng(3), "unet.down_blocks.0.resnets.0.conv1"
    A, B = rng.standard_normal((4, 5, 3, 3)).astype(F32), rng.standard_normal((6, 4, 1, 1)).astype(F32)
    file = tmp_path / "pytorch_lora_weights.safetensors"
    save_file({f"{name}.lora.down.weight": A, f"{name}.lora.up.weight": B}, file)
    check(read_adapter(tmp_path), {name.removeprefix("unet."): B[:, :, 0, 0] @ A.reshape(4, -1)})


def test_diffusers_file_of_several_models_is_read_one_by_one(tmp_path):
    file, name = tmp_path / "pytorch_lora_weights.safetensors", "text_model.encoder.layers.0.self_attn.out_proj"
    A, B = factors(np.random.default_rng(4), 10, 7, 4)
    text = {f"text_encoder.{name}.lora_A.weight": A, f"text_encoder.{name}.lora_B.weight": B}
    products = diffusers(file, extra=text)
    refused(tmp_path, "adapts 2 models.*text_encoder, unet; choose one with name='text_encoder'", kind=AdapterError)
    refused(tmp_path, "no adapter of 'prior'; it holds text_encoder, unet", name="prior")
    check(read_adapter(tmp_path, "unet"), products)
    check(read_adapter(file, "text_encoder"), {name: B @ A})


def test_diffusers_ranks_without_alpha_tell_no_scaling(tmp_path):
    diffusers(tmp_path / "pytorch_lora_weights.safetensors", ranks=(4, 2))
    refused(tmp_path, "ranks 2, 4 but no alpha", kind=AdapterError)


# --- the others, by name ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "tool"),
    [
        ("lora_unet_down_blocks_0_attn1_to_q.lora_down.weight", "Kohya"),
        ("lora_te_text_model_encoder.alpha", "Kohya"),
        ("lora_unet_down_blocks_0_attn1_to_q.hada_w1_a", "LoHa"),
        ("lycoris_blocks_0_attn_qkv.lokr_w1", "LoKr"),
        ("lora_unet_down_blocks_0_attn1_to_k.on_input", "IA3"),
        ("lora_unet_down_blocks_0_attn1_to_k.oft_blocks", "OFT"),
        ("double_blocks.0.processor.qkv_lora1.down.weight", "XLabs"),
        ("diffusion_model.layers.0.attention.to_q.lora_A.weight", "ComfyUI"),
        ("module.decoder.layers.0.self_attention.linear_qkv.adapter.linear_in.weight", "NeMo"),
        ("layers.0.attn.q_proj.lora_a.weight", "torchtune"),
        ("params.decoder.layers.q.kernel_lora_a", "JAX"),
    ],
)
def test_other_layouts_are_refused_by_name_with_the_way_out(key, tool, tmp_path):
    save_file({key: np.ones((2, 2), F32)}, tmp_path / "my_style.safetensors")
    for place in (tmp_path / "my_style.safetensors", tmp_path):
        refused(place, f"{tool}.*load it with the tool that wrote it", kind=UnsupportedAdapterError)
    if ".lora_A." not in key:  # beside a config of peft these are peft's own names
        refused(adapter(tmp_path / "a", tensors={key: np.ones((2, 2), F32)}), tool, kind=UnsupportedAdapterError)


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("lora.gguf", "llama.cpp"),
        ("pytorch_lora_weights.bin", "diffusers"),
        ("adapters.npz", "MLX"),
        ("lit_model.pth.lora", "LitGPT"),
        ("adapter_0.pt", "torchtune"),
        ("pytorch_adapter.bin", "AdapterHub"),
    ],
)
def test_file_of_another_tool_is_refused_by_its_name(name, tool, tmp_path):
    (tmp_path / name).write_bytes(b"whatever")
    for place in (tmp_path / name, tmp_path):
        refused(place, f"{tool}.*load it with the tool that wrote it", kind=UnsupportedAdapterError)
    read_adapter(adapter(tmp_path))  # control: beside the files of peft it is no matter
