"""The face of a method for the Trainer of transformers (and trl)."""

from __future__ import annotations

from itertools import chain, count
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

if TYPE_CHECKING:
    from .method import Attachment, Method


class MethodCallback(TrainerCallback):
    """The method is on while the Trainer trains, its leak in the log.

    After an exception inside ``trainer.train()`` the Trainer calls nothing: call ``detach`` then, or train again.
    """

    def __init__(self, method: Method) -> None:
        self.method = method
        self._attachment: Attachment | None = None

    def detach(self) -> None:
        """Take the method off, if it is on."""
        if self._attachment is not None:
            self._attachment.detach()
            self._attachment = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.detach()
        self._attachment = self.method.attach(kwargs["model"], kwargs.get("optimizer"))

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.method.step(state.global_step)
        self.method.progress(state.global_step / state.max_steps if state.max_steps else 0.0)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        if self._attachment is None:
            return
        entries = [entry for entry in (logs, *state.log_history[-1:]) if entry is not None]
        for name, value in self._attachment.leak().items():
            key = self._free(name, {key for entry in entries for key in entry})
            for entry in entries:  # what later callbacks print, and what is kept
                entry[key] = value

    def _free(self, name: str, taken: set[str]) -> str:
        """``leak/write``; of a second method ``leak/null-space/write``; of another of that kind with a number."""
        long = f"leak/{self.method.name}/{name}"
        numbered = (f"{long}/{number}" for number in count(2))
        return next(key for key in chain((f"leak/{name}", long), numbered) if key not in taken)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.detach()
