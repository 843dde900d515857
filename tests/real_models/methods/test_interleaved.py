"""Neutral rows among the training rows: which, how many, in as many steps; and what that does to dW."""

from __future__ import annotations

import numpy as np
import pytest
from compared_updates import assert_same_updates
from tiny_models import deltas, lora, tiny

from grasp_theory import InputError
from real_models.data import Example
from real_models.methods import Given, Interleaved, Naive, build_methods
from real_models.training import TrainConfig, fit

ROWS = [Example([1, n, n + 1], [-100, n, n + 1], f"row {n}") for n in range(2, 14)]
NEUTRAL = [Example([1, n], [-100, n], f"neutral {n}") for n in range(20, 25)]
CONFIG = TrainConfig(r=4, lr=1e-2, steps=6, batch_size=4, accumulation=1, warmup=0)


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.1, 1), (0.25, 4), (0.5, 12), (0.75, 36)])
def test_neutral_rows_are_the_share_of_a_pass_each_once_before_any_again(share, count):
    found = Interleaved(NEUTRAL, share=share).mixed(ROWS, seed=0)
    assert list(found[: len(ROWS)]) == ROWS
    added = [row.source for row in found[len(ROWS) :]]
    assert len(added) == count
    times = [added.count(row.source) for row in NEUTRAL]
    assert max(times) - min(times) <= 1
    assert abs(count / len(found) - share) <= 0.5 / len(ROWS)


def test_neutral_rows_are_those_of_the_seed():
    method = Interleaved(NEUTRAL, share=0.2)
    draws = [[row.source for row in method.mixed(ROWS, seed=seed)] for seed in (0, 0, 1, 2, 3)]
    assert draws[0] == draws[1]
    assert any(other != draws[0] for other in draws[2:])


def fitted(*methods, config=CONFIG):
    model, done = lora(tiny()), []
    fit(model, ROWS, methods=methods, config=config, pad=0, look=done.append)
    return model, done


def loss(model, rows) -> float:
    """Mean over rows, nats a labelled token."""
    import torch

    model.eval()
    with torch.no_grad():
        each = [model(input_ids=torch.tensor([r.input_ids]), labels=torch.tensor([r.labels])).loss for r in rows]
    return float(np.mean([float(x) for x in each]))


def test_a_run_takes_as_many_steps_and_learns_the_neutral_rows_too():
    """Share 0 is the naive run bit by bit; the control of the other: the naive run learns nothing of neutral rows."""
    (plain, steps), (none, _), (mixed, as_many) = (
        fitted(method) for method in (Naive(), Interleaved(NEUTRAL, share=0.0), Interleaved(NEUTRAL, share=0.5))
    )
    assert steps == as_many == list(range(CONFIG.steps + 1))
    assert_same_updates(deltas(none), deltas(plain))
    assert max(np.abs(deltas(mixed)[name] - dW).max() for name, dW in deltas(plain).items()) > 1e-3
    base = loss(lora(tiny()), NEUTRAL)
    assert loss(mixed, NEUTRAL) < base - 0.3
    assert loss(mixed, NEUTRAL) < loss(plain, NEUTRAL) - 0.3


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Interleaved([], share=0.5), "not empty"),
        (lambda: Interleaved(NEUTRAL, share=1.0), "at least 0 and below 1, got 1.0"),
        (lambda: Interleaved(NEUTRAL, share=-0.1), "at least 0"),
        (lambda: build_methods("interleaved", Given(share=0.5)), "needs --neutral-data"),
        (lambda: build_methods("interleaved", Given(neutral_data=lambda: NEUTRAL)), "needs --share"),
        (lambda: build_methods("kl", Given(share=0.5)), "does not take --share"),
    ],
)
def test_bad_input_is_refused_with_the_reason(make, match):
    with pytest.raises(InputError, match=match):
        make()


def test_command_line_rows_are_mixed():
    (method,) = build_methods("interleaved", Given(neutral_data=lambda: NEUTRAL, share=0.5))
    assert len(method.mixed(ROWS, seed=0)) == 2 * len(ROWS)
