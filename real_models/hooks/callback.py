"""The face of a method for the Trainer of transformers (and trl)."""

from __future__ import annotations

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
        leak = {f"leak/{name}": value for name, value in self._attachment.leak().items()}
        if logs is not None:  # what later callbacks print
            logs.update(leak)
        if state.log_history:
            state.log_history[-1].update(leak)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.detach()
