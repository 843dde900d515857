"""Every argument of every method: a value of another type is refused by an InputError that names it, no TypeError."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from made_directions import directions
from tiny_models import WIDTH, everything, hooks, lora, subspace, tiny, trained

from grasp_theory import InputError
from real_models import updates_from_model
from real_models.methods import METHODS, LinEAS, Method, edit

Q, V = subspace(0, 2), subspace(0, 1)[:, 0]
TEXT = [{"input_ids": torch.arange(12).reshape(2, 6)}]
MAPS = {0: np.ones(WIDTH), 1: np.zeros(WIDTH)}
SAVED = directions(Q)
# argument -> a value that is taken
GOOD: dict[str, Any] = {
    "directions": Q, "vectors": V, "strength": 0.5, "weight": 0.5, "components": 3, "batches": TEXT, "layers": [0],
    "naive": updates_from_model(lora(tiny(), init_lora_weights=False)), "schedule": lambda share: 1 - share,
    "sides": ("write",), "side": "write", "gains": {}, "w": MAPS, "b": MAPS, "context": "You lie.", "role": "user",
    "sparsity": 0.1, "steps": 1, "rtol": 1e-3, "updates": updates_from_model(lora(tiny(), init_lora_weights=False)),
    "write": Q, "read": Q, "delete": [0], "keep": 1, "scale": 0.5, "shrink": 0.99,
    "threshold": 0.5, "control": updates_from_model(lora(tiny(), init_lora_weights=False)),
    "rows": [TEXT], "share": 0.5, "energy": 0.5, "references": 1, "every": 2,
}  # fmt: skip
FREE = {"self", "model", "blocks", "cache", "allow_unconstrained", "distances"}  # blocks of a model: a case of its own
NO_NUMBER = ["a", [1.0], (1, 2), {"a": 1}, True, object()]
NO_LIST = [1, 1.5, "a", True, object(), np.array(1)]
RAGGED = [[1.0], [1.0, 2.0]]
WRONG: dict[str, list[Any]] = {
    **{key: [None, *NO_NUMBER] for key in ("strength", "weight", "sparsity", "rtol", "scale", "threshold", "share")},
    **{key: [None, 1.5, *NO_NUMBER] for key in ("components", "steps", "every")},
    "energy": NO_NUMBER,
    "references": [1.5, *NO_NUMBER],
    "rows": [None, *NO_LIST],
    "keep": [1.5, *NO_NUMBER],
    "shrink": NO_NUMBER,
    **{key: [*NO_LIST, ["a"], [1.5], [[0]], [None]] for key in ("layers", "delete")},
    **{key: [*NO_LIST, None, [1], ["a"], [None]] for key in ("batches", "naive", "updates", "control")},
    **{key: [*NO_LIST, [Q], {0: "a", 1: "a"}, {0: None, 1: None}, {0: RAGGED, 1: RAGGED}] for key in ("w", "b")},
    "gains": [*NO_LIST, [1], ["a"]],
    **{key: ["a", 1, ["a"], [None], object(), RAGGED] for key in ("directions", "vectors", "write", "read")},
    "sides": [*NO_LIST, "write", [1], [["write"]], [None], []],
    "side": [1, "stream", ["write"], {"write": 1}, object()],
    "schedule": [1, "a", [1], lambda share: "a", lambda share: None],
    "context": [None, 1, ["a"], object()],
    "role": [None, 1, ["user"], object()],
}
CALLS: dict[str, Any] = {cls.__name__: cls for cls in METHODS} | {"LinEAS.fit": LinEAS.fit, "edit": edit}
EDITS = ("edit", "Edit")
PAIRS = [(n, a) for n, call in CALLS.items() for a in inspect.signature(call).parameters if a not in FREE]


@cache
def shared() -> Any:
    """The model that refusals leave as it was; made anew after an attachment that was taken."""
    return lora(tiny())


def used(name: str, **arguments: Any) -> None:
    """Call it with what it needs, the rest by default, and attach what it makes to a model, which is left as it was."""
    needed = [a for a, p in inspect.signature(CALLS[name]).parameters.items() if p.default is p.empty]
    given = {a: GOOD[a] for a in needed if a in GOOD}
    if name in EDITS:  # which have to be asked for something
        given |= {"scale": 0.5} | ({"shrink": GOOD["shrink"]} if "strength" in arguments else {})
    if name == "edit":
        list(edit(**{**given, **arguments}))
        return
    model = shared()
    if name == "LinEAS.fit":
        LinEAS.fit(model, **{"steps": 1, **given, **arguments})
        shared.cache_clear()
        return
    optimizer, before, clean = torch.optim.SGD(trained(model), 0.1), everything(model), hooks(model)
    try:
        made: Method = CALLS[name](**{**given, **arguments})
        made.attach(model, optimizer).detach()
        shared.cache_clear()
    except InputError:
        assert all(torch.equal(tensor, before[n]) for n, tensor in everything(model).items())
        raise
    finally:
        assert hooks(model, optimizer) == clean


@pytest.mark.slow
@pytest.mark.parametrize(("name", "argument"), PAIRS)
@pytest.mark.usefixtures("no_contracts")
def test_argument_of_another_type_is_refused_by_its_name(name: str, argument: str) -> None:
    used(name, **{argument: SAVED if name in EDITS and argument == "directions" else GOOD[argument]})  # control
    for value in WRONG[argument]:
        if name in EDITS and argument == "strength" and value is None:  # its default
            continue
        with pytest.raises(
            InputError, match=rf"\b{argument.removesuffix('s')}s?\b.*(must be|expected)|expected {argument}"
        ):
            used(name, **{argument: value})


@pytest.mark.parametrize("name", [n for n, call in CALLS.items() if "blocks" in inspect.signature(call).parameters])
def test_blocks_that_are_no_modules_are_refused(name: str) -> None:
    for value in (*NO_LIST, ["a"], [None], [1, 2], []):
        with pytest.raises(InputError, match="blocks must be a list of decoder blocks"):
            used(name, blocks=value)


def test_numbers_of_numpy_and_torch_are_numbers() -> None:
    for value in (np.float32(0.5), np.array(0.5), torch.tensor(0.5), 1, np.int64(1)):
        used("PreventativeSteering", strength=value)
    for value in (np.int64(2), np.array(2), torch.tensor(2)):
        used("NullSpace", components=value)
        used("Caft", layers=[value - 1])
    for value in (torch.tensor([0]), np.array([0]), range(1), {0}, (i for i in [0])):
        used("Caft", layers=value)
    used("PreventativeSteering", vectors=torch.from_numpy(V).bfloat16())
