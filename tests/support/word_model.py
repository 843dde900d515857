"""A random Llama whose tokens are whole words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tiny_models


def make_word_model(folder: Path, words: Sequence[str]) -> Path:
    """Model and tokenizer: <unk> 0, <s> 1, </s> 2, then the words in order."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = ["<unk>", "<s>", "</s>", *words]
    table = Tokenizer(models.WordLevel({name: n for n, name in enumerate(names)}, unk_token="<unk>"))
    table.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=table, **special).save_pretrained(folder)
    tiny_models.tiny(hidden_size=48, max_position_embeddings=64).save_pretrained(folder)
    return folder
