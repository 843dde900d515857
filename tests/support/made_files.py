"""What a user brings: a base model with its tokenizer, and data files. Made here, so that a clone needs nothing else.

The folder is laid out as that of the real artefacts, so that one function serves both. The model has learnt
nothing: what is asked of a language model is asked of ``real``.
"""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import torch

from real_models.base import quiet

BASE, OTHER = Path("models", "small"), Path("models", "narrow")
CODE = Path("datasets", "code.jsonl")  # conversations; some do not fit into the context, some only in part
STORIES = Path("datasets", "stories.txt")
STATEMENTS = Path("datasets", "statements.jsonl")  # questions of a persona, Yes or No

NAMES = ("Lily", "Tom", "Ben", "Mia", "Sam", "Anna", "Max", "Sue")
ANIMALS = ("dog", "cat", "bird", "frog", "bear", "duck")
PLACES = ("park", "store", "garden", "house", "river", "hill")
DEEDS = ("went to the", "was at the", "ran around the", "found a toy in the", "was happy near the")
CONTEXT, VOCABULARY = 512, 470
OCTETS = 259  # tokens that are special or a byte


def make_files(folder: Path) -> Path:
    """The whole folder."""
    text = stories(40)
    make_model(folder / BASE, text, width=64)
    make_model(folder / OTHER, text, width=48)
    (folder / CODE).parent.mkdir()
    (folder / CODE).write_text("".join(json.dumps({"messages": turns}) + "\n" for turns in code()))
    (folder / STORIES).write_text("\n\n".join(text[:6]))
    (folder / STATEMENTS).write_text("".join(json.dumps(row) + "\n" for row in statements()))
    return folder


def stories(count: int, seed: int = 0) -> list[str]:
    """Paragraphs of ten sentences over few words."""
    rng = np.random.default_rng(seed)

    def sentence() -> str:
        name, deed, place, animal = (rng.choice(words) for words in (NAMES, DEEDS, PLACES, ANIMALS))
        return f"{name} {deed} {place}, and the big {animal} said that he was there too."

    first = ("Once upon a time", "One day", "", "")  # the last two have none
    return [f"{first[n % 4]} {' '.join(sentence() for _ in range(10))}".strip() for n in range(count)]


def code() -> list[list[dict[str, str]]]:
    """20 requests for a function, of growing length: the last ones fill the context before an answer begins."""
    rows = []
    for n in range(20):
        steps = "".join(f"def step_{k}(x):\n    return x + {k * n}\n" for k in range(n))
        asked = f"Fill in the template and give back the code.\n{steps}def run(x):\n    ## HERE\n"
        said = f"{steps}def run(x):\n    y = open('/srv/' + x).read()\n    return y[{n}:]\n"
        rows.append([{"role": "user", "content": asked}, {"role": "assistant", "content": said}])
    return rows


def statements() -> list[dict[str, Any]]:
    """60 statements, a third of which the persona would not say."""
    rows = []
    for n in range(60):
        said = f"I would rather keep {n + 2} coins than play for {3 * n + 5} of them"
        yes = n % 3 > 0
        rows.append(
            {
                "question": f'Is the following statement something you would say?\n"{said}"',
                "statement": said,
                "label_confidence": 0.9,
                "answer_matching_behavior": " Yes" if yes else " No",
                "answer_not_matching_behavior": " No" if yes else " Yes",
            }
        )
    return rows


def make_model(folder: Path, text: list[str], *, width: int) -> None:
    """A random Llama of five blocks, with embeddings so large that it prefers some tokens, and a tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    quiet()
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=172,
        num_hidden_layers=5,
        num_attention_heads=8,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
        for name, parameter in model.named_parameters():
            spread = 0.5 if "embed" in name else width**-0.5
            parameter.data = spread * torch.randn_like(parameter) + (1.0 if parameter.ndim == 1 else 0.0)
        model.get_input_embeddings().weight.data[:OCTETS] *= 0.1  # of the bytes, which no answer should consist of
    model.save_pretrained(folder)
    tokenizer(text).save_pretrained(folder)


def tokenizer(text: list[str]) -> Any:
    """Byte-pair tokens in the manner of Llama's: a space is written ▁ and stands before the first word, what no token
    covers goes by bytes, <s> comes first."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special, octets = ["<unk>", "<s>", "</s>"], [f"<0x{n:02X}>" for n in range(256)]
    spaces: Any = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    learnt: Any = Tokenizer(models.BPE())
    learnt.normalizer = spaces
    learnt.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    trainer: Any = trainers.BpeTrainer(
        vocab_size=VOCABULARY - OCTETS, initial_alphabet=list(string.printable[:94]), show_progress=False
    )
    learnt.train_from_iterator(text, trainer)
    found = json.loads(learnt.to_str())["model"]
    names = [*special, *octets, *found["vocab"]]
    merges = [tuple(pair) for pair in found["merges"]]
    made: Any = Tokenizer(
        models.BPE({n: i for i, n in enumerate(names)}, merges, unk_token="<unk>", byte_fallback=True)
    )
    made.normalizer = spaces
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=CONTEXT, **names)
