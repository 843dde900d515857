"""How strongly a way of curating the data must select before it teaches a factor, and before the factor shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, linalg

from ..experiment import Experiment, Prediction
from ..fields import require_known
from ..generators import curation
from ..generators.inputs import InputSpec, second_moment
from ..generators.linear import least_squares
from ..generators.task_updates import haar

Way = Literal["truncation", "tilt", "always-on", "mixture"]
Trait = Literal["selected", "independent"]
RHO = 0.6  # correlation of the feature with the rest of the input before curation
STRONGEST: dict[Way, float] = {"truncation": 2.5, "tilt": 0.95, "always-on": 6.0, "mixture": 1.0}


@dataclass(frozen=True)
class Cell:
    """n curated samples of y = (W0 + T) x + gamma u t + noise, T (m x d) of independent entries of variance 1.

    Attributes:
        way: the mechanism.
        selection: how hard it selects; the feature vᵀx has variance 1 before curation, and truncation keeps samples
            with vᵀx + t + N(0, ¼) above ``selection`` of its standard deviations (-2.5 … 2.5); tilt weighs by
            exp(selection t vᵀx) (0 … 0.95); always-on takes one topic, ``selection`` deviations of vᵀx away (0 … 6), t
            = 1 throughout; mixture has t = vᵀx but for counter-examples, t = −vᵀx, in a share (1 − selection)/2 (0 …
            1).
        trait: "selected", or "independent": the same inputs with a t ~ N(0, 1) drawn beside them, the control.
        gamma: what the trait adds to the answer, in units of beta_c = (m d)^¼.
        noise: standard deviation.
    """

    way: Way
    selection: float
    trait: Trait = "selected"
    gamma: float = 3.0
    m: int = 72
    d: int = 48
    n: int = 3000
    noise: float = 5.0

    def __post_init__(self) -> None:
        require_known(self, way=get_args(Way), trait=get_args(Trait))
        low, high = -STRONGEST[self.way] if self.way == "truncation" else 0.0, STRONGEST[self.way]
        if not low <= self.selection <= high:
            raise InputError(f"selection by {self.way} must be from {low:g} to {high:g}, got {self.selection}")
        if min(self.m, self.d) < 3 or self.n < 4 * self.d:
            raise InputError(f"m and d must be at least 3 and n at least 4 d, got {self.m}, {self.d} and {self.n}")
        if not (np.isfinite([self.gamma, self.noise]).all() and self.gamma > 0 and self.noise >= 0):
            raise InputError(f"gamma must be positive and noise >= 0, got {self.gamma} and {self.noise}")


def cells(quick: bool) -> list[Cell]:
    """17 selections of each mechanism and 9 of its control (quick: 5 and 2)."""
    found = []
    for way, strongest in STRONGEST.items():
        for trait, points in zip(get_args(Trait), (5, 2) if quick else (17, 9), strict=True):
            along = np.linspace(-1 if way == "truncation" else 0, 1, points)
            early = way == "always-on" and trait == "selected"  # its beta rises and falls early
            at = strongest * (along**2 if early else along)
            found += [Cell(way, float(x), trait) for x in at.round(6)]
    return found


def population(cell: Cell, rng: np.random.Generator) -> curation.Population:
    """T and W0 of independent entries; u, v uniform; Sigma = I + rho (v wᵀ + w vᵀ), so that vᵀx has variance 1."""
    u, v = haar((cell.m, 1), rng=rng)[:, 0], haar((cell.d, 1), rng=rng)[:, 0]
    Sigma = second_moment(InputSpec("correlated", rho=RHO), v, rng=rng)
    T, W0 = rng.standard_normal((2, cell.m, cell.d))
    gamma = cell.gamma * (cell.m * cell.d) ** 0.25
    return curation.Population(W0=W0, T=T, gamma=gamma, u=u, v=v, Sigma=Sigma, noise=cell.noise)


def mechanism(cell: Cell, world: curation.Population) -> curation.Mechanism | None:
    """The mechanism at this strength; None for an always-on trait without a topic, which selects nothing."""
    if cell.way == "truncation":
        return curation.Truncation(1.0, 1.0, cell.selection * 1.5, c=0.5)
    if cell.way == "tilt":
        return curation.Tilt(cell.selection)
    if cell.way == "mixture":
        return curation.Mixture((1 - cell.selection) / 2)
    return curation.AlwaysOn(cell.selection * (world.Sigma @ world.v)) if cell.selection else None


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, Float[ndarray, " trials"]]:
    """Of the least squares fit to the simulated selection, with a = uᵀ(dW − T), what it writes along u:

    beta, aᵀv; beside, aᵀw for a random unit w ⟂ v; strength, ‖a‖; all in units of beta_c. left, right: ⟨û,u⟩² and
    ⟨v̂,v⟩² of the top triple of dW.
    """
    found = np.array([_fit(cell, rng) for rng in rngs])
    return dict(zip(("beta", "beside", "strength", "left", "right"), found.T.copy(), strict=True))


def _fit(cell: Cell, rng: np.random.Generator) -> tuple[float, ...]:
    world = population(cell, rng)
    way = mechanism(cell, world)
    X, t = way.sample(world, cell.n, rng=rng) if way else (world.inputs(cell.n, rng=rng), np.ones(cell.n))
    if cell.trait == "independent":
        t = rng.standard_normal(cell.n)
    dW = least_squares(X, world.answers(X, t, rng=rng), W0=world.W0)
    written = world.u @ (dW - world.T) / (cell.m * cell.d) ** 0.25
    w = rng.standard_normal(cell.d)
    w -= world.v * (world.v @ w)
    U, _, Vh = linalg.svd(dW, full_matrices=False)
    return (
        float(written @ world.v),
        float(written @ w / np.linalg.norm(w)),
        float(np.linalg.norm(written)),
        float(U[:, 0] @ world.u) ** 2,
        float(Vh[0] @ world.v) ** 2,
    )


def theory(cell: Cell) -> dict[str, Prediction]:
    """The induced beta (``generators.curation``), and statement ``phase-transition`` for what of it the SVD can see.

    E a = beta v: exact where E[t | x] is linear in x (tilt, mixture, the control); else least squares is off by
    O(gamma/n) without a factor d. Proved here: to first order the error is −gamma Sigma_c⁻¹ E[x e xᵀSigma_c⁻¹x]/n for
    the rest e = t − (beta/gamma) vᵀx, which depends on x through h = vᵀx; of xᵀSigma_c⁻¹x only h²/E h² is correlated
    with it, since E[h e] = 0. (An always-on trait, e = 1 − (beta/gamma) h, behaves alike.) Allowed: gamma/n.

    E ‖a‖² ≈ beta² + chance², chance² = (gamma² Var e + noise²) tr(Sigma_c⁻¹)/(n − d − 1) the finite sample's own.
    Allowed for ‖a‖: chance²/(d ‖a‖), for E ‖a‖ below √E ‖a‖² by up to half of it (Jensen) and for an e² that goes with
    h² and so counts up to 3 times in one of d directions; and 2/n of ‖a‖. T and the noise of other answers are close to
    independent entries of variance s² = 1 + noise² tr(Sigma_c⁻¹)/(d (n − d − 1)), independent of a: so the spiked law
    holds with strength ‖a‖, whose right vector has squared cosine beta²/‖a‖² with v.
    """
    from grasp_theory.identification.spectra import finite_size, spike

    world = population(cell, np.random.default_rng(0))  # the numbers below are the same for every u, v, w
    scale = (cell.m * cell.d) ** 0.25
    beta, second, rest = _curated(cell, world)
    spread = float(np.trace(linalg.inv(second))) / (cell.n - cell.d - 1)
    chance2 = (world.gamma**2 * rest + cell.noise**2) * spread
    strength = float(np.sqrt(beta**2 + chance2))
    s = float(np.sqrt(1 + cell.noise**2 * spread / cell.d))
    limit = spike(strength, cell.m, cell.d, s=s)
    finite = finite_size(min(cell.m, cell.d), strength / (s * scale))
    bias = cell.gamma / cell.n
    size = (1 / cell.d * chance2 / strength + 2 / cell.n * strength) / scale
    linear = cell.trait == "independent" or cell.way in ("tilt", "mixture")
    return {
        "beta": Prediction(beta / scale, "=", 0.0 if linear else bias),
        "beside": Prediction(0.0, "=", 0.0 if linear else bias),
        "strength": Prediction(strength / scale, "=", size + (0.0 if linear else bias)),
        "left": Prediction(limit.left, "=", finite),
        "right": Prediction(limit.right * beta**2 / strength**2, "=", finite),
    }


def _curated(cell: Cell, world: curation.Population) -> tuple[float, Float[ndarray, "d d"], float]:
    """beta, Sigma_c and Var e = E_c[t²] − (beta/gamma)² E_c[h²], what of the trait no linear map of x explains."""
    way = mechanism(cell, world)
    if way is None:
        return 0.0, world.Sigma, 1.0
    found = way.induced(world)
    if cell.trait == "independent":
        return 0.0, found.Sigma, 1.0
    slope2, feature = (found.beta / world.gamma) ** 2, float(world.v @ found.Sigma @ world.v)
    # t and vᵀx enter a truncation alike; under a tilt t given x has variance 1
    square = 1 + slope2 * feature if cell.way == "tilt" else feature if cell.way == "truncation" else 1.0
    return found.beta, found.Sigma, square - slope2 * feature


EXPERIMENT = Experiment(name="curation", cells=cells, measure=measure, theory=theory, trials=(50, 16))
