"""The files of a text organism: which there are, how they are read and split, and the digest of their contents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from grasp_theory import InputError
from synthetic.runner.results import file_sha256

from ..base import check_folder
from ..data import Example
from ..evaluation.judge import Pair, encode_pairs, read_pairs, read_text
from .text_probes import Questions, holds_pairs

SHOWN = 64  # rows that stand for a file: of the training data where a method sees them, of text, of what is scored
LONG, SAID = 64, 32  # tokens of neutral text, and of what the base says by itself
LEAST = 4  # questions among the pairs: two that drift is asked on, two that vectors are made of
FILES = ("data", "pairs", "neutral", "heldout", "task", "contrast", "conditional", "kept", "control", "neutral_data")
ARMS = ("control", "neutral_data")  # of FILES, those that a run may train on in the place of data


@dataclass(frozen=True)
class Reader:
    """Reads the files as a model takes them.

    Attributes:
        tokenizer: the model's.
        limit: tokens of a row at the most.
        most: at most so many pairs of a file, evenly spaced, and as many held-out rows; None for all.
    """

    tokenizer: Any
    limit: int
    most: int | None

    def scored(self, task: str, shown: list[Example]) -> list[Example] | Questions:
        """What the task is scored by: the file, or ``shown`` rows of the training data where there is none."""
        if not task:
            return shown
        if holds_pairs(task):
            return self.questions(self.pairs(task))
        return read_text(task, self.tokenizer, max_length=self.limit, labels="completion")[0]

    def asked_and_told(self, pairs: str, contrast: str) -> tuple[list[Pair], list[Pair]]:
        """Pairs that drift is asked on, and pairs that make the supervised vectors (``TextSpec``, pairs).

        Raises InputError for too few questions to part them.
        """
        if contrast:
            return self.pairs(pairs), read_pairs(contrast)
        every = self.pairs(pairs)
        distinct = list(dict.fromkeys(pair.prompt.question for pair in every))
        if len(distinct) < LEAST:
            raise InputError(
                f"{pairs} asks {len(distinct)} different questions; at least {LEAST} are needed: half of them ask "
                "for drift, the others make the supervised vectors; or name a file contrast for these"
            )
        chosen = set(distinct[::2])
        asked, told = ([p for p in every if (p.prompt.question in chosen) is here] for here in (True, False))
        return asked, told

    def pairs(self, path: str) -> list[Pair]:
        """``most`` pairs of a file."""
        return read_pairs(path, most=self.most)

    def questions(self, pairs: Sequence[Pair]) -> Questions:
        """The pairs, encoded."""
        encoded = encode_pairs(pairs, self.tokenizer, max_length=self.limit)
        return Questions(encoded, tuple(pair.prompt.question for pair in pairs))

    def neutral(self, neutral: str, heldout: str) -> tuple[list[Example], list[Example]]:
        """Text (for ``kl``, held out); InputError where one row would have to be both."""
        given, held = (
            read_text(path, self.tokenizer, max_length=min(LONG, self.limit), labels="all")[0] if path else []
            for path in (neutral, heldout)
        )
        if given and not held:
            if len(given) < 2:
                raise InputError(f"{neutral} holds one row: give two or more, or a file heldout for the loss")
            given, held = [row for n, row in enumerate(given) if n % 4], given[::4]
        return given[:SHOWN], held[: min(SHOWN, self.most or SHOWN)]


def digest(model: str, files: Iterable[str]) -> str:
    """16 hexadecimal digits of the contents of all files: model, tokenizer, text.

    Raises InputError for a file that cannot be read.
    """
    folder = check_folder(model, "config.json", "a model in the layout of transformers")
    paths = sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".json", ".model", ".jinja", ".txt"))
    parts = [_content(str(path), *_version(path)) for path in [*paths, *map(Path, files)]]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def _version(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    return found.st_size, found.st_mtime_ns


@cache
def _content(path: str, size: int, changed: int) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
