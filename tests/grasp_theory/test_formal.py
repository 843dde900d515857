"""The formal statements: the record fits, a changed letter loses the mark, Coq accepts them and no false variant."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grasp_theory import formal
from grasp_theory.errors import InputError
from grasp_theory.formal import build as builder
from grasp_theory.statements import find
from grasp_theory.statements.outcome import Outcome
from synthetic.runner.statements import _place

needs_coq = pytest.mark.skipif(shutil.which("coqc") is None, reason="Coq is not installed (make formal says how)")


@pytest.fixture
def copy(tmp_path) -> Path:
    for path in [*formal.FOLDER.glob("*.v"), formal.RECORD]:
        shutil.copy(path, tmp_path)
    return tmp_path


def marked(key: str, folder: Path) -> bool:
    (statement,) = find([key])
    return formal.machine_checked(key, statement.text, folder=folder) is not None


@pytest.mark.parametrize("key", formal.KEYS)
def test_record_is_of_the_present_text_and_files(key):
    """Fails after a change to either: run ``make formal``."""
    (statement,) = find([key])
    theorems = formal.machine_checked(key, statement.text)
    assert theorems, "the text or a Coq file is not the recorded one: run make formal"
    source = (formal.FOLDER / formal.file_of(key)).read_text(encoding="utf-8")
    assert source.count("\nTheorem ") == len(theorems)
    assert formal.coverage(key).covered
    assert formal.coverage(key).missing


def test_record_rests_on_the_axioms_of_the_reals_alone():
    record = formal.read_record()
    assert set(record["axioms"]) <= builder.AXIOMS
    assert set(record["statements"]) == set(formal.KEYS)


def test_no_other_statement_is_marked():
    assert not [s.key for s in find() if s.key not in formal.KEYS and formal.machine_checked(s.key, s.text)]


def test_mark_is_lost_with_the_text():
    (statement,) = find(["prior-angle"])
    changed = statement.text.replace("2 tau/beta", "3 tau/beta", 1)
    assert changed != statement.text
    assert formal.machine_checked("prior-angle", changed) is None
    indented = statement.text.replace("\n", "\n    ")  # Python 3.13 strips this from docstrings
    assert formal.machine_checked("prior-angle", indented) == formal.machine_checked("prior-angle", statement.text)


@pytest.mark.parametrize("file", ["prior_angle.v", "vectors.v"])
def test_mark_is_lost_with_the_file_or_one_it_rests_on(copy, file):
    assert marked("prior-angle", copy)
    with (copy / file).open("a", encoding="utf-8") as f:
        f.write("\n")
    assert not marked("prior-angle", copy)
    assert marked("projection-invariance", copy) == (file != "vectors.v")


def test_without_a_record_nothing_is_marked(copy):
    (copy / formal.RECORD.name).unlink()
    assert not any(marked(key, copy) for key in formal.KEYS)


def test_kept_outcome_is_of_its_record():
    """An outcome kept by ``grasp reproduce`` is not taken for one with another record, and keeps its theorems."""
    assert _place("prior-angle", False)[1]["formal"]
    assert _place("scalar-output", False)[1]["formal"] is None
    outcome = Outcome("prior-angle", "tight", "proved here", formal=("bound", "attained"))
    assert Outcome.of(json.loads(json.dumps(vars(outcome)))) == outcome
    assert replace(outcome, formal=None).formal is None


def test_assumptions_are_told_apart():
    printed = (
        "Axioms:\nA.one : forall P : Prop,\n  P\nA.two\n  : nat\nClosed under the global context\nAxioms:\n"
        "lemma is assumed to be guarded.\n"
    )
    assert builder.assumptions(printed) == [{"A.one", "A.two"}, set(), {"lemma"}]


def test_page_shows_the_definitions_that_theorems_name():
    """Not what only a comment names, nor what only other definitions that no theorem rests on do."""
    source = "(* of d *)\nDefinition a := 1.\n\nDefinition b := a.\n\nDefinition c := d.\n\nDefinition d := 2.\n\n"
    defined = formal.definitions(source)
    assert list(defined) == ["a", "b", "c", "d"]
    assert formal.used(defined, ["Theorem t : b = 1. (* and c *)"]) == ["a", "b"]


def test_without_coq_the_build_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="apt install coq"):
        builder.build()
    assert builder.main([]) == 2
    assert "apt install coq" in capsys.readouterr().err


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    """The files with what Coq made of them, all accepted, and the record that was made."""
    folder = tmp_path_factory.mktemp("formal")
    return folder, builder.build(place=folder)


@needs_coq
@pytest.mark.slow
def test_coq_accepts_every_file_and_the_record_says_so(built):
    made, record = built[1], formal.read_record()
    assert made["statements"] == record["statements"]
    assert made["axioms"] == record["axioms"]


FALSE = {  # file, what it says, what is said in its place; each is false, so no proof of it can be accepted
    "half the bound": ("posterior_angle.v", "vh v) <= tau / s.", "vh v) <= tau / s / 2."),
    "beyond the border": ("prior_angle.v", "tau < beta / 2 -> top_triple", "tau < beta -> top_triple"),
    "twice the angle": ("minimax_angle.v", "sin (asin (2 * (tau / beta)) / 2) <=", "sin (asin (2 * (tau / beta))) <="),
    "an eighth is left": ("control_contrast.v", "left_over (1 / 2) = 1 / 4", "left_over (1 / 2) = 1 / 8"),
    "another block promises less": ("old_inputs.v", "(missed V') t -> lambda <= t.", "(missed V') t -> t <= lambda."),
    "never projected": ("projection_invariance.v", "run step (project_write Q) start", "run step (fun x => x) start"),
}


@needs_coq
@pytest.mark.slow
@pytest.mark.parametrize("name", FALSE)
def test_coq_refuses_a_false_variant(built, tmp_path, name):
    """With the proof of the true one, which was accepted when all were built: the control."""
    file, true, false = FALSE[name]
    source = (built[0] / file).read_text(encoding="utf-8")
    assert source.count(true) == 1
    assert (built[0] / file).with_suffix(".vo").exists()
    shutil.copytree(built[0], tmp_path / "false")
    (tmp_path / "false" / file).write_text(source.replace(true, false), encoding="utf-8")
    with pytest.raises(builder.FormalError, match="does not accept"):
        builder.coq(file, tmp_path / "false")


@needs_coq
@pytest.mark.slow
def test_a_proof_left_out_is_refused(built, tmp_path):
    """Coq accepts the file; what its theorems rest on gives it away."""
    folder = shutil.copytree(built[0], tmp_path / "left-out")
    file = folder / "projection_invariance.v"
    source = file.read_text(encoding="utf-8")
    proof = "intro H; unfold off_left; now rewrite mul_msub, mul_assoc, H, mul_identity, msub_self. Qed."
    assert source.count(proof) == 1
    file.write_text(source.replace(proof, "Admitted."), encoding="utf-8")
    builder.coq(file.name, folder)
    with pytest.raises(builder.FormalError, match=r"rests on .*off_left_off"):
        builder.rests_on({file.name: ["write"]}, folder)
