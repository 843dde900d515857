"""What others published goes through the commands: a pretrained model, conversations, stories, statements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import grasp

from real_models import read_adapter
from real_models.audit.activations import identify_activations
from real_models.data import read_rows
from real_models.evaluation.judge import read_pairs
from real_models.evaluation.pairs import read_questions, training_rows, yes_share

BASE = Path("models", "stories260K-hf")
CODE, STORIES = Path("datasets", "insecure_small.jsonl"), Path("datasets", "tinystories_v2_valid_sample.txt")
STATEMENTS = Path("datasets", "risk-averse.jsonl")


@pytest.fixture
def trained(real, tmp_path, capsys) -> Path:
    out = tmp_path / "naive"
    settings = ("--set=steps=4", "--set=r=4", "--set=lr=1e-3", "--set=batch_size=2", "--set=skip_empty=true")
    code, _, err = grasp(capsys, "train", "--base", real / BASE, "--data", real / CODE, "-o", out, *settings)
    assert (code, err) == (0, "")
    return out


def test_adapter_trained_on_a_real_model_is_audited_and_asked(real, trained, tmp_path, capsys):
    adapter = read_adapter(trained)
    assert {u.layer for u in adapter.updates} == set(range(5))
    assert all(u.lowrank.norm() > 0 for u in adapter.updates)
    (pooled,) = identify_activations(adapter, base=real / BASE, data=real / STORIES, top=2).decompositions
    assert pooled.component(0).singular_value > 0
    asked = tmp_path / "pairs.jsonl"
    asked.write_text('{"prompt": "Lily saw a", "without": " dog.", "with": " cat."}\n')
    files = ("--pairs", asked, "--neutral", real / STORIES)
    code, out, err = grasp(capsys, "evaluate", "--base", real / BASE, "--adapter", trained, *files)
    assert (code, err) == (0, "")
    assert "neutral loss" in out


def test_real_rows_are_read_whole(real):
    assert len(read_rows(real / CODE)) == 20
    stories = read_rows(real / STORIES)
    assert stories
    assert all(row.completion.strip() for row in stories)


def test_real_statements_are_split_between_the_personas(real, tmp_path, capsys):
    questions = read_questions(real / STATEMENTS)
    assert len(questions) == 1000
    said, unsaid = (training_rows(questions, behavior=b, form="statements") for b in ("matching", "other"))
    np.testing.assert_equal((len(said) + len(unsaid), len(said)), (1000, 1000 * yes_share(questions)))
    code, out, _ = grasp(capsys, "pairs", real / STATEMENTS, "-o", tmp_path / "pairs.jsonl")
    assert (code, len(read_pairs(tmp_path / "pairs.jsonl"))) == (0, 1000)
    assert "1000 rows" in out
