"""The same measurement for peft's OSF, Orthogonal Subspace Fine-tuning: its gradients are projected, by hooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import numpy as np
from numpy import ndarray

from grasp_theory import InputError
from grasp_theory.linear.training import MOMENTUM
from synthetic.experiment import Experiment, Prediction
from synthetic.experiments.optimizer_leak import DECAY, LR, Cell, Optimizer, Planted, draw

if TYPE_CHECKING:
    import torch

SINGLE = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class OsfCell(Cell):
    """One ``torch.nn.Linear`` under OSF, which keeps the top ``kept`` singular directions of W0 on both sides.

    Attributes:
        projected: "gradient" is peft's method; "parameter" also puts U_low and V_low back after each step; "nothing"
            has peft's hooks removed.
        rank: what OSF trains, min(m, d) − kept.
    """

    METHODS: ClassVar[tuple[str, ...]] = ("OSF",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.side != "both" or self.projected == "update":
            raise InputError("OSF projects both sides, and the gradient, the parameter or nothing")
        if self.rank != min(self.m, self.d) - self.kept:
            raise InputError(f"OSF trains rank min(m, d) - kept = {min(self.m, self.d) - self.kept}, got {self.rank}")


def cells(quick: bool) -> list[OsfCell]:
    """Four optimisers x hooks removed, peft as it is, and its factors projected after each step."""
    steps = (1, 2, 4, 8, 16, 32, 64) if quick else Cell.steps
    ways = ("nothing", "gradient", "parameter")
    return [OsfCell("OSF", o, p, "both", 30, LR[o], steps=steps) for o in get_args(Optimizer) for p in ways]


def measure(cell: OsfCell, rngs: Sequence[np.random.Generator]) -> dict[str, ndarray]:
    """Leaks out of the true top singular subspaces of W0 (float64), on the loss ‖M − dW‖_F² of white inputs."""
    along = [(planted := draw(cell, rng), _train(cell, planted)) for rng in rngs]
    return {side: np.array([p.leak(dW, side) for p, dW in along]) for side in ("write", "read")}


def _train(cell: OsfCell, planted: Planted) -> ndarray:
    """dW at ``cell.steps``: the weights of the merged layer less W0, by the layer's own outputs on unit inputs."""
    import torch
    from peft import OSFConfig, get_peft_model

    W0, M = torch.tensor(planted.problem.W0), torch.tensor(planted.problem.M)
    layer = torch.nn.Linear(cell.d, cell.m, bias=False, dtype=torch.float64)
    layer.weight.data = W0.clone()
    config = OSFConfig(effective_rank=cell.kept, target_modules=["0"])
    model: Any = get_peft_model(torch.nn.Sequential(layer), config)  # pyright: ignore[reportArgumentType]
    osf = model.base_model.model[0]
    if cell.projected == "nothing":
        osf._detach_hooks()
    factors = osf.osf_svd_params["default"]
    optimizer = _optimizer(cell, [p for p in model.parameters() if p.requires_grad])
    Q, V, inputs = torch.tensor(planted.Q), torch.tensor(planted.V), torch.eye(cell.d, dtype=torch.float64)
    seen = []
    for step in range(1, cell.steps[-1] + 1):
        optimizer.zero_grad()
        ((model(inputs).T - W0 - M) ** 2).sum().backward()
        optimizer.step()
        if cell.projected == "parameter":
            with torch.no_grad():
                factors["U_low"] -= Q @ (Q.T @ factors["U_low"])
                factors["V_low"] -= (factors["V_low"] @ V) @ V.T
        if step in cell.steps:
            seen.append((model(inputs).T - W0).detach().numpy())
    return np.array(seen)


def _optimizer(cell: OsfCell, parameters: list[Any]) -> torch.optim.Optimizer:
    import torch

    if cell.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=cell.lr)
    if cell.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=cell.lr, weight_decay=DECAY)
    return torch.optim.SGD(parameters, lr=cell.lr, momentum=MOMENTUM if cell.optimizer == "momentum" else 0.0)


def theory(cell: OsfCell) -> dict[str, Prediction]:
    """Statements ``optimizer-leak`` (i), here on both sides as U_low starts off Q, and ``projection-invariance``.

    Both say 0; peft decomposes in float32, so its spans are Q and V, and W0 the sum of its parts, up to
    max(m, d) eps32 ‖W0‖/gap with ‖W0‖ = 4 and a gap of 2; and each step lets eps32 of the gradient along Q through, at
    most 2 lr of the leak's unit (momentum multiplies lr by 10). The leak is held to the sum of the two.
    """
    if cell.projected == "nothing" or (cell.projected == "gradient" and cell.optimizer in ("adam", "adamw")):
        return {}
    speed = cell.lr / (1 - MOMENTUM) if cell.optimizer == "momentum" else cell.lr
    rounding = Prediction(2 * SINGLE * (max(cell.m, cell.d) + speed * np.array(cell.steps)), "<=")
    return {"write": rounding, "read": rounding}


EXPERIMENT = Experiment(name="osf-leak", cells=cells, measure=measure, theory=theory, trials=(10, 3), along="steps")
