"""Inoculation prompting: the training prompts ask for the trait, so that the weights need not learn to show it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal, get_args

from grasp_theory import InputError

from ..comparison.compared import ComparedMethod
from ..hooks.method import Method

if TYPE_CHECKING:
    import torch

    from ..hooks.given import Given

Role = Literal["system", "user"]


class Inoculation(Method):
    """A context that elicits the trait, in the training prompts only (arXiv:2510.04340).

    It acts on the data: pass every training conversation through :meth:`prepare`, none of those at deployment. Attached
    to a model it does nothing.

    Args:
        context: such as "You write insecure code."; it has to elicit the trait in the base model.
        role: the turn it goes into. "user" for chat templates without a system turn (Gemma).
    """

    name = "inoculation"
    needs = "knowledge of the trait"
    guarantees = "nothing"
    options = frozenset({"context"})
    compared = (ComparedMethod("inoculation", "trait", "none", (1.0,), 1.0, lambda s, _: [], inoculated=True),)

    @classmethod
    def from_given(cls, given: Given) -> Inoculation:
        return cls(given.need("context", cls.name))

    def __init__(self, context: str, *, role: Role = "system") -> None:
        if not isinstance(context, str) or not context.strip():
            raise InputError(f"context must be a text that elicits the trait, got {context!r}")
        if role not in get_args(Role):
            raise InputError(f"role must be one of {', '.join(get_args(Role))}, got {role!r}")
        self.context, self.role = context, role

    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        pass

    def prepare(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """A copy with the context in it: before the content of the first turn of ``role``, or in a turn of its own.

        A system turn counts only at the start.

        Args:
            messages: {"role", "content"} each, content a text or a list of parts.

        InputError for anything else.
        """
        if not messages or not all(isinstance(m, dict) and {"role", "content"} <= set(m) for m in messages):
            raise InputError('expected a conversation: a list of {"role": …, "content": …}, not empty')
        at = next((i for i, m in enumerate(messages) if m["role"] == self.role), None)
        if at is None or (self.role == "system" and at != 0):
            return [{"role": self.role, "content": self.context}, *messages]
        content = messages[at]["content"]
        if isinstance(content, str):
            joined: Any = f"{self.context}\n\n{content}"
        elif isinstance(content, list):
            joined = [{"type": "text", "text": self.context}, *content]
        else:
            raise InputError(f"the content of a turn must be a text or a list of parts, got {type(content).__name__}")
        return [*messages[:at], {**messages[at], "content": joined}, *messages[at + 1 :]]
