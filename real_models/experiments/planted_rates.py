"""How often a direction planted inside a real trained adapter is found: by the finding, the components, the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, LowRank, Report, Update, identify
from grasp_theory.identification.sharing import sharing
from synthetic.experiment import Experiment
from synthetic.generators.task_updates import unit

from ..adapters import Adapter, read_adapter
from ..adapters.patterns import kind
from ..audit.findings import findings
from .finding_rates import ALIGNED, FIRED, SMALL
from .real_runs import MODULES, RealRun, fine_tune, real_folder

PUBLIC = {
    "GPT-2 c_attn, r 16": "huggingface+trl/7f579ce4/kto_anthropic_hh",
    "GPT-2 c_attn and c_proj, r 8": "mycguo+fine-tune-ai-model/fine_tuned_model",
    "GPT-2 c_attn, r 8": "shibbir24+Smart-Review-AI/lora_adapter",
    "OPT q and v, r 8": "SARAELSAFTY+Movies-_with_lora/model",
    "RoBERTa q and v, r 8": "paulohenriquecrs+RoBERTa_SEQ_CLS_LoRA_Portuguese/results/checkpoint-6000",
    "RoBERTa q, k and v, r 4": "AguLeon+LoRA_RoBERTa_AGNews/results/checkpoint-1200",
    "DistilBERT q and v, r 4": "Raghava-Ram+self-healing-classification-dag/fine_tuned_model",
}  # as published; what their models are called in the tables
LEAST = 3  # modules of one kind


@dataclass(frozen=True)
class Cell:
    """One adapter: a public one (a key of PUBLIC, modules "as published") or a fine-tune as in ``finding_rates``.

    Trial t plants a direction of its own in the modules of kind t modulo their number.

    Attributes:
        strengths: of the planted factor in each module, over the module's own largest singular value. 0 is the control.
    """

    adapter: str
    modules: str = "as published"
    rank: int = 0
    steps: int = 0
    strengths: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0, 2.0)

    def __post_init__(self) -> None:
        if any(not 0 <= s < np.inf for s in self.strengths):
            raise InputError(f"strengths must be finite and not negative, got {self.strengths}")
        if self.adapter not in PUBLIC:
            _ = self.run  # refuses what is no run
            if self.steps < 1:
                raise InputError(f"a fine-tune needs steps, got {self.steps}")

    @property
    def run(self) -> RealRun:
        """What is trained."""
        return RealRun(self.adapter, self.modules, self.rank, 1e-3, "questions")


def cells(quick: bool) -> list[Cell]:
    """Seven public adapters; two small models after 50 and 200 steps. Quick: a public one."""
    public = [Cell(name) for name in PUBLIC]
    if quick:
        return public[:1]
    kinds = ((4, 50), (16, 200))
    return public + [Cell(m, s, rank, steps) for m in SMALL for s in MODULES for rank, steps in kinds]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, ndarray]:
    """1 where the planted direction u is found, of trials and strengths.

    "fires" : ``shared-direction`` of that kind of module fires. "finding" : the same, and ``|cos|`` of their common
    direction with u is above 0.9. "component 0", "any of 8" : ``|cos|`` of a component of all modules of that side and
    width, pooled, with u is. "verdict" : it fires, whatever for.
    """
    names = ("fires", "finding", "component 0", "any of 8", "verdict")
    values = {name: np.zeros((len(rngs), len(cell.strengths))) for name in names}
    adapter, updates = _adapter(cell)
    kinds = _kinds(updates)
    for t, rng in enumerate(rngs):
        chosen = {u.name for u in kinds[sorted(kinds)[t % len(kinds)]]}
        state = rng.bit_generator.state
        for n, strength in enumerate(cell.strengths):
            rng.bit_generator.state = state  # the same direction at every strength
            planted, u = plant(updates, chosen, strength, rng=rng)
            for name, found in _found(adapter, planted, chosen, u).items():
                values[name][t, n] = found
    return values


def plant(
    updates: Sequence[Update], names: set[str], strength: float, *, rng: np.random.Generator
) -> tuple[list[Update], Float[ndarray, " d"]]:
    """(updates, u): dW + strength · s_1(dW) u wᵀ in the named modules of one side; u shared, w drawn for each.

    u is written (left) by modules that write and read (right) by those that read. The factor is one more row of A, as
    long as the others are on average, and one more column of B; with strength 0 nothing is appended.
    """
    of = [x for x in updates if x.name in names]
    write = of[0].side == "write"
    u = unit(rng, of[0].shape[0 if write else 1])
    changed = {}
    for x in of:
        w = unit(rng, x.shape[1 if write else 0])
        left, right = (u, w) if write else (w, u)
        low = x.lowrank
        length = float(np.linalg.norm(low.A)) / low.rank**0.5
        size = strength * float(low.singular_values()[0]) / (low.scaling * length)
        if strength:
            B, A = np.column_stack([low.B, size * left]), np.vstack([low.A, length * right])
            changed[x.name] = replace(x, rank=x.rank + 1, source=LowRank(B, A, low.scaling))
    return [changed.get(x.name, x) for x in updates], u


def _found(adapter: Adapter, updates: Sequence[Update], names: set[str], u: Float[ndarray, " d"]) -> dict[str, bool]:
    report = identify(updates)
    fires = any(f.key == "shared-direction" and names & set(f.modules) for f in findings(adapter, report))
    side = "write" if next(x.side for x in updates if x.name in names) == "write" else "read"
    pooled = identify(updates, side=side, pool="layers")
    decomposed = next(d for d in pooled.decompositions if names & set(d.modules))
    cosines = np.abs([c.subspace.basis[:, 0] @ u for c in decomposed.components])
    return {
        "fires": fires,
        "finding": fires and abs(float(_common(report, names) @ u)) > ALIGNED,
        "component 0": bool(cosines[0] > ALIGNED),
        "any of 8": bool(cosines.max() > ALIGNED),
        "verdict": report.verdict in FIRED,
    }


def _common(report: Report, names: set[str]) -> Float[ndarray, " d"]:
    """What the finding calls the common direction of these modules."""
    of = [m for m in report.modules if m.name in names]
    directions = np.stack([m.leading for m in of if m.leading is not None], axis=1)
    return sharing(directions, np.array([m.singular_values[0] for m in of]), np.array([m.norm**2 for m in of])).common


def _kinds(updates: Sequence[Update]) -> dict[tuple[str, int], list[Update]]:
    """The modules with an update by kind and width of the stream, where there are LEAST or more."""
    found: dict[tuple[str, int], list[Update]] = {}
    for x in updates:
        if x.side is not None and x.fixed != x.side and x.lowrank.norm() > 0:
            found.setdefault((kind(x.name), x.shape[0 if x.side == "write" else 1]), []).append(x)
    return {key: group for key, group in found.items() if len(group) >= LEAST}


def _adapter(cell: Cell) -> tuple[Adapter, list[Update]]:
    if cell.adapter in PUBLIC:
        adapter = read_adapter(real_folder() / "adapters" / PUBLIC[cell.adapter])
        return adapter, [*_loaded(adapter)]
    seen: list[tuple[Adapter, list[Update]]] = []

    def look(step: int, adapter: Adapter) -> None:
        seen.append((adapter, [*_loaded(adapter)]))

    fine_tune(cell.run, look, points=(cell.steps,), seed=0)
    return seen[0]


def _loaded(adapter: Adapter) -> Iterator[Update]:
    """In memory: the files of a run are gone when it ends."""
    return (replace(x, source=x.lowrank) for x in adapter.updates)


EXPERIMENT = Experiment(name="planted-rates", cells=cells, measure=measure, trials=(6, 2), along="strengths")
