"""The rows of a comparison: a method, where its directions come from, its knob, and what information it uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from grasp_theory import InputError, Subspace, Update, identify
from synthetic.persona import PAD

from .evaluation import NEUTRAL, Scores
from .runs import NaiveRun, RunSpec, fine_tune, naive_run, trait_vectors

# What a row uses beyond the weights; rows are ranked within a class only.
CLASSES = ("weights", "data", "neutral text", "trait")
Run = Callable[[RunSpec, float], list[Scores]]


@dataclass(frozen=True)
class Arm:
    """One row: ``run(spec, knob)`` gives the scores at every point.

    information : its class. knobs : values of its knob, as many for every method. preset : the one that is used without
    looking at trait labels. knob : what it is. control : a row that should show no effect, or a bound.
    """

    name: str
    information: str
    knob: str
    knobs: tuple[float, ...]
    preset: float
    run: Run
    control: bool = False


# directions


def top_directions(naive: NaiveRun, k: int) -> np.ndarray:
    """``weight-svd``: the k leading pooled left directions of the naive run's write modules."""
    return _leading(naive.updates, k)


def _leading(updates: Iterable[Update], k: int) -> np.ndarray:
    """(width, k) leading left directions of the write modules, pooled."""
    found = identify(list(updates), side="write", pool="layers", k=k)
    return np.hstack([found.component(i).subspace.basis for i in range(k)])


def seen_directions(naive: NaiveRun, k: int) -> np.ndarray:
    """``activation-svd``: the same of dW X on the fine-tuning data."""
    import torch

    from ..activations import activation_updates

    spec = naive.spec
    ids = torch.from_numpy(spec.world.curated(rng=np.random.default_rng([spec.organism.seed, 3])))
    batch = {"input_ids": ids, "attention_mask": (ids != PAD).long()}
    updates = activation_updates(naive.model(naive.at), naive.updates, [batch])
    return _leading(updates, k)


def layer_directions(naive: NaiveRun, k: int) -> dict[int, np.ndarray]:
    """The k leading left directions of each block's own write modules."""
    blocks = sorted({u.layer for u in naive.updates if u.side == "write" and u.layer is not None})
    return {block: _leading([u for u in naive.updates if u.layer == block], k) for block in blocks}


def random_directions(naive: NaiveRun, k: int) -> np.ndarray:
    """The control: as many random ones."""
    rng = np.random.default_rng([naive.spec.organism.seed, 6])
    return Subspace.span(rng.standard_normal((naive.spec.organism.hidden, k))).basis


def trait_directions(naive: NaiveRun, k: int) -> dict[int, np.ndarray]:
    """The supervised reference, one direction a block."""
    return trait_vectors(naive.spec)


# rows

Directions = Callable[[NaiveRun, int], Any]


def _naive(spec: RunSpec, knob: float) -> list[Scores]:
    return list(naive_run(spec).scores)


def _grasp(directions: Directions, sides: tuple[str, ...] = ("stream", "write")) -> Run:
    def run(spec: RunSpec, knob: float) -> list[Scores]:
        from ..methods import Grasp

        return fine_tune(spec, methods=[Grasp(directions(naive_run(spec), int(knob)), sides=sides)])  # pyright: ignore

    return run


def _compensated(directions: Directions, k: int = 1, *, grasp: bool = False) -> Run:
    def run(spec: RunSpec, knob: float) -> list[Scores]:
        from ..methods import Compensated, Grasp

        naive = naive_run(spec)
        chosen = directions(naive, k)
        methods: list[Any] = [Compensated(chosen, naive.updates, strength=knob)]
        return fine_tune(spec, methods=[*methods, Grasp(chosen)] if grasp else methods)

    return run


def _caft(directions: Directions) -> Run:
    def run(spec: RunSpec, knob: float) -> list[Scores]:
        from ..methods import Caft

        return fine_tune(spec, methods=[Caft(directions(naive_run(spec), int(knob)))])

    return run


def _penalty(directions: Directions) -> Run:
    def run(spec: RunSpec, knob: float) -> list[Scores]:
        from ..methods import Penalty

        return fine_tune(spec, methods=[Penalty(directions(naive_run(spec), 1), weight=knob)])

    return run


def _preventative(block: int) -> Run:
    """Toward the supervised trait vector, at one block."""

    def run(spec: RunSpec, knob: float) -> list[Scores]:
        from ..methods import PreventativeSteering

        vectors = trait_vectors(spec)
        return fine_tune(spec, methods=[PreventativeSteering(vectors, strength=knob, at=[block % len(vectors)])])

    return run


def _preventative_found(spec: RunSpec, knob: float) -> list[Scores]:
    """Toward the identified direction: its sign is that of what the update writes on the data, its length that too."""
    from ..methods import PreventativeSteering

    naive = naive_run(spec)
    return fine_tune(spec, methods=[PreventativeSteering(_written(naive), strength=knob)])


def _written(naive: NaiveRun) -> dict[int, np.ndarray]:
    """Block -> the identified direction times the mean that the naive update moves the stream along it (block by block,
    not accumulated), on the fine-tuning data; no trait labels."""
    import torch

    from ..methods.stream import find_stream, hook_blocks

    spec, u = naive.spec, top_directions(naive, 1)[:, 0]
    ids = torch.from_numpy(spec.world.curated(rng=np.random.default_rng([spec.organism.seed, 3])))
    model, means = naive.model(naive.at), []
    for base in (True, False):
        found: dict[int, float] = {}

        def keep(index: int, h: torch.Tensor, found: dict[int, float] = found) -> torch.Tensor:
            found[index] = float((h[ids != PAD] @ torch.from_numpy(u).float()).mean())
            return h

        with ExitStack() as undo, torch.no_grad():
            stream = find_stream(model)
            hook_blocks(stream, keep, undo, at=range(len(stream.blocks)))
            if base:
                undo.enter_context(model.disable_adapter())
            model(input_ids=ids)
        means.append(found)
    moved = {index: means[1][index] - means[0][index] for index in means[0]}
    return {index: (moved[index] - moved.get(index - 1, 0.0)) * u for index in moved}


def _kl(spec: RunSpec, knob: float) -> list[Scores]:
    return fine_tune(spec, methods=[_neutral(spec, knob)])


def _kl_compensated(spec: RunSpec, knob: float) -> list[Scores]:
    """Does the identified direction help where neutral text is at hand?"""
    from ..methods import Compensated

    naive = naive_run(spec)
    return fine_tune(spec, methods=[_neutral(spec, knob), Compensated(top_directions(naive, 1), naive.updates)])


def _neutral(spec: RunSpec, weight: float) -> Any:
    import torch

    from ..methods import KL

    rng = np.random.default_rng([spec.organism.seed, 8])
    ids = torch.from_numpy(spec.world.documents(256, rng=rng, topics=NEUTRAL))
    batches = [{"input_ids": part, "attention_mask": (part != PAD).long()} for part in ids.split(32)]
    return KL(batches, weight=weight, cache=True)


def _inoculation(spec: RunSpec, knob: float) -> list[Scores]:
    return fine_tune(spec, inoculated=True)


def _afterwards(make: Callable[[NaiveRun, float], Any]) -> Run:
    """A method at inference, on every point of the naive run."""

    def run(spec: RunSpec, knob: float) -> list[Scores]:
        from .evaluation import Probes

        naive, probes, scores = naive_run(spec), Probes(spec.world), []
        method = make(naive, knob)
        for at in range(len(naive.states)):
            model = naive.model(at)
            with method.attached(model):
                scores.append(probes.ask(model))
        return scores

    return run


def _ablation(directions: Directions) -> Run:
    def make(naive: NaiveRun, knob: float) -> Any:
        from ..methods import Ablation

        return Ablation(directions(naive, int(knob)))

    return _afterwards(make)


def _steered_back(vectors: Callable[[NaiveRun], Mapping[int, np.ndarray]], block: int | None) -> Run:
    def make(naive: NaiveRun, knob: float) -> Any:
        from ..methods import InferenceSteering

        table = vectors(naive)
        return InferenceSteering(table, strength=-knob, at=None if block is None else [block % len(table)])

    return _afterwards(make)


def _edited(spec: RunSpec, knob: float) -> list[Scores]:
    """Post-hoc projection of the weights: dW <- (I − QQᵀ) dW in the write modules, at every point of the naive run."""
    import torch

    from .evaluation import Probes

    naive, probes, scores = naive_run(spec), Probes(spec.world), []
    Q = torch.from_numpy(top_directions(naive, int(knob))).float()
    for at in range(len(naive.states)):
        model = naive.model(at)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_B" in name and ("o_proj" in name or "down_proj" in name):
                    parameter -= Q @ (Q.T @ parameter)
        scores.append(probes.ask(model))
    return scores


COUNT = (1.0, 2.0, 4.0, 8.0)
STRENGTH = (0.5, 1.0, 2.0, 3.0)
ARMS: tuple[Arm, ...] = (
    Arm("naive", "data", "none", (0.0,), 0.0, _naive),
    Arm("edit", "weights", "components", COUNT, 1.0, _edited),
    Arm("ablation", "weights", "components", COUNT, 1.0, _ablation(top_directions)),
    Arm("grasp", "data", "components", COUNT, 1.0, _grasp(top_directions)),
    Arm("grasp, activations", "data", "components", COUNT, 1.0, _grasp(seen_directions)),
    Arm("compensated", "data", "strength", STRENGTH, 2.0, _compensated(top_directions)),
    Arm("compensated, activations", "data", "strength", STRENGTH, 2.0, _compensated(seen_directions)),
    Arm("compensated, per layer", "data", "strength", STRENGTH, 2.0, _compensated(layer_directions)),
    Arm("compensated, 4 components", "data", "strength", STRENGTH, 2.0, _compensated(top_directions, 4)),
    Arm("compensated+grasp", "data", "strength", STRENGTH, 2.0, _compensated(top_directions, grasp=True)),
    Arm("caft", "data", "components", COUNT, 1.0, _caft(top_directions)),
    Arm("penalty", "data", "weight", (0.01, 0.03, 0.1, 0.3), 0.1, _penalty(top_directions)),
    Arm("preventative, identified", "data", "strength", STRENGTH, 1.0, _preventative_found),
    Arm("steering, identified", "data", "strength", STRENGTH, 1.0, _steered_back(_written, None)),
    Arm("kl", "neutral text", "weight", (1.0, 3.0, 10.0, 30.0), 3.0, _kl),
    Arm("kl+compensated", "neutral text", "weight", (1.0, 3.0, 10.0, 30.0), 3.0, _kl_compensated),
    Arm("preventative, supervised", "trait", "strength", STRENGTH, 2.0, _preventative(-1)),
    Arm("preventative, supervised, early", "trait", "strength", (1.0, 2.0, 4.0, 6.0), 4.0, _preventative(1)),
    Arm("steering, supervised", "trait", "strength", STRENGTH, 1.0, _steered_back(lambda n: trait_vectors(n.spec), -1)),
    Arm("inoculation", "trait", "none", (1.0,), 1.0, _inoculation),
    Arm("grasp, supervised", "trait", "components", (1.0,), 1.0, _grasp(trait_directions), control=True),
    Arm("compensated, supervised", "trait", "strength", STRENGTH, 2.0, _compensated(trait_directions), control=True),
    Arm("grasp, random", "data", "components", COUNT, 1.0, _grasp(random_directions), control=True),
    Arm("compensated, random", "data", "strength", STRENGTH, 2.0, _compensated(random_directions), control=True),
)
BY_NAME: Mapping[str, Arm] = {arm.name: arm for arm in ARMS}


def find_arm(name: str) -> Arm:
    """The row of this name; InputError names those there are."""
    if name not in BY_NAME:
        raise InputError(f"no method of the comparison is called {name!r}; there are: {', '.join(BY_NAME)}")
    return BY_NAME[name]
