"""What GRASP refuses, with the reason; and that the model is then as it was: bit for bit, and without a hook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from grasp_runs import LEAKS, leaks
from made_directions import directions
from peft import AdaLoraConfig, get_peft_model
from tiny_models import OPTIMIZERS, assert_same, batch, descend, everything, hooks, lora, subspace, tiny, trained
from tolerance import GUARANTEE
from torch import nn
from torch.distributed.tensor import Shard

from grasp_theory import GraspError, InputError
from real_models.methods.grasp import Grasp

Q = subspace(0, 2)
WRITE = directions(Q, modules=("model.layers.0.self_attn.o_proj",), layers=(0,))
READ = directions(Q, "read", modules=("model.layers.0.self_attn.q_proj",), layers=(0,))
TENSOR_PARALLEL = "cut into rows.*without tensor parallelism"
BOTH = {"init_lora_weights": False}  # B and A random: a projection of either would show


def adam(model: nn.Module) -> torch.optim.Optimizer:
    return OPTIMIZERS["adam"](model)


def named(name: str, *bases: type) -> type:
    """A class that is known by its name only."""
    return type(name, bases or (object,), {})


def inside(name: str, model: nn.Module) -> nn.Module:
    """The model inside a wrapper of this name."""
    wrapper = named(name, nn.Module)()
    wrapper.module = model
    return wrapper


def sharded(model: Any, *dims: int, computed_on: str = "cpu", by: str = "FSDPModule", frozen: bool = False) -> Any:
    """A parameter with the attributes of a DTensor, cut along these dimensions, in a model of a class of this name."""
    parameter = next(p for p in model.parameters() if p.requires_grad is not frozen)
    parameter.placements = tuple(Shard(dim) for dim in dims)
    parameter.device_mesh = SimpleNamespace(device_type=computed_on)
    model.__class__ = named(by, type(model))
    return model


def partitioned(model: Any) -> Any:
    """ZeRO-3 marks the parameters that it took apart."""
    next(model.parameters()).ds_id = 0
    return model


def merged(model: Any) -> Any:
    model.merge_adapter()
    return model


def frozen_adapter(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        parameter.requires_grad = False
    return model


def of_base(model: Any, name: str) -> Any:
    model.config._name_or_path = name
    return model


def adalora(model: Any) -> Any:
    config = AdaLoraConfig(target_modules=["o_proj"], total_step=9, init_r=4, target_r=2)
    return get_peft_model(model.unload(), config)


def same(model: Any) -> Any:
    return model


def deepspeed(model: nn.Module) -> Any:
    outer = named("DeepSpeedZeroOptimizer")()
    outer.optimizer = adam(model)
    return outer


def zero_redundancy(model: nn.Module) -> Any:
    return named("ZeroRedundancyOptimizer", torch.optim.SGD)(trained(model), 0.1)


def without_the_last(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(trained(model)[:-2], 0.1)


DIRECTION_CASES = {
    "width": (Grasp(subspace(0, 2, 33)), "33 dimensions, but here there are 32"),
    "zero": (Grasp(np.zeros((32, 1))), "no direction was given"),
    "nan": (Grasp(np.full((32, 1), np.nan)), "NaN"),
    "complex": (
        Grasp(torch.ones(32) * 1j),
        "must hold real numbers, every one of them, got a strided tensor of complex",
    ),
    "meta": (Grasp(torch.ones(32, device="meta")), "got a strided tensor of float32 on meta"),
    "sparse": (Grasp(torch.ones(32, 1).to_sparse()), "got a sparse_coo tensor"),
    "block": (Grasp({5: Q}), r"blocks \[5\], but blocks 0 … 1 only"),
    "no-block": (Grasp({}), "mapping from blocks to directions is empty"),
    "module": (Grasp({"model.layers.9.q_proj": Q}, sides={"read"}), "not among the adapted modules: model.layers.9"),
    "side-write": (Grasp(WRITE, sides={"read"}), "of the write side .* identify with --side read"),
    "side-read": (Grasp(READ, sides={"stream", "write"}), "of the read side .* identify with --side write"),
    "base": (Grasp(replace(WRITE, base_model="a/one")), "identified on 'a/one', the model is 'b/other'"),
    "base-read": (Grasp(replace(READ, base_model="a/one")), "identified on 'a/one', the model is 'b/other'"),
}
# what is wrong -> (LoRA's configuration, the model that is attached to, the optimizer, sides, the reason)
WRITES, READS = frozenset({"stream", "write"}), frozenset({"read"})
MODEL_CASES: dict[str, tuple[dict[str, Any], Callable, Callable, frozenset, str]] = {
    "no-lora": (BOTH, lambda m: m.unload(), adam, WRITES, "no trainable LoRA module: wrap it"),
    "frozen": (BOTH, frozen_adapter, lambda m: adam(lora(tiny())), READS, "is_trainable=True"),
    "adalora": (BOTH, adalora, adam, WRITES, "SVDLinear keeps more than two factors"),
    "head": ({**BOTH, "target_modules": ["lm_head"]}, same, adam, WRITES, "would constrain nothing"),
    "dora": ({"use_dora": True}, same, adam, READS, "DoRA's update is not B A.*use_dora=False"),
    "pissa": ({"init_lora_weights": "pissa"}, same, adam, WRITES, "PiSSA.*init_lora_weights=True"),
    "embedding": ({"target_modules": ["embed_tokens", "o_proj"]}, same, adam, WRITES, "leave it out of target_modules"),
    "whole-module": ({**BOTH, "modules_to_save": ["lm_head"]}, same, adam, READS, "lm_head.*no modules_to_save"),
    "bias": ({"bias": "lora_only", "target_modules": ["q_proj"]}, same, adam, WRITES, 'use bias="none"'),
    "no-writer": (
        {**BOTH, "target_modules": ["q_proj"]},
        same,
        adam,
        frozenset({"write"}),
        "adapt o_proj and down_proj",
    ),
    "no-optimizer": (BOTH, same, lambda m: None, READS, "pass the optimizer too"),
    "no-torch-optimizer": (BOTH, same, lambda m: "adam", READS, "expected a torch optimizer, got str"),
    "other-optimizer": (BOTH, same, lambda m: adam(lora(tiny())), WRITES, "is it of another model"),
    "partial-optimizer": (BOTH, same, without_the_last, WRITES, "does not train .*down_proj"),
    "partial-optimizer-read": (BOTH, same, lambda m: torch.optim.SGD(trained(m)[2:], 0.1), READS, "does not train"),
    "fsdp": (
        BOTH,
        lambda m: inside("FullyShardedDataParallel", m),
        adam,
        WRITES,
        "FSDP 1.*fsdp_version: 2.*DistributedDataParallel",
    ),
    "tensor-parallel": (BOTH, lambda m: sharded(m, 1, by="Other"), adam, READS, TENSOR_PARALLEL),
    "tensor-parallel-rows": (BOTH, lambda m: sharded(m, 0, by="Other"), adam, READS, TENSOR_PARALLEL),
    "tensor-parallel-base": (BOTH, lambda m: sharded(m, 1, by="Other", frozen=True), adam, WRITES, TENSOR_PARALLEL),
    "tensor-parallel-inside": (BOTH, lambda m: sharded(m, 0, 0, frozen=True), adam, READS, TENSOR_PARALLEL),
    "columns": (BOTH, lambda m: sharded(m, 1), adam, READS, TENSOR_PARALLEL),
    "offloaded-shards": (
        BOTH,
        lambda m: sharded(m, 0, computed_on="cuda"),
        adam,
        WRITES,
        "set fsdp_offload_params to false",
    ),
    "deepspeed": (BOTH, lambda m: inside("DeepSpeedEngine", m), adam, READS, "DeepSpeed.*DistributedDataParallel"),
    "zero-3": (BOTH, partitioned, adam, READS, "ZeRO.*DistributedDataParallel"),
    "zero-optimizer": (BOTH, same, deepspeed, WRITES, "DeepSpeedZeroOptimizer shards.*DistributedDataParallel"),
    "zero-redundancy": (BOTH, same, zero_redundancy, READS, "ZeroRedundancyOptimizer shards"),
    "merged": ({**BOTH, "init_lora_weights": False}, merged, adam, WRITES, "call model.unmerge_adapter"),
    "merged-read": ({**BOTH, "init_lora_weights": False}, merged, adam, READS, "call model.unmerge_adapter"),
    "no-model": (BOTH, lambda m: "llama", adam, READS, "expected a torch model, got str"),
}


def assert_refused(method: Grasp, given: Any, model: Any, optimizer: Any, reason: str) -> None:
    """Refused with this reason; parameters, buffers, modes, hooks and the random numbers are as they were."""
    before, modes = everything(model), [m.training for m in model.modules()]
    steps = optimizer if isinstance(optimizer, torch.optim.Optimizer) else None
    count, random = hooks(model, steps), torch.get_rng_state()
    with pytest.raises(InputError, match=reason):
        method.attach(given, optimizer)
    assert_same(model, before)
    assert hooks(model, steps) == count
    assert [m.training for m in model.modules()] == modes
    torch.testing.assert_close(torch.get_rng_state(), random, rtol=0, atol=0)
    good = lora(tiny(), **BOTH)
    if method.directions is Q:  # the method itself is not stuck half-way
        with method.attached(good, adam(good)):
            pass


@pytest.mark.parametrize("case", DIRECTION_CASES)
def test_wrong_directions_are_refused_with_the_reason(case: str) -> None:
    method, reason = DIRECTION_CASES[case]
    model = of_base(lora(tiny(), **BOTH), "b/other")
    assert_refused(method, model, model, adam(model), reason)


@pytest.mark.slow
@pytest.mark.parametrize("case", MODEL_CASES)
def test_model_that_cannot_be_constrained_is_refused_with_the_reason(case: str) -> None:
    config, wrap, make, sides, reason = MODEL_CASES[case]
    model: Any = lora(tiny("qwen2"), **config)  # which has biases
    optimizer = make(model)
    given = wrap(model)
    assert_refused(Grasp(Q, sides=sides), given, given if isinstance(given, nn.Module) else model, optimizer, reason)


def test_expert_parameters_are_refused_and_linear_layers_beside_them_are_not() -> None:
    model = lora(tiny("mixtral"))
    assert_refused(Grasp(Q), model, model, adam(model), "target_parameters.*target_modules")
    model = lora(tiny("mixtral"), target_modules=["q_proj", "o_proj"])
    with Grasp(Q).attached(model, (optimizer := adam(model))):
        descend(model, optimizer, 2)
    assert 0 < leaks(model, Q, "write")[0] <= GUARANTEE


def test_sides_that_do_not_exist_or_go_together_are_refused() -> None:
    for sides in (set(), {"left"}, {"read", "write"}):
        with pytest.raises(InputError, match=r"sides must be|attach two Grasp"):
            Grasp(Q, sides=sides)  # pyright: ignore[reportArgumentType]


def test_same_model_is_taken_by_either_name_inside_ddp_and_inside_an_accelerated_optimizer() -> None:
    for given in (WRITE, replace(WRITE, base_model="here/other"), replace(WRITE, base_model="other/")):
        model = of_base(lora(tiny(), **BOTH), "b/other")
        before, optimizer = everything(model), adam(model)
        with Grasp(given).attached(inside("DistributedDataParallel", model), SimpleNamespace(optimizer=optimizer)):
            assert leaks(model, Q, "write")[0] <= GUARANTEE  # and this is what a refusal must not have done
        assert any(not torch.equal(before[name], tensor) for name, tensor in everything(model).items())


def test_bias_trained_outside_of_the_guarantee_is_allowed_when_asked_for() -> None:
    model = lora(tiny("qwen2"), bias="lora_only")
    with pytest.raises(InputError, match="bias"):
        Grasp(Q).attach(model, adam(model))
    with Grasp(Q, allow_unconstrained=True).attached(model, (optimizer := adam(model))):
        descend(model, optimizer, 2)
    assert 0 < leaks(model, Q, "write")[0] <= GUARANTEE


@pytest.mark.parametrize("sides", [WRITES, READS, frozenset({"stream"})])
@pytest.mark.parametrize("factor", ["lora_A", "lora_B"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("fused", [False, True])
def test_step_with_a_gradient_that_is_not_finite_is_not_taken(sides, factor: str, value: float, fused: bool) -> None:
    model = lora(tiny(), **BOTH)
    optimizer = torch.optim.AdamW(trained(model), 1e-2, fused=fused)
    with Grasp(Q, sides=sides).attached(model, optimizer):
        descend(model, optimizer, 1)
        before, moments = everything(model), [s["exp_avg"].clone() for s in optimizer.state.values()]
        model(**batch(1)).loss.backward()
        bad = next(p for n, p in model.named_parameters() if factor in n and "layers.1" in n)
        bad.grad[0, 0] = value
        with pytest.raises(GraspError, match="the step was not taken"):
            optimizer.step()
        assert_same(model, before)
        torch.testing.assert_close([s["exp_avg"] for s in optimizer.state.values()], moments, rtol=0, atol=0)
        descend(model, optimizer, 1)  # the next one is
        assert all(torch.isfinite(p).all() for p in trained(model))
    if value != value:
        model(**batch(1)).loss.backward()
        bad.grad[0, 0] = value
        optimizer.step()
        assert bad.isnan().any()  # which is what the method kept from happening


@pytest.mark.parametrize("around", [torch.inference_mode, torch.no_grad, lambda: torch.device("meta")])
def test_method_attached_in_an_odd_place_holds_in_training(around) -> None:
    """In inference mode, without gradients, and under a default device other than the model's."""
    model = lora(tiny(), **BOTH)
    optimizer = adam(model)
    with around():
        on = Grasp(Q).attach(model, optimizer)
    descend(model, optimizer, 2)
    on.detach()
    assert leaks(model, Q, "write")[0] <= GUARANTEE


def test_method_is_taken_off_once_and_for_all() -> None:
    model = lora(tiny())
    optimizer, method = adam(model), Grasp(Q)
    none = hooks(model, optimizer)
    first = method.attach(model, optimizer)
    on = none + 2 + 2 + 4  # two blocks, before and after the step, the B of four writers
    assert hooks(model, optimizer) == on
    with pytest.raises(InputError, match="attached already; detach it first"):
        method.attach(model, optimizer)
    assert hooks(model, optimizer) == on
    descend(model, optimizer, 2)
    assert 0 < leaks(model, Q, "write")[0] <= GUARANTEE
    first.detach()
    assert hooks(model, optimizer) == none
    before = everything(model)
    first.detach()
    assert_same(model, before)
    second = method.attach(model, optimizer)
    first.detach()  # not the second
    assert hooks(model, optimizer) == on
    second.detach()
    descend(model, optimizer, 2)
    assert leaks(model, Q, "write")[1] > LEAKS  # plain LoRA again


@pytest.mark.parametrize("sides", [WRITES, READS])
def test_exception_inside_leaves_no_hook(sides) -> None:
    model = lora(tiny())
    optimizer = adam(model)
    count, method = hooks(model, optimizer), Grasp(Q, sides=sides)

    def interrupted() -> None:
        with method.attached(model, optimizer):
            descend(model, optimizer, 1)
            assert hooks(model, optimizer) > count
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert hooks(model, optimizer) == count
