"""Fine-tuning data: JSON lines or plain text, rendered by the tokenizer's chat template, labels on completions only."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

from grasp_theory import InputError

from .tokens import special_tokens

ROLES = ("system", "user", "assistant")
IGNORED = -100  # label of a token that is not trained on
# Where a tokenizer has no chat template; documented in the README of what it is used for.
PLAIN = {"system": "### System:\n{}\n\n", "user": "### User:\n{}\n\n", "assistant": "### Assistant:\n"}
_CONTENTS = ("alpha", "omegi")  # two contents that no template takes apart
FORMATS = '{"messages": [{"role": …, "content": …}, …]}, {"prompt": …, "completion": …} or {"text": …}'


@dataclass(frozen=True)
class Row:
    """One example: a conversation, a prompt with its completion, or a text.

    Attributes:
        source: file and line.
    """

    source: str
    messages: tuple[Mapping[str, str], ...] = ()
    prompt: str = ""
    completion: str = ""


@dataclass(frozen=True)
class Example:
    """Token ids, and labels that are IGNORED where nothing is to be learnt.

    Attributes:
        truncated: it was longer than allowed.
    """

    input_ids: list[int]
    labels: list[int]
    source: str
    truncated: bool = False


def read_rows(path: str | Path) -> list[Row]:
    """The rows of a JSON-lines file (``FORMATS``; .gz: packed), or of a .txt file (a row for each paragraph).

    Raises InputError naming file and line for what is malformed: no JSON, no known fields, roles that are unknown or
    out of order, a conversation without an assistant turn, an empty file.
    """
    path = Path(path)
    if path.suffix == ".txt":
        text = _read(path)
        rows = [Row(f"{path}, paragraph {n + 1}", completion=p) for n, p in enumerate(_paragraphs(text))]
    else:
        rows = [_row(value, source) for value, source in read_objects(path, FORMATS)]
    if not rows:
        raise InputError(f"the data {path} holds no row; expected one JSON object a line: {FORMATS}")
    return rows


def read_objects(path: Path, expected: str) -> list[tuple[dict[str, Any], str]]:
    """The objects of a JSON-lines file, each with its file and line.

    Args:
        expected: their fields, for the errors.
    """
    lines = enumerate(_read(path).split("\n"), start=1)
    return [_object(line, f"{path}, line {n}", expected) for n, line in lines if line.strip()]


def _read(path: Path) -> str:
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                return file.read().decode("utf-8-sig")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read the data {path}: {why}; name a file of JSON lines or text") from error
    except UnicodeDecodeError as error:
        raise InputError(f"the data {path} is not UTF-8 text (byte {error.start}); convert it first") from error


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n\n") if part.strip()]


def _object(line: str, source: str, expected: str) -> tuple[dict[str, Any], str]:
    try:
        value = json.loads(line, object_pairs_hook=_pairs)
    except json.JSONDecodeError as error:
        raise InputError(f"{source}: not JSON ({error.msg} at column {error.colno}); expected {expected}") from error
    except (ValueError, RecursionError) as error:  # a key twice, a number of thousands of digits, or of brackets
        raise InputError(f"{source}: not JSON that can be read ({error}); expected {expected}") from error
    if not isinstance(value, dict):
        raise InputError(f"{source}: expected a JSON object, {expected}, got {type(value).__name__}")
    return value, source


def _pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values under one key JSON would take the last, and lose the other."""
    found = dict(items)
    if len(found) < len(items):
        raise ValueError(f"a key is given twice among {', '.join(repr(key) for key, _ in items)}")
    return found


def _row(value: Mapping[str, Any], source: str) -> Row:
    if "messages" in value:
        return Row(source, messages=_messages(value["messages"], source))
    if "text" in value:
        return Row(source, completion=text_field(value, "text", source))
    if "prompt" in value and "completion" in value:
        return Row(
            source, prompt=text_field(value, "prompt", source), completion=text_field(value, "completion", source)
        )
    raise InputError(f"{source}: expected {FORMATS}, got the fields {', '.join(map(repr, value)) or 'none'}")


def text_field(value: Mapping[str, Any], key: str, source: str) -> str:
    """A field that must be text, and but for a prompt not empty. Raises InputError otherwise."""
    if not isinstance(value.get(key), str) or (key != "prompt" and not value[key].strip()):
        raise InputError(f"{source}: {key!r} must be text that is not empty, got {value.get(key)!r:.60}")
    return _encodable(value[key], source)


def _encodable(text: str, source: str) -> str:
    """JSON can escape half of a character (a lone surrogate), which no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{source}: half a character ({text[error.start]!a}) in the text; repair the file") from error
    return text


def _messages(value: Any, source: str) -> tuple[Mapping[str, str], ...]:
    if not isinstance(value, list) or not value:
        raise InputError(f"{source}: 'messages' must be a list of turns that is not empty")
    turns = []
    for n, turn in enumerate(value):
        role = turn.get("role") if isinstance(turn, dict) else None
        if role not in ROLES or not isinstance(turn.get("content"), str):
            raise InputError(
                f"{source}, turn {n + 1}: expected {{'role': one of {', '.join(ROLES)}, 'content': text}}, got "
                f"{turn!r:.80}"
            )
        if role == "system" and n:
            raise InputError(f"{source}, turn {n + 1}: a system turn must be the first")
        turns.append({"role": role, "content": _encodable(turn["content"], source)})
    if not any(turn["role"] == "assistant" and turn["content"].strip() for turn in turns):
        raise InputError(f"{source}: no assistant turn, so there is nothing to learn from this row")
    return tuple(turns)


def render(row: Row, tokenizer: Any) -> list[tuple[str, bool]]:
    """The text of a row in pieces, each with whether it is trained on: what the assistant says, with its end token.

    Conversations by the tokenizer's chat template, or in the plain format ``PLAIN`` where it has none.
    """
    end = tokenizer.eos_token or ""
    if not row.messages:
        said = (_ended(row.completion, end), True)
        return [(row.prompt, False), said] if row.prompt else [said]
    if getattr(tokenizer, "chat_template", None):
        return _templated(row, tokenizer)
    pieces: list[tuple[str, bool]] = []
    for turn in row.messages:
        if turn["role"] == "assistant":
            pieces += [(PLAIN["assistant"], False), (_ended(turn["content"], end), True)]
        else:
            pieces.append((PLAIN[turn["role"]].format(turn["content"]), False))
    return pieces


def _ended(text: str, end: str) -> str:
    """With the end token, once: data that were rendered before have it already."""
    return text.removesuffix(end) + end


def _templated(row: Row, tokenizer: Any) -> list[tuple[str, bool]]:
    """The conversation up to its last assistant turn, as the template writes it.

    Where a turn begins and ends is asked of the template (:func:`_span`), not of its generation prompt: that may end
    in a thought, or begin the turn otherwise than a finished one.
    """
    last = max(n for n, turn in enumerate(row.messages) if turn["role"] == "assistant")
    turns = [dict(turn) for turn in row.messages[: last + 1]]
    whole = _written(row, tokenizer, turns)
    pieces, done = [], 0
    for n, turn in enumerate(turns):
        if turn["role"] != "assistant":
            continue
        begin, end = _span(row, tokenizer, turns, n)
        if n < last:  # as it was said, and with no more behind it than there was then
            then = turns[: n + 1]
            first, stop = _span(row, tokenizer, then, n)
            said = _written(row, tokenizer, then)
            if said[first:stop] != whole[begin:end]:
                raise _rewritten(row, n)
            tail = _shared(said[stop:], whole[end:])
        else:
            tail = whole[end:]
        if begin < done:
            raise _rewritten(row, n)
        pieces += [(whole[done:begin], False), (whole[begin:end] + tail, True)]
        done = end + len(tail)
    return pieces


def _written(row: Row, tokenizer: Any, turns: Sequence[Mapping[str, str]], *, ask: bool = False) -> str:
    try:
        return tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=ask)
    except Exception as error:  # templates raise whatever they like
        raise InputError(f"{row.source}: the chat template refuses this conversation ({error})") from error


def _span(row: Row, tokenizer: Any, turns: Sequence[Mapping[str, str]], n: int) -> tuple[int, int]:
    """Where in the written conversation turn n stands: what changes with its content, and nothing else.

    Two other contents without a common first or last character show what the template puts before and behind any. A
    template that takes a thought in the content apart may put something else there; the turn then begins where the
    generation prompt ends. InputError if it does not begin there either.
    """
    other = [_written(row, tokenizer, [*turns[:n], {**turns[n], "content": x}, *turns[n + 1 :]]) for x in _CONTENTS]
    before, behind = _shared(*other), _shared(*(text[::-1] for text in other))[::-1]
    if other[0] != before + _CONTENTS[0] + behind:
        raise _rewritten(row, n)
    whole = _written(row, tokenizer, turns)
    if not whole.startswith(before):
        before = _written(row, tokenizer, turns[:n], ask=True)
    if not (whole.startswith(before) and whole.endswith(behind) and len(before) + len(behind) <= len(whole)):
        raise _rewritten(row, n)
    return len(before), len(whole) - len(behind)


def _shared(one: str, other: str) -> str:
    """What both begin with."""
    return "".join(x for x, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _rewritten(row: Row, n: int) -> InputError:
    return InputError(
        f"{row.source}: the chat template rewrites earlier turns, or takes apart what the assistant says, so it cannot "
        f"be told which tokens of turn {n + 1} are the assistant's; split the conversation into rows with one "
        "assistant turn each"
    )


def encode(
    row: Row,
    tokenizer: Any,
    *,
    max_length: int,
    overflow: Literal["truncate", "refuse"] = "truncate",
    labels: Literal["completion", "all"] = "completion",
) -> Example:
    """Tokens and labels of a row, cut off at ``max_length``.

    Fast tokenizers see the whole text and labels follow character offsets; slow ones see piece by piece. The begin
    token is put in front if the tokenizer has one and the text does not start with it.
    Raises InputError for a row that is too long (``overflow="refuse"``) or whose assistant turns lie beyond the cut.
    """
    pieces = render(row, tokenizer)
    if labels == "all":
        pieces = [(text, True) for text, _ in pieces]
    if getattr(tokenizer, "is_fast", False):
        ids, targets = _by_offsets(pieces, tokenizer)
    else:
        ids, targets = [], []
        for text, trained in pieces:
            part = tokenizer(text, add_special_tokens=False)["input_ids"]
            ids += part
            targets += part if trained else [IGNORED] * len(part)
    begun = with_begin(ids, tokenizer)
    missing = len(begun) - len(ids)
    ids, targets = begun, [IGNORED] * missing + targets[max(0, -missing) :]
    if len(ids) > max_length and overflow == "refuse":
        raise InputError(f"{row.source}: {len(ids)} tokens, at most {max_length} fit; shorten it or truncate")
    cut = targets[:max_length]
    if all(target == IGNORED for target in cut[1:]):
        raise InputError(
            f"{row.source}: nothing to learn within the first {max_length} of {len(ids)} tokens (the prompt alone "
            "fills them); raise max_length or drop the row"
        )
    return Example(ids[:max_length], cut, row.source, len(ids) > max_length)


def with_begin(ids: Sequence[int], tokenizer: Any) -> list[int]:
    """The tokens with one begin token in front, if the tokenizer has one; templates and tokenizers may each add it."""
    begin = special_tokens(tokenizer=tokenizer).begin
    if begin is None:
        return list(ids)
    there = next((n for n, token in enumerate(ids) if token != begin), len(ids))
    return [begin, *ids[there:]]


def _by_offsets(pieces: Sequence[tuple[str, bool]], tokenizer: Any) -> tuple[list[int], list[int]]:
    whole = "".join(text for text, _ in pieces)
    found = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    ends, position = [], 0
    for text, trained in pieces:
        position += len(text)
        ends.append((position, trained))
    labels, n = [], 0
    for token, (start, end) in zip(found["input_ids"], found["offset_mapping"], strict=True):
        middle = max(start, end - 1)  # a token that spans a border belongs to where it ends
        while n < len(ends) - 1 and middle >= ends[n][0]:
            n += 1
        labels.append(token if ends[n][1] else IGNORED)
    return list(found["input_ids"]), labels


def batches(examples: Sequence[Example], size: int, *, pad: int) -> Iterator[dict[str, Any]]:
    """Right-padded batches of tensors (input_ids, attention_mask, labels), in the order given."""
    for first in range(0, len(examples), size):
        yield padded([(e.input_ids, e.labels) for e in examples[first : first + size]], pad=pad)


def padded(rows: Sequence[tuple[Sequence[int], Sequence[int]]], *, pad: int) -> dict[str, Any]:
    """One such batch, of rows (input_ids, labels)."""
    import torch

    width = max(len(ids) for ids, _ in rows)
    missing = [width - len(ids) for ids, _ in rows]
    table = {
        "input_ids": [[*ids, *[pad] * more] for (ids, _), more in zip(rows, missing, strict=True)],
        "attention_mask": [[1] * (width - more) + [0] * more for more in missing],
        "labels": [[*labels, *[IGNORED] * more] for (_, labels), more in zip(rows, missing, strict=True)],
    }
    return {name: torch.tensor(value) for name, value in table.items()}
