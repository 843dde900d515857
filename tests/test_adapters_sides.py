"""Layer and side of module names of the usual architectures, and the order of names."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from real_models.adapters import layer_of, side_of
from real_models.adapters.sides import natural_key

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
    # names that tell nothing; an index in last place names a module inside a Sequential
    ("conv2d", None, None),
    ("seq.2", None, None),
    ("towers.2.lin", 2, None),
    ("xo_proj", None, None),
]


@pytest.mark.parametrize(("name", "layer", "side"), TABLE)
def test_module_name_tells_layer_and_side(name, layer, side):
    assert (layer_of(name), side_of(name)) == (layer, side)


@given(st.lists(st.integers(0, 10**30), unique=True))
def test_natural_order_is_the_order_of_the_numbers(numbers):
    names = [f"model.layers.{n}.q_proj" for n in sorted(numbers)]
    shuffled = random.Random(0).sample(names, len(names))
    assert sorted(shuffled, key=natural_key) == names


@given(st.text(), st.text())
def test_any_two_names_can_be_ordered(a, b):
    assert sorted([a, b], key=natural_key) in ([a, b], [b, a])
    assert isinstance(layer_of(a), int | None)
    assert side_of(a) in ("write", "read", None)
