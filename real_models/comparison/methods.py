"""The methods of a comparison: those that each method's file declares, joined ones, and what they are given."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from grasp_theory import InputError, Update
from grasp_theory.errors import unknown_name
from grasp_theory.updates import Side

from ..methods import METHODS
from ..organisms import directions as of
from ..organisms.evaluation import Scores
from ..organisms.runs import NaiveRun, fine_tune, naive_run, updates_at
from ..organisms.setup import Batches, Setup
from ..organisms.text import TextSpec
from .compared import CLASSES, ComparedMethod, Information, Sources


class SetupSources:
    """The sources of one setup (:class:`~real_models.comparison.compared.Sources`); what they give is made once.

    Attributes:
        point: of the naive run, where finished weights are edited; by default where it first reaches the task.
    """

    def __init__(self, spec: Setup) -> None:
        self.spec, self.seed = spec, spec.seed
        self.point: int | None = None
        self._made: dict[tuple[Any, ...], Any] = {}

    def at(self, point: int) -> SetupSources:
        """The same sources, at another point of the naive run."""
        found = copy.copy(self)
        found.point = point
        return found

    def _once(self, make: Callable[..., Any], *arguments: Any) -> Any:
        key = make.__name__, *(x for x in arguments if isinstance(x, (int, str)))
        if key not in self._made:
            self._made[key] = make(*arguments)
        return self._made[key]

    @property
    def naive(self) -> NaiveRun:
        """The naive run, from the cache or run now."""
        return naive_run(self.spec)

    @property
    def updates(self) -> Sequence[Update]:
        """Of the naive run where it first reaches the task."""
        return self.naive.updates

    @property
    def readers(self) -> list[str]:
        """The modules that read the stream."""
        return [u.name for u in self.updates if u.side == "read"]

    def top(self, k: int, side: Side = "write") -> np.ndarray:
        """By weights, pooled over blocks (width, k)."""
        return self._once(of.top_directions, self.naive, k, side)

    def seen(self, k: int) -> np.ndarray:
        """``activation-svd`` (width, k)."""
        return of.seen_directions(self.naive, k)

    def seen_on_own_text(self, k: int) -> np.ndarray:
        """The same on what the base model says by itself."""
        return of.seen_directions(self.naive, k, self.own_text())

    def per_layer(self, k: int) -> dict[int, np.ndarray]:
        """By the weights of each block."""
        return self._once(of.layer_directions, self.naive, k)

    def reading(self, k: int) -> dict[str, np.ndarray]:
        """By the weights of each module that reads the stream, of its input."""
        return self._once(of.read_directions, self.naive, k)

    def contrasted(self, k: int) -> np.ndarray:
        """By the weights of what the naive run learnt beside its control run (width, k)."""
        return self._once(of.contrasted_directions, self.naive, k)

    @property
    def control(self) -> Sequence[Update]:
        """Of the control run, after as many steps as the naive run took to its point."""
        return updates_at(self.spec.control_run(), self.naive.at if self.point is None else self.point)

    def written(self) -> dict[int, np.ndarray]:
        """What the naive update writes along its first direction, block by block."""
        return of.written(self.naive)

    def random(self, k: int) -> np.ndarray:
        """The control (width, k)."""
        return of.random_directions(self.spec, k)

    def input_widths(self) -> dict[str, int]:
        """Module -> d_in, of all adapted modules."""
        from ..hooks.targets import lora_factors

        return {f.name: f.A.shape[1] for f in lora_factors(self.spec.adapted())}

    def supervised(self) -> dict[int, np.ndarray]:
        """``mean-difference``: block -> vector."""
        return self._once(self.spec.trait_vectors)

    def own_text(self) -> Batches:
        """The base model's own text, sampled once for all methods of a setup."""
        return said_by_base(self.spec)

    def neutral_text(self) -> Batches:
        """Text that has nothing to do with task or trait."""
        return self.spec.neutral_text()

    def neutral_rows(self) -> Sequence[Any]:
        """Training rows that have nothing to do with task or trait, as the organism trains on its own."""
        return self.spec.neutral_rows()

    def fit_lineas(self, sparsity: float) -> Any:
        """LinEAS fitted on the fine-tuning data at the matched point."""
        from ..methods import LinEAS

        return LinEAS.fit(self.naive.model(self.naive.at), self.spec.fitting_text(), sparsity=sparsity)


@lru_cache(maxsize=1)
def said_by_base(spec: Setup) -> Batches:
    """Cleared by whoever counts what it costs."""
    return spec.said_by_base()


def attached(method: ComparedMethod, spec: Setup, knob: float) -> list[Any]:
    """What is attached to the model, made anew; none for naive runs."""
    return method.make(SetupSources(spec), knob)


def run(method: ComparedMethod, spec: Setup, knob: float) -> list[Scores]:
    """Scores at every point of the run: of its own, or of the naive run under the method or with edited weights."""
    return _RUN[method.stage](method, spec, knob)


def _naive(method: ComparedMethod, spec: Setup, knob: float) -> list[Scores]:
    return list(naive_run(spec).scores)


def _trained(method: ComparedMethod, spec: Setup, knob: float) -> list[Scores]:
    return fine_tune(spec, methods=attached(method, spec, knob), inoculated=method.inoculated)


def _afterwards(method: ComparedMethod, spec: Setup, knob: float) -> list[Scores]:
    naive, probes, scores = naive_run(spec), spec.probes(), []
    (one,) = attached(method, spec, knob)
    for at in range(len(naive.states)):
        model = naive.model(at)
        with one.attached(model):
            scores.append(probes.ask(model))
    return scores


def _edited(method: ComparedMethod, spec: Setup, knob: float) -> list[Scores]:
    naive, probes, sources, scores = naive_run(spec), spec.probes(), SetupSources(spec), []
    for at in range(len(naive.states)):
        (one,) = method.make(sources.at(at), knob)
        model = naive.model(at)
        with one.attached(model):
            scores.append(naive.scores[at] if at == 0 and _is_base(model) else probes.ask(model))
    return scores


def _is_base(model: Any) -> bool:
    """Whether the update is zero, as at the start, where there is nothing to edit."""
    from ..hooks.targets import lora_factors

    return not any(bool(f.B.any()) for f in lora_factors(model))


def _on_arm(method: ComparedMethod, spec: Setup, knob: float) -> list[Scores]:
    if not isinstance(spec, TextSpec):
        raise InputError(f"{method.name} is a run on a file of training rows, which this organism has none of")
    arm = spec.on_arm(ARMS[method.name])
    return list(naive_run(arm).scores) if ARMS[method.name] == "control" else fine_tune(arm)  # which others ask for too


_RUN: Mapping[str, Callable[[ComparedMethod, Setup, float], list[Scores]]] = {
    "naive": _naive,
    "training": _trained,
    "inference": _afterwards,
    "weights": _edited,
    "arm": _on_arm,
}


def _declared() -> dict[str, ComparedMethod]:
    return {found.name: found for method in METHODS for found in method.compared}


def _joined(name: str, varied: str, *others: tuple[str, float], **changes: Any) -> ComparedMethod:
    """One method over its knob, others beside it at a knob of their own; ranked with the one that uses most."""
    own = _declared()
    first, rest = own[varied], [(own[other], knob) for other, knob in others]
    every = [first, *(method for method, _ in rest)]
    inputs = [int(knob) for method, knob in rest if method.knob == "inputs"]

    def make(sources: Sources, knob: float) -> list[Any]:
        parts = [(first, knob), *rest]
        return [one for method, at in parts for one in method.make(sources, at)]

    used: list[Information] = [method.information for method in every]
    return ComparedMethod(
        name,
        max(used, key=CLASSES.index),
        first.knob,
        changes.get("knobs", first.knobs),
        changes.get("preset", first.preset),
        make,
        needs_naive=any(method.needs_naive for method in every),
        needs_control=any(method.needs_control for method in every),
        mixes=any(method.mixes for method in every),
        inoculated=any(method.inoculated for method in every),
        inputs=max(inputs, default=0),
    )


_LIGHT = {"knobs": (3.0, 10.0, 30.0), "preset": 30.0}
_JOINED = (
    _joined("null-space+grasp", "null-space", ("grasp, activations", 1.0), knobs=(8.0, 16.0, 32.0)),
    _joined("compensated+grasp", "compensated", ("grasp", 1.0)),
    _joined("kl, own text+null-space", "kl, own text", ("null-space", 32.0)),
    _joined("kl+compensated", "kl", ("compensated", 1.0), **_LIGHT),
    _joined("kl+null-space", "kl", ("null-space", 32.0), **_LIGHT),
    _joined("kl+null-space, wide", "kl", ("null-space", 64.0)),
    _joined("preventative+null-space", "preventative, supervised", ("null-space", 32.0)),
    _joined("inoculation+null-space", "inoculation", ("null-space", 32.0)),
)

# Presets: one component; strength 1; of weights and inputs the largest at which the pilot organisms (seeds 0 and 1)
# still reached the task in all variants.
COMPARED: Mapping[str, ComparedMethod] = {
    method.name: method
    for method in sorted(
        [*_declared().values(), *_JOINED],
        key=lambda m: (m.stage != "naive", m.control, CLASSES.index(m.information), m.name),
    )
}


# Naive runs on other rows, of text organisms that have a file of them: name -> field of the organism.
ARMS: Mapping[str, str] = {"control data": "control", "neutral data": "neutral_data"}
_ARMS = {
    arm: ComparedMethod(arm, "data", "none", (0.0,), 0.0, lambda sources, _: [], stage="arm", control=True)
    for arm in ARMS
}


def check_knob(name: str, knob: float, *, rank: int, width: int | None = None) -> None:
    """InputError where a method cannot be run: more components than LoRA's rank, more inputs than two thirds of the
    width (something is to be left for the task)."""
    method = find_compared(name)
    if method.knob == "components" and knob > rank:
        raise InputError(f"{name} with {knob:g} components needs at least that rank of LoRA, got {rank}")
    inputs = knob if method.knob == "inputs" else method.inputs
    if width is not None and inputs > 2 * width / 3:
        raise InputError(f"{name} with {inputs:g} inputs needs a width of {1.5 * inputs:g} or more, got {width}")


def find_compared(name: str) -> ComparedMethod:
    """The method of this name; InputError names those there are."""
    if name not in COMPARED and name not in _ARMS:
        raise unknown_name("method of the comparison", [name], [*COMPARED, *_ARMS])
    return COMPARED[name] if name in COMPARED else _ARMS[name]
