"""The rows of a comparison: a method, where its directions come from, its knob, and what information it uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from grasp_theory import InputError

from ..organisms import directions as of
from ..organisms.evaluation import Scores
from ..organisms.runs import NaiveRun, adapted, fine_tune, naive_run
from ..organisms.setup import Batches, Setup

# What a row uses beyond the weights; rows are ranked within a class only. "data" includes what the base model says by
# itself, which takes no data.
CLASSES = ("weights", "data", "neutral text", "trait")
Run = Callable[[Setup, float], list[Scores]]
Directions = Callable[[Setup, int], Any]
Part = Callable[[Setup, float], list[Any]]  # methods of a run at a knob


@dataclass(frozen=True)
class Arm:
    """One row: ``run(spec, knob)`` gives the scores at every point.

    information : its class. knobs : values of its knob, as many for every method. preset : the one that is used without
    looking at trait labels. knob : what it is. control : a row that should show no effect, or a bound. inputs : of the
    null space, where that is not the knob.
    """

    name: str
    information: str
    knob: str
    knobs: tuple[float, ...]
    preset: float
    run: Run
    control: bool = False
    inputs: int = 0

    @property
    def inoculated(self) -> bool:
        """Whether its training rows stand behind what elicits the trait."""
        return isinstance(self.run, Trained) and self.run.inoculated

    def methods(self, spec: Setup, knob: float) -> list[Any]:
        """What is attached to the model, made anew; none for naive runs and edits of their weights."""
        return self.run.methods(spec, knob) if isinstance(self.run, (Trained, Afterwards)) else []


# directions


def _top(spec: Setup, k: int) -> np.ndarray:
    return of.top_directions(naive_run(spec), k)


def _seen(spec: Setup, k: int) -> np.ndarray:
    return of.seen_directions(naive_run(spec), k)


def _per_layer(spec: Setup, k: int) -> dict[int, np.ndarray]:
    return of.layer_directions(naive_run(spec), k)


def _supervised(spec: Setup, k: int) -> dict[int, np.ndarray]:
    return spec.trait_vectors()


# while training


@dataclass(frozen=True)
class Trained:
    """Fine-tuning under the methods of all parts."""

    parts: tuple[Part, ...]
    inoculated: bool = False

    def __call__(self, spec: Setup, knob: float) -> list[Scores]:
        return fine_tune(spec, methods=self.methods(spec, knob), inoculated=self.inoculated)

    def methods(self, spec: Setup, knob: float) -> list[Any]:
        """Made anew."""
        return [method for part in self.parts for method in part(spec, knob)]


def _trained(*parts: Part, inoculated: bool = False) -> Trained:
    return Trained(parts, inoculated)


def _at(part: Part, knob: float) -> Part:
    """The part with a knob of its own, fixed."""
    return lambda spec, _: part(spec, knob)


def _grasp(directions: Directions, side: str | None = None) -> Part:
    def part(spec: Setup, knob: float) -> list[Any]:
        from ..methods import Grasp

        chosen: Any = directions(spec, int(knob))
        if side is None:
            return [Grasp(chosen)]
        readers = [u.name for u in naive_run(spec).updates if u.side == "read"]
        return [Grasp(dict.fromkeys(readers, chosen), sides={"read"})]

    return part


def _caft(directions: Directions) -> Part:
    def part(spec: Setup, knob: float) -> list[Any]:
        from ..methods import Caft

        return [Caft(directions(spec, int(knob)))]

    return part


def _compensated(directions: Directions, *, like: Directions | None = None) -> Part:
    """like : scaled so that the frozen term is as large as with these directions."""

    def part(spec: Setup, knob: float) -> list[Any]:
        from ..methods import Compensated

        naive = naive_run(spec)
        chosen, scale = directions(spec, 1), 1.0
        if like is not None:
            scale = of.written_norm(naive.updates, like(spec, 1)) / of.written_norm(naive.updates, chosen)
        return [Compensated(chosen, naive.updates, strength=knob * scale)]

    return part


def _penalty(directions: Directions) -> Part:
    def part(spec: Setup, knob: float) -> list[Any]:
        from ..methods import Penalty

        return [Penalty(directions(spec, 1), weight=knob)]

    return part


def _null_space(spec: Setup, knob: float) -> list[Any]:
    from ..methods import NullSpace

    return [NullSpace(said_by_base(spec), components=int(knob))]


def _null_space_random(spec: Setup, knob: float) -> list[Any]:
    """The control: as many random directions of every module's input."""
    from ..hooks.targets import lora_factors
    from ..methods import Grasp

    rng = np.random.default_rng([spec.seed, 9])
    widths = sorted((f.name, f.A.shape[1]) for f in lora_factors(adapted(spec)))
    return [Grasp({name: rng.standard_normal((d, int(knob))) for name, d in widths}, sides={"read"})]


def _kl(text: Callable[[Setup], Batches]) -> Part:
    def part(spec: Setup, knob: float) -> list[Any]:
        from ..methods import KL

        return [KL(text(spec), weight=knob, cache=True)]

    return part


def _neutral_text(spec: Setup) -> Batches:
    return spec.neutral_text()


@lru_cache(maxsize=1)
def said_by_base(spec: Setup) -> Batches:
    """The base model's own text, sampled once for all rows of an organism."""
    return spec.said_by_base()


def _preventative(spec: Setup, knob: float) -> list[Any]:
    """Toward the supervised trait vector, at the last block."""
    from ..methods import PreventativeSteering

    vectors = spec.trait_vectors()
    return [PreventativeSteering(vectors, strength=knob, at=[max(vectors)])]


def _preventative_found(spec: Setup, knob: float) -> list[Any]:
    """Toward the identified direction: its sign is that of what the update writes on the data, its length that too."""
    from ..methods import PreventativeSteering

    return [PreventativeSteering(of.written(naive_run(spec)), strength=knob)]


# after training


def _naive(spec: Setup, knob: float) -> list[Scores]:
    return list(naive_run(spec).scores)


@dataclass(frozen=True)
class Afterwards:
    """A method at inference, on every point of the naive run."""

    make: Callable[[NaiveRun, float], Any]

    def __call__(self, spec: Setup, knob: float) -> list[Scores]:
        naive, probes, scores = naive_run(spec), spec.probes(), []
        (method,) = self.methods(spec, knob)
        for at in range(len(naive.states)):
            model = naive.model(at)
            with method.attached(model):
                scores.append(probes.ask(model))
        return scores

    def methods(self, spec: Setup, knob: float) -> list[Any]:
        """Made anew."""
        return [self.make(naive_run(spec), knob)]


def _ablation(naive: NaiveRun, knob: float) -> Any:
    from ..methods import Ablation

    return Ablation(of.top_directions(naive, int(knob)))


def _lineas(naive: NaiveRun, knob: float) -> Any:
    """Fitted on the fine-tuning data at the crossing."""
    from ..methods import LinEAS

    return LinEAS.fit(naive.model(naive.at), naive.spec.fitting_text(), sparsity=knob)


def _steered_back(vectors: Callable[[NaiveRun], Mapping[int, np.ndarray]], *, last: bool) -> Afterwards:
    def make(naive: NaiveRun, knob: float) -> Any:
        from ..methods import InferenceSteering

        table = vectors(naive)
        return InferenceSteering(table, strength=-knob, at=[max(table)] if last else None)

    return Afterwards(make)


def _edited(spec: Setup, knob: float) -> list[Scores]:
    """Post-hoc projection of the weights: dW <- (I − QQᵀ) dW in the write modules, at every point of the naive run."""
    naive, probes = naive_run(spec), spec.probes()
    Q = of.top_directions(naive, int(knob))
    bases = {u.name: Q for u in naive.updates if u.side == "write"}
    return [probes.ask(naive.without(bases, at)) for at in range(len(naive.states))]


COUNT, STRENGTH, WIDE, WIDER = (1.0, 2.0, 4.0), (0.5, 1.0, 2.0), (8.0, 16.0, 32.0), (16.0, 32.0, 64.0)
WEIGHT, HEAVY, HEAVIER = (3.0, 10.0, 30.0), (10.0, 30.0, 100.0), (30.0, 100.0, 300.0)
BACK, FORTH = _steered_back(of.written, last=False), _steered_back(lambda naive: naive.spec.trait_vectors(), last=True)

# Presets: one component; strength 1; of weight and of the null space's components the largest at which the pilot
# organisms (seeds 0 and 1) still reached the task in all variants, but for 64 components, which did there but not on
# the seeds of the study (docs/comparison.md).
ARMS: tuple[Arm, ...] = (
    Arm("naive", "data", "none", (0.0,), 0.0, _naive),
    Arm("edit", "weights", "components", COUNT, 1.0, _edited),
    Arm("ablation", "weights", "components", COUNT, 1.0, Afterwards(_ablation)),
    Arm("grasp", "data", "components", COUNT, 1.0, _trained(_grasp(_top))),
    Arm("grasp, activations", "data", "components", COUNT, 1.0, _trained(_grasp(_seen))),
    Arm("null-space", "data", "inputs", WIDER, 32.0, _trained(_null_space)),
    Arm("null-space+grasp", "data", "inputs", WIDE, 32.0, _trained(_null_space, _at(_grasp(_seen), 1.0))),
    Arm("compensated", "data", "strength", STRENGTH, 1.0, _trained(_compensated(_top))),
    Arm("compensated, activations", "data", "strength", STRENGTH, 1.0, _trained(_compensated(_seen))),
    Arm("compensated, per layer", "data", "strength", STRENGTH, 1.0, _trained(_compensated(_per_layer))),
    Arm("compensated+grasp", "data", "strength", STRENGTH, 1.0, _trained(_compensated(_top), _at(_grasp(_top), 1.0))),
    Arm("caft", "data", "components", COUNT, 1.0, _trained(_caft(_top))),
    Arm("caft, A projected", "data", "components", COUNT, 1.0, _trained(_caft(_top), _grasp(_top, "read"))),
    Arm("penalty", "data", "weight", (0.03, 0.1, 0.3), 0.1, _trained(_penalty(_top))),
    Arm("preventative, identified", "data", "strength", STRENGTH, 1.0, _trained(_preventative_found)),
    Arm("steering, identified", "data", "strength", STRENGTH, 1.0, BACK),
    Arm("lineas", "data", "sparsity", (0.1, 0.3, 1.0), 0.3, Afterwards(_lineas)),
    Arm("kl, own text", "data", "weight", HEAVY, 30.0, _trained(_kl(said_by_base))),
    Arm("kl, own text+null-space", "data", "weight", HEAVY, 30.0,
        _trained(_kl(said_by_base), _at(_null_space, 32.0)), inputs=32),
    Arm("kl", "neutral text", "weight", HEAVIER, 300.0, _trained(_kl(_neutral_text))),
    Arm("kl+compensated", "neutral text", "weight", WEIGHT, 30.0,
        _trained(_kl(_neutral_text), _at(_compensated(_top), 1.0))),
    Arm("kl+null-space", "neutral text", "weight", WEIGHT, 30.0,
        _trained(_kl(_neutral_text), _at(_null_space, 32.0)), inputs=32),
    Arm("kl+null-space, wide", "neutral text", "weight", HEAVIER, 300.0,
        _trained(_kl(_neutral_text), _at(_null_space, 64.0)), inputs=64),
    Arm("preventative, supervised", "trait", "strength", STRENGTH, 1.0, _trained(_preventative)),
    Arm("preventative+null-space", "trait", "strength", STRENGTH, 1.0,
        _trained(_preventative, _at(_null_space, 32.0)), inputs=32),
    Arm("steering, supervised", "trait", "strength", STRENGTH, 0.5, FORTH),
    Arm("inoculation", "trait", "none", (1.0,), 1.0, _trained(inoculated=True)),
    Arm("inoculation+null-space", "trait", "none", (1.0,), 1.0,
        _trained(_at(_null_space, 32.0), inoculated=True), inputs=32),
    Arm("grasp, supervised", "trait", "none", (1.0,), 1.0, _trained(_grasp(_supervised)), control=True),
    Arm("compensated, supervised", "trait", "strength", STRENGTH, 1.0, _trained(_compensated(_supervised)),
        control=True),
    Arm("grasp, random", "data", "components", COUNT, 1.0, _trained(_grasp(of.random_directions)), control=True),
    Arm("compensated, random", "data", "strength", STRENGTH, 1.0,
        _trained(_compensated(of.random_directions, like=_top)), control=True),
    Arm("null-space, random", "data", "inputs", WIDER, 32.0, _trained(_null_space_random), control=True),
)  # fmt: skip
BY_NAME: Mapping[str, Arm] = {arm.name: arm for arm in ARMS}


def check_knob(name: str, knob: float, *, rank: int, width: int | None = None) -> None:
    """InputError where a row cannot be run: more components than LoRA's rank, more inputs than two thirds of the width
    (something is to be left for the task)."""
    arm = find_arm(name)
    if arm.knob == "components" and knob > rank:
        raise InputError(f"{name} with {knob:g} components needs at least that rank of LoRA, got {rank}")
    inputs = knob if arm.knob == "inputs" else arm.inputs
    if width is not None and inputs > 2 * width / 3:
        raise InputError(f"{name} with {inputs:g} inputs needs a width of {1.5 * inputs:g} or more, got {width}")


def find_arm(name: str) -> Arm:
    """The row of this name; InputError names those there are."""
    if name not in BY_NAME:
        raise InputError(f"no method of the comparison is called {name!r}; there are: {', '.join(BY_NAME)}")
    return BY_NAME[name]
