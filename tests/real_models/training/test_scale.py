"""The model of sharded training's cost: published sizes, what grows how, and (in test_sharded) bytes as counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_models import BLOCKS, OPTIMIZERS, VOCABULARY, WIDTH, lora, subspace, tiny

from grasp_theory import InputError
from real_models.hooks.guard import guard_of
from real_models.methods import Grasp
from real_models.training.scale import LLAMAS, Decoder, Machine, Setting, memory, step, traffic

PUBLISHED = {"8B": 8_030_261_248, "70B": 70_553_706_496, "405B": 405_853_388_800}


@pytest.mark.parametrize("model", LLAMAS, ids=lambda model: model.name)
def test_decoder_has_the_published_number_of_parameters(model):
    assert model.parameters == PUBLISHED[model.name]


@pytest.mark.parametrize("model", LLAMAS, ids=lambda model: model.name)
@pytest.mark.parametrize("processes", [8, 64, 512])
def test_traffic_of_the_method_is_small_and_does_not_grow_with_the_model_s_width(model, processes):
    plain, with_it = (traffic(model, Setting(processes, directions=k)) for k in (0, 4))
    assert plain.sums == ()
    assert with_it.gathers == plain.gathers
    assert with_it.received - plain.received == pytest.approx(
        2 * (processes - 1) / processes * (2 * model.blocks * (2 * 4 * 16 * 4 + 8 * (4 * 16 + 1)) + 4), rel=1e-6
    )
    assert with_it.received - plain.received < 1e-5 * plain.received


def test_traffic_of_even_parts_is_the_parameters_themselves():
    model, setting = LLAMAS[0], Setting(8)
    sent = 8 * sum(traffic(model, setting).gathers)
    lora = 16 * sum(d_out + d_in for d_out, d_in in model.linears.values())
    once = model.parameters + model.blocks * lora
    again = once - model.width * (2 * model.vocabulary + 1)  # embeddings stay whole from forward to backward
    assert sent == 2 * (once + again)


def test_memory_falls_with_devices_to_what_every_device_needs():
    found = [memory(LLAMAS[1], Setting(processes, directions=4)) for processes in (8, 16, 64)]
    assert found[0]["weights"] == pytest.approx(2 * PUBLISHED["70B"] / 8)
    assert found[0]["weights"] == pytest.approx(8 * found[2]["weights"])
    assert found[0]["adapter"] == pytest.approx(2 * found[1]["adapter"])
    rows_of_A = 16 * 80 * (6 * 8192 + 28672)  # one of each in float32, with gradient and two moments
    assert found[2]["adapter"] == pytest.approx(rows_of_A + (found[1]["adapter"] - rows_of_A) / 4)
    for name in ("directions", "whole", "activations", "logits"):
        assert found[0][name] == found[2][name]


def test_memory_of_the_directions_is_what_the_guards_hold():
    model, setting = Decoder("tiny", WIDTH, 40, 16, BLOCKS, VOCABULARY), Setting(1, directions=3)
    trained = lora(tiny())
    with Grasp(subspace(0, 3)).attached(trained, OPTIMIZERS["sgd"](trained)):
        held = [guard.Q for m in trained.modules() if (guard := guard_of(m)) is not None and guard.Q is not None]
    assert sum(Q.numel() * Q.element_size() for Q in held) == memory(model, setting)["directions"] > 0
    assert memory(model, Setting(1))["directions"] == 0


def test_step_is_bound_by_the_network_when_batches_are_short():
    machine = Machine()
    long, short = (step(LLAMAS[1], Setting(64, tokens=tokens, directions=4), machine) for tokens in (8192, 64))
    assert long.network == short.network
    assert short.compute < short.network
    np.testing.assert_allclose(long.compute / short.compute, 128)
    assert short.seconds == max(short.compute, short.network) + short.sums
    assert step(LLAMAS[1], Setting(64), machine).share == 0
    slow = step(LLAMAS[1], Setting(64, directions=4), replace(machine, hop=1e-4))
    assert slow.sums > long.sums


@pytest.mark.parametrize("wrong", [{"processes": 0}, {"processes": 2, "rank": 0}, {"processes": 2, "directions": -1}])
def test_setting_without_a_process_or_a_rank_is_refused(wrong):
    with pytest.raises(InputError, match="at least 1"):
        Setting(**wrong)
