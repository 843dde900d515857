"""The constraint holds at every save and every evaluation, whoever moved the weights; each with what leaks without."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from grasp_runs import LEAKS, grasp, leak_of, leaks
from tiny_models import OPTIMIZERS, assert_same, batch, deltas, descend, everything, lora, subspace, tiny, trained
from tolerance import GUARANTEE
from torch import nn

from real_models import read_adapter, updates_from_model
from real_models.methods import Grasp

Q = subspace(21, 2)
SIDES = pytest.mark.parametrize("side", ["write", "read"])


def noise(p: torch.Tensor) -> torch.Tensor:
    return torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel()))


def by_copy(model: nn.Module) -> None:
    for p in trained(model):
        p.data.copy_(noise(p))


def by_swap(model: nn.Module) -> None:
    for p in trained(model):
        p.data = noise(p)


def by_addition(model: nn.Module) -> None:
    with torch.no_grad():
        for p in trained(model):
            p += noise(p)


def by_loading(model: nn.Module) -> None:
    model.load_state_dict({n: noise(p) for n, p in model.named_parameters() if "lora_" in n}, strict=False)


def update(updates: Any) -> dict[str, np.ndarray]:
    return {u.name: u.lowrank @ np.eye(u.shape[1]) for u in updates}


def of_state(model: Any, folder: Path) -> dict[str, np.ndarray]:
    state = {n.removeprefix("base_model.model."): x.double().numpy() for n, x in model.state_dict().items()}
    ends = ".lora_A.default.weight"
    names = [n.removesuffix(ends) for n in state if n.endswith(ends)]
    return {n: state[f"{n}.lora_B.default.weight"] @ state[n + ends] for n in names}


def of_folder(model: Any, folder: Path) -> dict[str, np.ndarray]:
    model.save_pretrained(folder)
    return update(read_adapter(folder).updates)


def of_merge(model: Any, folder: Path) -> dict[str, np.ndarray]:
    """Of a copy, whose merge asks the copy's own factors."""
    other = copy.deepcopy(model)
    names = list(deltas(model))
    base = {n: other.get_submodule(f"base_model.model.{n}.base_layer").weight.detach().clone() for n in names}
    whole = other.merge_and_unload()
    return {n: (whole.get_submodule(n).weight - base[n]).detach().double().numpy() for n in names}


def of_delta(model: Any, folder: Path) -> dict[str, np.ndarray]:
    layers = {n: model.get_submodule(f"base_model.model.{n}") for n in deltas(model)}
    return {n: layer.get_delta_weight("default").detach().double().numpy() for n, layer in layers.items()}


def of_forward(mode: str) -> Callable[[Any, Path], dict[str, np.ndarray]]:
    def run(model: Any, folder: Path) -> dict[str, np.ndarray]:
        model.train(mode == "train")
        with torch.set_grad_enabled(mode == "train"):
            model(**batch(0))
        return deltas(model)

    return run


def of_generation(model: Any, folder: Path) -> dict[str, np.ndarray]:
    model.eval().generate(input_ids=batch(0)["input_ids"], max_new_tokens=2, pad_token_id=0)
    return deltas(model)


MOVES = (by_copy, by_swap, by_addition, by_loading)
READS = {
    "state_dict": of_state,
    "save_pretrained": of_folder,
    "merge": of_merge,
    "get_delta_weight": of_delta,
    "updates_from_model": lambda model, folder: update(updates_from_model(model)),
    "train": of_forward("train"),
    "eval": of_forward("eval"),
    "generate": of_generation,
}


@SIDES
@pytest.mark.parametrize("read", READS)
def test_guard_holds_at_every_save_and_evaluation_whoever_moved_the_weights(side, read, tmp_path) -> None:
    model = lora(tiny())
    rounding = 1e-5 if read == "merge" else GUARANTEE  # a difference of weights of order 1
    with grasp(Q, side).attached(model, OPTIMIZERS["sgd"](model)):
        for move in MOVES:
            move(model)
            assert leak_of(READS[read](model, tmp_path), Q, side) <= rounding, move.__name__
    for move in MOVES:
        move(model)
        assert leak_of(READS[read](model, tmp_path), Q, side) > LEAKS, move.__name__  # control: plain LoRA again


@SIDES
def test_guard_holds_for_loaded_parameters_before_anything_asks_the_model(side) -> None:
    """Read from the parameters themselves, as an average or a hash of them is; control: after a copy they leak."""
    model = lora(tiny())
    with grasp(Q, side).attached(model, OPTIMIZERS["sgd"](model)):
        by_copy(model)
        assert leak_of(deltas(model), Q, side) > LEAKS
        by_loading(model)
        assert leak_of(deltas(model), Q, side) <= GUARANTEE


@SIDES
def test_guard_leaves_what_holds_as_it_is_bit_for_bit_and_without_a_new_version(side) -> None:
    model = lora(tiny(), init_lora_weights=False)
    with grasp(Q, side).attached(model, OPTIMIZERS["sgd"](model)):
        before, versions = everything(model), [p._version for p in trained(model)]
        for _ in range(2):
            model(**batch(0)).loss.backward()
            model.state_dict()
        assert_same(model, before)
        assert [p._version for p in trained(model)] == versions
        by_copy(model)
        first = model(**batch(0)).loss  # two forwards before one backward, the weights projected in the first
        (first + model(**batch(1)).loss).backward()


@SIDES
def test_guard_of_a_copy_acts_on_the_copy_alone(side) -> None:
    """AveragedModel, and EMA swapped in and out."""
    model = lora(tiny(), init_lora_weights=False)
    with grasp(Q, side).attached(model, OPTIMIZERS["sgd"](model)):
        average: Any = torch.optim.swa_utils.AveragedModel(model)
        before = everything(model)
        by_copy(average)
        average.module(**batch(0))
        assert leaks(average.module, Q, side)[0] <= GUARANTEE
        assert_same(model, before)
        by_copy(model)
        average.update_parameters(model)
        assert leak_of(of_state(average.module, Path()), Q, side) <= GUARANTEE


def test_guard_of_a_model_saved_whole_acts_in_the_one_that_is_loaded(tmp_path) -> None:
    model = lora(tiny(), init_lora_weights=False)
    with grasp(Q, "write").attached(model, OPTIMIZERS["sgd"](model)):
        torch.save(model, tmp_path / "model.pt")
    loaded = torch.load(tmp_path / "model.pt", weights_only=False)
    assert_same(loaded, everything(model))
    by_copy(loaded)
    for read in (of_delta, of_state):
        assert leak_of(read(loaded, tmp_path), Q) <= GUARANTEE
        by_copy(loaded)
    assert leaks(model, Q, "write")[0] <= GUARANTEE


@pytest.mark.slow
@pytest.mark.parametrize(("handle", "backend"), [("compiled", "aot_eager"), ("plain", "eager")])
def test_guard_holds_in_a_model_that_was_compiled_before_by_whichever_handle_it_is_attached(handle, backend) -> None:
    """In one graph: the guard breaks none. Its branch-free form, which accelerators run, is what is compiled."""
    model = lora(tiny(num_hidden_layers=1), target_modules=["v_proj", "o_proj"])
    optimizer = OPTIMIZERS["adam"](model)
    compiled = torch.compile(model, backend=backend, fullgraph=True)
    compiled(**batch(0)).loss.backward()
    with Grasp(Q).attached(compiled if handle == "compiled" else model, optimizer):
        descend(compiled, optimizer, 2)
        by_copy(model)
        compiled(**batch(1))
        assert leaks(model, Q, "write")[0] <= GUARANTEE
    by_copy(model)
    compiled(**batch(1))
    assert leaks(model, Q, "write")[1] > LEAKS


class ScheduleFree(torch.optim.Optimizer):
    """Keeps z beside the weights and moves them to the average x in ``eval``, outside of ``step``."""

    def __init__(self, params: Any, lr: float = 1e-2, beta: float = 0.9) -> None:
        super().__init__(params, {"lr": lr})
        self.beta, self.k = beta, 0

    @torch.no_grad()
    def eval(self) -> None:
        for p, state in self.state.items():
            p.data = (p.data - (1 - self.beta) * state["z"]) / self.beta

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore
        self.k += 1
        for p in self.param_groups[0]["params"]:
            z = self.state[p].setdefault("z", p.clone())
            x = (p - (1 - self.beta) * z) / self.beta
            z.sub_(p.grad.sign(), alpha=self.param_groups[0]["lr"])
            x += (z - x) / self.k
            p.copy_((1 - self.beta) * z + self.beta * x)


class SAM(torch.optim.Optimizer):
    """Up to the worst point near by, down with its gradient; its own ``step`` is never called."""

    def __init__(self, params: Any, radius: float = 0.5) -> None:
        params = list(params)
        self.base_optimizer = torch.optim.AdamW(params, 1e-2)
        super().__init__(params, {"radius": radius})

    @torch.no_grad()
    def first_step(self) -> None:
        for p in self.param_groups[0]["params"]:
            self.state[p]["old"] = p.data.clone()
            p.add_(p.grad, alpha=float(self.param_groups[0]["radius"]))

    @torch.no_grad()
    def second_step(self) -> None:
        for p in self.param_groups[0]["params"]:
            p.data = self.state[p]["old"]
        self.base_optimizer.step()


def run_schedule_free(model: Any) -> Iterator[Any]:
    optimizer = ScheduleFree(trained(model))
    yield optimizer
    descend(model, optimizer, 5)
    optimizer.eval()
    yield None


def run_sam(model: Any) -> Iterator[Any]:
    optimizer = SAM(trained(model))
    yield optimizer
    for step in range(3):
        for half in (optimizer.first_step, optimizer.second_step):
            optimizer.zero_grad()
            model(**batch(step)).loss.backward()
            half()
    yield None


def run_lbfgs(model: Any) -> Iterator[Any]:
    optimizer = torch.optim.LBFGS(trained(model), 0.1, max_iter=4, line_search_fn="strong_wolfe")
    yield optimizer

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = model(**batch(0)).loss
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
    yield None


def run_fused(model: Any) -> Iterator[Any]:
    optimizer = torch.optim.AdamW(trained(model), 1e-2, fused=True)
    yield optimizer
    descend(model, optimizer, 4)
    yield None


@SIDES
@pytest.mark.parametrize("run", [run_schedule_free, run_sam, run_lbfgs, run_fused])
def test_guard_holds_under_optimizers_that_move_weights_their_own_way(side, run, tmp_path) -> None:
    for guarded in (True, False):
        model = lora(tiny())
        going = run(model)
        optimizer = next(going)
        if guarded:
            with grasp(Q, side).attached(model, optimizer) as attachment:
                next(going)
                assert leak_of(of_folder(model, tmp_path / "on"), Q, side) <= GUARANTEE
                assert attachment.leak()[side] <= GUARANTEE
            assert leaks(model, Q, side)[0] <= GUARANTEE  # once more at the end
        else:
            next(going)
            assert leak_of(of_folder(model, tmp_path / "off"), Q, side) > LEAKS


def test_parameters_of_torch_func_are_the_callers_and_left_alone() -> None:
    """Gradients of each row, and models stacked: the tensors are the caller's, and stay what they are."""
    model = lora(tiny(attn_implementation="eager"), init_lora_weights=False)
    optimizer = torch.optim.SGD(trained(model), 0.1)
    rows = batch(0)["input_ids"]

    def loss(parameters: Any, row: Any) -> Any:
        given = {"input_ids": row[None], "labels": row[None]}
        return torch.func.functional_call(model, parameters, (), given).loss

    with Grasp(subspace(1, 2)).attached(model, optimizer):
        own = {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}
        moved = {n: p + 0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(0)) for n, p in own.items()}
        before = {n: p.clone() for n, p in moved.items()}
        per_row = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(own, rows)
        stacked = torch.func.vmap(loss, in_dims=(0, None))({n: torch.stack([own[n], moved[n]]) for n in own}, rows[0])
        for n, p in before.items():
            torch.testing.assert_close(moved[n], p, rtol=0, atol=0)
        torch.testing.assert_close(stacked[0], loss(own, rows[0]))
        for row in range(len(rows)):
            model.zero_grad()
            model(input_ids=rows[row : row + 1], labels=rows[row : row + 1]).loss.backward()
            for n, p in model.named_parameters():
                if p.requires_grad and "q_proj" in n:  # reads, so that no guard treats its gradient
                    torch.testing.assert_close(per_row[n][row], p.grad, rtol=1e-4, atol=1e-6)
