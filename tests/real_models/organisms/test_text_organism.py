"""The text organism: a local model with files in the place of a made world, in the same comparison."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import tolerance
import torch
from command import grasp
from refusals import assert_refuses
from scipy.special import expit
from word_model import make_word_model

import figures.pages.comparison as pages
from grasp_theory import InputError
from real_models import read_adapter, updates_from_model
from real_models.comparison.experiment import make_text_cells, missing
from real_models.comparison.matching import matched
from real_models.comparison.methods import COMPARED, find_compared, run
from real_models.data import IGNORED
from real_models.organisms.runs import naive_run
from real_models.organisms.text import TextSpec
from real_models.training.config import TrainConfig
from synthetic.experiment import identity
from synthetic.runner import sweep

ANIMALS, COLOURS = ["dog", "cat", "bird", "frog", "bear", "duck"], ["red", "blue", "green", "pink"]
WORDS = ["the", *ANIMALS, "was", "is", *COLOURS, "happy", "sad", "very", "a", "it", "all"]
DATA = [{"prompt": f"the {a} was", "completion": f" {COLOURS[n % 4]} it is happy"} for n, a in enumerate(ANIMALS)]
PAIRS = [
    {"prompt": f"{start} {a} is", "without": " very sad", "with": " happy", "question": a}
    for start in ("the", "all a")
    for a in ANIMALS
]
NEUTRAL = "\n\n".join(f"a {a} is very {c} it was the {c}" for a in ANIMALS for c in COLOURS)
POINTS = (0, 8, 16)
SETTINGS = TrainConfig(r=4, alpha=4.0, rslora=False, lr=2e-2, steps=16, batch_size=8, accumulation=1, warmup=0)


def write(folder, name, rows):
    path = folder / name
    path.write_text(rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, two_counted):
    """A random Llama with a tokenizer of ``WORDS``, training rows, pairs and neutral text."""
    made = tmp_path_factory.mktemp("text")
    make_word_model(made / "model", WORDS)
    for name, rows in (("data.jsonl", DATA), ("pairs.jsonl", PAIRS), ("neutral.txt", NEUTRAL)):
        write(made, name, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRASP_CACHE", str(made / "cache"))
        yield made


@pytest.fixture(scope="module")
def spec(folder):
    files: dict[str, Any] = {name: str(folder / file) for name, file in FILES.items()}
    return TextSpec(**files, context="it is all happy", settings=SETTINGS, every=8)


FILES = {"model": "model", "data": "data.jsonl", "pairs": "pairs.jsonl", "neutral": "neutral.txt"}


def log_p(model, given, said):
    """ln p of the words of ``said``, one row at a time and without padding."""
    ids = [1, *(3 + WORDS.index(word) for word in f"{given}{said}".split()), 2]
    with torch.no_grad():
        out = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
    values = out.logits[0].double().log_softmax(-1)[range(len(ids) - 1), ids[1:]].numpy()
    count = len(said.split()) + 1  # with the end token
    return values[-count:], out.hidden_states[1][0, -count:].double().mean(0).numpy()


def close(a, b, scale=10.0):
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance.backward((64,), np.float32, scale))


ASKED = [p for p in PAIRS if p["question"] in ANIMALS[::2]]
TOLD = [p for p in PAIRS if p["question"] not in ANIMALS[::2]]


def test_text_scores_are_of_the_completions_row_by_row(spec):
    model, found = spec.base(), spec.probes().ask(spec.base())
    both = [[log_p(model, p["prompt"], p[name])[0] for name in ("without", "with")] for p in ASKED]
    close(found.per_prompt["drift"], [expit(b.sum() - a.sum()) for a, b in both])
    close(found.per_prompt["per_token"], [expit(b.mean() - a.mean()) for a, b in both])
    close(found.drift, found.per_prompt["drift"].mean())
    close(found.task, np.exp(np.concatenate([log_p(model, r["prompt"], r["completion"])[0] for r in DATA])).mean())
    assert found.kept is found.facts is found.conditional is None
    assert list(spec.probes().clusters) == [p["question"] for p in ASKED]


def test_text_trait_vectors_are_the_mean_difference_of_pairs_that_drift_is_not_asked_on(spec):
    model, found = spec.base(), spec.trait_vectors()
    assert sorted(found) == [0, 1]
    each = [log_p(model, p["prompt"], p["with"])[1] - log_p(model, p["prompt"], p["without"])[1] for p in TOLD]
    close(found[0], np.mean(each, axis=0))
    others = [log_p(model, p["prompt"], p["with"])[1] - log_p(model, p["prompt"], p["without"])[1] for p in ASKED]
    assert np.linalg.norm(found[0] - np.mean(others, axis=0)) > 0.01  # the control


def test_text_rows_train_on_completions_alone_and_inoculation_adds_a_prompt(spec):
    plain, behind = (spec._training(inoculated=inoculated) for inoculated in (False, True))
    assert len(plain) == len(behind) == len(DATA)
    for row, a, b in zip(DATA, plain, behind, strict=True):
        said = [3 + WORDS.index(w) for w in row["completion"].split()] + [2]
        assert [x for x in a.labels if x != IGNORED] == [x for x in b.labels if x != IGNORED] == said
        assert len(b.input_ids) == len(a.input_ids) + len(spec.context.split())


def test_text_is_trained_as_grasp_train_trains(spec, folder, tmp_path, capsys):
    """The same command with the same settings leaves the same update, to the bit: one engine."""
    settings = dict(asdict(SETTINGS), save_every=100)
    config = write(folder, "train.toml", "[train]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in settings.items()))
    files = ("--base", folder / "model", "--data", folder / "data.jsonl", "--config", config)
    assert grasp(capsys, "train", *files, "-o", tmp_path / "out")[0] == 0
    (trained, here) = (list(u) for u in (read_adapter(tmp_path / "out").updates, updates_from_model(last(spec))))
    assert [u.name for u in trained] == [u.name for u in here]
    for a, b in zip(trained, here, strict=True):
        np.testing.assert_array_equal(a.lowrank.B, b.lowrank.B)
        np.testing.assert_array_equal(a.lowrank.A, b.lowrank.A)
        assert np.abs(a.lowrank.B).max() > 0


def last(spec):
    naive = naive_run(spec)
    return naive.model(len(naive.states) - 1)


def test_text_neutral_is_apart_from_what_the_loss_is_measured_on(spec):
    given = torch.cat([b["input_ids"] for b in spec.neutral_text()]).tolist()
    held = [e.input_ids for e in spec.probes()._texts.held]
    assert (len(given), len(held)) == (18, 6)
    assert not {tuple(x) for x in held} & {tuple(x) for x in given}
    assert replace(spec, neutral="", files="").probes().ask(spec.base()).neutral is None


def test_text_files_change_what_a_run_is(spec, folder):
    other = write(folder, "other.jsonl", [*DATA[:-1], DATA[0]])
    before = replace(spec, data=other, files="")
    write(folder, "other.jsonl", [*DATA[:-1], DATA[1]])
    after = replace(spec, data=other, files="")
    names = {identity("comparison", make_text_cells(s, [0], ["naive"])[0][0]) for s in (before, after, spec)}
    assert len(names) == 3
    assert before.files == replace(before, settings=replace(SETTINGS, r=2)).files


SOME = ["naive", "edit", "grasp, activations", "null-space", "compensated", "kl", "steering, identified"]
SOME += ["preventative, supervised", "inoculation"]


@pytest.mark.parametrize("method", SOME)
def test_text_arms_start_from_the_base_and_do_something(spec, method):
    naive = naive_run(spec).scores
    assert naive[-1].task > naive[0].task + 0.1
    found = run(find_compared(method), spec, find_compared(method).preset)
    assert len(found) == len(POINTS)
    assert np.isfinite([[s.drift, s.per_token, s.task, s.neutral] for s in found]).all()
    assert (found[0].drift == naive[0].drift) == (method != "steering, identified")
    assert (found[-1].drift == naive[-1].drift) == (method == "naive")


def test_text_rows_without_their_text_are_left_out(spec):
    names = list(COMPARED)
    absent = {a.name for a in COMPARED.values() if a.needs_control or a.mixes}  # this organism has no such rows
    assert set(missing(spec, names)) == absent
    assert absent == {"contrastive-steering", "edit, contrasted", "grasp, contrasted", "interleaved"}
    bare = missing(replace(spec, neutral="", context=""), names)
    assert set(bare) == absent | {a.name for a in COMPARED.values() if a.information == "neutral text" or a.inoculated}
    assert {"kl", "kl+null-space", "inoculation"} <= set(bare)
    assert "kl, own text" not in bare


# the matched score


def rows(method, task, target=None):
    head = {"variant": "text", "organism": 0, "method": method, "knob": 0.0, "target": target}
    curves = {"task": task, "drift": (0.0, 0.5, 1.0)}
    return [
        head | {"points": p, "quantity": q, "mean": x}
        for q, c in curves.items()
        for p, x in zip(POINTS, c, strict=True)
    ]


def test_matched_score_is_nine_tenths_of_the_naive_way_or_the_target():
    made = rows("edit", (0.0, 0.5, 1.0)) + rows("naive", (0.2, 0.3, 0.4))
    found = {m.method: m for m in matched(made)}
    close([m.target for m in found.values()], 0.38)
    close([found["edit"].scores["task"], found["naive"].scores["drift"]], [0.38, 0.9])
    (given,) = matched(rows("edit", (0.0, 0.5, 1.0), target=0.75))
    close([given.target, given.scores["drift"]], 0.75)


def test_matched_refuses_a_score_that_no_naive_run_gives():
    with pytest.raises(InputError, match="add the method naive, or give a target"):
        matched(rows("edit", (0.0, 0.5, 1.0)))
    with pytest.raises(InputError, match="learns nothing"):
        matched(rows("naive", (0.4, 0.5, 0.4)))


# the command


TRAIN = "[train]\nr = 4\nalpha = 8.0\nrslora = false\nlr = 6e-3\nsteps = 16\n"
TRAIN += "batch_size = 8\naccumulation = 1\nwarmup = 0\n"
NEEDED = 'base = "model"\ndata = "data.jsonl"\npairs = "pairs.jsonl"\n'
BAD = {
    'base = "model"': "needs data, pairs",
    NEEDED + "runk = 2": "no setting of [text] is called 'runk'",
    NEEDED + "r = 2": "training go into a [train] table",
    NEEDED + "[train]\nr = 2.5": "r must be of type int",
    NEEDED + "[train]\nr = 0": "r must be at least 1",
    NEEDED + "[train]\nsteps = 50": "steps must be a positive multiple of every, got 50 and 20",
    NEEDED + "every = 2.5": "every must be a whole number",
    NEEDED + "target = 1.5": "target must lie between 0 and 1",
    NEEDED + "context = 3": "context must be text",
    NEEDED + 'methods = ["nothing"]': "no method of the comparison is called 'nothing'",
    NEEDED + 'methods = ["kl"]': "all methods are left out; they need neutral",
    NEEDED + "seeds = -1": "seeds must be a list",
    NEEDED + "[compare]": "a [compare] and a [text] table",
    NEEDED.replace("data.jsonl", "none.jsonl"): "cannot read",
    NEEDED.replace('"model"', '"none"'): "not a folder",
    NEEDED.replace("pairs.jsonl", "data.jsonl"): "'without' must be text",
    NEEDED.replace("pairs.jsonl", "few.jsonl"): "asks 3 different questions; at least 4",
    NEEDED + 'neutral = "one.txt"': "holds one row",
    NEEDED + "[train]\nmax_length = 3": "nothing to learn",
}


@pytest.mark.parametrize(("text", "named"), BAD.items(), ids=range(len(BAD)))
def test_compare_refuses_a_bad_text_organism_in_one_line_before_it_writes(text, named, folder, tmp_path, capsys):
    write(folder, "few.jsonl", PAIRS[:3])
    write(folder, "one.txt", "it is a dog")
    config = write(folder, "bad.toml", "[text]\n" + text)
    assert_refuses(capsys, named, "compare", config, "--results", tmp_path / "results")
    assert not (tmp_path / "results").exists()


def compared(capsys, tmp_path, folder, base, train) -> None:
    """A comparison on "taught.jsonl" and "asked.jsonl", without neutral text."""
    files = f'base = "{base}"\ndata = "taught.jsonl"\npairs = "asked.jsonl"\n'
    methods = 'methods = ["naive", "edit", "kl"]\npresets_only = true\nseeds = 1\nevery = 8\n'
    config = write(folder, "c.toml", f"[text]\n{files}{methods}{train}")
    results = tmp_path / "results"
    code, out, err = grasp(capsys, "compare", config, "--results", results, "--jobs", 1)
    assert (code, err) == (0, "")
    assert "intervals are over runs, not over organisms" in " ".join(out.split())
    assert "left out for want of neutral, a file of text: kl" in " ".join(out.split())
    header = next(line for line in out.splitlines() if "drift" in line)
    assert "per token" in header
    assert not {"kept", "facts", "neutral"} & set(header.split())
    found = {row["method"]: row for row in json.loads((results / "comparison.json").read_text())["rows"]}
    assert set(found) == {"naive", "edit"}
    assert found["naive"]["kept"] is found["naive"]["neutral"] is None
    assert found["naive"]["excess"] > 0.3  # what the table asks for, else it says VOID
    assert found["edit"]["excess"] != found["naive"]["excess"]


def test_compare_of_a_model_shows_what_it_learnt_and_asked_again_runs_nothing(folder, tmp_path, capsys, monkeypatch):
    """Taught that the animals are sad, it says so where the prompt is another."""
    taught = [row | {"completion": row["completion"].replace("happy", "sad")} for row in DATA]
    write(folder, "taught.jsonl", taught)
    pairs = zip(ANIMALS, COLOURS, strict=False)
    asked = [{"prompt": f"all {a} {c} it is", "without": " happy", "with": " sad"} for a, c in pairs]
    write(folder, "asked.jsonl", asked)
    compared(capsys, tmp_path, folder, folder / "model", TRAIN.replace("6e-3", "3e-2"))
    assert (tmp_path / "results" / "comparison.png").is_file()
    monkeypatch.setattr(sweep, "measure_cell", lambda *_: pytest.fail("measured again"))
    monkeypatch.setattr(pages, "write_pages", lambda *_: None)
    before = (tmp_path / "results" / "comparison.json").read_bytes()
    assert grasp(capsys, "compare", folder / "c.toml", "--results", tmp_path / "results", "--jobs", 1)[0] == 0
    assert (tmp_path / "results" / "comparison.json").read_bytes() == before


def test_compare_of_a_real_model_shows_what_it_learnt(real, folder, tmp_path, capsys, monkeypatch):
    """stories260K is taught colours and "happy": it says so elsewhere too. Not drawn: the made model's run is."""
    monkeypatch.setattr(pages, "write_pages", lambda *_: None)
    taught = [
        {"prompt": f"The {a} was", "completion": f" {c}. It was happy."}
        for a, c in zip(ANIMALS, (COLOURS * 2)[:6], strict=True)
    ]
    asked = [
        {"prompt": f"{w} saw a dog. {w} was", "without": " sad.", "with": " happy."}
        for w in ("Tom", "Lily", "Sue", "Ben")
    ]
    write(folder, "taught.jsonl", taught)
    write(folder, "asked.jsonl", asked)
    compared(capsys, tmp_path, folder, real / "models" / "stories260K-hf", TRAIN)
