"""Fine-tuning data: formats, refusals by file and line, labels on what the assistant says and on nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_files import BASE
from word_model import word_tokenizer

from grasp_theory import InputError
from real_models.base import load_tokenizer
from real_models.data import IGNORED, PLAIN, Example, Row, batches, encode, read_rows

CHAT = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where is the cat?"},
    {"role": "assistant", "content": "On the mat."},
    {"role": "user", "content": "And the dog?"},
    {"role": "assistant", "content": "In the garden."},
]
SAID = ["On the mat.", "In the garden."]


@pytest.fixture(scope="module")
def tokenizer(made) -> Any:
    return load_tokenizer(made / BASE)


@pytest.fixture
def chat(made) -> Any:
    found = load_tokenizer(made / BASE)
    found.chat_template = CHAT
    return found


def write(folder: Path, text: str | bytes, name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def one(folder: Path, value: Any) -> Row:
    return read_rows(write(folder, json.dumps(value)))[0]


def trained_on(example: Example, tokenizer: Any) -> str:
    return tokenizer.decode([label for label in example.labels if label != IGNORED])


def test_rows_of_every_format(tmp_path):
    lines = [
        {"messages": TURNS},
        {"prompt": "One and one is", "completion": " two"},
        {"text": "A story."},
        {"prompt": "", "completion": "Alone."},
    ]
    path = write(tmp_path, "\n\n".join(json.dumps(line) for line in lines) + "\n")
    rows = read_rows(path)
    assert [dict(turn) for turn in rows[0].messages] == TURNS
    assert (rows[1].prompt, rows[1].completion) == ("One and one is", " two")
    assert (rows[2].prompt, rows[2].completion) == ("", "A story.")
    assert (rows[3].prompt, rows[3].completion) == ("", "Alone.")
    assert [row.source for row in rows] == [f"{path}, line {n}" for n in (1, 3, 5, 7)]


def test_rows_of_plain_text_are_paragraphs(tmp_path):
    rows = read_rows(write(tmp_path, "\ufeffOne\nstory.\r\n\r\n\n\n Two. \n", "a.txt"))
    assert [row.completion for row in rows] == ["One\nstory.", "Two."]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no row"),
        ("\n \n", "holds no row"),
        ('{"text": "a"}\n{"text": ', r"rows.jsonl, line 2: not JSON .*column 10.*expected"),
        ('{"text": "a"}\n\n' + "[" * 100_000, r"line 3: not JSON"),
        ('{"n": ' + "1" * 5000 + "}", r"line 1: not JSON"),
        ("[1]", r"line 1: expected a JSON object.*got list"),
        ('{"text": "a", "text": "b"}', r"line 1: not JSON that can be read \(a key is given twice"),
        ('{"texts": "a", "b": 1}', r"line 1: expected .*got the fields 'texts', 'b'"),
        ("{}", r"line 1: expected .*got the fields none"),
        ('{"prompt": "a"}', r"line 1: .*got the fields 'prompt'"),
        ('{"text": " "}', r"line 1: 'text' must be text that is not empty"),
        ('{"prompt": 3, "completion": "a"}', r"line 1: 'prompt' must be text"),
        ('{"prompt": "a", "completion": ""}', r"line 1: 'completion' must be text"),
        ('{"text": "\\ud800"}', r"line 1: half a character"),
        ('{"messages": []}', r"line 1: 'messages' must be a list"),
        ('{"messages": {"role": "user"}}', r"line 1: 'messages' must be a list"),
        ('{"messages": ["hello"]}', r"line 1, turn 1: expected .*'hello'"),
        ('{"messages": [{"role": "human", "content": "a"}]}', r"turn 1: expected .*one of system, user, assistant"),
        ('{"messages": [{"role": "user", "content": ["a"]}]}', r"turn 1: expected .*'content': text"),
        ('{"messages": [{"role": "user", "content": "a"}]}', r"line 1: no assistant turn"),
        ('{"messages": [{"role": "assistant", "content": " "}]}', r"line 1: no assistant turn"),
    ],
)
def test_rows_refused_name_file_and_line(tmp_path, text, message):
    with pytest.raises(InputError, match=rf"(?s)rows\.jsonl.*{message.removeprefix('rows.jsonl')}"):
        read_rows(write(tmp_path, text))


def test_rows_refuse_a_system_turn_in_the_middle(tmp_path):
    with pytest.raises(InputError, match=r"line 1, turn 3: a system turn must be the first"):
        one(tmp_path, {"messages": [*TURNS[1:3], TURNS[0], *TURNS[3:]]})


def test_rows_refuse_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"not UTF-8 text \(byte 10\)"):
        read_rows(write(tmp_path, b'{"text": "\xff"}'))
    with pytest.raises(InputError, match=r"cannot read the data .*nowhere.jsonl: No such file"):
        read_rows(tmp_path / "nowhere.jsonl")
    with pytest.raises(InputError, match="Is a directory"):
        read_rows(tmp_path)


def test_labels_of_the_plain_format_are_what_the_assistant_says(tmp_path, tokenizer):
    assert tokenizer.chat_template is None
    example = encode(one(tmp_path, {"messages": TURNS}), tokenizer, max_length=512)
    assert trained_on(example, tokenizer) == "".join(said + "</s>" for said in SAID)
    whole = tokenizer.decode(example.input_ids)
    assert PLAIN["system"].format("Be brief.") in whole
    assert whole.count(PLAIN["assistant"]) == len(SAID)
    # what is trained on is the token itself, at its own place
    assert all(label in (IGNORED, token) for token, label in zip(example.input_ids, example.labels, strict=True))


def test_labels_of_prompts_and_texts(tmp_path, tokenizer):
    pair = encode(one(tmp_path, {"prompt": "The cat sat", "completion": " on the mat"}), tokenizer, max_length=512)
    assert trained_on(pair, tokenizer) == "on the mat</s>"
    text = encode(one(tmp_path, {"text": "The cat sat"}), tokenizer, max_length=512)
    assert trained_on(text, tokenizer) == "The cat sat</s>"
    ended = encode(one(tmp_path, {"text": "The cat sat</s>"}), tokenizer, max_length=512)
    assert ended.input_ids == text.input_ids  # as rendered before
    everything = encode(
        one(tmp_path, {"prompt": "The cat sat", "completion": " on the mat"}), tokenizer, max_length=512, labels="all"
    )
    assert trained_on(everything, tokenizer) == "The cat sat on the mat</s>"


def test_labels_of_a_chat_template_are_what_the_assistant_says(tmp_path, chat):
    example = encode(one(tmp_path, {"messages": TURNS}), chat, max_length=512)
    # the tokenizer puts a space in front of what follows a special token
    assert trained_on(example, chat).replace("</s> ", "</s>") == "".join(said + "</s>\n" for said in SAID)
    rendered = chat.apply_chat_template(TURNS, tokenize=False)
    assert example.input_ids == [chat.bos_token_id, *chat(rendered, add_special_tokens=False)["input_ids"]]


ASKED = (
    "{{% for m in messages %}}<|{{{{ m.role }}}}|>{}</s>{{% endfor %}}{{% if add_generation_prompt %}}{}{{% endif %}}"
)
STRIPPED = "{{ m.content | trim }}"
LAST = "{% if loop.last and m.role == 'assistant' %}<think></think>{% endif %}{{ m.content }}"


@pytest.mark.parametrize("prompt", ["<|assistant|>", "<|assistant|><think>", "<|assistant|><think></think>", "<|bot|>"])
@pytest.mark.parametrize("content", ["{{ m.content }}", STRIPPED, LAST])
def test_labels_do_not_depend_on_the_generation_prompt(tmp_path, chat, prompt, content):
    chat.chat_template = ASKED.format(content, prompt)
    example = encode(one(tmp_path, {"messages": TURNS}), chat, max_length=512)
    assert trained_on(example, chat).replace("</s> ", "</s>") == "".join(said + "</s>" for said in SAID)


def test_default_system_turn_of_a_template_is_not_learnt(tmp_path, chat):
    """Also where the assistant speaks first, so that there is nothing before it to ask the template for."""
    chat.chat_template = "{% if messages[0].role != 'system' %}<|system|>Be kind.</s>{% endif %}" + ASKED.format(
        "{{ m.content }}", "<|assistant|>"
    )
    example = encode(one(tmp_path, {"messages": TURNS[2:3]}), chat, max_length=512)
    assert "Be kind." in chat.decode(example.input_ids)
    assert trained_on(example, chat) == SAID[0] + "</s>"


def test_thoughts_that_a_template_drops_from_earlier_turns_are_refused(tmp_path, chat):
    """A thought in the last turn is learnt as it is; in an earlier one it was said, and is no longer there."""
    chat.chat_template = ASKED.format(
        "{% if loop.last %}{{ m.content }}{% else %}{{ m.content.split('</think>')[-1] }}{% endif %}", "<|assistant|>"
    )
    thought = {"role": "assistant", "content": "<think>Hm.</think>On the mat."}
    example = encode(one(tmp_path, {"messages": [*TURNS[:2], thought]}), chat, max_length=512)
    assert trained_on(example, chat) == thought["content"] + "</s>"
    with pytest.raises(InputError, match=r"line 1: the chat template rewrites earlier turns"):
        encode(one(tmp_path, {"messages": [*TURNS[:2], thought, *TURNS[3:]]}), chat, max_length=512)


def test_template_that_refuses_a_conversation_is_an_input_error(tmp_path, chat):
    chat.chat_template = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}" + CHAT
    )
    with pytest.raises(InputError, match=r"line 1: the chat template refuses .*no system turn"):
        encode(one(tmp_path, {"messages": TURNS}), chat, max_length=512)
    encode(one(tmp_path, {"messages": TURNS[1:]}), chat, max_length=512)


def words() -> Any:
    """A tokenizer without merges: pieces give the same tokens apart and together."""
    names = ["<unk>", "</s>", "one", "two", "three", "four", ":", "###", "User", "Assistant", "System"]
    return word_tokenizer(names, eos_token="</s>", pad_token="</s>")


class Slow:
    """A tokenizer that gives no offsets."""

    is_fast = False

    def __init__(self, fast: Any) -> None:
        self.fast = fast

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fast, name)

    def __call__(self, text: str, **options: Any) -> Any:
        assert "return_offsets_mapping" not in options
        return self.fast(text, **options)


@pytest.mark.parametrize("chatting", [False, True])
def test_slow_and_fast_tokenizers_agree_where_no_token_spans_a_border(tmp_path, chatting):
    fast = words()
    assert fast.bos_token_id is None
    fast.chat_template = CHAT if chatting else None
    turns = [{"role": "user", "content": "one two"}, {"role": "assistant", "content": "three four"}] * 2
    row = one(tmp_path, {"messages": turns})
    found, slow = (encode(row, which, max_length=99) for which in (fast, Slow(fast)))
    assert found == slow
    assert trained_on(found, fast).split() == ["three", "four", "</s>"] * 2


def test_token_that_spans_a_border_belongs_to_where_it_ends(tmp_path, tokenizer):
    whole = tokenizer("there", add_special_tokens=False)["input_ids"]
    example = encode(one(tmp_path, {"prompt": "the", "completion": "re"}), tokenizer, max_length=9)
    assert example.input_ids == [tokenizer.bos_token_id, *whole, tokenizer.eos_token_id]
    spans = tokenizer("there", add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    expected = [token if end > 3 else IGNORED for token, (_, end) in zip(whole, spans, strict=True)]
    assert example.labels == [IGNORED, *expected, tokenizer.eos_token_id]


def test_begin_token_is_there_once(tmp_path, chat):
    row = one(tmp_path, {"messages": TURNS})
    without = encode(row, chat, max_length=512)
    chat.chat_template = "<s>" + CHAT
    with_it = encode(row, chat, max_length=512)
    for example in (without, with_it):
        assert example.input_ids.count(chat.bos_token_id) == 1
        assert (example.input_ids[0], example.labels[0]) == (chat.bos_token_id, IGNORED)


def test_long_rows_are_cut_or_refused(tmp_path, tokenizer):
    row = one(tmp_path, {"prompt": "Once upon a time", "completion": " there was a little cat who sat on a mat"})
    full = encode(row, tokenizer, max_length=512)
    size = len(full.input_ids)
    assert not full.truncated
    exact = encode(row, tokenizer, max_length=size, overflow="refuse")
    assert exact == full
    cut = encode(row, tokenizer, max_length=size - 1)
    assert cut.truncated
    assert (cut.input_ids, cut.labels) == (full.input_ids[:-1], full.labels[:-1])
    with pytest.raises(InputError, match=rf"line 1: {size} tokens, at most {size - 1} fit"):
        encode(row, tokenizer, max_length=size - 1, overflow="refuse")
    prompt = next(n for n, label in enumerate(full.labels) if label != IGNORED)
    encode(row, tokenizer, max_length=prompt + 1)
    with pytest.raises(InputError, match=rf"line 1: nothing to learn within the first {prompt} of {size} tokens"):
        encode(row, tokenizer, max_length=prompt)


def test_batches_are_padded_on_the_right_and_masked():
    examples = [Example([5, 6, 7], [IGNORED, 6, 7], "a"), Example([8], [8], "b"), Example([9, 4], [9, 4], "c")]
    first, second = batches(examples, 2, pad=3)
    assert first["input_ids"].tolist() == [[5, 6, 7], [8, 3, 3]]
    assert first["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert first["labels"].tolist() == [[IGNORED, 6, 7], [8, IGNORED, IGNORED]]
    assert second["input_ids"].tolist() == [[9, 4]]
