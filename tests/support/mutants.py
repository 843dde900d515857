"""Checks of the laws in short form, written for any implementation, and wrong implementations of each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from strategies import extremal, factor, full_rank, planted, rotation, update
from tolerance import backward, binomial, subspace

from grasp_theory import LowRank, Subspace, identify
from grasp_theory.identification.agreement import LeadingDirections, agreement
from grasp_theory.identification.floor import factored_edge, marchenko_pastur_quantile, white_edge
from grasp_theory.identification.spectra import sample_critical_strength, spike
from synthetic.generators.adapters import AdapterSpec, draw_adapter

# --- factored-svd: S(B, A, scaling) ----------------------------------------------------------------------------


def check_values(values: Callable) -> None:
    for kind in ("generic", "ill", "deficient", "zero"):
        for scaling in (2.0, -0.5):
            rng = np.random.default_rng(0)
            B, A = factor(rng, 40, 6, kind, 1e8), factor(rng, 6, 30, "generic")
            S = np.linalg.svd(scaling * B @ A, compute_uv=False)[:6]
            K = abs(scaling) * np.linalg.norm(B, 2) * np.linalg.norm(A, 2)
            np.testing.assert_allclose(values(B, A, scaling), S, rtol=0, atol=backward((40, 30), float, K))


def by_cholesky(B, A, scaling):
    return np.linalg.svd(scaling * np.linalg.cholesky(B.T @ B).T @ np.linalg.cholesky(A @ A.T), compute_uv=False)


def by_gram(B, A, scaling):
    squares = np.linalg.eigvals(B.T @ B @ A @ A.T).real.clip(0)
    return abs(scaling) * np.sqrt(np.sort(squares)[::-1])


def without_scaling(B, A, scaling):
    return LowRank(B, A).svd(0).S


def with_signed_scaling(B, A, scaling):
    return scaling * LowRank(B, A).svd(0).S


# --- subspace --------------------------------------------------------------------------------------------------


def check_sign(rule: Callable) -> None:
    X = np.random.default_rng(0).standard_normal((6, 8))
    X[0, :3] = 0
    np.testing.assert_array_equal(rule(-X), rule(X))
    np.testing.assert_array_equal(np.abs(rule(X)), np.abs(X))


def sign_by_first_entry(X):
    return X * np.where(X[0] < 0, -1.0, 1.0)


def sign_by_first_entry_with_numpy(X):
    return X * np.sign(X[0])


def check_angles(angles: Callable) -> None:
    E = rotation(np.random.default_rng(0), 20, 2)
    for angle in (1.0, 1e-3, 1e-9):
        turned = np.cos(angle) * E[:, :1] + np.sin(angle) * E[:, 1:]
        np.testing.assert_allclose(angles(E[:, :1], turned), angle, rtol=1e-5)


def angles_by_arccos(P, Q):
    return np.arccos(np.clip(np.linalg.svd(P.T @ Q, compute_uv=False), -1, 1))


# --- noise-floor: floors of draws of pure noise ----------------------------------------------------------------


def check_white(floor: Callable) -> None:
    """False alarms at the level, from above and from below."""
    m, d, draws = 48, 64, 600
    X = np.random.default_rng(0).standard_normal((draws, m, d))
    largest = np.sqrt(np.linalg.eigvalsh(X @ np.swapaxes(X, 1, 2))[:, -1])
    for level in (0.9, 0.99):
        alarms = np.mean(largest > floor(m, d, level))
        np.testing.assert_allclose(alarms, 1 - level, rtol=0, atol=binomial(1 - level, draws))


def without_margin(m, d, level):
    return np.sqrt(m) + np.sqrt(d)


def with_margin_in_the_wrong_unit(m, d, level):
    edge = white_edge(m, d)
    a, b = np.sqrt(m), np.sqrt(d)
    return np.sqrt(edge.centre + (edge.floor(level) ** 2 - edge.centre) * (1 / a + 1 / b) ** (2 / 3))


def check_factored(edge: Callable) -> None:
    """edge(m, A) is exceeded by few draws of N A and lies close to them."""
    rng = np.random.default_rng(1)
    m, r, d, draws = 200, 24, 60, 150
    ratio = []
    for _ in range(draws):
        A = rng.uniform(-1, 1, (r, d)) / np.sqrt(d)
        ratio.append(np.linalg.norm(rng.standard_normal((m, r)) @ A, 2) / edge(m, A))
    np.testing.assert_array_less(np.mean(np.array(ratio) > 1), 0.01 + binomial(0.01, draws))
    np.testing.assert_array_less(0.85, np.mean(ratio))


def right_factored(m, A):
    return factored_edge(m, np.linalg.eigvalsh(A @ A.T)).floor(0.99)


def white_edge_of_b(m, A):
    return np.sqrt(np.trace(A @ A.T) / len(A)) * white_edge(m, len(A)).floor(0.99)


def white_edge_of_the_update(m, A):
    return np.sqrt(np.trace(A @ A.T) / A.size) * white_edge(m, A.shape[1]).floor(0.99)


def norm_of_a_times_edge_of_b(m, A):
    return np.linalg.norm(A, 2) * white_edge(m, len(A)).floor(0.99)


def check_scale(scale: Callable) -> None:
    rng = np.random.default_rng(2)
    for m, r in ((64, 64), (200, 40), (300, 17)):
        S = np.linalg.svd(0.3 * rng.standard_normal((m, r)), compute_uv=False)
        np.testing.assert_allclose(scale(S, m, r), 0.3, rtol=0.05)
        S[: r // 3] *= 1e3
        np.testing.assert_allclose(scale(S, m, r), 0.3, rtol=0.25)


def median_without_correction(S, m, r):
    return np.median(S) / np.sqrt(max(m, r))


def root_mean_square(S, m, r):
    return np.sqrt(np.sum(S**2) / (m * r))


def median_of_the_wrong_side(S, m, r):
    return np.median(S) / np.sqrt(min(m, r) * marchenko_pastur_quantile(min(m, r) / max(m, r)))


# --- phase-transition ------------------------------------------------------------------------------------------


def check_spike(law: Callable) -> None:
    rng = np.random.default_rng(3)
    m, d, draws = 100, 300, 30
    for ratio in (1.5, 3.0):
        beta, found = ratio * (m * d) ** 0.25, []
        for _ in range(draws):
            u, v = rotation(rng, m, 1)[:, 0], rotation(rng, d, 1)[:, 0]
            M = rng.standard_normal((m, d)) + beta * np.outer(u, v)
            lam, Q = np.linalg.eigh(M @ M.T)
            right = M.T @ Q[:, -1] / np.sqrt(lam[-1])
            found.append(((Q[:, -1] @ u) ** 2, (right @ v) ** 2, np.sqrt(lam[-1])))
        mean = np.mean(found, axis=0)
        np.testing.assert_allclose(mean, law(beta, m, d), rtol=0.02, atol=0.03)


def right_spike(beta, m, d):
    p = spike(beta, m, d)
    return p.left, p.right, p.value


def mutant_spike(exponent: int = 4, *, exchanged: bool = False, unit: Callable = lambda m, d: d) -> Callable:
    def law(beta, m, d):
        theta2, c = beta**2 / unit(m, d), m / d
        gain = theta2 ** (exponent / 2) - c
        left, right = gain / (theta2 * (theta2 + c)), gain / (theta2 * (theta2 + 1))
        value = np.sqrt(d * (1 + theta2) * (c + theta2) / theta2)
        return (right, left, value) if exchanged else (left, right, value)

    return law


def check_critical(critical: Callable) -> None:
    """At the critical strength of the whole stack the overlap law is 0 and leaves 0; in closed form, for m x (L d)."""
    for m, d, L in ((30, 70, 1), (40, 40, 9), (100, 20, 64)):
        beta = critical(m, d, L)
        np.testing.assert_allclose(spike(beta * (1 - 1e-6), m, L * d).left, 0)
        np.testing.assert_array_less(1e-8, spike(beta * (1 + 1e-6), m, L * d).left)


# --- sample-threshold ------------------------------------------------------------------------------------------


def check_samples(threshold: Callable) -> None:
    """The exact border at many samples, for three aspects."""
    rng = np.random.default_rng(4)
    for m, d in ((100, 100), (25, 100), (400, 100)):
        n = 60 * d
        X = rng.standard_normal((n, d))
        beta = sample_critical_strength(np.linalg.eigvalsh(X.T @ X), m)
        np.testing.assert_allclose(threshold(beta, m, d), n, rtol=0.02)


# --- agreement: p(modules) -------------------------------------------------------------------------------------


def isotropic_modules(rng, d=30, L=2, k=8, u=None):
    X = rng.standard_normal((L, d, k))
    if u is not None:
        X[:, :, 0] = u
    U = np.linalg.qr(X)[0].swapaxes(0, 1).astype(np.float32)
    return LeadingDirections(U, np.tile(np.geomspace(2, 1, k), (L, 1)), np.arange(L))


def check_agreement(p: Callable) -> None:
    draws, rng = 1000, np.random.default_rng(5)
    u = rotation(rng, 30, 1)[:, 0]
    np.testing.assert_array_less(p(isotropic_modules(rng, L=6, u=u), 0), 0.011)  # the least that 99 draws allow
    # two modules of three components can be paired in 9 ways: no evidence beyond 1/9
    np.testing.assert_array_less(1 / 9 - 1e-9, p(isotropic_modules(rng, k=3, u=u), 0))
    for d, L, k in ((30, 2, 8), (24, 16, 4)):
        values = np.array([p(isotropic_modules(rng, d=d, L=L, k=k), i) for i in range(draws)])
        for level in (0.05, 0.2):
            np.testing.assert_array_less(np.mean(values <= level), level + binomial(level, draws))


def right_agreement(m, seed):
    return agreement(m, np.zeros((len(m.U), 0)), draws=99, seed=seed)[0].p_value


def mutant_agreement(*, terms: str = "each component", lowest: bool = True) -> Callable:
    def p(m, seed):
        rng = np.random.default_rng(seed)
        d, L, k = m.U.shape
        cos2 = np.einsum("dli,dmj->lmij", m.U, m.U) ** 2
        a, b = np.tril_indices(L, -1)
        value = np.mean(cos2[a, b, 0, 0])
        j, turn = rng.integers(0, k, (99, L)), rng.random((99, len(a))) < 0.5
        other = 1 + j % (k - 1)
        i, o = (j[:, a], j[:, b]), (other[:, a], other[:, b])
        null = {
            "each component": lambda: cos2[a, b, i[0], i[1]],
            "leading against others": lambda: np.where(turn, cos2[a, b, 0, o[1]], cos2[a, b, o[0], 0]),
            "ordered pairs": lambda: (cos2[a, b, 0, o[1]] + cos2[a, b, o[0], 0]) / 2,
            "isotropic mean": lambda: np.full((99, 1), 1 / d),
        }[terms]().mean(axis=1)
        return max((1 + np.count_nonzero(null >= value)) / 100, float(k) ** -L if lowest else 0)

    return p


# --- posterior-angle: bound(component, tau, beta) on sin θ -----------------------------------------------------


def check_bound(bound: Callable) -> None:
    rng = np.random.default_rng(6)
    for rho in (0.2, 0.3, 0.45):
        angle = 0.5 * np.arcsin(2 * rho)
        L, R = rotation(rng, 12, 2), rotation(rng, 9, 2)
        turn = np.array([[-np.sin(2 * angle), np.cos(2 * angle)], [np.cos(2 * angle), np.sin(2 * angle)]])
        prior = L @ (rho * turn) @ R.T + np.outer(L[:, 0], R[:, 0])
        tight, _, u, _ = extremal(rng, 12, 9, 1.0, rho)
        cases = [(prior, L[:, 0]), (tight, u), *[planted(rng, 12, 9, 1.0, rho, np.ones(9))[::2] for _ in range(5)]]
        best = 0.0
        for M, direction in cases:
            top = identify([update(full_rank(M))], pool="none", top=1).component(0)
            sine = np.sin(top.subspace.angles(Subspace.span(direction))[0])
            limit = bound(top, rho * (1 + 1e-7), 1.0)
            np.testing.assert_array_less(sine, limit + subspace(backward((12,), np.float32, 1.0), 1.0))
            best = max(best, sine / limit) if limit > 0 else best
        np.testing.assert_array_less(0.999, best)  # and attained: a bound that is merely true is not the law


# --- verdict: fires(report) ------------------------------------------------------------------------------------


def check_verdict(fires: Callable) -> None:
    spec = AdapterSpec(layers=9, width=80, inputs=50)
    strong, draws, benign, lone = AdapterSpec(layers=9, width=80, inputs=50, strength=2.5), 12, [], []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        updates, _ = draw_adapter(strong, rng=rng)
        assert fires(identify(updates).decompositions[0])
        others, _ = draw_adapter(spec, rng=rng)
        benign.append(fires(identify(others).decompositions[0]))
        # one layer alone with a strong direction: above the floor and apart, but shared by none
        p = updates[0].lowrank
        lone.append(fires(identify([update(LowRank(p.B * 30, p.A)), *others[1:]]).decompositions[0]))
    np.testing.assert_array_less([np.mean(benign), np.mean(lone)], 0.01 + binomial(0.01, draws))


def passes(c, *, floor=True, ratio=True, agree=True, turned=False) -> bool:
    separation = 0 if c.ratio is None else 1 / c.ratio if turned else c.ratio
    p = 1 if c.agreement is None else c.agreement.p_value
    return (not floor or bool(c.above_floor)) and (not ratio or separation >= 1.5) and (not agree or p < 0.01)


def by(**conditions) -> Callable:
    return lambda d: passes(d.components[0], **conditions)
