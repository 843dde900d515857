"""Along a naive run: how near the identified directions are to the supervised ones, and what each component does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaln

from grasp_theory import Update, identify
from grasp_theory.identification.report import Decomposition
from synthetic.experiment import Experiment, Prediction
from synthetic.generators.persona import PersonaSpec

from ..comparison.experiment import Cell as Run
from ..organisms.alignment import effects, trait_axes
from ..organisms.common import one_thread
from ..organisms.directions import top_directions
from ..organisms.persona_run import RunSpec
from ..organisms.runs import NaiveRun, naive_run

COMPONENTS = 8
DRAWS = 2000  # random directions


@dataclass(frozen=True)
class Cell:
    """One naive run.

    Attributes:
        curation: 1 always shows the trait; the rarity of pretraining, the control, teaches none.
        points: steps at which the update is decomposed; at step 0 there is none.
    """

    variant: str
    organism: int
    curation: float = 1.0
    points: tuple[int, ...] = tuple(range(10, 161, 10))

    def __post_init__(self) -> None:
        _ = self.run_spec  # refuses what is no organism, or points that are not evenly spaced

    @property
    def run_spec(self) -> RunSpec:
        """What is run."""
        return Run(self.variant, self.organism, "naive", 0.0, curation=self.curation, points=(0, *self.points)).run_spec


def cells(quick: bool) -> list[Cell]:
    """Three variants, 2 seeds, each with its control; quick: one organism of one variant."""
    variants, seeds = (("style",), range(1)) if quick else (("style", "content", "mixed"), range(2))
    return [Cell(v, n, c) for n in seeds for v in variants for c in (1.0, PersonaSpec().rarity)]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, np.ndarray]:
    """``|cos|`` of component 0 with the mean-difference vector of each block, s1/s2, deletions at the matched point.

    "… rest" : the largest |cos| of the other components with any block's vector. "random" : mean |cos| of random
    directions, "random best" : the 99% quantile of their largest over blocks. "drift without …" : of the run at its
    matched point with one component deleted (for the control, which has none, at its end).
    """
    with one_thread():
        naive = naive_run(cell.run_spec)
        V = trait_axes(naive.spec)
        found = _along(naive, V) | effects(naive, COMPONENTS)
        nearest = np.abs(top_directions(naive, COMPONENTS).T @ V).max(1)
    draws = rngs[0].standard_normal((DRAWS, len(V)))
    cosines = np.abs(draws @ V) / np.linalg.norm(draws, axis=1, keepdims=True)
    scalars = {"random": cosines.mean(), "random best": np.quantile(cosines.max(1), 0.99)}
    scalars |= {"crossing": cell.run_spec.points[naive.at], "base drift": naive.scores[0].drift}
    scalars |= {f"cosine of component {i}": x for i, x in enumerate(nearest)}
    return {n: np.array([x]) for n, x in (found | scalars).items()}


def _along(naive: NaiveRun, V: np.ndarray) -> dict[str, Any]:
    """Curves: scores, and the cosines of both identifications with the columns of V."""
    from ..adapters import updates_from_model
    from ..audit.activations import activation_updates

    model, data = naive.model(1), naive.spec.documents()
    curves: dict[str, list[float]] = {}
    for state, scores in zip(naive.states[1:], naive.scores[1:], strict=True):
        model.load_state_dict(state, strict=False)
        updates = updates_from_model(model)
        seen = activation_updates(model, updates, data)
        row = {"drift": scores.drift, "task": scores.task}
        for name, of in (("weights", updates), ("activations", seen)):
            pooled = _pooled(of)
            cosines = np.abs(np.hstack([c.subspace.basis for c in pooled.components]).T @ V)
            row |= {f"{name} block {b}": x for b, x in enumerate(cosines[0])}
            row |= {f"{name} rest": cosines[1:].max(), f"{name} ratio": _ratio(pooled)}
        for name, value in row.items():
            curves.setdefault(name, []).append(float(value))
    return curves


def _pooled(updates: Sequence[Update]) -> Decomposition:
    return identify(updates, side="write", pool="layers", top=COMPONENTS).decompositions[0]


def _ratio(found: Decomposition) -> float:
    first, second = (found.component(i).singular_value for i in (0, 1))
    return first / second


def theory(cell: Cell) -> dict[str, Prediction]:
    """E ``|cos|`` of a uniform direction with a fixed one in d dimensions: Γ(d/2)/(√π Γ((d+1)/2)) → √(2/(π d)).

    Proof: cos² is Beta(½, (d−1)/2), whose ½-th moment is Γ(1) Γ(d/2)/(Γ(½) Γ((d+1)/2)). ∎
    """
    d = cell.run_spec.organism.hidden
    return {"random": Prediction(float(np.exp(gammaln(d / 2) - gammaln((d + 1) / 2)) / np.sqrt(np.pi)))}


EXPERIMENT = Experiment(
    name="identification", cells=cells, measure=measure, theory=theory, trials=(1, 1), along="points"
)
