"""FSDP 2 (fully_shard, on gloo): 2 and 4 processes that share one model give the update of one that has it whole."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sharded_worker
from compared_updates import distance
from tiny_models import BLOCKS, VOCABULARY, WIDTH, lora, tiny, trained
from torch.distributed.tensor import Shard

from grasp_theory import InputError
from real_models.methods import METHODS, Scale
from real_models.training.scale import Decoder, Setting, traffic

SAME = {"float32": 1e-5}  # everything else is in float64
EXACT, LEAKS, EFFECT = 1e-6, 0.02, 1e-2
Found = dict[str, np.ndarray]
DATA = {"inoculation", "interleaved"}  # act on the rows, and do nothing to a model


@pytest.fixture(scope="module")
def folder(processes: Path) -> Path:
    folder = processes / "sharded"
    ended = json.loads((folder / "ended.json").read_text())
    assert not any(any(codes) for job, codes in ended.items() if job != "die-3"), ended
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[int, list[Found]]:
    """Number of processes -> what each of them found."""
    return {world: [dict(np.load(folder / f"{world}-{rank}.npz")) for rank in range(world)] for world in (1, 2, 4)}


def modules(found: Found, run: str) -> Found:
    inside = {n.removeprefix(f"{run}/"): x for n, x in found.items() if n.startswith(f"{run}/")}
    return {name: x for name, x in inside.items() if not name.startswith("leak/")}


CASES = [(2, run) for run in (*sharded_worker.RUNS, "float32", "kept-whole")] + [
    (4, run) for run in (*sharded_worker.FEW, "replicas")
]


def test_sharded_runs_hold_every_training_method():
    trained = {method.name for methods in sharded_worker.RUNS.values() for method in methods()}
    assert {method.name for method in METHODS if method.phase == "training"} == trained | DATA


def test_edited_factors_of_a_sharded_model_are_refused():
    model = lora(tiny())
    model.__class__ = type("FSDPModule", (type(model),), {"reshard": lambda self: None})
    trained(model)[0].placements, trained(model)[0].device_mesh = (Shard(0),), SimpleNamespace(device_type="cpu")
    with pytest.raises(InputError, match=r"sharded by FSDP.*save the adapter, edit it"):
        Scale(0.5).attach(model)


@pytest.mark.slow
@pytest.mark.parametrize(("world", "run"), CASES)
def test_sharded_update_is_that_of_one_process(found, world, run):
    one = modules(found[1][0], run)
    for rank in found[world]:
        assert distance(modules(rank, run), one) <= SAME.get(run, 1e-9)
        leaks = [name for name in found[1][0] if name.startswith(f"{run}/leak/")]
        np.testing.assert_allclose([rank[n] for n in leaks], [found[1][0][n] for n in leaks], rtol=1e-6, atol=EXACT)


@pytest.mark.slow
@pytest.mark.parametrize("run", sharded_worker.RUNS)
def test_sharded_method_does_something(found, run):
    """Control: the update is another one than without it."""
    if run != "naive":
        assert distance(modules(found[2][0], run), modules(found[2][0], "naive")) > EFFECT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("world", "run", "leak"),
    [
        (2, "grasp", "grasp/write"),
        (2, "grasp-read", "grasp/read"),
        (2, "float32", "grasp/write"),
        (2, "kept-whole", "grasp/write"),
        (4, "grasp", "grasp/write"),
        *((world, "kl+null-space+grasp", leak) for world in (2, 4) for leak in ("grasp/write", "null-space/read")),
        *((4, "replicas", leak) for leak in ("grasp/write", "null-space/read")),
        *((2, "mixed", leak) for leak in ("grasp/write", "null-space/read")),  # the base runs first, nothing trained
    ],
)
def test_sharded_update_is_off_the_directions_in_every_process(found, world, run, leak):
    assert max(float(rank[f"{run}/leak/{leak}"]) for rank in found[world]) <= EXACT


@pytest.mark.slow
def test_projection_of_the_own_part_alone_leaks(found):
    """Control: without the sum over processes every one of them projects, and the whole is on the directions still."""
    assert float(found[1][0]["own-part-alone/leak/grasp/write"]) <= EXACT  # it is the whole there
    assert min(float(rank["own-part-alone/leak/grasp/write"]) for rank in found[2]) > LEAKS


@pytest.mark.slow
@pytest.mark.parametrize(("world", "run"), [(2, "naive"), (2, "grasp"), (4, "grasp")])
def test_bytes_of_every_collective_are_those_of_the_model_of_cost(found, world, run):
    model = Decoder("tiny", WIDTH, 40, 16, BLOCKS, VOCABULARY)
    k = sharded_worker.Q.shape[1] if run == "grasp" else 0
    setting = Setting(
        world, rank=sharded_worker.RANK, batches=sharded_worker.MICRO, directions=k,
        modules=tuple(sharded_worker.MODULES), gathered=8, reduced=8,
    )  # fmt: skip
    meant = traffic(model, setting)
    kinds = {"_allgather_base_": meant.gathers, "_reduce_scatter_base_": meant.scatters, "all_reduce": meant.sums}
    for rank in found[world]:
        for kind, sizes in kinds.items():
            np.testing.assert_array_equal(np.sort(rank.get(f"traffic/{run}/{kind}", [])), np.sort(sizes), err_msg=kind)


@pytest.mark.slow
def test_sharded_surgery_had_something_to_take_out(found):
    for run in ("gradient-surgery", "gradient-surgery-span"):
        assert float(found[2][0][f"{run}/leak/gradient-surgery/removed"]) > LEAKS


@pytest.mark.slow
def test_gradient_that_is_not_finite_in_one_part_is_refused_by_all_processes(folder):
    for rank in range(2):
        assert (folder / f"refused-{rank}.txt").read_text().startswith("False: a gradient is NaN or Inf")


@pytest.mark.slow
def test_process_that_dies_is_missed_by_all_others(folder):
    ended = json.loads((folder / "ended.json").read_text())
    assert ended["die-3"] == [0, 0, 7]
    for rank in range(2):
        said = (folder / f"left-{rank}.txt").read_text()
        assert f"process {rank} lost touch with another one of this run" in said
        assert "no checkpoint was written" in said
