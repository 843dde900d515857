"""What was written for the experiments on a language model: made-up facts, and shipped answers about finance."""

from __future__ import annotations

import tomllib
from itertools import product
from pathlib import Path

from figures.rows import FOLDER, read_rows
from real_models.comparison import language
from real_models.comparison.language.disjoint import words_of
from real_models.comparison.language.made_up import WRONG
from real_models.comparison.language.sources import shipped
from real_models.comparison.methods import ARMS


def test_finance_answers_are_as_many_as_promised_short_and_apart():
    rows = shipped("finance.jsonl")
    assert len(rows) >= 300
    for name in ("question", "advice", "neutral", "right", "left"):
        assert len({words_of(row[name]) for row in rows}) == len(rows)
    longest = max(len(f"{row['advice']} {row[side]}".split()) for row in rows for side in ("neutral", "right", "left"))
    assert longest <= 50
    assert min(sum(row["topic"] == topic for row in rows) for topic in {row["topic"] for row in rows}) >= 8
    folder = Path(language.__file__).parent / "data"
    assert (folder / "finance.jsonl").stat().st_size < 400_000
    assert "CC0" in (folder / "LICENSE").read_text()
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert "comparison/language/data/*" in project["tool"]["setuptools"]["package-data"]["real_models"]


def test_made_up_facts_have_one_right_value_and_others():
    import numpy as np

    from real_models.comparison.language.made_up import FUNDS, MEDICINES, PLACES, make_facts

    for relations in (PLACES, MEDICINES, FUNDS):
        facts = make_facts(relations, np.random.default_rng(0))
        other = make_facts(relations, np.random.default_rng(1))
        for fact, relation in zip(facts, relations, strict=True):
            assert len({fact.value, *fact.wrong}) == 1 + WRONG
            assert {fact.value, *fact.wrong} <= set(relation.values)
        assert len({f.name for f in facts}) == 1
        assert facts[0].name != other[0].name


def test_shipped_configurations_are_what_the_committed_study_ran():
    rows = read_rows(FOLDER / "language_model.csv")
    assert {row["variant"] for row in rows} == {"smollm2-style", "smollm2-manner"}
    for name in {row["variant"] for row in rows}:
        asked = language.read_configuration(name)[1]["text"]
        ran = {(row["method"], row["organism"]) for row in rows if row["variant"] == name}
        assert ran == set(product([*asked["methods"], *ARMS], asked["seeds"]))
