"""The gradients that an optimizer's step is taken with, whoever makes them and at whatever scale."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from grasp_theory import GraspError, InputError

from .sharded import here, is_sharded, summed

if TYPE_CHECKING:
    import torch


def stepping(optimizer: torch.optim.Optimizer) -> list[torch.optim.Optimizer]:
    """The optimizers that take the steps: those inside (SAM's and Lookahead's base, a list), or the optimizer itself.

    Raises InputError for one whose step calls no hooks, as its ``__init__`` has not called torch's.
    """
    import torch

    held = [y for x in vars(optimizer).values() for y in _members(x)]
    inside = [x for x in held if isinstance(x, torch.optim.Optimizer) and x is not optimizer]
    found = list({id(one): one for x in inside for one in stepping(x)}.values()) or [optimizer]
    if found == [optimizer] and not _calls_hooks(optimizer):
        raise InputError(
            f"the step of {type(optimizer).__name__} calls no hooks, so nothing can act on it: its __init__ has to "
            "call super().__init__(params, defaults) of torch.optim.Optimizer"
        )
    return found


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, (list, tuple)) else (value,)


def _calls_hooks(optimizer: Any) -> bool:
    """Many wrappers (Lookahead) leave torch's ``__init__`` out, which makes the hooks and the step that calls them."""
    return hasattr(optimizer, "_optimizer_step_post_hooks") and getattr(type(optimizer).step, "hooked", False)


def check_trained(optimizer: torch.optim.Optimizer | None, parameters: Iterable[tuple[str, Any]], model: Any) -> None:
    """InputError if the optimizer leaves out one of these (module's name, parameter) that are not frozen.

    Args:
        model: whose parameters tell an optimizer of another model from one that trains only some of this one's.
    """
    outer = [] if optimizer is None else [optimizer, *stepping(optimizer)]
    trained = {id(p) for one in outer for group in one.param_groups for p in group["params"]}
    left_out = sorted({name for name, p in parameters if p.requires_grad and id(p) not in trained})
    if not left_out:
        return
    what = f"the optimizer does not train the LoRA factors of {left_out[0]}"
    if not any(id(p) in trained for p in model.parameters()):
        raise InputError(f"{what}, nor any parameter of this model: is it of another model?")
    raise InputError(
        f"{what} (and {len(left_out) - 1} more modules), but others of this model: give it all that require a "
        "gradient, or freeze what it is not to train by requires_grad_(False)"
    )


def on_whole_steps(
    optimizer: torch.optim.Optimizer | None,
    parameters: Iterable[tuple[str, Any]],
    treat: Callable[[Any], None],
    model: torch.nn.Module,
    undo: ExitStack,
    *,
    first: bool = False,
) -> None:
    """:func:`on_gradients` for what acts on all gradients together, once a step of an optimizer that trains them all.

    Args:
        parameters: (name of the module, parameter).

    Raises InputError if the optimizer does not train these parameters, or its steps cannot be told: it steps in two
    parts (one form of SAM) or inside the backward pass. Where that, or a step of an optimizer which was put in this
    one's place, shows only while training, GraspError, before the parameters move.
    """
    named = list(parameters)
    check_trained(optimizer, named, model)
    if optimizer is None:
        raise InputError("the method acts on the gradients of an optimizer's step: pass the optimizer too")
    if hasattr(optimizer, "second_step") and stepping(optimizer) == [optimizer]:
        raise InputError(
            f"{type(optimizer).__name__} steps by first_step and second_step, and has no optimizer inside whose step "
            "could be told: choose another optimizer, or write what the method adds into the loss"
        )
    treated = [False]  # the gradients that are there

    def counted(scale: Any) -> None:
        treated[0] = True
        treat(scale)

    _refuse_steps_in_backward(named, treated, undo)
    _refuse_other_steps(optimizer, named, treated, undo)
    on_gradients(optimizer, counted, undo, first=first, once=True)


def _refuse_steps_in_backward(parameters: Iterable[tuple[str, Any]], treated: list[bool], undo: ExitStack) -> None:
    """Refuse an optimizer that takes its step while gradients arrive, and them away, before ``optimizer.step``.

    Where it shows on the parameters (torch's ``apply_optimizer_in_backward``) InputError, else (hooks of layerwise
    GaLore, of LOMO) GraspError in the first backward pass. Gradients that arrive are not treated yet.
    """
    why = (
        "the optimizer steps inside the backward pass, as each gradient arrives, so that nothing can be done to all of "
        "them before: choose one that steps when optimizer.step() is called"
    )

    def arrived(parameter: Any) -> None:
        treated[0] = False
        if parameter.grad is None:
            raise GraspError(why)

    for name, parameter in parameters:
        if hasattr(parameter, "_in_backward_optimizers"):
            raise InputError(f"{name}: {why}")
        undo.callback(parameter.register_post_accumulate_grad_hook(arrived).remove)


def _refuse_other_steps(
    optimizer: torch.optim.Optimizer, parameters: Sequence[tuple[str, Any]], treated: list[bool], undo: ExitStack
) -> None:
    """GraspError before another optimizer moves these parameters by gradients that were not treated.

    One that this optimizer makes for itself, and calls within its step, finds them treated. torch calls the hook for
    every optimizer there is: it keeps nothing alive, and goes with the parameters if nobody detaches the method.
    """
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    ours = weakref.WeakSet(_with_hooks(optimizer))
    known = {id(p): (weakref.ref(p), name) for name, p in parameters}  # an id is another's when its owner is gone

    def before(one: Any, *_: Any) -> None:
        if one in ours or treated[0]:
            return
        moved = (p for group in one.param_groups for p in group["params"] if p.grad is not None)
        name = next((known[id(p)][1] for p in moved if id(p) in known and known[id(p)][0]() is p), None)
        if name is not None:
            raise GraspError(
                f"{name} is trained by a {type(one).__name__} that is not the optimizer the method was attached with: "
                "the method would do nothing; the step was not taken. Detach it, and attach it with this optimizer"
            )

    remove = register_optimizer_step_pre_hook(before).remove
    undo.callback(remove)
    for _, parameter in parameters[:1]:
        weakref.finalize(parameter, remove)


def on_gradients(
    optimizer: torch.optim.Optimizer,
    treat: Callable[[Any], None],
    undo: ExitStack,
    *,
    first: bool = False,
    once: bool = False,
) -> None:
    """``treat(scale)`` is called on the gradients every step is taken with, which are still ``scale`` times too large.

    That is before the step, or after each evaluation of the closure it is given; ``scale`` is a tensor, or None for 1.
    A step that GradScaler skips for an overflow inside the optimizer (fused ones) is none: nothing is called. If
    ``treat`` raises GraspError the step is not taken; parameters that a closure's search had moved are put back.

    Args:
        first: before what was registered already.
        once: by one of several optimizers inside, not by each.
    """
    import torch

    def before(one: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if _skipped(one, optimizer):
            return None
        scale = getattr(one, "grad_scale", None)
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if not callable(closure):
            treat(scale)
            return None
        saved = [(p, p.detach().clone()) for group in one.param_groups for p in group["params"]]

        def treated() -> Any:
            loss = closure()
            try:
                with torch.no_grad():
                    treat(scale)
            except GraspError:
                with torch.no_grad():
                    for p, x in saved:
                        p.copy_(x)
                raise
            return loss

        rest = {key: value for key, value in kwargs.items() if key != "closure"}
        return (args[0], treated, *args[2:]), rest

    for one in stepping(optimizer)[: 1 if once else None]:
        handle = one.register_step_pre_hook(before)
        undo.callback(handle.remove)
        if first:
            ordered: Any = one._optimizer_step_pre_hooks  # an OrderedDict, whatever torch declares
            ordered.move_to_end(handle.id, last=False)


def after_step(optimizer: torch.optim.Optimizer, act: Callable[[], None], undo: ExitStack) -> None:
    """``act()`` after every step, of the optimizers inside too; not after one that was skipped for an overflow."""

    def after(one: Any, *_: Any) -> None:
        if not _skipped(one, optimizer):
            act()

    for one in _with_hooks(optimizer):
        undo.callback(one.register_step_post_hook(after).remove)


def around_step(
    optimizer: torch.optim.Optimizer, before: Callable[[], None], after: Callable[[], None], undo: ExitStack
) -> None:
    """``before()`` and ``after()`` once a step, however many optimizers are inside, and by whichever it is taken.

    That is the step of the optimizer, or, where that is not called (SAM's two steps) or calls no hooks, from the first
    to the last of those inside. ``after`` is not called for a step that was skipped for an overflow.
    """
    inside = stepping(optimizer)
    begun: list[Any] = []  # by which; one that raised within is begun again

    def begin(one: Any, *_: Any) -> None:
        if not begun or begun[0] is one:
            begun[:] = [one]
            before()

    def end(one: Any, *_: Any) -> None:
        if begun and (begun[0] is one or (begun[0] is not optimizer and one is inside[-1])):
            begun.clear()
            if not _skipped(one, optimizer):
                after()

    for one in _with_hooks(optimizer):
        if one is optimizer or one is inside[0]:
            undo.callback(one.register_step_pre_hook(begin).remove)
        if one is optimizer or one is inside[-1]:
            undo.callback(one.register_step_post_hook(end).remove)


def _with_hooks(optimizer: torch.optim.Optimizer) -> list[torch.optim.Optimizer]:
    """The optimizer, if its step calls hooks, and those inside."""
    outer = [optimizer] if _calls_hooks(optimizer) else []
    return list({id(x): x for x in (*outer, *stepping(optimizer))}.values())


def _skipped(*optimizers: Any) -> bool:
    """Whether GradScaler has found an overflow, which a fused optimizer is told of inside its step."""
    found = (getattr(one, "found_inf", None) for one in optimizers)
    return any(x is not None and bool(x) for x in found)


def finite(tensors: list[torch.Tensor]) -> bool:
    """By norms, one look at the device; entry by entry only where a norm is not finite, which may have overflowed.

    All processes that share sharded tensors are told the same, by one all-reduce.
    """
    import torch

    sharded = next((x for x in tensors if is_sharded(x)), None)
    if sharded is not None:
        bad = torch.tensor(float(not finite([here(x) for x in tensors])), device=here(sharded).device)
        return not bool(summed(bad, sharded))
    sizes = torch._foreach_norm(tensors) if tensors else ()  # pyright: ignore[reportPrivateImportUsage]
    if all(bool(torch.isfinite(torch.stack(some)).all()) for some in _by_device(sizes)):
        return True
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def require_finite(gradients: list[torch.Tensor]) -> None:
    """GraspError if one of the gradients that a step is to be taken with is NaN or Inf."""
    if not finite(gradients):
        raise GraspError(
            "a gradient is NaN or Inf; the step was not taken and the parameters are as they were. Lower the learning "
            "rate, clip gradients, or look at the batch"
        )


def _by_device(tensors: Iterable[torch.Tensor]) -> Iterable[list[torch.Tensor]]:
    found: dict[Any, list[torch.Tensor]] = {}
    for tensor in tensors:
        found.setdefault((tensor.device, tensor.dtype), []).append(tensor)
    return found.values()
