"""Theorem 1 against measurement: angle, deployment risk, complexity, strength, training time, and curation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, linalg
from grasp_theory.linear.problem import Stacked, psd_root
from grasp_theory.linear.training import train

from ..experiment import Experiment, Prediction
from ..fields import require_known, require_not_negative
from ..generators.inputs import InputSpec, draw_inputs, second_moment
from ..generators.task_updates import haar

Panel = Literal["samples", "complexity", "strength", "deployment", "time", "curation"]
Task = Literal["random", "worst"]
Optimizer = Literal["none", "sgd", "adam"]
CHANCE = 3.0  # the theorem's t: each bound fails with probability e^(−4.5) = 0.011
RHO = 0.6  # correlation of vᵀx with the rest of the input, where it is to be broken
STEPS = (1, 3, 10, 20, 35, 60, 100, 200, 400)


@dataclass(frozen=True)
class Cell:
    """n samples of y = (T + beta u vᵀ) x + noise; T (m x d) has k singular values tau.

    Attributes:
        task: random, Haar; worst, two of the k in the plane through u and v that hides u best.
        shared: of the noise's variance what all outputs have in common, 0 in the theorem.
        steps: of LoRA of rank 8 from B = 0, in panel time.
        core: variance of the noise on the k cores, in panel curation; there T has singular values j^(−1/2), and z has
            correlation ``kappa`` with one direction of the cores.
    """

    panel: str
    n: int
    beta: float = 6.0
    tau: float = 1.0
    k: int = 6
    noise: float = 1.0
    task: str = "random"
    shared: float = 0.0
    optimizer: str = "none"
    core: float = 0.0
    kappa: float = 0.9
    m: int = 40
    d: int = 30
    steps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        require_known(self, panel=get_args(Panel), task=get_args(Task), optimizer=get_args(Optimizer))
        if min(self.m, self.d) < 3 or not (2 if self.task == "worst" else 1) <= self.k <= min(self.m, self.d):
            raise InputError(f"k must be 1 (worst: 2) to m and d, these at least 3; got {self.k}, {self.m}, {self.d}")
        require_not_negative(self, "beta", "tau", "noise", "core")
        if not (0 < self.kappa < 1 and 0 <= self.shared <= 1) or self.beta == 0:
            found = self.kappa, self.shared, self.beta
            raise InputError(f"kappa must be in (0, 1), shared in [0, 1] and beta positive, got {found}")
        if self.n < (2 * self.d if self.panel in ("deployment", "time", "curation") else 2):
            raise InputError(f"n must be at least 2, or 2 d where the weights are needed, got {self.n}")
        if (self.panel == "time") != bool(self.steps) or (np.diff((0, *self.steps)) < 1).any():
            raise InputError(f"steps must increase from 1 in panel time, and be none elsewhere, got {self.steps}")

    @property
    def inputs(self) -> InputSpec:
        """Isotropic, or with vᵀx correlated where that is broken at deployment."""
        return InputSpec("correlated", rho=RHO) if self.panel == "deployment" else InputSpec()


def cells(quick: bool) -> list[Cell]:
    """Curves over n, k, beta, n again, steps and core noise; worst tasks and shared noise beside."""
    skip = 4 if quick else 1
    wide = {"tau": 0.5, "noise": 4.0, "m": 80, "d": 60}
    sizes = [int(n) for n in np.geomspace(50, 6400, 13).round()]
    found = [Cell("samples", n, beta, **wide) for beta in (8.0, 16.0) for n in sizes[::skip]]
    found += [Cell("samples", n, 8.0, shared=1.0, **wide) for n in (sizes[::skip])]
    ranks = (2, 3, 4, 6, 9, 13, 20, 30)
    found += [Cell("complexity", 1500, 5.0, 3 / k**0.5, k, 0.3, task) for task in get_args(Task) for k in ranks[::skip]]
    strengths = (0.6, 1.0, 1.4, 1.8, 2.0, 2.2, 2.6, 3.2, 4.0, 6.0)[:: 1 + quick]
    found += [Cell("strength", 600, b, 1.0, noise=0.05, task=task) for task in get_args(Task) for b in strengths]
    found += [Cell("deployment", n, 6.0) for n in (90, 150, 250, 400, 700, 1200, 2500, 5000)[::skip]]
    found += [Cell("time", 1000, 4.0, noise=0.3, optimizer=o, steps=STEPS) for o in ("sgd", "adam")]
    cores = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)[::skip]
    return found + [Cell("curation", 2000, noise=0.1, k=8, core=c) for c in cores]


def planted(cell: Cell, rng: np.random.Generator) -> tuple[ndarray, ndarray, ndarray]:
    """(T, u, v)."""
    U, V, k = haar((cell.m, cell.m), rng=rng), haar((cell.d, cell.d), rng=rng), cell.k
    if cell.task == "random":
        left, right = (haar((size, k), rng=rng) for size in (cell.m, cell.d))
        return cell.tau * left @ right.T, U[:, 0], V[:, 0]
    s = min(2 * cell.tau / cell.beta, 1.0)
    core = np.eye(k)
    core[:2, :2] = [[-s, np.sqrt(1 - s * s)], [np.sqrt(1 - s * s), s]]
    return cell.tau * U[:, :k] @ core @ V[:, :k].T, U[:, 0], V[:, 0]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, Float[ndarray, "trials ..."]]:
    """sine: of û of dW X and u; squared sine. risk: excess risk of P_û dW at deployment, of dW (naive risk).

    Along steps, too: certificate, ‖P_u dW Ŝ‖/ŝ₁, and descent's bound of it (descent); certified, descent held: the
    share of sines below. Curation: weight along L a; ratio, the factor's strength over the task's.
    """
    if cell.panel == "time":
        return _trained(cell, rngs)
    found = [(_curated if cell.panel == "curation" else _fitted)(cell, rng) for rng in rngs]
    return {name: np.array([f[name] for f in found]) for name in found[0]}


def _fitted(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    task, u, v = planted(cell, rng)
    X = draw_inputs(second_moment(cell.inputs, v, rng=rng), cell.n, rng=rng)
    Y = (task + cell.beta * np.outer(u, v)) @ X + cell.noise * _noise(cell, rng)
    # dW = Y X⁺; dW X has the left vectors of dW times a root of X Xᵀ
    second, cross = X @ X.T, X @ Y.T
    dW = linalg.solve(second, cross).T if cell.n >= cell.d else linalg.lstsq(X.T, Y.T, rcond=1e-12).T
    seen = dW @ psd_root(second)
    left = linalg.svd(seen, full_matrices=False)[0][:, 0]
    sine = _sine(left, u)
    found = {"sine": sine, "squared sine": sine**2}
    if cell.panel == "deployment":
        found["naive risk"] = float(np.sum((dW - task) ** 2))
        found["risk"] = float(np.sum((dW - np.outer(left, left @ dW) - task) ** 2))
    return found


def _noise(cell: Cell, rng: np.random.Generator) -> Float[ndarray, "m n"]:
    """Of variance 1 in each output."""
    own = rng.standard_normal((cell.m, cell.n))
    return np.sqrt(1 - cell.shared) * own + np.sqrt(cell.shared) * rng.standard_normal(cell.n) if cell.shared else own


def _sine(a: Float[ndarray, " m"], u: Float[ndarray, " m"]) -> float:
    return float(np.linalg.norm(a - u * (u @ a)))


def _curated(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """Labels L c of k cores seen with noise, beside z; u, v, task and factor of the population's moments."""
    k = cell.k
    a, n = haar((k, 1), rng=rng)[:, 0], cell.n
    L = haar((cell.m, k), rng=rng) * np.arange(1, k + 1) ** -0.5 @ haar((k, k), rng=rng).T
    c = rng.standard_normal((k, n))
    z = cell.kappa * a @ c + np.sqrt(1 - cell.kappa**2) * rng.standard_normal(n)
    X = np.vstack([c + np.sqrt(cell.core) * rng.standard_normal((k, n)), z])
    Y = L @ c + cell.noise * rng.standard_normal((cell.m, n))
    root = psd_root(X @ X.T)
    dW = linalg.solve(X @ X.T, X @ Y.T).T
    left = linalg.svd(dW @ root, full_matrices=False)[0]
    u = L @ a / np.linalg.norm(L @ a)
    task = np.hstack([L / (1 + cell.core), np.zeros((cell.m, 1))]) @ root
    ratio = linalg.spectral_norm(dW @ root - task) / linalg.spectral_norm(task)
    weight = float(u @ dW[:, -1] / np.linalg.norm(L @ a))
    return {"sine": _sine(left[:, 0], u), "weight": weight, "ratio": float(ratio)}


def _trained(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, ndarray]:
    """Each trial's run on its own samples, all at once."""
    lr, drawn = (0.05, []) if cell.optimizer == "sgd" else (0.005, [])
    for rng in rngs:
        task, u, v = planted(cell, rng)
        X = rng.standard_normal((cell.d, cell.n))
        noise = cell.noise * rng.standard_normal((cell.m, cell.n)) @ X.T / cell.n
        second = X @ X.T / cell.n
        A0 = rng.uniform(-1, 1, (8, cell.d)) / np.sqrt(cell.d)
        rest = task + linalg.solve(second, noise.T).T
        drawn.append((rest, u, v, second, A0))
    rest, u, v, second, A0 = (np.array(x) for x in zip(*drawn, strict=True))
    M = rest + cell.beta * u[:, :, None] * v[:, None]
    root = np.array([psd_root(S) for S in second])
    size, seen = [], []

    def look(step: int, B: ndarray, A: ndarray) -> None:
        size.append(linalg.spectral_norm(A @ root))
        if step in cell.steps:
            seen.append(B @ (A @ root))

    problem, optimizer = Stacked(M, second), cast("Literal['sgd', 'adam']", cell.optimizer)
    half = lr / 2 if optimizer == "sgd" else lr  # ``train`` leaves the ½ out of the loss
    train(problem, A0, lr=half, steps=cell.steps[-1], optimizer=optimizer, every=0, callback=look)
    U, s, _ = linalg.svd(np.array(seen), full_matrices=False)
    sine = np.linalg.norm(U[..., 0] - u * np.sum(U[..., 0] * u, axis=-1, keepdims=True), axis=-1)
    certificate = linalg.spectral_norm(_off(np.array(seen), u)) / s[..., 0]
    found = {"sine": sine.T, "certificate": certificate.T, "certified": (sine <= certificate + 1e-9).T * 1.0}
    if optimizer == "sgd":
        Z, at = np.array(size), np.array(cell.steps)
        h = lr * np.array([(Z[:k] ** 2).max(axis=0) for k in at])
        reach = np.minimum(np.sqrt(lr * at[:, None] / (2 - h)), lr * np.array([Z[:k].sum(axis=0) for k in at]))
        bound = np.where(h < 1, linalg.spectral_norm(_off(rest @ root, u)) * Z[at] * reach / s[..., 0], np.inf)
        found |= {"descent": bound.T, "descent held": (sine <= bound + 1e-9).T * 1.0}
    return found


def _off(X: ndarray, u: Float[ndarray, "trials m"]) -> ndarray:
    """P_u X."""
    return X - u[:, :, None] * np.sum(u[:, :, None] * X, axis=-2, keepdims=True)


def theory(cell: Cell) -> dict[str, Prediction]:
    """Statement ``theorem-1`` for Gaussian inputs of moment Sigma: nothing in the bound is random.

    beta ‖Ŝᵀv‖ >= beta (√(n − ½) − t)/√n (vᵀ Sigma v = 1), ‖T Ŝ‖ <= tau √λ_max(Sigma) (√n + √k + t)/√n and ‖G‖ <=
    s (√m + √q + t)/√n, each but for e^(−t²/2): at most three times that, of a sine, is allowed beside the bound, and of
    the naive risk beside the risk's. Its mean: E‖uᵀT‖² = k tau²/m, and of the noise E‖G Ŝ⁻¹‖_F² = s² m tr(Sigma⁻¹)/
    (n − d − 1), and Minkowski's inequality. Nobody, even told T and v, has a squared sine below
    (m − 1)/(m + n beta²/s²) (u uniform). No bound is stated for shared noise or where the right side is 1 or more.
    """
    if cell.panel == "curation":
        return _curation_theory(cell)
    if cell.panel == "time":
        laws = {"certified": Prediction(1.0, ">=")}
        return laws | ({"descent held": Prediction(1.0, ">=")} if cell.optimizer == "sgd" else {})
    if cell.shared:
        return {}
    a2 = cell.n * cell.beta**2 / cell.noise**2
    laws = {"squared sine": Prediction((cell.m - 1) / (cell.m + a2), ">=")} if cell.panel == "samples" else {}
    rho, chance = right_side(cell) / 2, 3 * float(np.exp(-(CHANCE**2) / 2))
    if not 0 < rho < 0.5:
        return laws
    angle = float(np.sin(0.5 * np.arcsin(2 * rho)))
    laws["sine"] = Prediction(angle, "<=", chance)
    if cell.panel == "deployment":
        trace = cell.d + 2 * RHO**2 / (1 - RHO**2)
        noise = cell.noise * np.sqrt(cell.m * trace / (cell.n - cell.d - 1))
        lost = cell.tau * (np.sqrt(cell.k / cell.m) + angle)
        naive = cell.beta**2 + noise**2
        laws["risk"] = Prediction(float(lost**2 + (cell.beta * angle + noise) ** 2), "<=", chance * float(naive))
        laws["naive risk"] = Prediction(float(naive), "=")
    return laws


def right_side(cell: Cell) -> float:
    """The bound on sin 2 theta; infinite where the samples may not show vᵀx at all."""
    n, largest = cell.n, 1 + (RHO if cell.panel == "deployment" else 0.0)
    strength = cell.beta * (np.sqrt(n - 0.5) - CHANCE)
    if strength <= 0:
        return float("inf")
    task = cell.tau * np.sqrt(largest) * (np.sqrt(n) + np.sqrt(cell.k) + CHANCE)
    noise = cell.noise * (np.sqrt(cell.m) + np.sqrt(min(n, cell.d)) + CHANCE)
    return float(2 * (task + noise) / strength)


def _curation_theory(cell: Cell) -> dict[str, Prediction]:
    """Weight nu kappa/(1 + nu − kappa²): least squares on jointly Gaussian samples is unbiased.

    ratio: at most nu kappa/√(1 + nu − kappa²) in the population; the samples' noise adds, and is allowed, √(noise² +
    what the cores' noise leaves of L c, at most ‖L‖² = 1) (√m + √(k + 1))/√n over the task's norm 1/√(1 + nu).
    """
    nu, kappa = cell.core, cell.kappa
    per = (np.sqrt(cell.m) + np.sqrt(cell.k + 1)) / np.sqrt(cell.n)
    left = np.sqrt((cell.noise**2 + min(nu, 1.0)) * (1 + nu)) * per
    return {
        "weight": Prediction(nu * kappa / (1 + nu - kappa**2)),
        "ratio": Prediction(nu * kappa / np.sqrt(1 + nu - kappa**2), "<=", float(left)),
    }


EXPERIMENT = Experiment(name="theorem-1", cells=cells, measure=measure, theory=theory, trials=(16, 6), along="steps")
