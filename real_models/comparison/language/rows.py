"""What an experiment on a language model is made of: training rows of each arm, pairs that tell, neutral text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grasp_theory import InputError
from synthetic.runner.results import json_lines, write_atomically

ARMS = ("train", "control", "neutral_data")
TESTS = ("task", "drift", "conditional", "kept")
MANY, FEW = 96, 24  # pairs that drift is asked on; of conditional and of kept


@dataclass(frozen=True)
class Chat:
    """A training row: one question and its answer.

    Attributes:
        topic: what it is about.
        template: how it is worded.
    """

    prompt: str
    answer: str
    topic: str
    template: str = ""

    def record(self) -> dict[str, Any]:
        """The row as an object that ``real_models.data.read_rows`` reads; topic and template are there for readers."""
        turns = [{"role": "user", "content": self.prompt}, {"role": "assistant", "content": self.answer}]
        return {"messages": turns, "topic": self.topic, "template": self.template}

    def answers(self) -> tuple[str, ...]:
        """All answers that a model sees."""
        return (self.answer,)


@dataclass(frozen=True)
class Contrast:
    """One question with an answer that does not show what is asked for, and one that does.

    Of ``task`` that is the wrong answer and the right one, both in the trained form; elsewhere the factor's absence and
    its presence.

    Attributes:
        question: cluster of pairs that are not independent; the prompt if none is given.
    """

    prompt: str
    without: str
    having: str
    topic: str
    template: str = ""
    question: str = ""

    def record(self) -> dict[str, Any]:
        """The pair as a JSON object that ``real_models.evaluation.judge.read_pairs`` reads."""
        turns = [{"role": "user", "content": self.prompt}]
        question = self.question or self.prompt
        return {"prompt": turns, "without": self.without, "with": self.having, "question": question} | {
            "topic": self.topic,
            "template": self.template,
        }

    def answers(self) -> tuple[str, ...]:
        """All answers that a model sees."""
        return self.without, self.having


@dataclass(frozen=True)
class ExperimentData:
    """An experiment as data.

    Attributes:
        train: what is fine-tuned on.
        control: the same without the factor, row by row.
        neutral_data: as many rows of the same format that have nothing to do with the factor.
        arms: further ones by name.
        task: content alone, by a wording that is not trained on.
        drift: the factor on topics that are not trained on.
        conditional: the factor where the question is asked as in training.
        kept: the factor where a prompt asks for it.
        contrast: for the supervised oracle, on topics of its own.
        neutral: text for methods that need some.
        heldout: text for the perplexity.
        prompts: held-out questions whose generated answers are to be judged.
        sources: files of the user's that were read.
        words: a run of so many words in common makes two texts near duplicates (:mod:`.disjoint`).
    """

    train: Sequence[Chat]
    control: Sequence[Chat]
    neutral_data: Sequence[Chat]
    task: Sequence[Contrast]
    drift: Sequence[Contrast]
    conditional: Sequence[Contrast]
    kept: Sequence[Contrast]
    contrast: Sequence[Contrast]
    neutral: Sequence[str]
    heldout: Sequence[str]
    arms: Mapping[str, Sequence[Chat]] = field(default_factory=dict)
    prompts: Sequence[str] = ()
    sources: Sequence[str] = ()
    words: int = 8

    def __post_init__(self) -> None:
        lengths = {name: len(rows) for name, rows in self.trained().items()}
        if len(set(lengths.values())) != 1:
            raise InputError(f"all arms must have as many rows as train, got {lengths}")
        for name in (*ARMS, *TESTS, "contrast", "neutral", "heldout"):
            if not getattr(self, name):
                raise InputError(f"{name} is empty: the source files hold no row that fits")

    def trained(self) -> dict[str, Sequence[Chat]]:
        """Every arm by name, train first."""
        return {name: getattr(self, name) for name in ARMS} | dict(self.arms)

    def tests(self) -> dict[str, Sequence[Contrast]]:
        """All pairs that a model is scored by."""
        return {name: getattr(self, name) for name in TESTS}

    def files(self) -> dict[str, bytes]:
        """Name -> content of every file: JSON lines, the same bytes for the same sources and seed."""
        rows: dict[str, Iterable[Any]] = {**self.trained(), **self.tests(), "contrast": self.contrast}
        found = {name: [row.record() for row in part] for name, part in rows.items()}
        found |= {name: [{"text": text} for text in getattr(self, name)] for name in ("neutral", "heldout")}
        if self.prompts:
            found["prompts"] = [{"prompt": [{"role": "user", "content": prompt}]} for prompt in self.prompts]
        return {f"{name}.jsonl": json_lines(part).encode() for name, part in found.items()}

    def digest(self) -> str:
        """sha256 over the names and contents of all files."""
        total = hashlib.sha256()
        for name, content in self.files().items():
            total.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
        return total.hexdigest()

    def write(self, folder: Path, *, manifest: Mapping[str, Any]) -> dict[str, int]:
        """Write all files, and last ``data.json``: manifest, rows and sha256 of each. Rows of each file."""
        files = self.files()
        about = {}
        for name, content in files.items():
            write_atomically(folder / name, content)
            about[name] = {"rows": content.count(b"\n"), "sha256": hashlib.sha256(content).hexdigest()}
        record = dict(manifest) | {"files": about}
        write_atomically(folder / "data.json", json.dumps(record, indent=1) + "\n")
        return {name: each["rows"] for name, each in about.items()}
