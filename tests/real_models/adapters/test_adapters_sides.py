"""Layer and side of module names of the usual architectures, and the order of names."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rotation

from grasp_theory import LowRank, Update, identify
from real_models.adapters.patterns import by_pattern
from real_models.adapters.sides import block_of, layer_of, natural_key, side_of

W, R = "write", "read"
LLAMA, GPT2, NEOX = "model.layers.17", "transformer.h.3", "gpt_neox.layers.5"
OPT, BLOOM, BERT = "model.decoder.layers.8", "transformer.h.2", "bert.encoder.layer.11"
DISTIL, T5D, UNET = (
    "distilbert.transformer.layer.4",
    "decoder.block.6",
    "down_blocks.1.attentions.0.transformer_blocks.0",
)

TABLE = [
    # Llama, Mistral, Qwen2, Gemma, Phi-3
    *[(f"{LLAMA}.self_attn.{n}", 17, R) for n in ("q_proj", "k_proj", "v_proj", "qkv_proj")],
    (f"{LLAMA}.self_attn.o_proj", 17, W),
    *[(f"{LLAMA}.mlp.{n}", 17, R) for n in ("gate_proj", "up_proj", "gate_up_proj")],
    (f"{LLAMA}.mlp.down_proj", 17, W),
    ("model.embed_tokens", None, W),
    ("lm_head", None, R),
    # a mixture of experts: the layer, not the expert
    ("model.layers.9.mlp.experts.31.down_proj", 9, W),
    ("model.layers.9.block_sparse_moe.experts.3.w1", 9, R),
    ("model.layers.9.block_sparse_moe.experts.3.w2", 9, W),
    # GPT-2, GPT-Neo, GPT-J
    (f"{GPT2}.attn.c_attn", 3, R),
    (f"{GPT2}.attn.c_proj", 3, W),
    (f"{GPT2}.mlp.c_fc", 3, R),
    (f"{GPT2}.mlp.c_proj", 3, W),
    ("transformer.wte", None, W),
    ("transformer.h.0.attn.attention.out_proj", 0, W),
    (f"{GPT2}.mlp.fc_in", 3, R),
    (f"{GPT2}.mlp.fc_out", 3, W),
    # GPT-NeoX, Pythia
    (f"{NEOX}.attention.query_key_value", 5, R),
    (f"{NEOX}.attention.dense", 5, W),
    (f"{NEOX}.mlp.dense_h_to_4h", 5, R),
    (f"{NEOX}.mlp.dense_4h_to_h", 5, W),
    ("gpt_neox.embed_in", None, W),
    ("embed_out", None, R),
    # OPT
    (f"{OPT}.self_attn.q_proj", 8, R),
    (f"{OPT}.self_attn.out_proj", 8, W),
    (f"{OPT}.fc1", 8, R),
    (f"{OPT}.fc2", 8, W),
    ("model.decoder.project_out", None, None),
    # BLOOM, Falcon, MPT, Baichuan
    (f"{BLOOM}.self_attention.query_key_value", 2, R),
    (f"{BLOOM}.self_attention.dense", 2, W),
    ("transformer.word_embeddings", None, W),
    ("transformer.blocks.4.attn.Wqkv", 4, R),
    ("model.layers.4.self_attn.W_pack", 4, R),
    # BERT, RoBERTa
    *[(f"{BERT}.attention.self.{n}", 11, R) for n in ("query", "key", "value")],
    (f"{BERT}.attention.output.dense", 11, W),
    (f"{BERT}.intermediate.dense", 11, R),
    (f"{BERT}.output.dense", 11, W),
    (f"{BERT}.crossattention.self.query", 11, R),
    (f"{BERT}.crossattention.self.key", 11, None),
    (f"{BERT}.crossattention.output.dense", 11, W),
    ("bert.embeddings.word_embeddings", None, W),
    ("bert.pooler.dense", None, None),
    ("classifier", None, R),
    ("classifier.dense", None, R),
    ("classifier.out_proj", None, None),
    ("score", None, R),
    # DistilBERT
    *[(f"{DISTIL}.attention.{n}", 4, R) for n in ("q_lin", "k_lin", "v_lin")],
    (f"{DISTIL}.attention.out_lin", 4, W),
    (f"{DISTIL}.ffn.lin1", 4, R),
    (f"{DISTIL}.ffn.lin2", 4, W),
    ("pre_classifier", None, R),
    # T5
    *[(f"{T5D}.layer.0.SelfAttention.{n}", 6, R) for n in "qkv"],
    (f"{T5D}.layer.0.SelfAttention.o", 6, W),
    (f"{T5D}.layer.1.EncDecAttention.q", 6, R),
    *[(f"{T5D}.layer.1.EncDecAttention.{n}", 6, None) for n in "kv"],
    (f"{T5D}.layer.1.EncDecAttention.o", 6, W),
    *[(f"{T5D}.layer.2.DenseReluDense.{n}", 6, R) for n in ("wi", "wi_0", "wi_1")],
    (f"{T5D}.layer.2.DenseReluDense.wo", 6, W),
    ("shared", None, W),
    # BART: the decoder's cross-attention
    ("model.decoder.layers.2.encoder_attn.q_proj", 2, R),
    ("model.decoder.layers.2.encoder_attn.k_proj", 2, None),
    ("model.decoder.layers.2.encoder_attn.v_proj", 2, None),
    ("model.decoder.layers.2.encoder_attn.out_proj", 2, W),
    # U-Net of Stable Diffusion: attn2 reads the text
    *[(f"{UNET}.attn1.{n}", 1, R) for n in ("to_q", "to_k", "to_v")],
    (f"{UNET}.attn1.to_out.0", 1, W),
    (f"{UNET}.attn2.to_q", 1, R),
    *[(f"{UNET}.attn2.{n}", 1, None) for n in ("to_k", "to_v")],
    (f"{UNET}.attn2.to_out.0", 1, W),
    (f"{UNET}.ff.net.0.proj", 1, R),
    (f"{UNET}.ff.net.2", 1, W),
    # timm ViT, CLIP and SigLIP, Whisper, ViT of transformers, DETR, SAM
    *[(f"blocks.7.{n}", 7, s) for n, s in (("attn.qkv", R), ("attn.proj", W), ("mlp.fc1", R), ("mlp.fc2", W))],
    ("patch_embed.proj", None, W),
    *[(f"vision_model.encoder.layers.4.self_attn.{n}_proj", 4, s) for n, s in (("q", R), ("out", W))],
    *[(f"text_model.encoder.layers.4.mlp.{n}", 4, s) for n, s in (("fc1", R), ("fc2", W))],
    ("visual_projection", None, R),
    *[(f"vision_model.head.{n}", None, None) for n in ("attention.out_proj", "mlp.fc1", "mlp.fc2")],
    *[(f"model.encoder.layers.1.{n}", 1, s) for n, s in (("self_attn.k_proj", R), ("self_attn.out_proj", W))],
    *[(f"model.decoder.layers.1.{n}", 1, s) for n, s in (("encoder_attn.v_proj", None), ("fc1", R), ("fc2", W))],
    ("proj_out", None, R),
    ("layers.3.attn.output_proj", 3, W),  # torchtune
    ("vit.encoder.layer.2.attention.attention.query", 2, R),
    ("vit.encoder.layer.2.attention.output.dense", 2, W),
    ("vit.embeddings.patch_embeddings.projection", None, W),
    ("class_labels_classifier", None, R),
    ("bbox_predictor.layers.0", None, None),
    *[(f"vision_encoder.layers.5.{n}", 5, s) for n, s in (("attn.qkv", R), ("attn.proj", W), ("mlp.lin2", W))],
    ("mask_decoder.transformer.layers.1.cross_attn_token_to_image.q_proj", 1, R),
    ("mask_decoder.transformer.layers.1.cross_attn_token_to_image.k_proj", 1, None),
    ("mask_decoder.transformer.layers.1.cross_attn_token_to_image.out_proj", 1, W),
    # Flux and Stable Diffusion 3: two streams; U-Net: the stream lies between blocks, and inside a transformer
    *[(f"transformer_blocks.3.attn.{n}", 3, R) for n in ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj")],
    *[(f"transformer_blocks.3.attn.{n}", 3, W) for n in ("to_out.0", "to_add_out")],
    *[(f"transformer_blocks.3.{n}.net.2", 3, W) for n in ("ff", "ff_context")],
    *[(f"transformer_blocks.3.{n}.net.0.proj", 3, R) for n in ("ff", "ff_context")],
    ("single_transformer_blocks.9.proj_mlp", 9, R),
    ("single_transformer_blocks.9.proj_out", 9, W),
    ("down_blocks.2.attentions.1.proj_in", 2, R),
    ("down_blocks.2.attentions.1.proj_out", 2, W),
    ("mid_block.resnets.0.conv1", 0, R),
    ("mid_block.resnets.0.conv2", 0, W),
    # ConvNeXt: behind the depthwise convolution is no stream
    ("stages.2.blocks.5.conv_dw", 2, R),
    ("stages.2.blocks.5.mlp.fc1", 2, None),
    ("stages.2.blocks.5.mlp.fc2", 2, W),
    ("convnext.encoder.stages.2.layers.5.pwconv2", 2, W),
    # Swin
    ("layers.1.blocks.0.mlp.fc1", 1, R),
    ("swin.encoder.layers.1.blocks.0.attention.self.query", 1, R),
    # names that tell nothing; an index in last place names a module inside a Sequential
    ("conv2d", None, None),
    ("seq.2", None, None),
    ("towers.2.lin", 2, None),
    ("xo_proj", None, None),
]


@pytest.mark.parametrize(("name", "layer", "side"), TABLE)
def test_module_name_tells_layer_and_side(name, layer, side):
    assert (layer_of(name), side_of(name)) == (layer, side)


@pytest.mark.parametrize(
    ("name", "block"),
    [
        (f"{LLAMA}.mlp.experts.31.down_proj", LLAMA),
        (f"{T5D}.layer.1.EncDecAttention.q", T5D),
        ("encoder.block.6.layer.0.SelfAttention.q", "encoder.block.6"),
        (f"{BERT}.attention.self.key", BERT),
        (f"{UNET}.attn1.to_out.0", UNET),
        ("mid_block.attentions.0.transformer_blocks.0.ff.net.2", "mid_block.attentions.0.transformer_blocks.0"),
        ("up_blocks.3.resnets.2.conv1", "up_blocks.3.resnets.2"),
        ("stages.3.blocks.2.mlp.fc2", "stages.3.blocks.2"),
        ("layers.0.blocks.1.attn.proj", "layers.0.blocks.1"),
        ("layers.1.blocks.1.attn.proj", "layers.1.blocks.1"),
        ("segformer.encoder.block.2.1.attention.self.query", "segformer.encoder.block.2.1"),
        ("layer3.12.conv2", "layer3.12"),
        ("towers.2.lin", "towers.2"),
        ("classifier", None),
        ("seq.2", None),
    ],
)
def test_block_is_the_whole_path(name, block):
    assert block_of(name) == block


def test_blocks_of_the_same_number_in_different_stages_are_different_layers():
    """Two blocks that share a direction agree; modules of one block are not compared with each other."""
    rng = np.random.default_rng(0)
    u = rotation(rng, 32, 1)

    def updates(names):
        for name in names:
            B = np.hstack([3 * u, 0.3 * rng.standard_normal((32, 15)) / np.sqrt(32)])
            dW = LowRank(B, rotation(rng, 24, 16).T)
            yield replace(Update.of(name, dW, layer=layer_of(name), side="write"), block=block_of(name))

    apart = list(updates(f"layers.{stage}.blocks.{n}.attn.proj" for stage in (0, 1) for n in (0, 1)))
    agreement = identify(apart).component(0).agreement
    assert agreement is not None
    assert agreement.pairs == 6
    np.testing.assert_allclose(identify(apart).component(0).layers, 4, rtol=0.05)
    same = list(updates(["layers.0.blocks.1.attn.proj", "layers.0.blocks.1.mlp.fc2"]))
    assert identify(same).component(0).agreement is None
    assert {u.layer for u in apart} == {0, 1}  # the number alone would have taken four blocks for two


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([f"blocks.{n}.attn.qkv" for n in range(12)], "all 12 attn.qkv"),
        (["blocks.3.mlp.fc1", "blocks.4.mlp.fc1"], "2 of 12 mlp.fc1 (blocks.3.mlp.fc1, blocks.4.mlp.fc1)"),
        (["head", *(f"blocks.{n}.mlp.fc1" for n in range(12))], "head, all 12 mlp.fc1"),
    ],
)
def test_many_names_are_told_by_what_they_are_in_their_block(names, words):
    every = ["head", *(f"blocks.{n}.{k}" for n in range(12) for k in ("attn.qkv", "mlp.fc1"))]
    assert by_pattern(names, every) == words


@given(st.lists(st.integers(0, 10**30), unique=True))
def test_natural_order_is_the_order_of_the_numbers(numbers):
    names = [f"model.layers.{n}.q_proj" for n in sorted(numbers)]
    shuffled = random.Random(0).sample(names, len(names))
    assert sorted(shuffled, key=natural_key) == names


@given(st.text(), st.text())
def test_any_two_names_can_be_ordered(a, b):
    assert sorted([a, b], key=natural_key) in ([a, b], [b, a])
    assert isinstance(layer_of(a), int | None)
    assert (block_of(a) is None) == (layer_of(a) is None)
    assert side_of(a) in ("write", "read", None)
