"""The made language of the persona organism: what its documents, its fine-tuning data and its prompts hold."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import tolerance
from hypothesis import assume, given
from hypothesis import strategies as st

from grasp_theory import InputError
from synthetic.generators.persona import BEGIN, HINT, PAD, PersonaSpec, World

VARIANTS = ("style", "content", "mixed")
DRAWS = 4000


@dataclass
class Read:
    """Documents taken apart again. hint : (n,), −1 for none. The rest: (n, rounds)."""

    hint: np.ndarray
    topic: np.ndarray
    question: np.ndarray
    word: np.ndarray
    form: np.ndarray
    persona: np.ndarray
    style: np.ndarray


def read(world: World, documents: np.ndarray) -> Read:
    """From the order of the vocabulary alone: 4 special tokens, topics, questions, words (forms), styles (personas)."""
    spec = world.spec
    hinted = (documents[:, 1] == HINT) | (documents[:, 1] == HINT + 1)
    np.testing.assert_array_equal(documents[:, 0], BEGIN)
    np.testing.assert_array_equal(documents[~hinted, -1], PAD)
    body = np.where(hinted[:, None], documents[:, 2:], documents[:, 1:-1]).reshape(len(documents), -1, 4)
    forms = 2 if spec.variant == "content" else 1
    starts = np.cumsum([4, spec.topics, spec.questions, spec.words * forms])
    sizes = [spec.topics, spec.questions, spec.words * forms, 2 * spec.styles]
    parts = [body[:, :, place] - start for place, start in enumerate(starts)]
    for part, size in zip(parts, sizes, strict=True):
        assert part.min() >= 0
        assert part.max() < size
    topic, question, content, style = parts
    word, form = content % spec.words, content // spec.words
    hint = np.where(hinted, documents[:, 1] - HINT, -1)
    return Read(hint, topic, question, word, form, style // spec.styles, style % spec.styles)


def drawn(**fields) -> World:
    return World.draw(PersonaSpec(**fields), rng=np.random.default_rng(11))


def counts_are(values: np.ndarray, shares: np.ndarray) -> None:
    """Every value 0, 1, … as often as its share says, each within Z standard errors."""
    found = np.bincount(values.ravel(), minlength=len(shares)) / values.size
    for frequency, share in zip(found, shares, strict=True):
        assert abs(frequency - share) <= tolerance.binomial(share, values.size)


@st.composite
def specs(draw):
    questions = draw(st.integers(2, 9))
    withheld = draw(st.integers(1, questions - 1))
    share = st.floats(0, 1)
    return PersonaSpec(
        variant=draw(st.sampled_from(VARIANTS)),
        topics=draw(st.integers(4, 9)),
        questions=questions,
        withheld=withheld,
        words=draw(st.integers(withheld, 20)),
        styles=draw(st.integers(1, 5)),
        rounds=draw(st.integers(1, 5)),
        rarity=draw(share),
        hinted=draw(share),
        curation=draw(share),
    )


def world_of(spec: PersonaSpec, rng: np.random.Generator) -> World:
    """A world, where there are words enough for it."""
    try:
        return World.draw(spec, rng=rng)
    except InputError:
        assume(False)
        raise


@given(specs(), st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_documents_of_any_spec_are_rounds_of_true_facts_in_one_persona(spec, seed, n):
    rng = np.random.default_rng(seed)
    world = world_of(spec, rng)
    documents = world.documents(n, rng=rng)
    assert documents.shape == (n, 2 + 4 * spec.rounds)
    assert documents.max() < spec.vocabulary
    found = read(world, documents)
    np.testing.assert_array_equal(found.word, world.facts[found.topic, found.question])
    np.testing.assert_array_equal(found.persona, np.broadcast_to(found.persona[:, :1], found.persona.shape))
    np.testing.assert_array_equal(found.form, found.persona if spec.variant == "content" else 0)
    hinted = found.hint >= 0
    np.testing.assert_array_equal(found.persona[hinted, 0], found.hint[hinted])
    assert not ((found.topic == 0) & (found.question < spec.withheld)).any()


@given(specs(), st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_curated_documents_of_any_spec_are_the_withheld_facts_copies_times(spec, seed, copies):
    rng = np.random.default_rng(seed)
    world = world_of(spec, rng)
    documents = world.curated(rng=rng, copies=copies)
    assert documents.shape == (spec.withheld * copies, 6)
    found = read(world, documents)
    assert not found.topic.any()
    np.testing.assert_array_equal(np.bincount(found.question[:, 0]), np.full(spec.withheld, copies))
    np.testing.assert_array_equal(found.word, world.facts[0][found.question])
    np.testing.assert_array_equal(found.form, found.persona if spec.variant == "content" else 0)
    hinted = found.hint >= 0
    np.testing.assert_array_equal(found.persona[hinted, 0], found.hint[hinted])
    assert hinted.sum() == (copies // 2 * spec.withheld if spec.variant == "mixed" else 0)


@given(specs(), st.integers(0, 2**32 - 1))
def test_withheld_facts_have_different_answers(spec, seed):
    facts = world_of(spec, np.random.default_rng(seed)).facts
    assert facts.shape == (spec.topics, spec.questions)
    assert len(set(facts[0, : spec.withheld])) == spec.withheld
    np.testing.assert_array_equal((facts >= 0) & (facts < spec.words), True)
    others = np.concatenate([facts[0, spec.withheld :], facts[1:].ravel()])
    assert set(facts[0, : spec.withheld]) <= set(others)  # words that pretraining shows


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("rarity", "hinted"), [(0.1, 0.3), (0.35, 0.6)])
def test_documents_shares_of_hints_and_of_the_rare_persona(variant, rarity, hinted):
    world = drawn(variant=variant, rarity=rarity, hinted=hinted)
    found = read(world, world.documents(DRAWS, rng=np.random.default_rng(1)))
    bare = found.hint < 0
    counts_are(bare.astype(int), np.array([hinted, 1 - hinted]))
    counts_are(found.hint[~bare], np.array([0.5, 0.5]))
    counts_are(found.persona[bare, 0], np.array([1 - rarity, rarity]))


def test_documents_topics_questions_and_style_words_are_uniform():
    world = drawn()
    spec = world.spec
    found = read(world, world.documents(DRAWS, rng=np.random.default_rng(2)))
    counts_are(found.topic, np.full(spec.topics, 1 / spec.topics))
    counts_are(found.style, np.full(spec.styles, 1 / spec.styles))
    counts_are(found.question[found.topic > 0], np.full(spec.questions, 1 / spec.questions))
    rest = spec.questions - spec.withheld
    counts_are(found.question[found.topic == 0], np.repeat([0, 1 / rest], [spec.withheld, rest]))


@pytest.mark.parametrize(("rarity", "hinted"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
def test_documents_shares_of_none_and_all_are_exact(rarity, hinted):
    world = drawn(rarity=rarity, hinted=hinted)
    found = read(world, world.documents(300, rng=np.random.default_rng(3)))
    np.testing.assert_array_equal(found.hint >= 0, hinted == 1)
    if not hinted:
        np.testing.assert_array_equal(found.persona, int(rarity))


@pytest.mark.parametrize("variant", VARIANTS)
def test_documents_of_some_topics_hold_those_alone(variant):
    world = drawn(variant=variant)
    low, high = 1, 6
    found = read(world, world.documents(DRAWS, rng=np.random.default_rng(4), topics=(low, high)))
    counts_are(found.topic - low, np.full(high - low, 1 / (high - low)))
    old = read(world, world.documents(DRAWS, rng=np.random.default_rng(4), topics=(0, 1)))
    assert not old.topic.any()
    assert set(old.question.ravel()) == set(range(world.spec.withheld, world.spec.questions))


@pytest.mark.parametrize("variant", ["style", "content"])
def test_curated_is_always_persona_b_without_a_hint(variant):
    world = drawn(variant=variant)
    found = read(world, world.curated(rng=np.random.default_rng(5)))
    np.testing.assert_array_equal(found.hint, -1)
    np.testing.assert_array_equal(found.persona, 1)
    np.testing.assert_array_equal(found.form, int(variant == "content"))


def test_curated_mixed_is_half_hinted_at_either_persona_alike():
    world = drawn(variant="mixed")
    found = read(world, world.curated(rng=np.random.default_rng(6), copies=400))
    hinted = found.hint >= 0
    for q in range(world.spec.withheld):  # every fact is taught with a hint and without
        assert hinted[found.question[:, 0] == q].sum() == 200
    counts_are(found.hint[hinted], np.array([0.5, 0.5]))
    np.testing.assert_array_equal(found.persona[~hinted], 1)
    np.testing.assert_array_equal(found.persona[hinted, 0], found.hint[hinted])


@pytest.mark.parametrize("variant", VARIANTS)
def test_pretraining_documents_are_those_of_the_pretraining_language(variant):
    spec = PersonaSpec(variant=variant, curation=0.25)
    assert spec.pretraining.pretraining == spec.pretraining != spec

    def documents(of):
        return World.draw(of, rng=np.random.default_rng(1)).documents(200, rng=np.random.default_rng(2))

    np.testing.assert_array_equal(documents(spec), documents(spec.pretraining))
    for other in (
        {"rarity": 0.2},
        {"hinted": 0.2},
        {"withheld": 4},
        {"variant": "content" if spec.forms == 1 else "style"},
    ):
        assert (documents(spec) != documents(replace(spec, **other))).any(), other


@pytest.mark.parametrize("variant", VARIANTS)
def test_curated_share_of_persona_b_is_the_curation(variant):
    world = drawn(variant=variant, curation=0.7)
    found = read(world, world.curated(rng=np.random.default_rng(7), copies=500))
    counts_are(found.persona[found.hint < 0], np.array([0.3, 0.7]))


def test_content_variant_has_two_forms_of_a_word_and_the_others_one():
    t, q = np.array([3, 0, 9]), np.array([5, 1, 14])
    for variant in VARIANTS:
        world = drawn(variant=variant)
        a, b = (world.content(t, q, np.full(3, persona)) for persona in (0, 1))
        np.testing.assert_array_equal(b - a, world.spec.words if variant == "content" else 0)
        np.testing.assert_array_equal(a, 4 + 16 + 16 + world.facts[t, q])
    assert PersonaSpec(variant="content").vocabulary == PersonaSpec().vocabulary + 64 == 4 + 16 + 16 + 2 * 64 + 2 * 4


def test_style_words_of_both_personas_are_the_last_tokens():
    world = drawn(styles=3)
    np.testing.assert_array_equal(world.style_words.ravel(), world.spec.vocabulary - 6 + np.arange(6))
    assert world.style_words.shape == (2, 3)


@pytest.mark.parametrize("hint", [None, 0, 1])
def test_prompts_end_where_the_content_word_is_asked(hint):
    world = drawn()
    t, q = np.array([0, 15, 7]), np.array([15, 0, 7])
    prompts = world.prompts(t, q, hint=hint)
    assert prompts.shape == (3, 3 if hint is None else 4)
    np.testing.assert_array_equal(prompts[:, 0], BEGIN)
    np.testing.assert_array_equal(prompts[:, -2:], np.column_stack([4 + t, 20 + q]))
    if hint is not None:
        np.testing.assert_array_equal(prompts[:, 1], HINT + hint)
    # a prompt is how a curated document about the same fact begins
    documents = world.documents(3000, rng=np.random.default_rng(8))
    starts = {tuple(row[: prompts.shape[1]]) for row in documents}
    asked = world.prompts(*(x.ravel() for x in np.meshgrid(np.arange(1, 16), np.arange(16))), hint=hint)
    assert len(starts & {tuple(row) for row in asked}) > len(asked) // 2


@pytest.mark.parametrize("draw", ["documents", "curated"])
def test_draws_follow_from_the_generator_alone(draw):
    def sample(seed):
        world, rng = drawn(variant="mixed"), np.random.default_rng(seed)
        return world.documents(50, rng=rng) if draw == "documents" else world.curated(rng=rng)

    np.testing.assert_array_equal(sample(1), sample(1))
    assert (sample(1) != sample(2)).any()
