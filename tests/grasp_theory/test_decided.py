"""Cores handed to the decision procedure: none is empty, and what would fool the check is red.

That each is decided and its false variants refuted is seen where the statements are checked whole (test_sabotage).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("z3")

import z3
from tolerance import GUARANTEE

from grasp_theory.statements import checks, derivations, registry
from grasp_theory.statements.prior_angle import beyond_half, extremal
from grasp_theory.statements.registry import ORDER, find
from grasp_theory.statements.shared import reals

FOLDER = Path(registry.__file__).parent
KEYS = [key for key in ORDER if (FOLDER / key.replace("-", "_") / "decided.py").exists()]
LEAST = 12  # statements whose proofs have a core that is decided


def _module(key):
    module = registry.decided(key)
    assert module is not None
    return module


def _cores(key):
    return _module(key).cores()


def _decide(key):
    found = derivations.decide(find([key])[0])
    assert found is not None
    return found


def _with_core(monkeypatch, core):
    monkeypatch.setattr(derivations, "decided", lambda key: SimpleNamespace(cores=lambda: [core]))


def _asked(monkeypatch, key, **changes):
    """What ``decide`` says of the statement with its first core changed."""
    _with_core(monkeypatch, replace(_cores(key)[0], **changes))
    return _decide(key)


def test_enough_statements_have_a_core():
    assert len(KEYS) >= LEAST


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_no_conclusion_is_one_of_its_premises(key):
    """It would be decided whatever the proof."""
    for core in _cores(key):
        assert not any(premise.eq(core.conclusion) for premise in core.premises), core.name


def test_a_conclusion_that_holds_without_premises_is_red(monkeypatch):
    found = _asked(monkeypatch, "prior-angle", conclusion=z3.Real("p") ** 2 >= 0)
    assert "both angles: the conclusion holds without the premises" in found.failures


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_a_core_with_a_false_conclusion_is_red(monkeypatch, key):
    false = next(iter(_cores(key)[0].false.values()))
    found = _asked(monkeypatch, key, conclusion=false)
    assert any("the claim is not decided, sat" in words for words in found.failures)
    assert found.sizes == ()


def test_a_conclusion_weaker_than_the_proof_s_is_red(monkeypatch):
    """2 p² >= 1, where 1 + √(1 − 4 rho²) is proved."""
    found = _asked(monkeypatch, "prior-angle", conclusion=2 * z3.Real("p") ** 2 >= 1)
    assert "both angles: the conclusion is never an equality: it says less than the premises do" in found.failures


def test_every_inequality_with_room_is_red(monkeypatch):
    """Each core's conclusion with a thousandth more room: no longer attained, or not known to be within these steps."""
    monkeypatch.setattr(derivations, "STEPS", 100_000)
    tried = set()
    for key in KEYS:
        core = next((c for c in _cores(key) if c.conclusion.decl().kind() in (z3.Z3_OP_LE, z3.Z3_OP_GE)), None)
        if core is not None:
            left, right = core.conclusion.children()
            up = core.conclusion.decl().kind() == z3.Z3_OP_LE
            weak = left <= right + z3.Q(1, 1000) if up else left >= right - z3.Q(1, 1000)
            assert derivations._weaker(replace(core, conclusion=weak), "<="), core.name
            tried.add(key)
    assert len(tried) >= LEAST


def test_an_equality_asked_as_an_inequality_is_red(monkeypatch):
    left, right = _cores("ablation-cost")[0].conclusion.children()
    found = _asked(monkeypatch, "ablation-cost", conclusion=left <= right)
    assert any("an equality is asked as an inequality" in words for words in found.failures)


def test_premises_that_contradict_each_other_are_red(monkeypatch):
    core = _cores("prior-angle")[0]
    found = _asked(monkeypatch, "prior-angle", premises=(*core.premises, z3.Real("p") > 2))
    assert any("is not refuted, unsat" in words for words in found.failures)


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "reason"), [("STEPS", "resource limit"), ("TIMEOUT", "timeout")])
def test_a_question_that_takes_too_much_is_not_decided(monkeypatch, limit, reason):
    """Kantorovich's inequality for d = 4 takes more steps, and longer, than it is given."""
    monkeypatch.setattr(derivations, limit, {"STEPS": 500_000, "TIMEOUT": 1}[limit])
    _with_core(monkeypatch, _module("rerouting-share")._kantorovich(4))
    found = _decide("rerouting-share")
    assert any("the claim is not decided, unknown" in words and reason in words for words in found.failures)
    assert found.sizes == ()


def test_steps_do_not_depend_on_what_was_asked_before():
    core = _cores("prior-angle")[0]
    steps = [derivations._ask(core.premises, core.conclusion)[2] for _ in range(2)]
    assert steps[0] > 1000
    np.testing.assert_allclose(steps[1], steps[0], rtol=0.01)


def test_an_unknown_answer_about_a_variant_is_red(monkeypatch):
    ask = derivations._ask
    claim = _cores("prior-angle")[0].conclusion
    asked = [claim, *derivations._inequalities(claim)]
    unknown = ("unknown (timeout)", {}, 0)
    monkeypatch.setattr(derivations, "_ask", lambda p, c: ask(p, c) if any(map(c.eq, asked)) else unknown)
    found = _decide("prior-angle")
    assert len(found.failures) == 2
    assert all("is not refuted, unknown" in words for words in found.failures)


def test_a_model_that_does_not_violate_the_variant_in_numbers_is_red(monkeypatch):
    """A task of nearly nothing satisfies every bound, true or false."""
    i = extremal(np.random.default_rng(0))
    found = _asked(monkeypatch, "prior-angle", instance=lambda values: replace(i, T=0 * i.T + 1e-3))
    assert any("does not violate it in numbers" in words for words in found.failures)


@pytest.mark.parametrize("moves", [0.0, 1.0])
def test_an_instance_that_ignores_its_model_is_red(monkeypatch, moves):
    """One that violates the variants whatever the model is, always the same or another for each model."""
    core = _cores("prior-angle")[0]
    (_, values, _) = derivations._ask(core.premises, next(iter(core.false.values())))
    good = core.instance(values)

    def instance(model):
        seed = int(1e9 * abs(sum(model.values()))) % 2**32
        return replace(good, beta=good.beta * (1 + moves * np.random.default_rng(seed).random()))

    assert derivations._follows(core, values, good)
    assert not derivations._follows(replace(core, instance=instance), values, instance(values))
    found = _asked(monkeypatch, "prior-angle", instance=lambda _: good, false=dict([next(iter(core.false.items()))]))
    assert any(words.endswith("does not depend on the model") for words in found.failures)


def test_a_model_outside_the_assumptions_is_red(monkeypatch):
    found = _asked(monkeypatch, "prior-angle", instance=lambda values: beyond_half(np.random.default_rng(0)))
    assert any("breaks tau < beta/2" in words for words in found.failures)


def test_a_core_without_a_false_variant_is_red(monkeypatch):
    found = _asked(monkeypatch, "prior-angle", false={})
    assert any("no false variant is asked" in words for words in found.failures)


def test_without_z3_nothing_is_decided(monkeypatch):
    monkeypatch.setattr(derivations, "find_spec", lambda name: None)
    assert derivations.decide(find(["prior-angle"])[0]) is None
    outcome = checks.Outcome("prior-angle", "tight", "")
    checks.check_decided(find(["prior-angle"])[0], outcome)
    assert outcome.decided is None
    assert outcome.failures == []


def test_what_is_red_reaches_the_outcome(monkeypatch):
    _with_core(monkeypatch, replace(_cores("prior-angle")[0], false={}))
    outcome = checks.Outcome("prior-angle", "tight", "")
    checks.check_decided(find(["prior-angle"])[0], outcome)
    assert not outcome.stands


@pytest.mark.parametrize("seed", range(20))
def test_a_plane_has_the_given_triple_and_a_task_no_longer_than_asserted(seed):
    rng = np.random.default_rng(seed)
    (u_hat, v_hat), sigma, e = rng.standard_normal((2, 2)), rng.uniform(0.5, 1.5), np.eye(2)[0]
    u_hat, v_hat = u_hat / np.linalg.norm(u_hat), v_hat / np.linalg.norm(v_hat)
    tau = max(np.linalg.norm(sigma * u_hat - e * v_hat[0]), np.linalg.norm(sigma * v_hat - e * u_hat[0]))
    M = reals.plane(u_hat, v_hat, sigma, tau)
    np.testing.assert_allclose(M @ v_hat, sigma * u_hat, atol=GUARANTEE)
    np.testing.assert_allclose(u_hat @ M, sigma * v_hat, atol=GUARANTEE)
    assert np.linalg.norm(M - np.outer(e, e), 2) <= tau * (1 + GUARANTEE)


def test_a_bordered_moment_is_that_of_a_matrix():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3, 9))
    Q = np.linalg.eigh((X @ X.T)[1:, 1:])[1]
    S = (full := np.block([[np.eye(1), np.zeros((1, 2))], [np.zeros((2, 1)), Q]])).T @ X @ X.T @ full
    l = np.diag(S)[1:]
    B = reals.Bordered(S[0, 0], S[0, 1:], l, S[0, 1:] / l)
    row = rng.standard_normal(3)
    assert B.kappa == pytest.approx(1 / np.linalg.inv(S)[0, 0], rel=GUARANTEE)
    assert B.risk(row[0], row[1:]) == pytest.approx(row @ S @ row, rel=GUARANTEE)
    assert all(B.definite[:2])


def test_a_model_is_read_in_the_order_of_its_unknowns():
    x = reals.reals("x", 2, 2)
    values = {x[0, 1].decl().name(): 1.0, x[1, 0].decl().name(): 2.0}
    np.testing.assert_array_equal(reals.numbers(values, "x", 2, 2), [[0, 1], [2, 0]])
