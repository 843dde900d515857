"""The records of a report: certificates as curves, JSON without NaN, look-ups that say what there is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import drawn
from strategies import rotation, update

from grasp_theory import AssumptionError, InputError, LowRank, Subspace, Update, identify
from grasp_theory.identification.report import Certificate, plain


def report(layers: int = 4, **options):
    return identify(drawn(layers=layers, width=48, inputs=40, strength=2.0)[0], **options)


# --- certificate -----------------------------------------------------------------------------------------------


@given(strength=st.floats(1e-6, 1e6), ratio=st.floats(0, 1), times=st.floats(1, 10))
def test_certificate_angle_is_arcsin_of_tau_over_strength(strength, ratio, times):
    certificate = Certificate(strength, ratio * strength)
    tau = max(times * certificate.smallest_tau, certificate.smallest_tau)
    np.testing.assert_allclose(np.sin(certificate.angle(tau)), min(tau / strength, 1), rtol=1e-12)
    assert certificate.angle(2 * strength) == np.pi / 2  # vacuous, and said so by 90 degrees


@given(strength=st.floats(1e-6, 1e6), ratio=st.floats(0, 1), points=st.integers(2, 20))
def test_certificate_curve_is_increasing_to_the_vacuous_bound(strength, ratio, points):
    certificate = Certificate(strength, ratio * strength)
    tau, angle = np.transpose(certificate.curve(points))
    assert len(tau) == points
    np.testing.assert_allclose([tau[0], tau[-1]], [certificate.smallest_tau, strength])
    np.testing.assert_allclose(angle[-1], np.pi / 2, atol=1e-6)
    np.testing.assert_array_less(-1e-12, np.diff(angle))
    np.testing.assert_allclose(np.sin(angle), np.minimum(tau / strength, 1), atol=1e-12)


def test_certificate_takes_its_own_smallest_tau_and_nothing_below():
    certificate = Certificate(3.0, 1.0)
    np.testing.assert_allclose(certificate.angle(1.0), np.arcsin(1 / 3))
    np.testing.assert_allclose(certificate.angle(1.0 - 1e-12), np.arcsin(1 / 3))  # its own rounding
    for tau in (0.999, 0.0, -1.0):
        with pytest.raises(AssumptionError, match="below the next singular value 1: by Weyl's inequality"):
            certificate.angle(tau)
    with pytest.raises(InputError, match="must be a number"):
        certificate.angle(np.nan)
    assert certificate.angle(np.inf) == np.pi / 2
    assert Certificate(0.0, 0.0).angle(0.0) == np.pi / 2


# --- JSON ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pool", ["layers", "none"])
@pytest.mark.parametrize("vectors", [False, True])
def test_report_to_dict_is_strict_json(pool, vectors):
    value = json.loads(json.dumps(report(pool=pool).to_dict(vectors=vectors), allow_nan=False))
    assert value["schema_version"] == 1
    assert {"verdict", "rule", "caveat", "decompositions", "modules", "alignments", "notes", "side", "pool"} <= set(
        value
    )
    components = value["decompositions"][0]["components"]
    assert [c["index"] for c in components] == list(range(8))  # 0-based
    assert all(("subspace" in c) == vectors for c in components)
    for c in components:
        curve = np.array(c["certificate"]["curve_degrees"])
        np.testing.assert_allclose(curve[-1], [c["singular_value"], 90.0], rtol=1e-6)


def test_report_to_dict_keeps_values_and_directions():
    found = report()
    value = found.to_dict(vectors=True)["decompositions"][0]["components"][0]
    component = found.component(0)
    np.testing.assert_array_equal(value["subspace"], component.subspace.basis.T)
    assert value["singular_value"] == component.singular_value
    assert value["agreement"]["p_value"] == component.agreement.p_value


def test_report_of_a_rank_one_update_has_no_infinity_in_json():
    rng = np.random.default_rng(0)
    one = update(LowRank(rng.standard_normal((20, 1)), rng.standard_normal((1, 10))))
    value = json.loads(json.dumps(identify([one]).to_dict(), allow_nan=False))
    (component,) = value["decompositions"][0]["components"]
    assert (component["ratio"], component["above_floor"], component["agreement"]) == (None, None, None)
    np.testing.assert_allclose(component["energy"], 1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.nan, None),
        (np.inf, None),
        (-np.inf, None),
        (np.float32(1.5), 1.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([1.0, np.nan]), [1.0, None]),
        (np.zeros((2, 0)), [[], []]),
        ((1, (2.0, None)), [1, [2.0, None]]),
        ("word", "word"),
        (True, True),
        (None, None),
    ],
)
def test_plain_values_are_json(value, expected):
    assert plain(value) == expected
    assert type(plain(value)) is type(expected)


# --- look-ups --------------------------------------------------------------------------------------------------


def test_report_finds_what_was_asked_for():
    found = report(pool="none")
    names = [d.name for d in found.decompositions]
    assert found.decomposition(names[2]).name == names[2]
    assert found.component(1, of=names[2]) is found.decompositions[2].components[1]
    assert report().decomposition().pooled


def test_component_without_a_name_is_that_of_the_strongest_decomposition():
    """Against dense numpy: the module with the largest singular value, whatever its norm and its place."""
    rng = np.random.default_rng(3)
    sizes = {"layers.0.q_proj": (0.9, 0.9), "layers.1.q_proj": (1.2, 0.1), "layers.2.up_proj": (1.0, 1.0)}
    updates, dense = [], {}
    for n, (name, S) in enumerate(sizes.items()):
        width = 24 if name.endswith("up_proj") else 16
        B, A = (np.linalg.qr(rng.standard_normal((w, 2)))[0] for w in (20, width))
        dense[name] = (B * S) @ A.T
        updates.append(Update.of(name, LowRank(B * S, A.T), layer=n, side="read"))
    found = identify(updates)
    tops = {name: np.linalg.svd(dW)[1][0] for name, dW in dense.items()}
    strongest = max(tops, key=tops.__getitem__)
    assert found.decomposition().name == strongest == "layers.1.q_proj"
    assert max(dense, key=lambda n: np.linalg.norm(dense[n])) != strongest
    np.testing.assert_allclose(found.component(0).singular_value, tops[strongest], rtol=1e-10)
    v = np.linalg.svd(dense[strongest])[2][0]
    np.testing.assert_allclose(abs(v @ found.component(0).subspace.basis[:, 0]), 1, atol=1e-6)
    assert found.component(1) is found.component(1, of=strongest)


def test_first_of_equally_strong_decompositions_is_taken():
    one = np.eye(6)[:, :1]
    updates = [Update.of(n, LowRank(one, one.T), layer=i, side="read") for i, n in enumerate(["b", "a"])]
    report = identify(updates)
    assert report.decomposition() is report.decompositions[0]


def test_report_directions_have_unit_norm_and_follow_the_sign_rule():
    for component in report().decomposition().components:
        q = component.subspace.basis[:, 0]
        assert (component.subspace.ambient, component.subspace.dimension) == (48, 1)
        np.testing.assert_allclose(np.linalg.norm(q), 1, atol=1e-12)
        np.testing.assert_array_less(0, q[np.abs(q).argmax()])


def test_report_rule_and_caveat_are_printed():
    found = report()
    for words in ("above the noise floor", "1.5 times", "p < 0.01"):
        assert words in found.rule
    assert "not being spurious" in found.caveat


def test_update_loads_afresh_or_keeps():
    p = LowRank(np.ones((3, 1)), np.ones((1, 2)))
    assert Update.of("a", p).lowrank is p
    lazy = Update("a", None, None, p.shape, p.rank, lambda: LowRank(p.B, p.A))
    assert lazy.lowrank is not lazy.lowrank
    assert (Update.of("a", p).shape, Update.of("a", p).rank, Update.of("a", p).zero_start) == ((3, 2), 1, "B")


def test_subspace_of_a_component_is_a_choice_that_projects():
    rng = np.random.default_rng(0)
    direction = report().component(0).subspace
    x = rng.standard_normal((48, 3))
    np.testing.assert_allclose(direction.project(direction.reject(x)), 0, atol=1e-12)
    assert isinstance(direction.union(Subspace(rotation(rng, 48, 2))), Subspace)
