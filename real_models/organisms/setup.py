"""What a comparison asks of an organism, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from grasp_theory import InputError

from .evaluation import Scores

if TYPE_CHECKING:
    import torch

    from ..hooks.method import Method

Batches = list[dict[str, "torch.Tensor"]]


class Asks(Protocol):
    """Questions with a score.

    Attributes:
        clusters: of each prompt that drift is asked on; prompts of one are not independent.
    """

    @property
    def clusters(self) -> np.ndarray: ...

    def ask(self, model: Any) -> Scores:
        """All scores of a model as it is now (hooks included), in evaluation mode."""
        ...


class Setup(Protocol):
    """An organism and how it is fine-tuned: all that the runs of a comparison ask of it. Hashable.

    Attributes:
        seed: of the LoRA start and the data order.
        width: of the residual stream.
        rank: of LoRA.
        steps: of training.
        points: those at which a run is evaluated, every so many.
    """

    @property
    def seed(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def rank(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def every(self) -> int: ...
    @property
    def points(self) -> tuple[int, ...]: ...

    def base(self) -> Any:
        """The base model, one that may be changed."""
        ...

    def probes(self) -> Asks:
        """The questions that a run is scored by."""
        ...

    def adapted(self) -> Any:
        """The base model with a fresh LoRA adapter, its start drawn from the seed."""
        ...

    def train(
        self, model: Any, *, methods: Sequence[Method], inoculated: bool, look: Callable[[int], None], steps: int
    ) -> None:
        """Fine-tune the adapted model under the methods.

        Args:
            inoculated: whether the rows stand behind what elicits the trait.
            look: told the number of steps done, before the first and after each.
        """
        ...

    def control_run(self) -> Setup:
        """The same base, LoRA start and data order, on rows without the trait; InputError where there are none."""
        ...

    def matched_score(self, task: Sequence[float]) -> float:
        """The task score at which runs are matched, given those of the naive run."""
        ...

    def documents(self) -> Batches:
        """The fine-tuning data as text, padding masked."""
        ...

    def fitting_text(self) -> Batches:
        """The same as maps of activations are fitted on it."""
        ...

    def neutral_text(self) -> Batches:
        """Text that has nothing to do with task or trait."""
        ...

    def neutral_rows(self) -> Any:
        """Training rows that have nothing to do with task or trait, as ``train`` has its own (``Method.mixed``);
        InputError where there are none."""
        ...

    def said_by_base(self) -> Batches:
        """The base model's own text: samples, no data."""
        ...

    def trait_vectors(self) -> dict[int, np.ndarray]:
        """``mean-difference``, the supervised reference: block -> mean activation with the trait minus without."""
        ...


def check_points(points: Sequence[int]) -> None:
    """InputError for steps of evaluation that are not 0, every, 2 every, …, at least one step."""
    if len(points) < 2 or tuple(points) != tuple(range(0, points[-1] + 1, max(points[1], 1))):
        raise InputError(f"points must be 0, every, 2 every, …, got {tuple(points)}")


def most_of_the_way(task: Sequence[float]) -> float:
    """The task score nine tenths of the way from where the naive run starts to where it ends.

    Raises InputError if it does not rise.
    """
    if not task[-1] > task[0]:
        raise InputError(
            f"the naive run learns nothing: its task score goes from {task[0]:.3f} to {task[-1]:.3f}; raise lr or "
            "steps, or look at the data"
        )
    return task[0] + 0.9 * (task[-1] - task[0])
