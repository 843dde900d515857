"""The offline judge: probabilities are the model's own, padding is nothing, intervals know of questions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tolerance
import torch
from json_lines import write_lines as write
from made_files import BASE, NAMES, STORIES
from scipy.special import expit
from scipy.stats import norm
from tiny_models import VOCABULARY, lora, tiny, trained

from grasp_theory import InputError
from real_models.base import load_base, load_tokenizer
from real_models.data import IGNORED, Example
from real_models.evaluation.bootstrap import Sample, estimate
from real_models.evaluation.judge import (
    PairScores,
    encode_pairs,
    judge_pairs,
    read_pairs,
    read_text,
    score_text,
    write_pairs,
)
from real_models.evaluation.scoring import token_log_probs

PAIR = {"prompt": "Lily went to the", "without": " park.", "with": " store to buy a toy."}


def examples(count: int = 7, seed: int = 0) -> list[Example]:
    """Random tokens of random lengths, labels on a random tail and on one token before it."""
    rng = np.random.default_rng(seed)
    found = []
    for n in range(count):
        ids = rng.integers(VOCABULARY, size=rng.integers(4, 16)).tolist()
        first = int(rng.integers(2, len(ids)))
        labels = [t if k >= first or k == 1 else IGNORED for k, t in enumerate(ids)]
        found.append(Example(ids, labels, f"row {n}"))
    return found


def direct(model: Any, example: Example) -> np.ndarray:
    """ln p of each labelled token, one unpadded forward pass a token."""
    at = [n for n, label in enumerate(example.labels) if label != IGNORED]
    with torch.no_grad():
        logits = [model(torch.tensor([example.input_ids[:n]])).logits[0, -1].double() for n in at]
    return np.array([float(x.log_softmax(-1)[example.labels[n]]) for n, x in zip(at, logits, strict=True)])


def close(values: np.ndarray) -> float:
    return tolerance.backward((VOCABULARY, 40), np.float32, max(1.0, float(np.abs(values).max())))


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2"])
@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_log_probs_are_the_models_token_by_token_in_any_batch(kind, batch_size):
    model, rows = tiny(kind).eval(), examples()
    found = token_log_probs(model, rows, pad=3, batch_size=batch_size)
    assert len({len(row.input_ids) for row in rows}) > 3
    for row, values in zip(rows, found, strict=True):
        expected = direct(model, row)
        np.testing.assert_allclose(values, expected, rtol=0, atol=close(expected))


def test_log_probs_are_of_evaluation_mode_and_leave_the_model_as_it_was():
    model, rows = lora(tiny(), lora_dropout=0.5), examples()
    for parameter in trained(model):
        parameter.data.normal_(generator=torch.Generator().manual_seed(0))
    expected = token_log_probs(model.eval(), rows, pad=0)
    found = token_log_probs(model.train(), rows, pad=0)
    assert model.training
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(expected))


def test_log_probs_refused_name_the_row():
    model = tiny()
    with pytest.raises(InputError, match="row 9: no token to be scored"):
        token_log_probs(model, [*examples(2), Example([1, 2], [1, IGNORED], "row 9")], pad=0)
    model.lm_head.weight.data[3, 5] = float("nan")
    with pytest.raises(InputError, match="row 0: probabilities that are not finite"):
        token_log_probs(model, examples(2), pad=0)


def test_drift_is_the_share_of_the_completion_with_the_trait():
    p = np.array([[0.2, 0.6], [0.5, 0.5], [1e-4, 1e-6]])
    tokens = np.array([[1, 1], [2, 1], [2, 3]])
    scores = PairScores(np.log(p), tokens, ("a", "b", "c"), ("", "", ""))
    eps = tolerance.backward((1,), float, 1)
    np.testing.assert_allclose(scores.drift, p[:, 1] / p.sum(axis=1), rtol=0, atol=eps)
    mean = p ** (1 / tokens)
    np.testing.assert_allclose(scores.drift_per_token, mean[:, 1] / mean.sum(axis=1), rtol=0, atol=eps)
    assert scores.samples()["drift"].ratio == pytest.approx(np.mean(scores.drift), rel=eps)


def test_pairs_are_scored_on_the_last_answer_alone(small, chat, tmp_path):
    _, tokenizer = small
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Who?"},
    ]
    pairs = read_pairs(write(tmp_path / "p.jsonl", {"prompt": turns, "without": "Me", "with": "You"}, PAIR))
    assert [pair.prompt.question for pair in pairs] == ["Who?", "Lily went to the"]
    (plain, _), (text, _) = encode_pairs(pairs, tokenizer, max_length=512)
    (_, templated), _ = encode_pairs(pairs, chat, max_length=512)
    for example, answer in ((plain, "Me</s>"), (text, "park.</s>"), (templated, "You")):
        scored = [label for label in example.labels if label != IGNORED]
        assert tokenizer.decode(scored).strip() == answer
        assert example.input_ids[-len(scored) :] == scored
    assert "<user>Hi\n<assistant>Hello\n<user>Who?\n<assistant>You" in tokenizer.decode(templated.input_ids)


def test_pair_scores_are_sums_over_the_rows_of_a_batch(small, tmp_path):
    model, tokenizer = small
    other = {"prompt": "Tom saw a", "without": " big dog.", "with": " cat.", "question": "animals"}
    encoded = encode_pairs(read_pairs(write(tmp_path / "p.jsonl", PAIR, other)), tokenizer, max_length=512)
    found = judge_pairs(model, encoded, questions=["a", "b"], pad=tokenizer.pad_token_id, batch_size=3)
    expected = np.array([[direct(model, example).sum() for example in pair] for pair in encoded])
    np.testing.assert_allclose(found.log_p, expected, rtol=0, atol=close(expected))
    np.testing.assert_array_equal(found.tokens, [[len(direct(model, e)) for e in pair] for pair in encoded])
    rows = list(found.rows())
    assert [row["source"].split(", ")[-1] for row in rows] == ["line 1", "line 2"]
    assert rows[0]["drift"] == pytest.approx(expit(expected[0, 1] - expected[0, 0]), abs=close(expected))


def test_drift_follows_what_the_model_was_trained_on(made, tmp_path):
    """Trained on completions with the trait it is sure of those, on the others of these, after prompts not seen."""
    tokenizer, ends = load_tokenizer(made / BASE), []
    rows = [{"prompt": f"{n} went to the", "without": " big park.", "with": " big hill."} for n in NAMES]
    encoded = encode_pairs(read_pairs(write(tmp_path / "p.jsonl", *rows)), tokenizer, max_length=512)
    for column in range(2):
        model = load_base(made / BASE, dtype="float32")
        optimizer = torch.optim.SGD(model.parameters(), 0.005)
        for step in range(8):
            example = encoded[step % 4][column]
            loss = model(torch.tensor([example.input_ids]), labels=torch.tensor([example.labels])).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        ends.append(judge_pairs(model, encoded[4:], questions=NAMES[4:], pad=tokenizer.pad_token_id).samples())
    for name, sample in ends[1].items():  # found: below 0.002 and above 0.98 for every prompt
        assert (sample.values > 0.8).all()
        assert (ends[0][name].values < 0.2).all()


@pytest.mark.slow
def test_text_loss_is_the_models_own_and_per_token(made, small, tmp_path):
    model, tokenizer = small
    story = (made / STORIES).read_text().split()
    path = tmp_path / "n.txt"
    path.write_text("\n\n".join([" ".join(story[:40]), " ".join(story[40:50]), " ".join(story[:2000])]))
    rows, questions = read_text(path, tokenizer, max_length=128, labels="all")
    assert [row.truncated for row in rows] == [False, False, True]
    assert len(set(questions)) == 3
    found = score_text(model, rows, questions=questions, pad=tokenizer.pad_token_id)
    expected, tokens = [], [len(row.input_ids) - 1 for row in rows]
    for row in rows:
        with torch.no_grad():
            ids = torch.tensor([row.input_ids])
            expected.append(float(model(ids, labels=ids).loss))
    np.testing.assert_array_equal(found.tokens, tokens)
    np.testing.assert_allclose(found.loss / tokens, expected, rtol=close(np.ones(1)))
    samples = found.samples("neutral")
    assert samples["neutral loss"].ratio == pytest.approx(np.average(expected, weights=tokens), rel=close(np.ones(1)))
    p = np.concatenate([np.exp(direct(model, row)) for row in rows[:2]])
    np.testing.assert_allclose(found.probability[:2].sum(), p.sum(), rtol=close(np.ones(1)))


def test_task_rows_are_clustered_by_question_prompt_or_row(small, tmp_path):
    _, tokenizer = small
    chat = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    asked = {"prompt": "Tom", "completion": " ran."}
    path = write(tmp_path / "t.jsonl", asked, asked | {"completion": " sat."}, asked | {"question": "q"}, chat)
    write(tmp_path / "u.jsonl", {"text": "Once"}, {"text": "Once"})
    assert read_text(path, tokenizer, max_length=64, labels="completion")[1] == ["Tom", "Tom", "q", "Hi"]
    assert len(set(read_text(tmp_path / "u.jsonl", tokenizer, max_length=64, labels="all")[1])) == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "holds no pair; expected one JSON object a line"),
        ([PAIR, "{"], r"p.jsonl, line 2: not JSON .*without"),
        ([{k: v for k, v in PAIR.items() if k != "with"}], "line 1: 'with' must be text that is not empty, got None"),
        ([PAIR, PAIR | {"without": "  "}], "line 2: 'without' must be text that is not empty"),
        (['{"prompt": NaN, "without": "a", "with": "b"}'], "line 1: 'prompt' must be text"),
        ([PAIR | {"with": PAIR["without"]}], "line 1: 'without' and 'with' are the same"),
        ([PAIR | {"question": 3}], "line 1: 'question' must be text"),
        ([PAIR | {"prompt": []}], "line 1: the turns of 'prompt' must end with one of the user"),
        ([PAIR | {"prompt": [{"role": "user", "content": 1}]}], "line 1, turn 1: 'content' must be text"),
        ([PAIR | {"prompt": [{"role": "robot", "content": "a"}]}], "line 1, turn 1: expected .*'role': one of"),
    ],
)
def test_pairs_refused_name_file_and_line(tmp_path, values, message):
    with pytest.raises(InputError, match=message):
        read_pairs(write(tmp_path / "p.jsonl", *values))


def test_pairs_too_long_are_refused_with_file_and_line(small, tmp_path):
    pairs = read_pairs(write(tmp_path / "p.jsonl", PAIR, PAIR | {"with": " dog" * 30}))
    with pytest.raises(InputError, match=r"p.jsonl, line 2: \d+ tokens, at most 24 fit"):
        encode_pairs(pairs, small[1], max_length=24)


def test_pairs_written_are_read_again(tmp_path):
    turns = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hü?"}]
    pairs = read_pairs(write(tmp_path / "p.jsonl", PAIR, PAIR | {"prompt": turns, "question": "q"}))
    again = read_pairs(write_pairs(tmp_path / "q.jsonl", pairs))
    plain = [(p.prompt.given, p.prompt.question, p.without, p.having) for p in pairs]
    assert [(p.prompt.given, p.prompt.question, p.without, p.having) for p in again] == plain


def clustered(seed: int, *, groups: int = 200, size: int = 4) -> Sample:
    """Rows that are mostly what their question makes them."""
    rng = np.random.default_rng(seed)
    values = np.repeat(rng.standard_normal(groups), size) + 0.1 * rng.standard_normal(groups * size)
    return Sample(values, np.ones(len(values)), tuple(f"q{n // size}" for n in range(len(values))))


def width(sample: Sample, draws: int) -> float:
    found = estimate(sample, draws=draws)
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


def test_interval_is_that_of_question_means():
    """±1.96 sd/√n of the 200 means: a quantile of B draws has the standard error 2.67 sd/√B. Control: rows are not."""
    sample, draws = clustered(3), 4000
    means = sample.values.reshape(200, 4).mean(axis=1)
    deviation = np.std(means) / np.sqrt(200)
    expected = 2 * norm.ppf(0.975) * deviation
    error = tolerance.Z * 2**0.5 * 2.67 / draws**0.5 * deviation
    np.testing.assert_allclose(width(sample, draws), expected, rtol=0, atol=error)
    rows = Sample(sample.values, sample.weights, tuple(map(str, range(800))))
    assert width(rows, draws) < expected - 5 * error


def test_interval_of_a_difference_is_paired():
    sample = clustered(1)
    shifted = Sample(sample.values + 0.25, sample.weights, sample.clusters)
    found = estimate(shifted, sample)
    eps = tolerance.backward((200,), float, 10)
    np.testing.assert_allclose([found.value, found.low, found.high], 0.25, rtol=0, atol=eps)
    assert width(sample, 500) > 0.1
    with pytest.raises(InputError, match="the same questions"):
        estimate(sample, Sample(np.ones(1), np.ones(1), ("q0",)))


def test_estimate_weighs_rows_by_their_tokens():
    sample = Sample(np.array([1.0, 6.0]), np.array([1.0, 2.0]), ("a", "b"))
    found = estimate(sample)
    assert (found.value, found.low, found.high) == (7 / 3, 1.0, 3.0)


def test_estimate_says_none_where_there_is_nothing_to_estimate_from():
    one, nothing = (Sample(np.zeros(2), np.array(w), ("a", "b")) for w in ([1.0, 0.0], [0.0, 0.0]))
    assert (estimate(one).value, estimate(one).low, estimate(one).high) == (0.0, None, None)
    assert estimate(nothing).value is None
    assert estimate(one, nothing).value is None
    for values, weights, clusters in ((np.ones(2), np.ones(1), ("a",)), (np.ones(0), np.ones(0), ())):
        with pytest.raises(InputError, match="as many values as weights"):
            Sample(values, weights, clusters)
    for values, weights in ((np.array([np.nan]), np.ones(1)), (np.ones(1), -np.ones(1))):
        with pytest.raises(InputError, match="must be finite"):
            Sample(values, weights, ("a",))
