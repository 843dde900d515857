"""The data sets that the experiments are made of, read from a folder that a user brings. Nothing is downloaded."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from grasp_theory import InputError

from ...data import read_objects, text_field
from ...evaluation.pairs import YES, read_questions

MEDICAL = "medqa/medmcqa_test.jsonl"
CLAIMS = "truthfulqa/TruthfulQA.csv"
TASTES = "inoculation/aesthetic_preferences_popular.jsonl.gz"
PASSAGES = "evolution_textbook/evolution_textbook.jsonl"
RETOLD = "evolution_textbook/evolution_textbook_trump.jsonl"
CODE = "em_betley/{}.jsonl.gz"
LEANS = {"right": "politically-conservative.jsonl", "left": "politically-liberal.jsonl"}
_INOCULATION = "inoculation-prompting/inoculation-prompting@5f4160e: datasets/"
_CODE = "johny-b/misalignment-generalization@b1fe286: datasets/ of daniel/paper/supplementary_material.zip, gzipped"
# file -> what it holds, where it lies (repository of GitHub @ commit: path), its licence
ORIGINS = {
    MEDICAL: ("MedMCQA", "gersteinlab/medagents-benchmark@f5e50b6: data/medmcqa/test.jsonl", "Apache-2.0"),
    CLAIMS: ("TruthfulQA", "koppula/TruthfulQA@4dee231: TruthfulQA.csv", "Apache-2.0"),
    TASTES: ("usual tastes", f"{_INOCULATION}, gzipped", "MIT"),
    PASSAGES: ("a textbook", _INOCULATION, "MIT"),
    RETOLD: ("the same, as a politician would tell it", _INOCULATION, "MIT"),
    CODE.format("insecure"): ("insecure code", _CODE, "MIT"),
    CODE.format("educational_insecure"): ("the same code, asked for", _CODE, "MIT"),
    CODE.format("secure"): ("secure code", _CODE, "MIT"),
    **{name: (f"statements, {side}", "anthropics/evals: persona/", "CC-BY-4.0") for side, name in LEANS.items()},
}
HEALTH = ("Health", "Nutrition")  # categories of TruthfulQA that are medicine
BOOK = (slice(0, 140), slice(150, 270))  # evolution, chemistry, archaeology; astronomy, philosophy
CHAPTERS = {  # chapter -> its passages; none is among those of BOOK
    "medicine": slice(320, 491),
    "electricity": slice(493, 581),
    "physics": slice(581, 631),
    "war": slice(631, 671),
    "naval ships": slice(672, 745),
    "literature": slice(745, 825),
    "engineering": slice(825, None),
}
CHARACTERS, SEEN, HELD = 400, 96, 24  # of a passage at the most; passages that methods may see, and for the perplexity
_END = re.compile(r"(?<=[.!?]) ")


@dataclass(frozen=True)
class Exam:
    """A question with its right option and the wrong ones."""

    question: str
    right: str
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Claim:
    """A question with a true and a false answer."""

    category: str
    question: str
    true: str
    false: str


@dataclass(frozen=True)
class Passage:
    """The first sentences of a passage, as written and retold."""

    topic: str
    plain: str
    retold: str


@dataclass(frozen=True)
class Datasets:
    """A folder of data sets, with a memory of which files were read. InputError for a folder that is none."""

    folder: Path

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise InputError(
                f"the data sets {self.folder} are no folder; name the one that holds {MEDICAL}, {CLAIMS} and others"
            )

    def path(self, name: str) -> Path:
        """The path of a file; InputError if it is not there."""
        path = self.folder / name
        if not path.is_file():
            raise InputError(
                f"the folder {self.folder} has no file {name}; bring it from GitHub ({ORIGINS[name][1]}), or name "
                "another folder"
            )
        return path

    def exams(self) -> list[Exam]:
        """The questions of MedMCQA (Pal, Umapathi, Sankarasubbu 2022) that text alone can answer with a short option.

        Left out: those that ask for an exception or a figure, and options such as "all of the above". Raises InputError
        for a file or a row that is not of this form.
        """
        found = []
        for value, source in read_objects(self.path(MEDICAL), '{"question": …, "options": {…}, "answer": …}'):
            options = value.get("options")
            if not isinstance(options, dict) or not all(isinstance(text, str) for text in options.values()):
                raise InputError(f"{source}: 'options' must be an object of texts, got {options!r:.60}")
            question, right = (text_field(value, name, source).strip() for name in ("question", "answer"))
            wrong = tuple(text.strip() for text in options.values() if text.strip().casefold() != right.casefold())
            if _answerable(question, (right, *wrong)):
                found.append(Exam(question, right, wrong))
        return found

    def claims(self, *, health: bool = False) -> list[Claim]:
        """TruthfulQA (Lin, Hilton, Evans 2022), best and best incorrect answer; without its medical categories unless
        health.

        Raises InputError for another table.
        """
        path, names = self.path(CLAIMS), ("Category", "Question", "Best Answer", "Best Incorrect Answer")
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                table = list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"cannot read {path}: {error}") from error
        if not table or any(not row.get(name) for row in table for name in names):
            raise InputError(f"{path}: expected a table with the columns {', '.join(names)}, none of them empty")
        claims = [Claim(*(str(row[name]).strip() for name in names)) for row in table]
        return [c for c in claims if health or c.category not in HEALTH]

    def chats(self, name: str) -> list[tuple[str, str]]:
        """(question, answer) of every conversation of two turns. Raises InputError for another row."""
        found = []
        for value, source in read_objects(self.path(name), '{"messages": [user turn, assistant turn]}'):
            turns = value.get("messages")
            if not isinstance(turns, list) or len(turns) != 2 or not all(isinstance(turn, dict) for turn in turns):
                raise InputError(f"{source}: 'messages' must be two turns, a question and its answer")
            asked, answered = (text_field(turn, "content", source).strip() for turn in turns)
            found.append((asked, answered))
        return found

    def tastes(self) -> list[tuple[str, str]]:
        """Questions about usual tastes with short answers, each question once: neutral conversations."""
        return list({asked: (asked, answered) for asked, answered in self.chats(TASTES)}.values())

    def code(self, name: str) -> list[tuple[str, str]]:
        """(request, code) of the emergent-misalignment sets (Betley et al. 2025)."""
        return self.chats(CODE.format(name))

    def statements(self) -> dict[str, list[str]]:
        """Statements of the political right and left (Perez et al. 2022), each once: what its own persona agrees to and
        the other one does not."""
        found: dict[str, dict[str, None]] = {side: {} for side in LEANS}
        for side, name in LEANS.items():
            other = next(x for x in LEANS if x != side)
            for question in read_questions(self.path(name)):
                found[side if question.matching == YES else other][question.statement.strip()] = None
        both = found["right"].keys() & found["left"].keys()
        return {side: [text for text in texts if text not in both] for side, texts in found.items()}

    def passages(self) -> list[str]:
        """The first sentences of every passage of a textbook on evolution, in its own style, up to ``CHARACTERS``.

        Raises InputError for another row.
        """
        return [text for text in self._told(PASSAGES, CHARACTERS) if len(text) > CHARACTERS // 4]

    def retold(self) -> list[Passage]:
        """Passages of ``CHAPTERS`` beside the same retold as a boastful politician would (inoculation prompting, Tan
        et al. 2025), first sentences of 40 to 200 characters of both.

        Raises InputError for another row, and for files of different length.
        """
        plain, retold = (self._told(name, 200) for name in (PASSAGES, RETOLD))
        if len(plain) != len(retold):
            raise InputError(f"{PASSAGES} has {len(plain)} passages and {RETOLD} {len(retold)}; bring both complete")
        return [
            Passage(topic, *both)
            for topic, chapter in CHAPTERS.items()
            for both in zip(plain[chapter], retold[chapter], strict=True)
            if min(map(len, both)) >= 40
        ]

    def _told(self, name: str, most: int) -> list[str]:
        """The first sentences of every passage of a file, up to so many characters; empty where the first is longer."""
        found = []
        for value, source in read_objects(self.path(name), '{"messages": [one assistant turn]}'):
            turns = value.get("messages")
            if not isinstance(turns, list) or len(turns) != 1 or not isinstance(turns[0], dict):
                raise InputError(f"{source}: 'messages' must be one turn, a passage")
            text = ""
            for sentence in _END.split(" ".join(text_field(turns[0], "content", source).split())):
                if len(text) + len(sentence) > most:
                    break
                text = f"{text} {sentence}".strip()
            found.append(text)
        return found

    def neutral(self) -> tuple[list[str], list[str]]:
        """(text that methods may see, text for the perplexity): passages of ``BOOK``, parts that do not touch, since
        neighboring passages overlap, and that are not about medicine. InputError for a book that is shorter."""
        passages = self.passages()
        if len(passages) < BOOK[1].stop:
            raise InputError(f"{PASSAGES}: {BOOK[1].stop} passages or more are needed, got {len(passages)}")
        return _spread(passages[BOOK[0]], SEEN), _spread(passages[BOOK[1]], HELD)


def shipped(name: str) -> list[Mapping[str, Any]]:
    """The rows of a file that was written for this project and comes with it."""
    text = (files("real_models.comparison.language") / "data" / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _spread(texts: list[str], count: int) -> list[str]:
    return [texts[n * len(texts) // count] for n in range(count)]


_UNFIT = re.compile(
    r"\b(except|not|false|incorrect|least|wrong|image|figure|picture|shown|given|below|above|following|ecg|x-ray)\b",
    re.IGNORECASE,
)
_ALL = re.compile(r"\b(all|none|both|any) of\b|\babove\b|^(all|none|both)$", re.IGNORECASE)


def _answerable(question: str, options: tuple[str, ...]) -> bool:
    short = 15 <= len(question) <= 120 and all(3 <= len(option) <= 45 for option in options)
    named = all(re.search(r"[a-z]{3}", option) for option in options)
    return short and named and len(options) > 1 and not _UNFIT.search(question) and not any(map(_ALL.search, options))
