"""A run under GRASP that is saved and resumed goes on as if it had not stopped."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from grasp_runs import LEAKS, Run, grasp, leaks
from peft import PeftModel
from tiny_models import OPTIMIZERS, assert_same, deltas, descend, everything, subspace, tiny
from tolerance import GUARANTEE


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("side", ["write", "read"])
def test_attaching_again_moves_no_bit(side: str, dtype: torch.dtype) -> None:
    """What a run that is resumed does; rounding apart, Adam would make another run of it."""
    model = Run(4, 2, 1, "adam", {}).start()[0].to(dtype)
    optimizer = OPTIMIZERS["adam"](model)
    Q = subspace(5, 2)
    with grasp(Q, side).attached(model, optimizer):
        descend(model, optimizer, 5)
    before = everything(model)
    with grasp(Q, side).attached(model, optimizer):
        assert_same(model, before)
    with grasp(subspace(6, 2), side).attached(model, optimizer), pytest.raises(AssertionError):
        assert_same(model, before)  # control: other directions do


@pytest.mark.slow
@pytest.mark.parametrize("side", ["write", "read"])
@pytest.mark.parametrize("kind", ["adamw", "momentum", "adafactor"])
def test_saved_and_resumed_run_goes_on_as_if_it_had_not_stopped(tmp_path, side: str, kind: str) -> None:
    Q = subspace(10, 2)
    whole, optimizer = Run(10, 2, 6, kind, {"lora_dropout": 0.2}).start()
    with grasp(Q, side).attached(whole, optimizer):
        descend(whole, optimizer, 6)
    half, optimizer = Run(10, 2, 6, kind, {"lora_dropout": 0.2}).start()
    with grasp(Q, side).attached(half, optimizer):
        descend(half, optimizer, 3)
        half.save_pretrained(tmp_path)
        torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    resumed = PeftModel.from_pretrained(tiny(seed=10 % 7), tmp_path, is_trainable=True)
    optimizer = OPTIMIZERS[kind](resumed)
    optimizer.load_state_dict(torch.load(tmp_path / "optimizer.pt", weights_only=True))
    assert leaks(resumed, Q, side)[0] <= GUARANTEE
    with grasp(Q, side).attached(resumed, optimizer):
        descend(
            resumed,
            optimizer,
            3,
            first=3,
            each=lambda: np.testing.assert_array_less(leaks(resumed, Q, side), GUARANTEE),
        )
    for name, x in deltas(whole).items():
        np.testing.assert_allclose(deltas(resumed)[name], x, rtol=0, atol=1e2 * GUARANTEE * np.linalg.norm(x))
        assert np.linalg.norm(x - deltas(half)[name]) > LEAKS * np.linalg.norm(x)
