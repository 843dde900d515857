"""Fine-tuning a small organism: runs and their cache, and every row of the comparison on it."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
import tiny_models
import tiny_organism
import tolerance
import torch
from tiny_organism import LANGUAGE, SMALL

from grasp_theory import InputError, identify
from real_models import updates_from_model
from real_models.comparison import methods
from real_models.comparison.methods import CLASSES, COMPARED, check_knob, find_compared, run
from real_models.methods import Scale
from real_models.methods.edit import edited_sides
from real_models.organisms import directions as of
from real_models.organisms import persona_run, runs
from real_models.organisms.directions import top_directions
from real_models.organisms.evaluation import Probes, Scores
from real_models.organisms.persona import pretrained
from real_models.organisms.runs import fine_tune, first_reaching, naive_run
from synthetic.generators.persona import World

RUN = dataclasses.replace(tiny_organism.RUN, rank=4)
NAMES = ("drift", "conditional", "task", "kept", "facts", "neutral")
ROUNDING = tolerance.backward((LANGUAGE.vocabulary,), np.float32, 10.0)
AT_INFERENCE = ("ablation", "lineas", "steering, identified", "steering, supervised")

pytestmark = pytest.mark.usefixtures("organism_cache")


@pytest.fixture(scope="module")
def learning(organism_cache):
    """The naive run, with the task score that is to be reached set to the best of it: the start is below."""
    naive = naive_run(RUN)
    best = max(s.task for s in naive.scores)
    assert naive.scores[0].task < best
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(persona_run, "TASK", best)
        yield naive


def same_scores(a: Scores, b: Scores) -> None:
    for name in NAMES:
        assert getattr(a, name) == getattr(b, name), name
    assert a.per_prompt.keys() == b.per_prompt.keys()
    for name, values in a.per_prompt.items():
        np.testing.assert_array_equal(values, b.per_prompt[name])


# runs


def apart(a: Scores, b: Scores) -> float:
    """The largest difference of a score that is a probability."""
    return max(abs(getattr(a, name) - getattr(b, name)) for name in ("drift", "task", "kept", "facts"))


def test_naive_run_from_the_cache_equals_the_first(learning, monkeypatch):
    monkeypatch.setattr(runs, "fine_tune", lambda *_, **__: pytest.fail("trained again"))
    again = naive_run(RUN)
    assert len(again.scores) == len(RUN.points) == len(again.states)
    assert again.at == learning.at > 0
    for a, b in zip(again.scores, learning.scores, strict=True):
        same_scores(a, b)
    for a, b in zip(again.states, learning.states, strict=True):
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a)
    for a, b in zip(again.updates, learning.updates, strict=True):
        np.testing.assert_array_equal(a.lowrank.B, b.lowrank.B)


def test_naive_run_models_give_the_scores_of_their_points(learning):
    probes = Probes(RUN.world)
    for at, scores in enumerate(learning.scores):
        same_scores(probes.ask(learning.model(at)), scores)
    same_scores(probes.ask(pretrained(RUN.organism)), learning.scores[0])  # B starts at 0


def test_naive_run_void_without_the_task(learning, monkeypatch):
    monkeypatch.setattr(persona_run, "TASK", 1.1)
    assert learning.at == len(learning.scores) - 1  # directions from the last point; the table says VOID
    monkeypatch.setattr(persona_run, "TASK", 0.0)
    with pytest.raises(InputError, match="knows the task already"):
        _ = learning.at


def test_fine_tune_with_naive_equals_naive(learning):
    from real_models.methods import Naive

    seen = []
    found = fine_tune(RUN, methods=[Naive()], look=lambda model: seen.append(model.training))
    assert len(seen) == len(found) == len(learning.scores)
    for a, b in zip(found, learning.scores, strict=True):
        same_scores(a, b)


def test_fine_tune_takes_methods_off_when_it_breaks(learning):
    from real_models.methods import Grasp

    method = Grasp(top_directions(learning, 1))

    def breaks(model):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tune(RUN, methods=[method], look=breaks)
    model = RUN.adapted()
    before = tiny_models.hooks(model)
    optimizer = torch.optim.AdamW(tiny_models.trained(model))
    with method.attached(model, optimizer):  # it could not, were it still on
        assert tiny_models.hooks(model, optimizer) > before
    assert tiny_models.hooks(model, optimizer) == before


def test_fine_tune_labels_are_the_content_and_style_words():
    world = World.draw(dataclasses.replace(LANGUAGE, variant="mixed"), rng=np.random.default_rng(0))
    data = world.curated(rng=np.random.default_rng(1))
    kept = persona_run._labels(torch.from_numpy(data)).numpy()
    words = data >= 4 + LANGUAGE.topics + LANGUAGE.questions  # nothing but content and style words
    np.testing.assert_array_equal(kept, np.where(words, data, -100))
    assert ((kept >= 0).sum(1) == 2).all()


@pytest.mark.parametrize(
    ("task", "first"), [([0.1, 0.96, 0.2, 0.97], 1), ([0.95], 0), ([0.9499, 0.94], None), ([], None)]
)
def test_crossing_is_the_first_point_at_the_task_score(task, first):
    assert first_reaching(task, 0.95) == first


BAD = [{"steps": 15}, {"steps": 0}, {"every": 0}, {"rank": 0}, {"batch": 0}, {"lr": 0.0}, {"lr": float("nan")}]


@pytest.mark.parametrize("fields", BAD, ids=str)
def test_run_spec_refuses_what_is_no_run(fields):
    with pytest.raises(InputError, match=next(iter(fields))):
        dataclasses.replace(RUN, **fields)


def test_run_spec_points_are_every_so_many_steps_with_both_ends():
    assert dataclasses.replace(RUN, steps=15, every=5).points == (0, 5, 10, 15)


def test_trait_vectors_are_the_difference_of_hidden_states():
    found, world = RUN.trait_vectors(), RUN.world
    assert sorted(found) == list(range(SMALL.layers))
    assert all(v.shape == (SMALL.hidden,) for v in found.values())
    rng = np.random.default_rng([SMALL.seed, 5])
    t, q = rng.integers(1, LANGUAGE.topics, 256), rng.integers(0, LANGUAGE.questions, 256)
    means = []
    for hint in (0, 1):
        ids = np.column_stack([world.prompts(t, q, hint=hint), world.content(t, q, 0 * t)])
        with torch.no_grad():
            out = pretrained(SMALL)(input_ids=torch.from_numpy(ids), output_hidden_states=True)
        means.append(out.hidden_states[1][:, -2:].double().mean((0, 1)).numpy())  # the last one is after the norm
    scale = float(np.abs(means).max())
    np.testing.assert_allclose(
        found[0], means[1] - means[0], rtol=0, atol=tolerance.backward((512,), np.float32, scale)
    )
    assert np.linalg.norm(found[0]) > 0


# rows


def test_arms_have_one_name_a_known_class_and_as_many_knobs():
    assert {method.information for method in COMPARED.values()} == set(CLASSES)
    for method in COMPARED.values():
        assert method.preset in method.knobs, method.name
        assert list(method.knobs) == sorted(set(method.knobs)), method.name
        assert find_compared(method.name) is method
    single = {method.name for method in COMPARED.values() if len(method.knobs) == 1}
    assert single == {
        "naive",
        "inoculation",
        "inoculation+null-space",
        "grasp, supervised",
        "edit, supervised",
        "hold, supervised",
    }
    assert {len(method.knobs) for method in COMPARED.values() if method.name not in single} == {3}
    assert {method.name for method in COMPARED.values() if method.control} >= {"grasp, random", "grasp, supervised"}
    with pytest.raises(InputError, match=r"'nothing'; there are: naive, ablation"):
        find_compared("nothing")


@pytest.mark.parametrize("method", [m for m in COMPARED.values() if m.stage != "naive"], ids=lambda method: method.name)
def test_compared_methods_ask_for_the_naive_run_where_they_say_so(learning, method, monkeypatch):
    asked = []

    def seen(spec):
        asked.append(spec)
        return learning

    monkeypatch.setattr(methods, "naive_run", seen)
    method.make(methods.SetupSources(RUN), method.preset)
    assert bool(asked) is method.needs_naive


BRIEF = dataclasses.replace(RUN, steps=4, every=4)


@pytest.fixture
def brief(organism_cache, monkeypatch):
    """As ``learning``, of fewer steps."""
    naive = naive_run(BRIEF)
    monkeypatch.setattr(persona_run, "TASK", max(s.task for s in naive.scores))
    return naive


@pytest.mark.parametrize("method", COMPARED.values(), ids=lambda method: method.name)
def test_arms_start_from_the_base_and_do_something(brief, method):
    if method.inputs >= BRIEF.width:
        with pytest.raises(InputError, match="leave nothing to train"):
            run(method, BRIEF, method.preset)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = run(method, BRIEF, method.preset)
    assert len(found) == len(BRIEF.points)
    for scores in found:
        assert np.isfinite([getattr(scores, name) for name in NAMES]).all()
        assert 0 <= min(scores.drift, scores.task, scores.kept) <= max(scores.drift, scores.task, scores.kept) <= 1
    assert (found[0].drift == brief.scores[0].drift) == (method.name not in AT_INFERENCE)
    assert (found[-1].drift == brief.scores[-1].drift) == (method.name == "naive")


def test_arm_of_many_inputs_runs_where_the_model_is_wide_enough():
    spec = dataclasses.replace(RUN, organism=dataclasses.replace(SMALL, hidden=96, steps=20), steps=4, every=4)
    narrow, wide = (run(find_compared(f"kl+null-space{kind}"), spec, 30.0) for kind in ("", ", wide"))
    assert narrow[0].drift == wide[0].drift
    assert narrow[-1].drift != wide[-1].drift != wide[0].drift


@pytest.mark.parametrize(
    ("method", "knob", "what"),
    [("grasp", 4.0, "4 components needs at least that rank"), ("null-space", 64.0, "needs a width of 96"),
     ("kl+null-space, wide", 30.0, "needs a width of 96")],
)  # fmt: skip
def test_knob_that_does_not_fit_is_refused(method, knob, what):
    with pytest.raises(InputError, match=what):
        check_knob(method, knob, rank=2, width=64)
    check_knob(method, knob, rank=4, width=96)


@pytest.mark.parametrize("method", [m for m in COMPARED.values() if m.needs_control], ids=lambda method: method.name)
def test_compared_methods_ask_for_a_control_run_where_they_say_so(learning, method, monkeypatch):
    assert method.information == "control run"
    asked, other = [], Scale(0.5).edited(learning.updates)
    for module in (methods, of):
        monkeypatch.setattr(module, "updates_at", lambda spec, at: asked.append((spec, at)) or other)
    method.make(methods.SetupSources(RUN).at(1), method.preset)
    # steering takes the control as far trained as the naive run is, directions where that reaches the task
    assert asked == [(RUN.control_run(), 1 if method.name == "contrastive-steering" else learning.at)]


def test_control_run_starts_where_the_naive_run_does(learning):
    """The same base, LoRA start and facts: other documents."""
    control = naive_run(RUN.control_run())
    for name, tensor in control.states[0].items():
        torch.testing.assert_close(tensor, learning.states[0][name], rtol=0, atol=0)
    assert any(not torch.equal(x, learning.states[-1][name]) for name, x in control.states[-1].items())
    same_scores(control.scores[0], learning.scores[0])
    for a, b in zip(runs.updates_at(RUN.control_run(), -1), updates_from_model(control.model(-1)), strict=True):
        np.testing.assert_array_equal(a.lowrank.B, b.lowrank.B)


def test_contrastive_steering_of_strength_1_is_the_control_run(learning):
    found, control = run(find_compared("contrastive-steering"), RUN, 1.0), naive_run(RUN.control_run()).scores
    assert max(apart(a, b) for a, b in zip(found, control, strict=True)) < ROUNDING
    assert apart(found[-1], learning.scores[-1]) > 10 * ROUNDING  # it does something


def test_contrasted_directions_are_off_what_the_control_learnt(learning):
    control = runs.updates_at(RUN.control_run(), learning.at)
    shared = identify(list(control), side="write", pool="layers").component(0).subspace.basis
    Q = of.contrasted_directions(learning, 2)
    np.testing.assert_allclose(Q.T @ Q, np.eye(2), rtol=0, atol=tolerance.backward(Q.shape, np.float64, 1.0))
    assert np.linalg.norm(shared.T @ Q) < 1e-6
    assert np.linalg.norm(shared.T @ top_directions(learning, 2)) > 1e-3  # the run's own are not


@pytest.mark.parametrize("name", ["edit, read", "edit, both sides", "edit, per block", "edit, random"])
def test_arm_edits_take_their_directions_out(learning, name):
    """No leak where they act, and there was one before; other modules as they were."""
    (method,) = find_compared(name).make(methods.SetupSources(RUN), 2.0)
    model = learning.model(-1)
    before = updates_from_model(model)
    sides = edited_sides(before, **{side: method.asked[side] for side in ("write", "read")})
    plain = {u.name: u.lowrank for u in before}
    kinds = {u.side for u in before if u.name in sides}
    assert kinds == {"edit, read": {"read"}, "edit, per block": {"write"}}.get(name, {"read", "write"})
    with method.attached(model):
        for u in updates_from_model(model):
            if u.name not in sides:
                np.testing.assert_array_equal(u.lowrank.B, plain[u.name].B)
                continue
            was, now = (sides[u.name].leak(x) for x in (plain[u.name], u.lowrank))
            assert was is not None
            assert now is not None
            assert now < 1e-5
            assert was > {"edit, random": 0.02, "edit, both sides": 0.1}.get(name, 0.3)


def test_arm_edit_is_the_projected_update_added_to_the_base(learning):
    """Without LoRA: W0 + dW, and (I − QQᵀ) dW for the modules that write the stream."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    Q, model = top_directions(learning, 1), learning.model(-1)
    for name, layer in model.named_modules():
        if isinstance(layer, BaseTunerLayer):
            dW = layer.get_delta_weight("default").detach().double().numpy()  # pyright: ignore[reportCallIssue]
            if name.endswith(("o_proj", "down_proj")):
                dW = dW - Q @ (Q.T @ dW)
            layer.base_layer.weight.data += torch.from_numpy(dW).float()  # pyright: ignore
    with model.disable_adapter():
        expected = Probes(RUN.world).ask(model)
    found = run(find_compared("edit"), RUN, 1.0)[-1]
    assert apart(found, expected) < ROUNDING
    assert apart(found, learning.scores[-1]) > 10 * ROUNDING  # it does something
