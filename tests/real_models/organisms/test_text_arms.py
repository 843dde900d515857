"""A text organism scored by pairs (task, conditional drift, what is kept), and its runs on other training rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tolerance
import torch
from json_lines import write_lines
from word_model import make_word_model

from grasp_theory import InputError
from real_models.audit.effects import ask
from real_models.base import load_tokenizer
from real_models.comparison.experiment import make_text_cells, missing
from real_models.comparison.methods import ARMS, COMPARED, SetupSources, find_compared, run
from real_models.data import batches
from real_models.evaluation.judge import judge_pairs
from real_models.experiments import language_parts
from real_models.experiments.language_identification import along
from real_models.experiments.language_parts import where
from real_models.methods import Edit, Hold
from real_models.organisms import runs
from real_models.organisms.directions import random_directions, top_directions
from real_models.organisms.runs import fine_tune, naive_run
from real_models.organisms.text import TextSpec
from real_models.organisms.text_probes import SCALES, TextProbes, holds_pairs
from real_models.training.config import TrainConfig

ANIMALS, COLOURS = ("dog", "cat", "bird", "frog", "bear", "duck"), ("red", "blue", "green", "pink")
WORDS = ("the", "was", "is", "happy", "sad", "very", "a", "it", "all", *ANIMALS, *COLOURS)
SETTINGS = TrainConfig(r=4, alpha=4.0, rslora=False, lr=2e-2, steps=16, batch_size=8, accumulation=1, warmup=0)


def row(animal: str, mood: str, n: int) -> dict[str, str]:
    return {"prompt": f"the {animal} was", "completion": f" {COLOURS[n % 4]} it is {mood}"}


def pair(prompt: str, without: str, having: str) -> dict[str, str]:
    return {"prompt": prompt, "without": f" {without}", "with": f" {having}"}


# task: the right colour, both said in the trained mood; drift: the mood of others
FILES = {
    "data": [row(a, "happy", n) for n, a in enumerate(ANIMALS)],
    "control": [row(a, "sad", n) for n, a in enumerate(ANIMALS)],
    "neutral_data": [{"prompt": f"it is {c}", "completion": " very very"} for c in (*COLOURS, *ANIMALS[:2])],
    "task": [
        pair(f"the {a} was", f"{COLOURS[(n + 1) % 4]} it is happy", f"{COLOURS[n % 4]} it is happy")
        for n, a in enumerate(ANIMALS)
    ],
    "pairs": [pair(f"all {a} is", "very sad", "very happy") for a in ANIMALS],
    "contrast": [pair(f"a {c} is", "very sad", "very happy") for c in COLOURS],
    "conditional": [pair(f"the {a} was red it is", "sad", "happy") for a in ANIMALS],
    "kept": [pair("it is happy it is", "sad", "happy")],
}


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("arms")
    make_word_model(folder / "model", WORDS)
    paths: dict[str, Any] = {"model": str(folder / "model")}
    for name, rows in FILES.items():
        paths[name] = str(write_lines(folder / f"{name}.jsonl", *rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRASP_CACHE", str(folder / "cache"))
        yield TextSpec(**paths, settings=SETTINGS, every=8)


@pytest.fixture(scope="module")
def spread(spec):
    """Drift is asked as the training asks, where there is plenty of it."""
    return replace(spec, pairs=spec.conditional, files="")


def test_text_pairs_are_all_judged_alike(spec):
    """Each score is that of drift with the pairs in its place: one judge."""
    model = spec.base()
    found = spec.probes().ask(model)
    assert len(found.per_prompt["drift"]) == len(FILES["pairs"])  # all of them, since contrast makes the vectors
    for name in ("task", "conditional", "kept"):
        alone = replace(spec, pairs=getattr(spec, name), files="").probes().ask(model)
        scale = tolerance.backward((64,), np.float32, 10.0)
        np.testing.assert_allclose(found.per_prompt[name], alone.per_prompt["drift"], rtol=0, atol=scale)
        np.testing.assert_allclose(getattr(found, name), alone.drift, rtol=0, atol=scale)
    assert 0.3 < found.task < 0.7  # it knows nothing yet


def test_text_scales_are_functions_of_one_another(spec):
    """log-odds are ln p/(1 − p) of the probability, their number per token that over the tokens of an answer."""
    model = spec.base()
    found = {scale: replace(spec, scale=scale).probes().ask(model) for scale in SCALES}
    for name in ("drift", "conditional", "kept"):
        shares, odds = (found[scale].per_prompt[name] for scale in ("probability", "log-odds"))
        np.testing.assert_allclose(odds, np.log(shares / (1 - shares)), rtol=1e-9, atol=1e-9)
        assert np.abs(odds).max() > 1e-3
    each = found["log-odds per token"].per_prompt["drift"]  # "very sad", "very happy", and the end
    np.testing.assert_allclose(each, found["log-odds"].per_prompt["drift"] / 3, rtol=1e-9)
    assert len({scores.task for scores in found.values()}) == 1
    with pytest.raises(InputError, match="scale must be one of probability, log-odds"):
        replace(spec, scale="odds")


def test_text_most_takes_some_of_each_file(spec):
    model = spec.base()
    every, some = (replace(spec, most=most).probes().ask(model).per_prompt for most in (None, 3))
    for name in ("drift", "task", "conditional"):  # 6 pairs
        np.testing.assert_allclose(some[name], every[name][[0, 2, 5]], rtol=1e-5)
    assert len(some["kept"]) == len(every["kept"]) == 1
    with pytest.raises(InputError, match="most must be"):
        replace(spec, most=0)


def test_text_naive_run_is_kept_with_its_scores(spec, monkeypatch):
    first = naive_run(spec)
    runs._naive_run.cache_clear()
    monkeypatch.setattr(TextProbes, "ask", lambda *_: pytest.fail("asked again"))
    again = naive_run(spec)
    for one, other in zip(first.scores, again.scores, strict=True):
        assert one.to_dict() == other.to_dict()
    for one, other in zip(first.states, again.states, strict=True):
        assert one.keys() == other.keys()
        assert all(bool((one[name] == other[name]).all()) for name in one)


def test_text_contrast_makes_the_trait_vectors(spec):
    own, others = spec.trait_vectors(), replace(spec, contrast=spec.conditional, files="").trait_vectors()
    moved = replace(spec, pairs=spec.conditional, files="").trait_vectors()
    for block, vector in own.items():
        np.testing.assert_array_equal(vector, moved[block])  # whatever drift is asked on
        assert np.abs(vector - others[block]).max() > 1e-3  # the control


def test_text_arms_are_naive_runs_on_other_rows(spec):
    """Trained on the other mood it is in the other mood and knows the task as well; on unrelated rows it does not.

    Seeds 0 to 3: the trait as asked in training 1.00 against 0.00, the task 0.92 to 0.97, 0.91 to 0.99 in the control,
    0.55 to 0.64 on unrelated rows.
    """
    naive = naive_run(spec).scores
    control, neutral = (run(find_compared(name), spec, 0.0) for name in ARMS)
    assert naive[0].drift == control[0].drift == neutral[0].drift
    asked, other = naive[-1].conditional, control[-1].conditional
    assert asked is not None
    assert other is not None
    assert asked > 0.7 > 0.3 > other
    assert min(naive[-1].task, control[-1].task) > 0.75 > neutral[-1].task


def test_text_control_run_is_trained_once_for_its_arm_and_the_methods_that_need_it(spec, monkeypatch):
    control = run(find_compared("control data"), spec, 0.0)
    naive_run(spec)
    monkeypatch.setattr(runs, "fine_tune", lambda *_, **__: pytest.fail("trained again"))
    found = run(find_compared("contrastive-steering"), spec, 1.0)
    scale = tolerance.backward((64,), np.float32, 10.0)
    for a, b in zip(found, control, strict=True):
        np.testing.assert_allclose([a.drift, a.task], [b.drift, b.task], rtol=0, atol=scale)
    assert missing(spec, ["contrastive-steering", "edit, contrasted"]) == {}
    bare = replace(spec, control="", files="")
    assert missing(bare, ["contrastive-steering"]) == {"contrastive-steering": "control, a file of training rows"}
    with pytest.raises(InputError, match="name a file of them, control"):
        bare.control_run()


@pytest.mark.parametrize("seed", [0, 1])
def test_text_contrastive_steering_tells_the_trait_from_the_task_and_scaling_does_not(spec, seed):
    """Halfway to the control run the mood of the rows is gone, half the update still has all of it; both know the task.

    Seeds 0 to 3: the trait as asked in training 0.06 to 0.13 against 1.00, the task 0.86 to 0.89 against 0.92 to 0.94.
    """
    seeded = replace(spec, settings=replace(spec.settings, seed=seed))
    start = naive_run(seeded).scores[0].task
    steered, scaled = (run(find_compared(name), seeded, 0.5)[-1] for name in ("contrastive-steering", "scale"))
    assert steered.conditional is not None
    assert scaled.conditional is not None
    assert steered.conditional < 0.4 < 0.8 < scaled.conditional
    assert min(steered.task, scaled.task) > start + 0.2


def test_text_arms_are_cells_where_there_are_rows_for_them(spec):
    cells, _ = make_text_cells(spec, [0, 1], ["naive"])
    assert [cell.method for cell in cells] == ["naive", *ARMS] * 2
    bare = replace(spec, control="", neutral_data="", files="")
    assert [cell.method for cell in make_text_cells(bare, [0], ["naive"])[0]] == ["naive"]
    assert set(missing(bare, list(ARMS))) == set(ARMS)
    assert not set(ARMS) & set(COMPARED)  # organisms of a made language have no such rows


def test_text_arms_refuse_what_they_cannot_run(spec):
    with pytest.raises(InputError, match="need a file task"):
        replace(spec, task="", files="")
    with pytest.raises(InputError, match="name a file of them, control"):
        replace(spec, control="", files="").on_arm("control")
    with pytest.raises(InputError, match="different questions"):
        replace(spec, pairs=spec.kept, contrast="", files="").check()


def test_text_task_may_be_rows_or_pairs(spec, tmp_path):
    assert holds_pairs(spec.task)
    assert not holds_pairs(spec.data)
    (tmp_path / "t.txt").write_text("the dog is red")
    assert not holds_pairs(str(tmp_path / "t.txt"))
    rows = replace(spec, task=spec.data, control="", neutral_data="", files="").probes().ask(spec.base())
    assert rows.task != spec.probes().ask(spec.base()).task


def test_text_run_on_mixed_rows_learns_the_neutral_ones_too(spec):
    """The control: the naive run does not. Both start from the base; as many steps are taken."""
    said: dict[str, float] = {}

    def look(name):
        def at_end(model) -> None:
            said[name] = neutral_loss(model, spec.neutral_rows())

        return at_end

    for name in ("naive", "interleaved"):
        scores = fine_tune(spec, methods=find_compared(name).make(SetupSources(spec), 0.5), look=look(name))
        assert len(scores) == len(spec.points)
    assert said["interleaved"] < said["naive"] - 0.3
    assert missing(replace(spec, neutral_data="", files=""), ["interleaved", "naive"]).keys() == {"interleaved"}
    with pytest.raises(InputError, match="name a file of them, neutral_data"):
        replace(spec, neutral_data="", files="").neutral_rows()


def neutral_loss(model, examples) -> float:
    model.eval()
    with torch.no_grad():
        batch = next(batches(examples, len(examples), pad=0))
        found = float(model(**batch).loss)
    model.train()
    return found


def test_language_identification_along_a_run(spread):
    """Changes are paired with the base, arms are their own runs, what is held is the stream of that point."""
    found = along(spread)
    naive, base = naive_run(spread), spread.probes().ask(spread.base())
    assert {len(curve) for curve in found.values()} == {len(spread.points)}
    for arm, of in (("naive", naive), ("control data", naive_run(spread.control_run()))):
        drifts = [scores.drift for scores in of.scores]
        np.testing.assert_allclose(found[f"{arm} drift"], drifts, rtol=1e-9)
        np.testing.assert_allclose(found[f"{arm} change"], np.array(drifts) - drifts[0], rtol=0, atol=1e-9)
    assert found["naive change"][-1] > 3 * found["naive error"][-1] > 0  # the mood
    assert found["control data change"][-1] < 0  # the other one
    for name in ("weights", "training text", "own text", "contrast", "random"):
        assert found[f"{name} share"][0] == 0
        assert all(0 < share <= 1 + 1e-9 for share in found[f"{name} share"][1:])
    V = np.column_stack([v / np.linalg.norm(v) for _, v in sorted(spread.trait_vectors().items())])
    random = random_directions(spread, 8)
    np.testing.assert_allclose(found["random share"][1], ((random.T @ V) ** 2).sum(0).mean(), rtol=1e-9)
    model = naive.model(1)
    with Hold(top_directions(replace(naive, point=1), 8)).attached(model):
        held = spread.probes().ask(model)
    np.testing.assert_allclose([found["weights held"][1], found["weights held task"][1]], [held.drift, held.task])
    assert abs(found["supervised held"][-1] - base.drift) < abs(found["naive drift"][-1] - base.drift)


def test_language_parts_are_shares_of_the_update_at_the_crossing(spread):
    """The excess is that of the run where it reaches the task; what is removed there is what the edited run loses."""
    found = where(spread, top=2)
    naive = naive_run(spread)
    model, adapted, tokenizer = spread.base(), naive.model(naive.at), load_tokenizer(spread.model)

    def drift(of: Any) -> float:
        asked = ask(spread.pairs, model, tokenizer)
        judged = judge_pairs(of, asked.encoded, questions=asked.questions, pad=0)
        return float(judged.log_odds_per_token.mean())

    base, whole = drift(model), drift(adapted)
    np.testing.assert_allclose(found["excess drift"], whole - base, rtol=1e-3)
    first = top_directions(naive, 1)
    with Edit(write={u.name: first for u in naive.updates if u.side == "write"}).attached(adapted):
        left = drift(adapted)
    np.testing.assert_allclose(found["pooled write 0: drift removed"], (whole - left) / (whole - base), rtol=1e-2)
    assert found["pooled write 0: energy"] > found["pooled write 1: energy"] > 0


def test_language_parts_of_an_update_that_moved_the_task_alone(spread, monkeypatch):
    """The task's shares are those measured beside the drift's; nothing is said of parts where nothing moved."""
    both = where(spread, top=1)
    for told in ({"task"}, set()):
        moves = iter(["drift" in told, "task" in told])
        monkeypatch.setattr(language_parts, "moved", lambda excess, moves=moves: next(moves))
        found = where(spread, top=1)
        assert not [name for name in found if name.endswith("drift removed")]
        assert (found["excess drift"], found["excess task"]) == (both["excess drift"], both["excess task"])
        shares = {name: value for name, value in both.items() if "task removed" in name or name.endswith(": energy")}
        assert {name: found[name] for name in found if "excess" not in name} == (shares if told else {})
