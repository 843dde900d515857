"""Arithmetic of the comparison's rows: counted where it runs, against formulas and against itself."""

from __future__ import annotations

import dataclasses
import functools
import itertools

import numpy as np
import pytest
import tolerance
from made_comparison import NAIVE, REACHES, close, study
from tiny_organism import RUN, Small, halfway
from torch.utils.flop_counter import FlopCounterMode

import real_models.comparison.cost as module
import real_models.own_text as own_text
from real_models.comparison.cost import Cost, costs, first_of_methods
from real_models.comparison.experiment import Cell, make_cells
from real_models.comparison.methods import find_compared, said_by_base
from real_models.comparison.table import summarise
from real_models.organisms import persona_run
from real_models.organisms.persona_run import RunSpec
from real_models.organisms.runs import naive_run
from synthetic.experiment import table


class Short(Small):
    """Of few steps."""

    run_spec = dataclasses.replace(RUN, steps=8, every=8)


class Doubled(Cell):
    """Of batches twice as large."""

    run_spec = dataclasses.replace(RUN, batch=2 * RUN.batch)


STEPS, TEXTS, neutral = module.STEPS, RUN.neutral_text(), RunSpec.neutral_text


@pytest.fixture(scope="module", autouse=True)
def cache(organism_cache, two_counted):
    """With a task score that the naive run reaches, and as few texts as steps are counted: each is met once before."""
    sample = own_text.own_text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(persona_run, "TASK", halfway(naive_run(RUN)))
        patch.setattr(RunSpec, "neutral_text", lambda spec: neutral(spec)[: module.STEPS])
        patch.setattr(own_text, "own_text", lambda model, **given: sample(model, **given | {"documents": 32}))
        said_by_base.cache_clear()
        yield
    said_by_base.cache_clear()


@functools.cache
def measured(method, kind=Small):
    return measured_anew(method, kind)


def measured_anew(method, kind=Small):
    found = module.measure(
        kind("style", 0, method, 2.0 if method.startswith("null-space") else find_compared(method).preset), []
    )
    return Cost(*(float(found[name][0]) for name in ("preparation", "step")), bool(found["follows"][0]))


def forward(model, batch) -> float:
    with FlopCounterMode(display=False) as counter:
        model(**batch)
    return counter.get_total_flops() / 1e9


@pytest.mark.slow
def test_step_of_the_naive_run_is_two_to_three_forward_passes():
    """Backward: once for the inputs of every product, once more for the weights that are trained."""
    found = measured("naive")
    one = forward(RUN.adapted(), RUN.batch_of(np.arange(RUN.batch)))
    assert 1.9 * one < found.step < 3 * one
    close([found.preparation, found.follows], [0.0, False])


@pytest.mark.slow
def test_step_doubles_with_the_batch():
    np.testing.assert_allclose(measured("naive", Doubled).step, 2 * measured("naive").step, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["edit", "ablation"])
def test_rows_that_change_the_naive_run_afterwards_cost_what_it_costs(method):
    assert measured(method) == measured("naive")


@pytest.mark.slow
def test_step_of_a_short_run_is_that_of_a_long_one():
    for method in ("naive", "kl"):
        assert measured(method, Short).step == measured(method).step


FOLLOWS = {"grasp": True, "kl": False, "ablation": False}  # that each declares what it asks for is tested beside them


@pytest.mark.slow
@pytest.mark.parametrize("method", FOLLOWS)
def test_rows_that_start_from_a_naive_run_say_so(method):
    assert measured(method).follows is FOLLOWS[method]


@pytest.mark.slow
def test_kl_prepares_the_base_on_all_its_text_and_adds_its_passes_to_each_step():
    found, plain = measured("kl"), measured("naive")
    model, texts = RUN.adapted(), RUN.neutral_text()
    with model.disable_adapter():
        base = [forward(model, batch) for batch in texts]
    assert len(TEXTS) == STEPS  # each is met once before steps are counted
    assert len(texts) == module.STEPS
    rounding = tolerance.backward((16,), np.float64, found.step)
    np.testing.assert_allclose(found.preparation, sum(base), rtol=0, atol=module.STEPS * rounding)
    here = np.mean([forward(model, batch) for batch in texts])
    assert 1.9 * here < found.step - plain.step < 3 * here


@pytest.mark.slow
def test_surgery_costs_the_passes_of_kl_on_the_same_text():
    """Beside them two products of one vector with another, of all that is trained."""
    found, kl = measured("gradient-surgery"), measured("kl, own text")
    assert 0 <= found.step / kl.step - 1 < 1e-3
    assert found.step > 1.5 * measured("naive").step  # control: they are counted


@pytest.mark.slow
def test_cost_does_not_depend_on_what_was_sampled_before():
    first = measured_anew("null-space", Short)
    assert first.preparation > 0
    said_by_base(Short.run_spec)
    assert measured_anew("null-space", Short) == first


@pytest.mark.slow
def test_costs_are_read_back_from_their_table():
    rows = [
        row
        for cell in (Small("style", 0, method, find_compared(method).preset) for method in ("naive", "grasp"))
        for row in table(module.EXPERIMENT, cell, module.measure(cell, []))
    ]
    found = costs(rows)
    assert found.keys() == {("style", "naive"), ("style", "grasp")}
    for (_, method), cost in found.items():
        np.testing.assert_allclose(dataclasses.astuple(cost), dataclasses.astuple(measured(method)), rtol=1e-9)


def test_one_cell_of_each_row_is_counted_at_its_preset():
    cells = make_cells(("style", "mixed"), (3, 2), ("naive", "grasp", "kl"))
    found = first_of_methods(cells)
    expected = itertools.product(("style", "mixed"), ("naive", "grasp", "kl"))
    assert sorted((c.variant, c.method) for c in found) == sorted(expected)
    assert all((c.organism, c.knob) == (2, find_compared(c.method).preset) for c in found)


def test_cost_of_a_line_is_in_units_of_the_naive_run(monkeypatch):
    """All made runs reach the task at step 28."""
    monkeypatch.setattr(persona_run, "TASK", 0.95)
    given = {("style", "naive"): Cost(0.0, 2.0, False), ("style", "grasp"): Cost(14.0, 3.0, True)}
    given[("style", "kl")] = Cost(0.0, 8.0, False)
    found = {x.method: x.cost for x in summarise(study(naive=NAIVE, grasp=NAIVE, kl=NAIVE, edit=NAIVE), given)}
    assert REACHES[-1] == 1.0
    close([found["naive"], found["grasp"], found["kl"]], [1.0, 1.0 + 1.5 + 0.25, 4.0])
    assert found["edit"] is None
    assert all(x.cost is None for x in summarise(study(grasp=NAIVE), given))
