"""The outputs that peft recorded for its regression suite come back from base weights plus what is read.

Recorded by peft 0.6.1 for adapters whose base is made from a seed. lora_opt-350m has recorded outputs too; its base
model is not at hand, so its adapter is only read.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from expected_adapters import PEFT, as_weight
from torch import nn
from transformers.pytorch_utils import Conv1D

from real_models import read_adapter


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin0, self.relu, self.lin1, self.sm = nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 2), nn.LogSoftmax(dim=-1)

    def forward(self, X):
        return self.sm(self.lin1(self.relu(self.lin0(X.float()))))


class EmbConv1D(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.emb, self.conv1d, self.relu, self.flat = nn.Embedding(100, 5), Conv1D(1, 5), nn.ReLU(), nn.Flatten()
        self.lin0, self.sm = nn.Linear(10, 2), nn.LogSoftmax(dim=-1)

    def forward(self, X):
        return self.sm(self.lin0(self.flat(self.relu(self.conv1d(self.emb(X))))))


class Conv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv2d, self.relu, self.flat = nn.Conv2d(5, 10, 3), nn.ReLU(), nn.Flatten()
        self.lin0, self.sm = nn.Linear(10, 2), nn.LogSoftmax(dim=-1)

    def forward(self, X):
        return self.sm(self.lin0(self.flat(self.relu(self.conv2d(X.float().reshape(2, 5, 3, 3))))))


@pytest.mark.parametrize(
    ("case", "model_class"),
    [("lora_mlp", MLP), ("lora_mlp_modules_to_save", MLP), ("lora_emb_conv1d", EmbConv1D), ("lora_conv2d", Conv)],
)
def test_recorded_outputs_of_peft_are_reproduced(real, case, model_class):
    folder: Path = real / "adapters" / PEFT / case / "0.6.1"
    expected = torch.load(folder.parents[3] / "expected" / f"{case}.output.pt", map_location="cpu", weights_only=True)
    adapter = read_adapter(folder)
    torch.manual_seed(0)
    base = model_class()
    # the kernel of peft's test covers all 90 numbers of the input
    X = torch.arange(90).view(9, 10)
    modules = dict(base.named_modules())
    with torch.no_grad():
        untouched = base(X)
        for update in adapter.updates:
            module = modules[update.name]
            module.weight += torch.from_numpy(as_weight(update, module)).float()
        if adapter.extras:
            tensors = torch.load(adapter.weights, map_location="cpu", weights_only=True)
            for extra in adapter.extras:
                assert extra.kind == "modules_to_save"
                base.get_parameter(extra.name).copy_(tensors[f"base_model.model.{extra.name}"])
        torch.testing.assert_close(base(X), expected, rtol=1e-4, atol=1e-4)
    # the control: without the update the output is another one
    assert (untouched - expected).abs().max() > 1e-2
