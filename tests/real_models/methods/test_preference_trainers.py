"""Methods under trl's preference trainers: the reference answers as if no method were on, whichever adapter it is."""

from __future__ import annotations

import copy
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import VOCABULARY, batch, hooks, lora, subspace, tiny
from word_model import word_tokenizer

from real_models.adapters import updates_from_model
from real_models.hooks.references import Policy
from real_models.methods.caft import Caft
from real_models.methods.compensated import Compensated
from real_models.methods.grasp import Grasp
from real_models.methods.inoculation import Inoculation
from real_models.methods.kl import KL
from real_models.methods.naive import Naive
from real_models.methods.null_space import NullSpace
from real_models.methods.penalty import Penalty
from real_models.methods.steering import PreventativeSteering

Q = subspace(5, 1)
TEXT = [{"input_ids": batch(9)["input_ids"]}]
MOVED = 1e-2  # of a log-probability that a method moves; rounding is under 1e-5
METHODS = {
    "naive": lambda model: Naive(),
    "compensated": lambda model: Compensated(Q, updates_from_model(model), strength=5.0),
    "caft": lambda model: Caft(Q),
    "preventative-steering": lambda model: PreventativeSteering(Q[:, 0], strength=3.0),
    "grasp": lambda model: Grasp(Q),
    "null-space": lambda model: NullSpace(TEXT, components=2),
    "penalty": lambda model: Penalty(Q, weight=0.1),
    "kl": lambda model: KL(TEXT, weight=1.0),
    "inoculation": lambda model: Inoculation("Be rude."),
}
ON_THE_STREAM = ("compensated", "caft", "preventative-steering")


def policy() -> Any:
    """An adapter that says something already, as one that is trained further."""
    return lora(tiny(), init_lora_weights=False)


def run_text(model: Any) -> torch.Tensor:
    return model(input_ids=batch(3)["input_ids"]).logits.log_softmax(-1)


@torch.no_grad()
def reference(model: Any, how: str) -> torch.Tensor:
    """As trl asks for it: in training mode."""
    model.train()
    if how == "disabled":
        with model.disable_adapter():
            return run_text(model)
    if how == "copy":
        return run_text(copy.deepcopy(model))
    active = model.active_adapter
    model.set_adapter("ref")
    try:
        return run_text(model)
    finally:
        model.set_adapter(active)


@pytest.mark.parametrize("how", ["disabled", "ref", "copy"])
@pytest.mark.parametrize("name", METHODS)
def test_reference_is_not_moved_by_a_method(name, how, monkeypatch):
    model = policy()
    model.add_adapter("ref", copy.deepcopy(model.peft_config["default"]))
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.0)
    own = METHODS[name](model)
    with own.attached(model, optimizer):
        model.eval()
        with torch.no_grad():
            expected = run_text(model) if how == "copy" else None
        found = reference(model, how)
        with torch.no_grad():
            moved = run_text(model.train()) - run_text(model.eval())
        monkeypatch.setattr(Policy, "runs", lambda *_: True)
        wrong = reference(model, how)
    with torch.no_grad():
        expected = reference(model, how) if expected is None else expected
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    if name in ON_THE_STREAM:  # the controls: what is trained is moved, and without asking whose turn it is all is
        assert float(moved.abs().max()) > MOVED
        assert float((wrong - expected).abs().max()) > MOVED
    assert hooks(model, optimizer) == 0


def test_policy_is_what_was_trained_when_the_method_was_attached():
    """Several active adapters, one of them trained: still what is trained; peft's marks move with the active one."""
    model = policy().train()
    model.add_adapter("ref", copy.deepcopy(model.peft_config["default"]))
    block = model.get_base_model().model.layers[0]
    asked = Policy(model)
    assert asked.runs(block, block)
    model.set_adapter("ref")
    assert any(p.requires_grad for n, p in model.named_parameters() if ".ref." in n)
    assert not asked.runs(block, block)
    model.base_model.set_adapter(["ref", "default"])
    assert asked.runs(block, block)
    assert not asked.runs(copy.deepcopy(block), block)
    plain = tiny()
    assert Policy(plain).runs(plain, plain)


def tokenizer() -> Any:
    words = ["<unk>", "<pad>", "<eos>", *(f"w{n}" for n in range(3, VOCABULARY))]
    return word_tokenizer(words, pad_token="<pad>", eos_token="<eos>")


def dpo(folder: Path, name: str, *, ref: bool) -> np.ndarray:
    """Reference log-probabilities of all tokens of a short run, in order."""
    datasets, trl = import_module("datasets"), import_module("trl")
    rng = np.random.default_rng(0)
    say = lambda n: " ".join(f"w{i}" for i in rng.integers(3, VOCABULARY, n))  # noqa: E731
    rows = [{"prompt": say(4), "chosen": " " + say(3), "rejected": " " + say(5)} for _ in range(4)]
    settings = trl.DPOConfig(str(folder), logging_steps=1, per_device_train_batch_size=2, **SHORT)
    seen: list[np.ndarray] = []
    model: Any = policy() if ref else tiny()
    more: dict[str, Any] = {} if ref else {"peft_config": copy.deepcopy(policy().peft_config["default"])}
    run: Any = trl.DPOTrainer(
        model, args=settings, train_dataset=datasets.Dataset.from_list(rows), processing_class=tokenizer(), **more
    )
    assert ("ref" in run.model.peft_config) is ref
    run.add_callback(METHODS[name](run.model).callback())

    def look(module: Any, args: Any, output: Any) -> None:
        layer = next(m for m in module.modules() if hasattr(m, "adapter_layer_names"))
        own = hasattr(output, "log_probs")  # of trl; KL asks for its base by itself
        if own and (layer.disable_adapters or layer.active_adapters == ["ref"]):
            seen.append(output.log_probs.detach().numpy())

    handle = run.model.get_base_model().register_forward_hook(look)
    run.train()
    handle.remove()
    assert len(seen) >= settings.max_steps
    return np.concatenate([x.ravel() for x in seen[-settings.max_steps :]])


@pytest.mark.slow
@pytest.mark.parametrize("ref", [False, True], ids=["disabled", "ref"])
def test_dpo_asks_the_reference_that_it_would_ask_without_the_method(tmp_path, monkeypatch, ref):
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
    expected = dpo(tmp_path, "naive", ref=ref)
    # how the reference is asked matters to edits of the stream alone; every method trains once, with a frozen adapter
    for name in METHODS if ref else ON_THE_STREAM:
        np.testing.assert_allclose(dpo(tmp_path, name, ref=ref), expected, rtol=0, atol=1e-5, err_msg=name)
    monkeypatch.setattr(Policy, "runs", lambda *_: True)
    for name in ON_THE_STREAM[:1] if ref else ON_THE_STREAM[1:]:
        assert np.abs(dpo(tmp_path, name, ref=ref) - expected).max() > MOVED, name


def kto(folder: Path) -> Any:
    datasets, trl = import_module("datasets"), import_module("trl")
    rows = [{"prompt": "w3 w4 w5", "completion": f" w{n} w9", "label": bool(n % 2)} for n in range(10, 18)]
    return trl.KTOTrainer(
        policy(), args=trl.KTOConfig(str(folder), per_device_train_batch_size=4, **SHORT),
        train_dataset=datasets.Dataset.from_list(rows), processing_class=tokenizer(),
    )  # fmt: skip


def grpo(folder: Path) -> Any:
    datasets, trl = import_module("datasets"), import_module("trl")
    settings = {"num_generations": 2, "max_completion_length": 6, "beta": 0.1, "per_device_train_batch_size": 4}
    return trl.GRPOTrainer(
        policy(), reward_funcs=lambda completions, **_: [float(len(c) % 3) for c in completions],
        args=trl.GRPOConfig(str(folder), **settings, **SHORT),
        train_dataset=datasets.Dataset.from_list([{"prompt": f"w3 w{n} w5"} for n in range(10, 18)]),
        processing_class=tokenizer(),
    )  # fmt: skip


SHORT: dict[str, Any] = {
    "max_steps": 2, "learning_rate": 1e-2, "report_to": [], "use_cpu": True, "bf16": False, "save_strategy": "no",
    "gradient_checkpointing": False, "disable_tqdm": True,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [False, True], ids=["", "control"])
@pytest.mark.parametrize("trainer", [kto, grpo])
def test_kto_and_grpo_ask_a_reference_that_no_method_moves(tmp_path, monkeypatch, trainer, wrong):
    """What the frozen adapter answered during the run is what it answers afterwards, on the same tokens."""
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
    run = trainer(tmp_path)
    model, asked = run.model, []
    layer = next(m for m in model.modules() if hasattr(m, "adapter_layer_names"))

    def look(module: Any, args: Any, given: dict[str, Any], output: Any) -> None:
        if layer.active_adapters == ["ref"]:
            score = output.log_probs if hasattr(output, "log_probs") else output.logits
            asked.append((args, dict(given), score.detach().clone()))

    handle = model.get_base_model().register_forward_hook(look, with_kwargs=True)
    if wrong:  # without asking whose turn it is, the reference is moved too
        monkeypatch.setattr(Policy, "runs", lambda *_: True)
    run.add_callback(METHODS["preventative-steering"](model).callback())
    run.train()
    seen = list(asked)
    assert len(seen) >= 2
    asked.clear()
    model.set_adapter("ref")
    with torch.no_grad():
        for args, given, _ in seen:
            model.get_base_model()(*args, **given)
    handle.remove()
    off = max(float((a[2] - b[2]).abs().max()) for a, b in zip(seen, asked, strict=True))
    assert (off > MOVED) is wrong
    assert wrong or off < 1e-5
