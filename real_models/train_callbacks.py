"""What watches over a run: gradients that are not finite, Ctrl-C, progress."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from grasp_theory import GraspError

if TYPE_CHECKING:
    from .training import Watch


class Guard(TrainerCallback):
    """Stops before a step with gradients that are not finite, and after the step in which Ctrl-C came."""

    def __init__(self) -> None:
        self.interrupted = False

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        import torch

        gradients = [p.grad for p in kwargs["model"].parameters() if p.grad is not None]
        if gradients and not bool(torch.isfinite(torch.stack([g.detach().abs().max() for g in gradients])).all()):
            raise GraspError(
                f"the gradient is NaN or Inf at step {state.global_step + 1}: that step was not taken, and the last "
                "checkpoint is whole. Lower lr, or look at the rows of that step"
            )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.interrupted:
            control.should_save = control.should_training_stop = True


class Reporter(TrainerCallback):
    """Tells ``watch`` each step, with what was last logged."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.logs: dict[str, float] = {}

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        self.logs = {k: v for k, v in (logs or {}).items() if isinstance(v, (int, float))}

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.watch(state.global_step, state.max_steps, self.logs)


@contextmanager
def interruptible(guard: Guard) -> Iterator[None]:
    """The first Ctrl-C lets the step end and a checkpoint be written; the second one stops at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def first(*_: Any) -> None:
        guard.interrupted = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
