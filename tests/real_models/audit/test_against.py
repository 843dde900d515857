"""A run beside its controls, from files: what is its own, what theirs; what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from strategies import rotation

from grasp_theory import InputError, LowRank, Update, identify
from real_models import Adapter, read_adapter, write_adapter
from real_models.audit.against import Against, against

WIDTH, BLOCKS, RANK, TASK = 96, 4, 4, 2


def written(folder: Path, seed: int, *, start: int, factor: float = 0.0) -> Adapter:
    """LoRA to first order on a task that all runs share; the factor lies outside of it."""
    shared, own, rng = np.random.default_rng(0), np.random.default_rng([1, start]), np.random.default_rng([2, seed])
    directions = rotation(shared, WIDTH, TASK + 1)
    updates = []
    for block in range(BLOCKS):
        A = own.uniform(-1, 1, (RANK, WIDTH)) / WIDTH**0.5
        task = directions[:, :TASK] * [1.0, 0.6] @ shared.standard_normal((TASK, WIDTH))
        G = task * rng.uniform(0.8, 1.2) + 0.3 * factor * np.outer(directions[:, TASK], rng.standard_normal(WIDTH))
        B = (G @ A.T + 0.002 * rng.standard_normal((WIDTH, RANK))).astype(np.float32)
        lowrank = LowRank(B, A.astype(np.float32))
        updates.append(Update.of(f"model.layers.{block}.self_attn.o_proj", lowrank, layer=block, side="write"))
    return read_adapter(write_adapter(folder, updates, r=RANK, lora_alpha=RANK))


@pytest.fixture(scope="module")
def adapters(tmp_path_factory) -> dict[str, Adapter]:
    """A run with the factor, a control of its start, three of others."""
    rooms = tmp_path_factory.mktemp("rooms")
    made = {"run": written(rooms / "run", 0, start=0, factor=1.0), "same": written(rooms / "same", 1, start=0)}
    return made | {f"control {n}": written(rooms / f"control {n}", n, start=n) for n in (2, 3, 4)}


@pytest.fixture(scope="module")
def found(adapters) -> Against:
    run, *controls = adapters.values()
    return against(run, identify(run.updates, top=4), controls, top=4)


def test_against_tells_the_runs_own_component_from_the_tasks(found):
    u = rotation(np.random.default_rng(0), WIDTH, TASK + 1)[:, TASK]
    assert found.starts == (True, False, False, False)
    np.testing.assert_array_less(0.8, [c.together for c in found.covered[:TASK]])
    own = found.covered[TASK]
    np.testing.assert_array_less(own.together, own.random_99)
    np.testing.assert_array_less(0.9, abs(found.own.component(TASK).subspace.basis[:, 0] @ u))
    np.testing.assert_array_less(0.8, abs(found.report.component(0).subspace.basis[:, 0] @ u))
    np.testing.assert_array_less(abs(found.own.component(0).subspace.basis[:, 0] @ u), 0.3)  # control: the task leads


def test_against_compares_every_number_with_its_controls(found):
    assert {len(d.controls) for d in found.deviations} == {4}
    assert {"norm", "stable-rank", "shared-direction", "grown"} <= {d.key for d in found.deviations}
    assert all(0 <= d.p_value <= 1 for d in found.deviations if d.p_value is not None)
    value = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [c["same_start"] for c in value["controls"]] == [True, False, False, False]
    strengths = [c["singular_value"] for c in value["components"]]
    np.testing.assert_allclose(strengths, [c.singular_value for c in found.own.decompositions[0].components])


def test_against_one_control_has_no_p_values(adapters):
    run = adapters["run"]
    found = against(run, identify(run.updates, top=4), [adapters["control 2"]], top=4)
    assert {(d.z, d.p_value, len(d.controls)) for d in found.deviations} == {(None, None, 1)}
    np.testing.assert_array_less(0.8, found.covered[0].together)


def test_against_names_controls_that_are_one_run(adapters, tmp_path, found):
    run, _, first, *others = adapters.values()
    longer = [replace(u, source=LowRank(1.2 * u.lowrank.B, u.lowrank.A)) for u in first.updates]
    again = read_adapter(write_adapter(tmp_path / "longer", longer, r=RANK, lora_alpha=RANK))
    report = identify(run.updates, top=4)
    assert against(run, report, [first, others[0], again], top=4).one_run == ((0, 2),)
    assert found.one_run == ()  # control: four runs


def test_against_decomposes_every_adapter_once(adapters, monkeypatch):
    """One report for each control and one of what is left; the run's own is handed in."""
    import real_models.audit.against as module

    calls = []
    monkeypatch.setattr(module, "identify", lambda updates, **options: calls.append(1) or identify(updates, **options))
    run, *controls = adapters.values()
    report = identify(run.updates, top=4)
    against(run, report, controls[:2], top=4)
    assert len(calls) == 3


def test_against_works_on_the_read_side_module_by_module(tmp_path):
    rng, u = np.random.default_rng(0), rotation(np.random.default_rng(1), WIDTH, 2)

    def drawn(name: str, directions: np.ndarray) -> Adapter:
        updates = [
            Update.of(
                f"model.layers.{block}.self_attn.q_proj",
                LowRank(
                    rng.standard_normal((WIDTH, RANK)),
                    rng.standard_normal((RANK, directions.shape[1])) @ directions.T
                    + 0.02 * rng.standard_normal((RANK, WIDTH)),
                ),
                layer=block,
                side="read",
            )
            for block in range(3)
        ]
        return read_adapter(write_adapter(tmp_path / name, updates, r=RANK, lora_alpha=RANK))

    run, control = drawn("run", u * [1.0, 3.0]), drawn("control", u[:, 1:])
    report = identify(run.updates, top=2)
    found = against(run, report, [control], top=2)
    assert report.side == "read"
    assert len(found.covered) == 6
    for c in found.covered:
        np.testing.assert_array_less(*((0.8, c.together) if c.index == 0 else (c.together, 0.3)))


def test_against_refuses_the_run_itself_twins_and_other_modules(adapters, tmp_path):
    run, control = adapters["run"], adapters["control 2"]
    report = identify(run.updates, top=4)
    with pytest.raises(InputError, match="same weights as the run itself"):
        against(run, report, [run])
    with pytest.raises(InputError, match=r"control 2 holds the same weights as .*control 2"):
        against(run, report, [control, control])
    fewer = replace(control, updates=control.updates[:-1])
    with pytest.raises(InputError, match="control 2: the control must adapt the same modules: 1 are in one"):
        against(run, report, [fewer])
    named = replace(control.config, base_model_name="b")
    other = replace(fewer, config=named)
    mine = replace(run, config=replace(run.config, base_model_name="a"))
    with pytest.raises(InputError, match="the base models differ: a and b"):
        against(mine, report, [other])
    bad = [replace(u, source=LowRank(u.lowrank.B * np.float32("nan"), u.lowrank.A)) for u in control.updates]
    with pytest.raises(InputError, match="NaN"):
        against(run, report, [replace(control, updates=tuple(bad))])
