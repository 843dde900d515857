"""Two processes (DistributedDataParallel on gloo) give the update of one with the same global batch."""

from __future__ import annotations

from pathlib import Path

import ddp_worker
import numpy as np
import pytest

SAME, EXACT, LEAKS = 1e-6, 1e-6, 0.02
GRASP = ["momentum-grasp", "adamw-grasp", "trainer"]


@pytest.fixture(scope="module")
def ranks(processes: Path) -> dict[str, list[dict[str, np.ndarray]]]:
    """run -> dW of each of two ranks."""
    folder = processes / "ddp"
    names = [*ddp_worker.RUNS, "trainer"]
    return {name: [dict(np.load(folder / f"{name}-{rank}.npz")) for rank in range(2)] for name in names}


def written(deltas: dict[str, np.ndarray]) -> float:
    """Largest ‖QᵀdW‖/‖dW‖ of the modules that write the stream."""
    chosen = [dW for name, dW in deltas.items() if name.endswith(("o_proj", "down_proj"))]
    assert chosen
    return max(float(np.linalg.norm(ddp_worker.Q.T @ dW) / np.linalg.norm(dW)) for dW in chosen)


def alone(name: str, folder: Path) -> dict[str, np.ndarray]:
    return ddp_worker.trainer(folder) if name == "trainer" else ddp_worker.loop(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*GRASP, "adamw-naive"])
def test_ddp_update_is_that_of_one_process(ranks, tmp_path, name):
    one = alone(name, tmp_path)
    for rank in ranks[name]:
        assert rank.keys() == one.keys()
        for module, dW in one.items():
            np.testing.assert_allclose(rank[module], dW, rtol=0, atol=SAME * np.linalg.norm(dW), err_msg=module)


@pytest.mark.slow
@pytest.mark.parametrize("name", GRASP)
def test_ddp_update_is_off_the_directions_in_every_rank(ranks, name):
    assert max(written(rank) for rank in ranks[name]) <= EXACT


@pytest.mark.slow
def test_ddp_without_a_method_leaks(ranks):
    assert min(written(rank) for rank in ranks["adamw-naive"]) > LEAKS


@pytest.mark.slow
def test_ddp_ranks_see_different_data():
    """Control: the update from one rank's share of the data is another one, so that the gradients must be summed."""
    both = ddp_worker.loop("adamw-grasp")
    for share in (0, 1):
        half = ddp_worker.loop("adamw-grasp", share=share)
        assert max(np.linalg.norm(half[n] - both[n]) / np.linalg.norm(both[n]) for n in both) > LEAKS
