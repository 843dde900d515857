"""What watches over a run: gradients that are not finite, Ctrl-C, progress."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from grasp_theory import GraspError

from ..hooks.steps import finite
from .files import mark


class SafeStop(TrainerCallback):
    """Stops a run that cannot go on, or that is not to.

    It stops before a step with gradients that are not finite, before a checkpoint of weights that are not, and after
    the step in which Ctrl-C came to any process.

    Args:
        last: the newest whole checkpoint, asked for the error.
    """

    def __init__(self, last: Callable[[], Path | None] = lambda: None) -> None:
        self.interrupted, self.last = False, last

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not finite([p.grad for p in kwargs["model"].parameters() if p.grad is not None]):
            raise GraspError(
                f"the loss or its gradient is NaN or Inf at step {state.global_step + 1}: that step was not taken; "
                f"{self.kept()}. Lower lr, or look at the rows of that step"
            )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not finite([p.detach() for p in kwargs["model"].parameters() if p.requires_grad]):
            raise GraspError(f"the weights are NaN or Inf after step {state.global_step}; {self.kept()}. Lower lr")
        if self._stop(args):
            self.interrupted = control.should_save = control.should_training_stop = True

    def _stop(self, args: Any) -> bool:
        """Whether any process was interrupted: all of them have to stop after the same step."""
        if args.world_size < 2:
            return self.interrupted
        import torch

        flag = torch.tensor(float(self.interrupted), device=args.device)
        torch.distributed.all_reduce(flag)
        return bool(flag > 0)

    def kept(self) -> str:
        """Which checkpoint is left, for an error."""
        last = self.last()
        return f"the last good checkpoint is {last}" if last else "no checkpoint was written before"


class Reporter(TrainerCallback):
    """Tells ``watch`` each step, with what was last logged."""

    def __init__(self, watch: Callable[[int, int, Mapping[str, float]], None]) -> None:
        self.watch = watch
        self.logs: dict[str, float] = {}

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        if "loss" in (logs or {}):  # not the summary at the end
            self.logs = {k: v for k, v in (logs or {}).items() if isinstance(v, (int, float))}
            self.watch(state.global_step, state.max_steps, self.logs)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.watch(state.global_step, state.max_steps, self.logs)


class Mark(TrainerCallback):
    """Writes into each checkpoint, when all else is written, whose it is."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            mark(Path(args.output_dir, f"checkpoint-{state.global_step}"), self.settings)


class Look(TrainerCallback):
    """Tells ``look`` the number of steps done: before the first, and after each."""

    def __init__(self, look: Callable[[int], None]) -> None:
        self.look = look

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.look(0)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.look(state.global_step)


@contextmanager
def interruptible(stop: SafeStop) -> Iterator[None]:
    """The first Ctrl-C lets the step end and a checkpoint be written; the second one stops at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def first(*_: Any) -> None:
        stop.interrupted = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
