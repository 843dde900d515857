"""Two processes (DistributedDataParallel on gloo) give the update of one with the same global batch."""

from __future__ import annotations

from pathlib import Path

import ddp_worker
import numpy as np
import pytest
from compared_updates import assert_same_updates, distance
from grasp_runs import LEAKS, leak_of
from tolerance import GUARANTEE

GRASP = ["momentum-grasp", "adamw-grasp", "trainer"]


@pytest.fixture(scope="module")
def ranks(processes: Path) -> dict[str, list[dict[str, np.ndarray]]]:
    """run -> dW of each of two ranks."""
    folder = processes / "ddp"
    names = [*ddp_worker.RUNS, "trainer"]
    return {name: [dict(np.load(folder / f"{name}-{rank}.npz")) for rank in range(2)] for name in names}


def alone(name: str, folder: Path) -> dict[str, np.ndarray]:
    return ddp_worker.trainer(folder) if name == "trainer" else ddp_worker.loop(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*GRASP, "adamw-naive"])
def test_ddp_update_is_that_of_one_process(ranks, tmp_path, name):
    one = alone(name, tmp_path)
    for rank in ranks[name]:
        assert_same_updates(rank, one, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", GRASP)
def test_ddp_update_is_off_the_directions_in_every_rank(ranks, name):
    assert max(leak_of(rank, ddp_worker.Q) for rank in ranks[name]) <= GUARANTEE


@pytest.mark.slow
def test_ddp_without_a_method_leaks(ranks):
    assert min(leak_of(rank, ddp_worker.Q) for rank in ranks["adamw-naive"]) > LEAKS


@pytest.mark.slow
def test_ddp_ranks_see_different_data():
    """Control: the update from one rank's share of the data is another one, so that the gradients must be summed."""
    both = ddp_worker.loop("adamw-grasp")
    for share in (0, 1):
        assert distance(ddp_worker.loop("adamw-grasp", share=share), both) > LEAKS
