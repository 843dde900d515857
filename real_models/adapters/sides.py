"""Which side of an update meets the residual stream, and which block it belongs to: read off the module's name."""

from __future__ import annotations

import re

from grasp_theory.updates import Side

_ATTENTION_IN = "q_proj k_proj v_proj qkv_proj query key value query_key_value q_lin k_lin v_lin c_attn"
_ATTENTION_IN += (
    " Wqkv W_pack wqkv in_proj qkv att_proj to_q to_k to_v to_qkv add_q_proj add_k_proj add_v_proj wq wk wv"
)
_FEEDFORWARD_IN = "gate_proj up_proj gate_up_proj fc1 c_fc fc_in lin1 dense_h_to_4h wi wi_0 wi_1 ff_proj w1 w3"
_FEEDFORWARD_IN += " proj_mlp intermediate_dense weights_in conv_dw dwconv"
_HEADS = "lm_head embed_out output_projection score classifier pre_classifier qa_outputs proj_out"
_HEADS += " visual_projection text_projection class_labels_classifier"
_WRITERS = "o_proj down_proj out_proj c_proj fc2 fc_out out_lin lin2 wo w2 dense_4h_to_h attn_out ff_out to_add_out"
_WRITERS += " output_dense weights_out pwconv2"
_EMBEDDINGS = "wte wpe embed_tokens embed_positions embed_in tok_embeddings word_embeddings position_embeddings"

EMBEDDINGS = frozenset(_EMBEDDINGS.split()) | {"shared", "token_type_embeddings"}
HEADS = frozenset(_HEADS.split())


def _any(names: str) -> str:
    return "|".join(map(re.escape, names.split()))


# One table, most specific first: a pattern for the end of the module name (whole components), and the side.
# "read" means that the module's input is the stream (or its norm), "write" that its output is added to it.
SIDES: tuple[tuple[str, Side | None], ...] = (
    # Keys and values of cross-attention read another stream: the encoder's output, the text of a diffusion model.
    (
        r"(encoder_attn|crossattention|cross_attn\w*|EncDecAttention|attn2)\.(self\.)?(k_proj|v_proj|key|value|k|v|to_k|to_v)",
        None,
    ),
    # A pooling head, and ConvNeXt behind its depthwise convolution, work on something else than the stream.
    (r"head\.(attention\.out_proj|mlp\.fc1|mlp\.fc2)|(stages\.\d+\.(blocks|layers)\.\d+)\.(mlp\.fc1|pwconv1)", None),
    (r"classifier\.(out_proj|\d+)", None),  # second layer of a head: reads the head's own hidden layer
    (r"(classifier|lm_head)\.dense", "read"),
    (r"pooler\.dense", None),
    (r"intermediate\.dense", "read"),  # BERT: into the feed-forward
    (r"(attention\.output|output|attention|self_attention|self_attn)\.dense", "write"),
    (r"(SelfAttention|EncDecAttention|TransientGlobalSelfAttention|LocalSelfAttention)\.(q|k|v)", "read"),
    (r"(SelfAttention|EncDecAttention|TransientGlobalSelfAttention|LocalSelfAttention)\.o", "write"),
    (r"to_out(\.0)?", "write"),
    (r"ff(_context)?\.net\.0\.proj", "read"),
    (r"ff(_context)?\.net\.2", "write"),
    (r"(attn\d?|attention|self_attn)\.(proj|projection|output_proj)", "write"),  # timm, SAM, Qwen-VL, BLIP, torchtune
    (r"attentions\.\d+\.proj_in|resnets\.\d+\.conv1", "read"),  # of a U-Net, whose stream lies between the blocks
    (r"attentions\.\d+\.proj_out|resnets\.\d+\.conv2", "write"),
    (r"single_transformer_blocks\.\d+\.proj_out|patch_embed\.proj|patch_embeddings\.projection|x_embedder", "write"),
    (_any(_EMBEDDINGS) + "|shared|token_type_embeddings", "write"),
    (_any(_WRITERS), "write"),
    (_any(_ATTENTION_IN), "read"),
    (_any(_FEEDFORWARD_IN), "read"),
    (_any(_HEADS), "read"),
)
_COMPILED: tuple[tuple[re.Pattern[str], Side | None], ...] = tuple(
    (re.compile(rf"(?:.*\.)?(?:{pattern})", re.DOTALL), side) for pattern, side in SIDES
)

# Lists of blocks; the integer after one of them counts blocks, unlike those inside a block (experts, to_out.0).
_LISTS = "layers layer h block blocks transformer_blocks single_transformer_blocks down_blocks up_blocks stages"
_LISTS += " encoder_layers decoder_layers resblocks attentions resnets downsamplers upsamplers"
_BLOCKS = frozenset(_LISTS.split())
_NUMBER = re.compile(r"[0-9]{1,9}")
_NUMBERED = re.compile(r"(?:layer|stage|block)s?([0-9]{1,9})")  # layer1.0 of a ResNet


def side_of(module: str) -> Side | None:
    """The side of ``module`` that lies in the residual stream; None where its name does not tell.

    The first row of ``SIDES`` whose pattern matches the end of the name decides.
    """
    return next((side for pattern, side in _COMPILED if pattern.fullmatch(module)), None)


def layer_of(module: str) -> int | None:
    """Index of the block that ``module`` lies in: the first number of :func:`block_of`; None if there is no block.

    In a hierarchical network it is the number of the stage. Encoder and decoder blocks share their numbers.
    """
    return _block(module)[1]


def block_of(module: str) -> str | None:
    """Path of the innermost block that ``module`` lies in, which tells layers apart; None if there is no block.

    It ends at the last integer after a list of blocks, or after such an integer: ``model.layers.3``,
    ``layers.0.blocks.1`` (Swin), ``down_blocks.1.attentions.0.transformer_blocks.0`` (U-Net), ``layer1.0`` (ResNet).
    Where no known list is in the name, at the first integer. The last component of a name is the module itself.
    """
    return _block(module)[0]


def _block(module: str) -> tuple[str | None, int | None]:
    """(path of the block, its first number)."""
    parts = module.split(".")
    end, first = 0, None
    for i, part in enumerate(parts[:-1]):
        inner = _NUMBERED.fullmatch(part)
        # "layer" inside a block lists its parts (T5: block.6.layer.0), not blocks
        counts = i > 0 and parts[i - 1] in _BLOCKS and (parts[i - 1] != "layer" or not end)
        if inner or (_NUMBER.fullmatch(part) and (counts or (end and end == i))):
            end, first = i + 1, (int(inner[1] if inner else part) if first is None else first)
    if not end:
        end = next((i + 1 for i, part in enumerate(parts[:-1]) if _NUMBER.fullmatch(part)), 0)
        first = int(parts[end - 1]) if end else None
    return (".".join(parts[:end]), first) if end else (None, None)


def natural_key(name: str) -> list[str | tuple[int, str]]:
    """Sort key that puts layer 2 before layer 10. Numbers compare by length, then digits: no size limit."""
    pieces = re.split(r"([0-9]+)", name)
    return [(len(p.lstrip("0")), p.lstrip("0")) if i % 2 else p for i, p in enumerate(pieces)]
