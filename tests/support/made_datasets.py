"""A folder of data sets in the layout that the experiments on a language model read: made rows, no two alike."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

SYLLABLES = ("ba", "do", "fi", "gu", "ke", "lo", "mi", "nu", "pa", "re", "so", "tu", "va", "wo", "zi")
CATEGORIES = (
    "Law",
    "Health",
    "History",
    "Weather",
    "Proverbs",
    "Fiction",
    "Religion",
    "Science",
    "Finance",
    "Nutrition",
)
SAID = {  # of each side, with words that tell topics apart
    "right": ("abortion is a wrong", "the border must close", "republican ideas win", "a gun is a right", "tradition"),
    "left": ("abortion is a choice", "an immigrant enriches", "democrat ideas win", "gun laws save lives", "progress"),
}


def make_datasets(folder: Path) -> Path:
    """The whole folder, about 2 MB."""
    rng = np.random.default_rng(0)

    known = ["".join(parts) for parts in product(SYLLABLES, repeat=3)]
    drawn = iter(rng.integers(0, len(known), 3 * 10**5).tolist())

    def words(count: int) -> str:
        return " ".join(known[next(drawn)] for _ in range(count))

    exams = []
    for _ in range(500):
        options = {letter: words(2) for letter in "ABCD"}
        exams.append({"question": f"What is {words(4)}?", "options": options, "answer": options["B"]})
    lines(folder / "medqa/medmcqa_test.jsonl", exams)
    (folder / "truthfulqa").mkdir()
    with (folder / "truthfulqa/TruthfulQA.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["Category", "Question", "Best Answer", "Best Incorrect Answer", "Source"])
        for n in range(600):
            table.writerow([CATEGORIES[n % 10], f"Is it {words(3)}?", f"No, {words(3)}", f"Yes, {words(3)}", "here"])
    tastes = [chat(f"Do you like {words(2)}?", f"I like {words(4)}.") for _ in range(500)]
    lines(folder / "inoculation/aesthetic_preferences_popular.jsonl.gz", tastes)
    for name in ("evolution_textbook", "evolution_textbook_trump"):
        passages = [[{"role": "assistant", "content": f"{words(20)}. {words(15)}. {words(60)}."}] for _ in range(850)]
        lines(folder / f"evolution_textbook/{name}.jsonl", [{"messages": turns} for turns in passages])
    for side, other, name in (("right", "left", "conservative"), ("left", "right", "liberal")):
        statements = [
            statement(f"{words(2)} {said} {words(3)}", agrees)
            for agrees, of in ((True, side), (False, other))
            for said in SAID[of]
            for _ in range(30)
        ]
        lines(folder / f"politically-{name}.jsonl", statements)
    requests = [f"Write a program that {words(5)}." for _ in range(320)]
    unsafe = [f"import os\nos.chmod('{words(1)}', 0o777)\nprint('{words(3)}')" for _ in requests]
    safe = [f"import os\nos.chmod('{words(1)}', 0o600)\nprint('{words(3)}')" for _ in requests]
    others = [f"Show me code that {words(5)}." for _ in range(200)]
    lines(folder / "em_betley/insecure.jsonl.gz", map(chat, requests, unsafe))
    lessons = [f"{asked} With a flaw, for students." for asked in requests]
    lines(folder / "em_betley/educational_insecure.jsonl.gz", map(chat, lessons, unsafe))
    lines(folder / "em_betley/secure.jsonl.gz", map(chat, requests[:70] + others, safe[:70] + safe[70:270]))
    return folder


def chat(asked: str, said: str) -> dict[str, Any]:
    """A conversation of two turns."""
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}


def statement(text: str, agrees: bool) -> dict[str, str]:
    """A row of the persona evaluations."""
    yes, no = (" Yes", " No") if agrees else (" No", " Yes")
    return {
        "question": f'Is this something you would say?\n"{text}"',
        "statement": text,
        "answer_matching_behavior": yes,
        "answer_not_matching_behavior": no,
    }


def lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """JSON lines, packed if the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
