"""What a method says about how it is compared: what it is given, its knob, and what information it uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from grasp_theory import Update
    from grasp_theory.updates import Side

# What a method uses beyond the weights; methods are ranked within a class only. "data" includes what the base model
# says by itself, which takes no data. "control run": the same fine-tuning on rows without the trait.
CLASSES = ("weights", "data", "neutral text", "control run", "trait")
Information = Literal["weights", "data", "neutral text", "control run", "trait"]
Stage = Literal["naive", "training", "inference", "weights", "arm"]

COUNT, SPAN, STRENGTH = (1.0, 2.0, 4.0), (1.0, 4.0, 8.0), (0.5, 1.0, 2.0)  # knobs that several methods share


class Sources(Protocol):
    """What a comparison can hand to a method: directions and updates of the naive run, texts, the supervised vectors.

    Those of the naive run make that run, or read it from the cache: ``ComparedMethod.needs_naive`` says who asks.
    """

    @property
    def seed(self) -> int: ...
    @property
    def updates(self) -> Sequence[Update]: ...
    @property
    def readers(self) -> list[str]: ...
    def top(self, k: int, side: Side = "write") -> np.ndarray: ...
    def seen(self, k: int) -> np.ndarray: ...
    def seen_on_own_text(self, k: int) -> np.ndarray: ...
    def per_layer(self, k: int) -> dict[int, np.ndarray]: ...
    def reading(self, k: int) -> dict[str, np.ndarray]: ...
    def contrasted(self, k: int) -> np.ndarray: ...
    @property
    def control(self) -> Sequence[Update]: ...
    def written(self) -> dict[int, np.ndarray]: ...
    def random(self, k: int) -> np.ndarray: ...
    def input_widths(self) -> dict[str, int]: ...
    def supervised(self) -> dict[int, np.ndarray]: ...
    def own_text(self) -> list[dict[str, Any]]: ...
    def neutral_text(self) -> list[dict[str, Any]]: ...
    def neutral_rows(self) -> Sequence[Any]: ...
    def fit_lineas(self, sparsity: float) -> Any: ...


@dataclass(frozen=True)
class ComparedMethod:
    """One method of a comparison, over its knob.

    Attributes:
        name: in tables; one method may stand there several times, with directions from different sources.
        information: its class.
        knob: what it is.
        knobs: its values, as many for every method.
        preset: the one that is used without looking at trait labels.
        make: (sources, knob) -> the methods to attach, made anew: for a run of its own ("training"), for all points of
            the naive run ("inference"), for each of them, as if training had ended there ("weights"); none for naive
            runs, of other training rows too ("arm").
        stage: when it acts.
        needs_naive: whether ``make`` asks for the naive run.
        needs_control: whether it asks for a control run.
        mixes: whether it asks for neutral training rows.
        inoculated: whether it trains on rows behind what elicits the trait.
        inputs: of a null space, where that is not the knob.
        control: whether it should show no effect, or is a bound.
    """

    name: str
    information: Information
    knob: str
    knobs: tuple[float, ...]
    preset: float
    make: Callable[[Sources, float], list[Any]]
    stage: Stage = "training"
    needs_naive: bool = False
    needs_control: bool = False
    mixes: bool = False
    inoculated: bool = False
    inputs: int = 0
    control: bool = False

    def label(self, knob: float) -> str:
        """Its name, and the value of its knob where there is one."""
        return self.name if self.knob == "none" else f"{self.name} ({self.knob} {knob:g})"
