"""What two or many runs have in common: planted truths, each with its control, and the trap of one seed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from strategies import rotation

from grasp_theory import LowRank, Update, diff
from grasp_theory.identification.matrix import overlap_matrix
from real_models.audit.difference import difference_findings, matrix_findings
from real_models.audit.finding import Finding

WIDTH, BLOCKS, RANK = 64, 8, 4


def run(data: int, *, start: int, side: str = "write", size: float = 1.0) -> list[Update]:
    """LoRA to first order: B = G Aᵀ, G what the data ask for; A at its random start."""
    asked, own, rng = (np.random.default_rng([n, seed]) for n, seed in ((1, data), (2, start), (3, 100 * data + start)))
    made = []
    for block in range(BLOCKS):
        A = own.uniform(-1, 1, (RANK, WIDTH)) / WIDTH**0.5
        G = rotation(asked, WIDTH, 2) * [3, 1] @ asked.standard_normal((2, WIDTH))
        G += 0.1 * rng.standard_normal((WIDTH, WIDTH))
        kind = "self_attn.o_proj" if side == "write" else "mlp.up_proj"
        name = f"model.layers.{block}.{kind}"
        made.append(Update.of(name, LowRank(size * G @ A.T, A), layer=block, side=side))
    return made


def said(first: list[Update], second: list[Update], **options) -> dict[str, Finding]:
    return {f.key: f for f in difference_findings(diff(first, second, **options))}


def scaled(updates: list[Update], which, factor: float) -> list[Update]:
    return [replace(u, source=u.lowrank * factor) if which(u) else u for u in updates]


def test_runs_on_one_dataset_from_two_seeds_learnt_the_same_although_their_cosine_is_small():
    a, b = run(0, start=0), run(0, start=1)
    found = said(a, b)
    assert set(found) == {"other-start", "same-directions", "size"}
    assert "the same leading directions" in found["same-directions"].text
    assert "in 8 of 8 modules" in found["same-directions"].text
    np.testing.assert_array_less(0.5, found["same-directions"].value)
    cosines = [abs(o.cosine or 0.0) for o in diff(a, b).modules]
    np.testing.assert_array_less(np.median(cosines), 0.3)
    assert set(said(a, run(1, start=1))) == {"other-start", "nothing-in-common", "size"}  # control: other data


def test_runs_from_one_seed_on_other_data_fall_into_no_trap():
    """On the read side their overlap is the start's; on the write side there is none."""
    found = said(run(0, start=0, side="read"), run(1, start=0, side="read"))
    assert "It is the side compared here." in found["same-start"].text
    assert "says nothing of the data" in found["same-directions"].text
    assert "learnt the same" not in found["same-directions"].text
    write = said(run(0, start=0), run(1, start=0))
    assert {"same-start", "nothing-in-common"} <= set(write)
    np.testing.assert_allclose(write["same-start"].value, 1.0)
    apart = said(run(0, start=0, side="read"), run(1, start=1, side="read"))
    assert {"other-start", "nothing-in-common"} <= set(apart)  # control: two seeds


def test_a_longer_run_of_the_same_seed_is_called_a_continuation():
    a = run(0, start=0)
    further = [replace(u, source=u.lowrank * 1.4 + v.lowrank * 0.3) for u, v in zip(a, run(1, start=0), strict=True)]
    longer = [
        replace(u, source=LowRank(1.4 * u.lowrank.B + 0.3 * v.lowrank.B, u.lowrank.A))
        for u, v in zip(a, run(1, start=0), strict=True)
    ]
    found = said(a, longer)
    assert "One continues the other" in found["continuation"].text
    assert "same-start" not in found
    np.testing.assert_array_less(0.9, found["continuation"].value)
    assert "continuation" not in said(a, further)  # the same dW in other factors: lineage cannot be told
    assert "continuation" not in said(a, run(1, start=0))


def test_identical_and_empty_updates_are_said_so_and_nothing_else():
    a = run(0, start=0)
    assert list(said(a, a)) == ["identical"]
    assert "identical" not in said(a, scaled(a, lambda u: True, 1.1))
    zero = scaled(a, lambda u: True, 0.0)
    for pair, who in (((a, zero), "B"), ((zero, a), "A"), ((zero, zero), "A and B")):
        (found,) = said(*pair).values()
        assert (found.key, f": {who} has" in found.text) == ("nothing-learnt", True)


def test_size_and_the_modules_that_differ_are_named():
    a, b = run(0, start=0), run(0, start=1, size=3.0)
    last = b[-1].name
    found = said(a, scaled(b, lambda u: u.name == last, 100.0))
    assert last in found["unequal-module"].text
    np.testing.assert_allclose(
        found["size"].value,
        np.linalg.norm([u.lowrank.norm() * (100 if u.name == last else 1) for u in b])
        / np.linalg.norm([u.lowrank.norm() for u in a]),
    )
    assert "unequal-module" not in said(a, b)
    np.testing.assert_allclose(said(a, b[1:])["only-A"].value, 1.0)
    other = run(5, start=1)
    mixed = said(a, [*other[:1], *b[1:]])
    assert "in 7 of 8 modules" in mixed["same-directions"].text


def test_runs_that_share_directions_in_few_modules_say_where():
    a, b, other = run(0, start=0), run(0, start=1), run(5, start=1)
    found = said(a, [*b[:3], *other[3:]])["same-directions"]
    assert "in few modules" in found.text
    assert "in 3 of 8" in found.text


# --- many ----------------------------------------------------------------------------------------------------------


def matrix(**runs: list[Update]) -> dict[str, Finding]:
    return {f.key: f for f in matrix_findings(overlap_matrix(runs))}


def test_matrix_names_the_run_that_stands_apart_and_the_near_duplicates():
    alike = {f"run{n}": run(0, start=n) for n in range(4)}
    assert set(matrix(**alike)) == {"overlap"}  # control
    found = matrix(**alike, odd=run(1, start=9), copy=scaled(alike["run2"], lambda u: True, 2.0))
    assert found["apart"].text.startswith("odd stands apart")
    assert found["duplicates"].text.startswith("Near duplicates: run2 and copy (1.00)")
    assert found["same-start"].text == "1 of 15 pairs started from the same random factors: run2 and copy."


def test_matrix_on_the_read_side_of_one_seed_says_whose_overlap_it_is():
    found = matrix(**{f"run{n}": run(n, start=0, side="read") for n in range(3)})
    assert found["same-start"].value == 3
    assert "the start's, not learnt" in found["same-start"].text


def test_matrix_says_what_it_could_not_compare():
    a = run(0, start=0)
    renamed = [replace(u, name=u.name.replace("o_proj", "other")) for u in a]
    wide = [
        replace(u, shape=(WIDTH + 1, WIDTH), source=LowRank(np.ones((WIDTH + 1, 1)), np.ones((1, WIDTH)))) for u in a
    ]
    found = matrix(a=a, b=run(0, start=1), renamed=renamed, wide=wide)
    assert found["not-compared"].value == 5
    assert found["shapes"].value == 2


@pytest.mark.parametrize("seed", range(3))
def test_independent_runs_are_never_called_alike(seed):
    runs = [run(10 * seed + n, start=10 * seed + n) for n in range(4)]
    for a, b in pairwise(runs):
        assert "nothing-in-common" in said(a, b)
    assert set(matrix(**{str(n): r for n, r in enumerate(runs)})) == {"overlap"}
