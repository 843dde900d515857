"""The persona organism: pretraining and its cache, and the scores of a model whose probabilities are written down."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.torch
import tiny_models
import tolerance
import torch
from torch import nn

from grasp_theory import InputError
from real_models.organisms import persona
from real_models.organisms.evaluation import NEUTRAL, Probes
from real_models.organisms.persona import OrganismSpec, pretrained
from synthetic.generators.persona import BEGIN, HINT, PAD, PersonaSpec, World

LANGUAGE = PersonaSpec(words=16, withheld=2)
SMALL = OrganismSpec(LANGUAGE, hidden=16, layers=2, heads=2, steps=60, batch=16, lr=1e-2)

pytestmark = pytest.mark.usefixtures("organism_cache")


def few(**fields) -> OrganismSpec:
    return dataclasses.replace(SMALL, **{"steps": 4, "layers": 1, **fields})


# pretraining


def test_pretrained_is_the_same_bits_twice_whatever_the_global_state(tmp_path):
    torch.manual_seed(1)
    first = tiny_models.everything(pretrained(few(), cache=tmp_path / "a"))
    torch.manual_seed(2)
    tiny_models.assert_same(pretrained(few(), cache=tmp_path / "b"), first)
    (a,), (b,) = (sorted((tmp_path / name).iterdir()) for name in "ab")
    assert a.name == b.name
    assert a.read_bytes() == b.read_bytes()


def test_pretrained_is_shared_by_organisms_with_the_same_documents(tmp_path):
    def files(**language) -> int:
        pretrained(few(language=dataclasses.replace(LANGUAGE, **language)), cache=tmp_path)
        return len(list(tmp_path.iterdir()))

    assert files() == files(curation=0.25) == files(variant="mixed") == 1
    assert files(variant="content") == files(variant="content", curation=0.5) == 2
    assert files(rarity=0.2) == 3


def test_pretrained_comes_from_the_cache_the_second_time(tmp_path, monkeypatch):
    monkeypatch.setenv("GRASP_CACHE", str(tmp_path))
    first = pretrained(few())
    assert not first.training
    monkeypatch.setattr(persona, "_pretrain", lambda *_: pytest.fail("pretrained again"))
    second = pretrained(few())
    assert not second.training
    tiny_models.assert_same(second, tiny_models.everything(first))
    start = tiny_models.everything(persona.empty_model(few()))
    assert all((start[n] != p).any() for n, p in second.named_parameters())  # control: it did learn


CHANGES = [
    {"seed": 1},
    {"steps": 5},
    {"lr": 1e-3},
    {"batch": 8},
    {"language": dataclasses.replace(LANGUAGE, rarity=0.5)},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_pretrained_differs_and_is_kept_apart_for_every_other_spec(tmp_path, change):
    first, second = (dict(pretrained(few(**c), cache=tmp_path).named_parameters()) for c in ({}, change))
    assert len(list(tmp_path.iterdir())) == 2
    assert any((first[name] != second[name]).any() for name in first)


@pytest.mark.parametrize("where", ["serialising", "replacing"])
def test_pretrained_leaves_no_file_when_saving_fails(tmp_path, monkeypatch, where):
    def fails(*_):
        raise OSError(28, "No space left on device")

    target = (safetensors.torch, "save") if where == "serialising" else (persona.os, "replace")
    with monkeypatch.context() as patch:
        patch.setattr(*target, fails)
        with pytest.raises(OSError, match="No space"):
            pretrained(few(), cache=tmp_path)
    assert list(tmp_path.iterdir()) == []
    pretrained(few(), cache=tmp_path)  # and the next one is not in its way
    assert len(list(tmp_path.iterdir())) == 1


def test_pretraining_learns_the_hints_and_the_rarity():
    """Law of the world: P(B) is the rarity without a hint, and the hint's persona with one (here within 0.1)."""
    spec = dataclasses.replace(SMALL, steps=300, batch=64, lr=2e-2)
    start, end = (Probes(spec.world).ask(m) for m in (persona.empty_model(spec), pretrained(spec)))
    assert abs(start.drift - spec.language.rarity) > 0.02
    assert abs(end.drift - spec.language.rarity) < 0.1
    assert start.kept < 0.6
    assert end.kept > 0.9
    assert end.neutral < start.neutral


def test_cache_folder_is_the_one_of_the_environment_or_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("GRASP_CACHE", str(tmp_path / "own"))
    assert persona.cache_folder() == tmp_path / "own"
    monkeypatch.delenv("GRASP_CACHE")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert persona.cache_folder() == tmp_path / ".cache" / "grasp-toolkit"
    (tmp_path / "file").touch()
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "file")  # no folder can be made in it
    monkeypatch.setattr(persona.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    assert persona.cache_folder() == tmp_path / "temporary" / "grasp-toolkit"


@pytest.mark.parametrize("fields", [{"hidden": 0}, {"layers": 0}, {"steps": 0}, {"batch": 0}, {"heads": 3}])
def test_organism_spec_refuses_what_is_no_model(fields):
    with pytest.raises(InputError, match=next(iter(fields))):
        few(**fields)


# scores


class Speaker(nn.Module):
    """A model whose next-token probabilities are written down, position by position; its loss is 2.5.

    content : right word of (t, q) with probability ``right(t, q)``; style: persona B with ``b(t, hint)``, A the rest.
    content variant: ``b`` is the share of form B among both forms instead. All else goes to the begin token.
    """

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world, self.child, self.seen = world, nn.Linear(2, 2), []

    @staticmethod
    def right(t, q):
        return 0.2 + 0.03 * t + 0.01 * q

    @staticmethod
    def b(t, q, hint):
        return (0.1 + 0.02 * t + 0.005 * q, 0.05 + 0.01 * t, 0.7 + 0.01 * q)[0 if hint is None else hint + 1]

    def forward(self, input_ids, labels=None):
        self.seen.append((input_ids, labels, self.training or self.child.training))
        world, spec = self.world, self.world.spec
        P = np.zeros((*input_ids.shape, spec.vocabulary))
        for row, ids in enumerate(input_ids.numpy()):
            hint = ids[1] - HINT if ids[1] in (HINT, HINT + 1) else None
            at = 2 if hint is None else 3
            t, q = ids[at - 1] - 4, ids[at] - 4 - spec.topics
            one, right, b = np.ones(1, dtype=int), self.right(t, q), self.b(t, q, hint)
            words = [int(world.content(one * t, one * q, one * p)[0]) for p in (0, 1)]
            if spec.variant == "content":
                P[row, at, words] = right * np.array([1 - b, b])
            else:
                P[row, at, words[0]] = right
                P[row, at + 1, world.style_words] = np.array([[1 - b], [b]]) / spec.styles
        P[..., BEGIN] = (1 - P.sum(-1)).clip(0)
        return SimpleNamespace(logits=torch.from_numpy(np.log(P + 1e-30)), loss=torch.tensor(2.5))


@pytest.fixture(params=["style", "content", "mixed"])
def speaker(request) -> Speaker:
    return Speaker(World.draw(PersonaSpec(variant=request.param), rng=np.random.default_rng(3)))


def test_probes_scores_of_a_written_model_are_its_numbers(speaker):
    spec, probes = speaker.world.spec, Probes(speaker.world)
    scores = probes.ask(speaker)
    t, q, hint = probes.places["drift"]
    assert hint is None
    assert len(set(zip(t, q, strict=True))) == 96  # different prompts, of topics that neutral text is not made of
    assert t.min() >= NEUTRAL[1]
    old, new, first = np.arange(spec.withheld, spec.questions), np.arange(spec.withheld), slice(48)
    a, b = (speaker.b(t[first], q[first], p) for p in (0, 1))
    expected = {
        "drift": speaker.b(t, q, None),
        "conditional": speaker.b(0, old, None),
        "task": speaker.right(0, new),
        "kept": np.concatenate([1 - a, b]),
        "facts": speaker.right(t, q),
    }
    assert scores.per_prompt.keys() == expected.keys()
    for name, values in expected.items():
        close = {"rtol": 0, "atol": tolerance.backward((spec.vocabulary,), np.float32, 1.0)}
        np.testing.assert_allclose(scores.per_prompt[name], values, **close)
        np.testing.assert_allclose(getattr(scores, name), values.mean(), **close)
    assert scores.neutral == 2.5


def test_probes_of_neutral_text_are_of_its_topics_and_ignore_padding(speaker):
    Probes(speaker.world).ask(speaker)
    (_, none, _), (ids, labels, _) = speaker.seen
    assert none is None
    np.testing.assert_array_equal(labels, np.where(ids == PAD, -100, ids))
    topics = ids[(ids >= 4) & (ids < 4 + speaker.world.spec.topics)] - 4
    assert set(topics.tolist()) == set(range(*NEUTRAL))


def test_probes_ask_in_evaluation_mode_and_leave_modes_and_hooks(speaker):
    speaker.train()
    speaker.child.eval()
    speaker.child.register_forward_hook(lambda *_: None)
    Probes(speaker.world).ask(speaker)
    assert [training for *_, training in speaker.seen] == [False, False]
    assert speaker.training
    assert not speaker.child.training
    assert tiny_models.hooks(speaker) == 1


def test_probes_are_the_same_for_a_world_and_others_for_another_seed(speaker):
    first, same, other = (Probes(speaker.world, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.ids, same.ids)
    assert torch.equal(first.neutral, same.neutral)
    assert not torch.equal(first.ids, other.ids)
