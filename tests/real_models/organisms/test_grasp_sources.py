"""GRASP with directions from other sources: what each row of the comparison keeps out of dW, and naive runs do not."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import tolerance
from tiny_models import inputs
from tiny_organism import RUN, halfway

from real_models import updates_from_model
from real_models.comparison.methods import SetupSources, find_compared
from real_models.organisms import persona_run
from real_models.organisms.runs import fine_tune, naive_run

LEAKS = 0.05  # of a naive update, along what a row keeps out


@pytest.fixture(scope="module", autouse=True)
def naive(organism_cache):
    """With a task score that it reaches on the way."""
    found = naive_run(RUN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(persona_run, "TASK", halfway(found))
        yield found


def dense(updates) -> dict[str, np.ndarray]:
    return {u.name: u.lowrank @ np.eye(u.shape[1]) for u in updates}


@cache
def trained(row: str) -> dict[str, np.ndarray]:
    """dW at the end of a run under a row at its preset, one component."""
    ends: list = []
    methods = find_compared(row).make(SetupSources(RUN), 1.0)
    fine_tune(RUN, methods=methods, look=ends.append)
    return dense(updates_from_model(ends[-1]))


def off(dW: np.ndarray, Q: np.ndarray) -> float:
    """‖QᵀdW‖/‖dW‖."""
    return float(np.linalg.norm(Q.T @ dW) / np.linalg.norm(dW))


def left(parts: list[np.ndarray]) -> np.ndarray:
    """The leading left singular direction of matrices side by side."""
    return np.linalg.svd(np.hstack(parts), full_matrices=False)[0][:, :1]


def writers(updates) -> list:
    return [u for u in updates if u.side == "write"]


def test_one_set_for_each_block_and_side_is_that_of_its_own_modules(naive):
    """Every write module off its block's direction, every read module off its own; control: random ones leave them."""
    before, kept, free = dense(naive.updates), trained("grasp, per block and side"), dense(naive.updates)
    random = trained("grasp, random per block and side")
    seen = {"write": 0, "read": 0}
    for u in naive.updates:
        if u.side == "write":
            Q = left([before[w.name] for w in writers(naive.updates) if w.layer == u.layer])
            leaks = [off(dW[u.name], Q) for dW in (kept, free, random)]
        else:
            V = np.linalg.svd(before[u.name])[2][:1].T
            leaks = [off(dW[u.name].T, V) for dW in (kept, free, random)]
        seen[u.side] += 1
        assert leaks[0] <= 10 * tolerance.GUARANTEE, u.name
        assert min(leaks[1:]) > LEAKS, u.name
    assert min(seen.values()) > 0


def test_own_text_direction_is_that_of_what_the_update_writes_on_it(naive):
    """Against dW X by hooks on the base's own text; control: the direction on the fine-tuning data is another one."""
    before, X = dense(naive.updates), inputs(naive.model(naive.at), RUN.said_by_base())
    Q = left([before[u.name] @ X[u.name].T for u in writers(naive.updates)])
    kept = trained("grasp, own text")
    assert max(off(kept[u.name], Q) for u in writers(naive.updates)) <= 1e-4  # the direction is of float32 inputs
    assert max(off(before[u.name], Q) for u in writers(naive.updates)) > LEAKS
    sources = SetupSources(RUN)
    assert abs(float(Q[:, 0] @ sources.seen(1)[:, 0])) < 1 - 1e-4


def test_contrasted_direction_is_kept_out_and_is_not_the_naive_runs(naive):
    Q = SetupSources(RUN).contrasted(1)
    kept, free = trained("grasp, contrasted"), dense(naive.updates)
    assert max(off(kept[u.name], Q) for u in writers(naive.updates)) <= 10 * tolerance.GUARANTEE
    assert max(off(free[u.name], Q) for u in writers(naive.updates)) > LEAKS / 5
    assert abs(float(Q[:, 0] @ SetupSources(RUN).top(1)[:, 0])) < 0.999
