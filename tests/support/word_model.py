"""A random Llama whose tokens are whole words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tiny_models


def word_tokenizer(words: Sequence[str], **special: str) -> Any:
    """Of these words in their order; the first is <unk>, ``special`` as for a tokenizer of transformers."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    table: Any = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    table.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=table, unk_token="<unk>", **special)


def make_word_model(folder: Path, words: Sequence[str]) -> Path:
    """Model and tokenizer: <unk> 0, <s> 1, </s> 2, then the words in order."""
    names = ["<unk>", "<s>", "</s>", *words]
    word_tokenizer(names, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    tiny_models.tiny(hidden_size=48, max_position_embeddings=64).save_pretrained(folder)
    return folder
