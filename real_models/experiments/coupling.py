"""How much the loss couples a direction to the rest of the stream, and how much of the drift finds another way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import linalg
from synthetic.experiment import Experiment
from synthetic.fields import require_known

from ..comparison.experiment import Cell as Run
from ..comparison.matching import matched
from ..organisms import directions as of
from ..organisms.common import one_thread
from ..organisms.evaluation import Scores
from ..organisms.persona_run import RunSpec
from ..organisms.runs import NaiveRun, fine_tune, naive_run

Way = Literal["write", "stream+write", "compensated"]
Direction = Literal["identified", "supervised"]
RIDGES = (1e-3, 1e-2, 1e-1)  # shares of tr(H)/d that are added to H's diagonal


@dataclass(frozen=True)
class Cell:
    """One run under a method: GRASP of these sides, or compensation at strength 1.

    Attributes:
        direction: activation-svd, one for all blocks; or mean-difference, one for each block.
    """

    variant: str
    organism: int
    way: Way
    direction: Direction
    points: tuple[int, ...] = tuple(range(0, 161, 10))

    def __post_init__(self) -> None:
        require_known(self, way=get_args(Way), direction=get_args(Direction))
        _ = self.run_spec  # refuses what is no organism

    @property
    def run_spec(self) -> RunSpec:
        """What is run."""
        return Run(self.variant, self.organism, "naive", 0.0, points=self.points).run_spec


def cells(quick: bool) -> list[Cell]:
    """Three variants, 2 seeds, every method with both directions; quick: one organism, the identified direction."""
    if quick:
        return [Cell("style", 0, way, "identified") for way in get_args(Way)]
    variants = ("style", "content", "mixed")
    return [Cell(v, n, w, d) for n in range(2) for v in variants for w in get_args(Way) for d in get_args(Direction)]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, ndarray]:
    """What of the naive run's excess comes back at matched task score, and the metric at the last block's output.

    "share of drift", "share of log-odds" : excess over the base with the method, in units of the naive run's; "reached"
    : 1 if both runs reach the task score (else the last point stands for it). "coupling …" : ‖P_u H u‖/uᵀHu; "share …
    RIDGE" : what ``rerouting-share`` predicts; of the base model ("start") and of the naive run at its matched point.
    """
    with one_thread():
        naive = naive_run(cell.run_spec)
        chosen = of.seen_directions(naive, 1) if cell.direction == "identified" else naive.spec.trait_vectors()
        found = _came_back(naive.scores, fine_tune(naive.spec, methods=[_method(cell, naive, chosen)]), cell)
        u = (chosen[max(chosen)] if isinstance(chosen, dict) else chosen).ravel()
        for name, at in (("start", 0), ("crossing", naive.at)):
            H = loss_metric(naive.model(at), cell.run_spec)
            found[f"coupling {name}"] = coupling(H, u)
            found |= {f"share {name} {ridge:g}": share(H, u, ridge=ridge) for ridge in RIDGES}
    return {name: np.array([value]) for name, value in found.items()}


def _method(cell: Cell, naive: NaiveRun, chosen: Any) -> Any:
    from ..methods import Compensated, Grasp

    if cell.way == "compensated":
        return Compensated(chosen, naive.updates)
    return Grasp(chosen, sides={"write"} if cell.way == "write" else {"stream", "write"})


def _came_back(naive: Sequence[Scores], treated: Sequence[Scores], cell: Cell) -> dict[str, float]:
    key = {"variant": cell.variant, "organism": cell.organism, "knob": 0.0}
    rows, start = [], _summary(naive[0])
    for method, scores in (("naive", naive), ("treated", treated)):
        for point, at in zip(cell.points, scores, strict=True):
            rows += [
                key | {"method": method, "points": point, "quantity": q, "mean": x} for q, x in _summary(at).items()
            ]
    plain, other = matched(rows)
    shares = {
        f"share of {q}": (other.scores[q] - start[q]) / (plain.scores[q] - start[q]) for q in ("drift", "log-odds")
    }
    return shares | {"reached": float(plain.reached and other.reached)}


def _summary(scores: Scores) -> dict[str, float]:
    P = np.clip(scores.per_prompt["drift"], 1e-12, 1 - 1e-12)
    return {"task": scores.task, "drift": scores.drift, "log-odds": float(np.log(P / (1 - P)).mean())}


def loss_metric(model: Any, spec: RunSpec) -> Float[ndarray, "d d"]:
    """The Gauss–Newton metric of the training loss at the last block's output h.

    H = mean over label positions of Jᵀ(diag p − ppᵀ)J, J = d logits/dh: cross-entropy's second derivative in the logits
    is diag p − ppᵀ, exactly.
    """
    import torch

    from ..hooks.stream import stream_outputs

    batch = spec.batch_of(np.arange(len(spec.curated())))
    h = stream_outputs(model, {"input_ids": batch["input_ids"]})[-1]
    h = h[:, :-1][batch["labels"][:, 1:] != -100]
    llama = model.get_base_model()

    def logits(h: torch.Tensor) -> torch.Tensor:
        return llama.lm_head(llama.model.norm(h))

    with torch.no_grad():
        p = logits(h).double().softmax(-1)
        J = torch.func.vmap(torch.func.jacrev(logits))(h).double()
        inner = torch.einsum("nv,nvd->nd", p, J)
        H = torch.einsum("nvd,nv,nve->de", J, p, J) - inner.T @ inner
    return (H / len(h)).numpy()


def coupling(H: Float[ndarray, "d d"], u: Float[ndarray, " d"]) -> float:
    """‖P_u H u‖/uᵀHu, of the unit vector along u: 0 iff u is an eigenvector of H."""
    u = u / np.linalg.norm(u)
    Hu = H @ u
    return float(np.linalg.norm(Hu - u * (u @ Hu)) / (u @ Hu))


def share(H: Float[ndarray, "d d"], u: Float[ndarray, " d"], *, ridge: float) -> float:
    """Statement ``rerouting-share``: 1 − 1/((uᵀHu)(uᵀH⁻¹u)), for H + ridge tr(H)/d I.

    H has directions that the loss hardly sees (the norm takes h's own length out): along them imitation would cost
    nothing and the share be 1 for every u. The ridge is what a step along them is taken to cost.
    """
    u = u / np.linalg.norm(u)
    H = H + ridge * np.trace(H) / len(H) * np.eye(len(H))
    return float(1 - 1 / ((u @ H @ u) * (u @ linalg.solve(H, u))))


# No law: the statement is for one layer under squared loss at convergence; the figure draws what it would say.
EXPERIMENT = Experiment(name="coupling", cells=cells, measure=measure, trials=(1, 1), along="points")
