"""What goes along with a direction: the lens is the model's own head, rows and steered text follow the direction."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tolerance
import torch
from command import grasp
from made_directions import directions
from made_files import BASE, STORIES
from tiny_models import BLOCKS, WIDTH, batch, hooks, subspace, tiny

from grasp_cli.explain import SHOWN
from grasp_theory import InputError
from real_models.audit.continuations import NEW_TOKENS, QUESTIONS, prompts
from real_models.audit.explain import CAVEAT, explain, lens, project, random_direction
from real_models.base import load_base, load_tokenizer
from real_models.data import Row, encode, read_rows
from real_models.directions import save_directions
from real_models.hooks.stream import find_stream


def unit(v: np.ndarray) -> np.ndarray:
    return (v / np.linalg.norm(v)).reshape(-1, 1)


def head(kind: str, Q: np.ndarray, *, gained: bool = True) -> np.ndarray:
    """(k, vocabulary) the unembedding of g ∘ q √d (of the centred q, to unit deviation, behind a LayerNorm)."""
    model = tiny(kind)
    norm = model.transformer.ln_f if kind == "gpt2" else model.model.norm
    g = norm.weight.detach().double().numpy() + (1.0 if kind == "gemma" else 0.0)
    q = Q - Q.mean(axis=0) if kind == "gpt2" else Q
    q = q / np.linalg.norm(q, axis=0) * WIDTH**0.5
    found = model.lm_head.weight.detach().double().numpy() @ ((g[:, None] if gained else 1.0) * q)
    return (found - found.mean(axis=0)).T


@pytest.mark.parametrize("kind", ["llama", "gemma", "gpt2"])
def test_lens_is_the_unembedding_of_the_direction_through_the_final_norm(kind):
    model, Q = tiny(kind).eval(), subspace(5, 3)
    found = lens(model, find_stream(model), Q)
    expected = head(kind, Q)
    close = tolerance.backward(found.shape, np.float32, np.abs(expected).max()) + 2e-5  # and eps of the norm
    np.testing.assert_allclose(found, expected, rtol=0, atol=close)
    assert np.abs(found - head(kind, Q, gained=False)).max() > 100 * close
    assert hooks(model) == 0


@pytest.mark.parametrize("block", range(BLOCKS - 1))
def test_projection_is_of_the_blocks_output(block):
    model, Q = tiny().eval(), subspace(6, 2)
    ids = batch(1)["input_ids"][0].tolist()
    with torch.no_grad():
        states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
    along, norms = project(model, find_stream(model), Q, block=block, ids=ids, skip=2)
    h = states[block + 1][0, 2:].double().numpy()
    close = tolerance.backward(h.shape, np.float32, np.linalg.norm(h, axis=1).max())
    np.testing.assert_allclose(along, h @ Q, rtol=0, atol=close)
    np.testing.assert_allclose(norms, np.linalg.norm(h, axis=1), rtol=0, atol=close)


@pytest.fixture(scope="module")
def setting(made, tmp_path_factory):
    """The made model, and rows of text: five stories cut short, and one conversation."""
    base = made / BASE
    story = (made / STORIES).read_text().split()
    rows = [{"text": " ".join(story[n : n + 20])} for n in range(0, 100, 20)]
    turns = [{"role": r, "content": c} for r, c in (("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello."))]
    path = tmp_path_factory.mktemp("explain") / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in [*rows, {"messages": turns}]))
    return base, path


@pytest.mark.slow
def test_rows_are_ordered_by_their_projection(setting):
    """The direction from the other rows' mean stream to one row's puts that row first, and its reverse last."""
    base, path = setting
    model, tokenizer = load_base(base), load_tokenizer(base)
    stream, means, every = find_stream(model), [], []
    for row in read_rows(path):
        ids = encode(row, tokenizer, max_length=512, labels="all").input_ids
        h, _ = project(model, stream, np.eye(stream.width), block=2, ids=ids, skip=1)
        means.append(h.mean(axis=0))
        every.append(h)
    q = unit(means[3] - np.mean([m for n, m in enumerate(means) if n != 3], axis=0))
    found = explain(directions(q), base=base, data=path, top=2, layer=2)
    one = found.directions[0]
    assert one.highest[0].source.endswith("line 4")
    assert (
        explain(directions(-q), base=base, data=path, top=2, layer=2).directions[0].lowest[0].source.endswith("line 4")
    )
    np.testing.assert_allclose(one.highest[0].mean, float(means[3] @ q[:, 0]), rtol=1e-5)
    pooled = np.concatenate(every) @ q[:, 0]
    assert one.mean is not None
    assert one.std is not None
    np.testing.assert_allclose((one.mean, one.std), (pooled.mean(), pooled.std()), rtol=1e-4)
    assert found.tokens == len(pooled)


@pytest.mark.slow
def test_large_steering_says_what_the_lens_says(setting):
    """Far out along ±q the stream is ±q alone: greedy text repeats the first token of each list, plain text not."""
    base, _ = setting
    rng = np.random.default_rng(2)
    found = explain(directions(unit(rng.standard_normal(64))), base=base, amount=1e5, top=3)
    model, tokenizer = load_base(base), load_tokenizer(base)
    one = found.directions[0]
    for text, token in ((one.texts[0].plus, one.raised[0]), (one.texts[0].minus, one.lowered[0])):
        assert text == tokenizer.decode([token.id] * NEW_TOKENS, skip_special_tokens=True)
        assert text != one.texts[0].plain
    assert one.raised[0].logit > one.raised[1].logit > 0 > one.lowered[0].logit
    assert (found.rows, one.highest, one.mean) == (0, (), None)
    assert hooks(model) == 0


@pytest.mark.slow
def test_small_steering_leaves_the_text(setting):
    """Control of the test above: an amount of a millionth of the stream changes no token."""
    base, path = setting
    q = unit(np.random.default_rng(2).standard_normal(64))
    found = explain(directions(q), base=base, data=path, amount=1e-6, top=1)
    for text in found.directions[0].texts:
        assert text.plus == text.minus == text.plain
        assert text.shared == (text.length, text.length)
    assert len(found.directions[0].texts) == 3


@pytest.mark.slow
def test_random_direction_stands_beside_the_given_ones(setting):
    base, _ = setting
    found = explain(directions(subspace(7, 2, 64)), base=base, top=1)
    assert [one.index for one in found.directions] == [0, 1, None]
    assert found.directions[2].raised != found.directions[0].raised
    Q = np.linalg.qr(np.random.default_rng(1).standard_normal((64, 60)))[0]
    v = random_direction(Q, 0)
    np.testing.assert_allclose(np.linalg.norm(v), 1.0, rtol=1e-12)
    np.testing.assert_allclose(Q.T @ v, 0, atol=tolerance.backward(Q.shape, np.float64, 1.0))


def test_wrong_directions_and_options_are_refused(setting):
    base, _ = setting
    q = unit(np.random.default_rng(2).standard_normal(64))
    cases = [
        (directions(q, side="read"), {}, "read side"),
        (directions(q[:32]), {}, "64"),
        (directions(q, base_model="someone/other"), {}, "identified on"),
        (directions(q), {"layer": 5}, "blocks 0 … 4"),
        (directions(q), {"amount": -1.0}, "positive"),
        (directions(q), {"top": 0}, "top"),
        (directions(np.linalg.qr(np.random.default_rng(0).standard_normal((64, 64)))[0]), {}, "all 64"),
    ]
    for given, options, words in cases:
        with pytest.raises(InputError, match=words):
            explain(given, base=base, **options)


@pytest.mark.slow
def test_command_shows_what_its_json_holds(setting, tmp_path, capsys):
    base, path = setting
    file, target = tmp_path / "d.safetensors", tmp_path / "out.json"
    save_directions(file, directions(subspace(7, 1, 64), components=(4,)))
    code, out, _ = grasp(capsys, "explain", file, "--base", base, "--data", path, "--top", 2, "--json", target)
    found = json.loads(target.read_text())
    assert code == 0
    assert "component 4" in out
    assert "random direction" in out
    assert CAVEAT in out
    assert found["caveat"] == CAVEAT
    for one in found["directions"]:
        for token in one["raised"] + one["lowered"]:
            assert f"{token['text']!r} {token['logit']:+.2f}" in out
        assert len(one["texts"]) > SHOWN
        for text in one["texts"][:SHOWN]:
            assert repr(text["plus"]) in out
    assert out.count("more prompt; --json has all of them") == len(found["directions"])
    assert repr(found["directions"][0]["texts"][0]["prompt"][-60:]) in out


TURNS = "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}</s>{% endfor %}"
ASKED = "{% if add_generation_prompt %}<s>assistant: {% endif %}"


def test_prompts_without_data_are_neutral_questions_where_there_is_a_template(made):
    tokenizer = load_tokenizer(made / BASE)
    assert prompts([], tokenizer, 512) == [[tokenizer.bos_token_id]]
    tokenizer.chat_template = TURNS + ASKED
    found = prompts([], tokenizer, 512)
    assert [sum(question in tokenizer.decode(ids) for question in QUESTIONS) for ids in found] == [1, 1, 1]
    for ids in found:  # the begin token is there as often as the template writes it: it may open every turn
        assert tokenizer.decode(ids).rstrip().endswith("assistant:")
        assert ids[0] == tokenizer.bos_token_id
        assert ids.count(tokenizer.bos_token_id) == 2
    asked = [Row("here", messages=({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}))]
    (mine,) = prompts(asked, tokenizer, 512)
    assert "user: Hi" in tokenizer.decode(mine)
    assert "Hello" not in tokenizer.decode(mine)
