"""Methods under the Trainer of transformers (and trl): the same guarantee, the same result, in its log, taken off."""

from __future__ import annotations

import os
import shutil
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from compared_updates import assert_same_updates, distance
from grasp_runs import LEAKS, leak_of
from tiny_models import assert_same, batch, deltas, everything, hooks, lora, subspace, tiny, trained
from tolerance import GUARANTEE
from trainer_runs import ACCUMULATE, CLIP, DECAY, LR, STEPS, WARMUP, data, trainer
from word_model import word_tokenizer

from real_models.methods.grasp import Grasp
from real_models.methods.kl import KL
from real_models.methods.naive import Naive

Q = subspace(5, 2)
HALVES = {"save_strategy": "steps", "save_steps": STEPS // 2}


def written(model: Any) -> float:
    return leak_of(deltas(model), Q)


def hooks_of(run: hf.Trainer) -> int:
    """On the model and on the optimizer that the Trainer made."""
    return hooks(run.model, run.optimizer.optimizer)  # pyright: ignore


@pytest.mark.slow
@pytest.mark.parametrize("bf16", [False, True])
def test_trainer_callback_keeps_the_update_off_the_directions_and_logs_the_leak(tmp_path, bf16):
    run, control = (trainer(tmp_path, c, bf16=bf16) for c in ([Grasp(Q).callback()], []))
    for each in (run, control):
        each.train()
    assert written(run.model) <= GUARANTEE
    assert written(control.model) > LEAKS
    assert hooks_of(run) == hooks_of(control)
    assert sum("loss" in entry for entry in run.state.log_history) == STEPS
    assert all(entry["leak/write"] <= GUARANTEE for entry in run.state.log_history)
    assert not any("leak/write" in entry for entry in control.state.log_history)


@pytest.mark.slow
def test_trainer_log_follows_the_update(tmp_path):
    """The leak of each log entry is that of its own step: a method that reports ‖dW‖, against a look at each step."""
    seen: list[float] = []

    def size(model: Any) -> float:
        return float(np.sqrt(sum(np.square(dW).sum() for dW in deltas(model).values())))

    class Watched(Naive):
        def leak(self, model: Any) -> dict[str, float]:
            return {"size": size(model)}

    class Look(hf.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            seen.append(size(kwargs["model"]))

    run = trainer(tmp_path, [Watched().callback(), Look()])
    run.train()
    logged = [entry["leak/size"] for entry in run.state.log_history if "loss" in entry]
    np.testing.assert_array_equal(logged, seen)
    assert len(set(seen)) > STEPS // 2


@pytest.mark.slow
def test_trainer_resumed_run_is_the_uninterrupted_one(tmp_path):
    whole = trainer(tmp_path / "whole", [Grasp(Q).callback()])
    whole.train()
    first = trainer(tmp_path / "halves", [Grasp(Q).callback()], **HALVES)
    first.train()
    saved = tmp_path / "halves" / f"checkpoint-{STEPS // 2}"
    second = trainer(tmp_path / "halves", [Grasp(Q).callback()], **HALVES)
    second.train(resume_from_checkpoint=str(saved))
    assert_same_updates(deltas(second.model), deltas(whole.model), rtol=GUARANTEE)
    assert written(second.model) <= GUARANTEE
    assert second.state.log_history[-1]["leak/write"] <= GUARANTEE
    # control: the state of the optimizer, which the guarantee must survive, matters to the result
    shutil.copytree(saved, tmp_path / "without" / saved.name, ignore=shutil.ignore_patterns("optimizer*"))
    without = trainer(tmp_path / "without", [Grasp(Q).callback()], **HALVES)
    without.train(resume_from_checkpoint=str(tmp_path / "without" / saved.name))
    assert distance(deltas(without.model), deltas(whole.model)) > LEAKS


class Restarted(KL):
    """The control: it begins with the first batch whatever step comes."""

    def step(self, number: int) -> None:
        pass


@pytest.mark.slow
def test_trainer_resumed_run_under_kl_is_the_uninterrupted_one_to_the_bit(tmp_path):
    neutral = [{"input_ids": batch(100 + n)["input_ids"]} for n in range(3)]  # half of the steps is no multiple of 3
    whole = trainer(tmp_path, [KL(neutral, weight=3.0).callback()], **HALVES)
    whole.train()
    found = {}
    for kind in (KL, Restarted):
        run = trainer(tmp_path, [kind(neutral, weight=3.0).callback()], **HALVES)
        run.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{STEPS // 2}"))
        found[kind] = run
    assert_same_updates(deltas(found[KL].model), deltas(whole.model))
    logs = [[e["leak/kl"] for e in run.state.log_history if "loss" in e] for run in (whole, *found.values())]
    assert logs[0] == logs[1]
    assert logs[0] != logs[2]
    assert distance(deltas(found[Restarted].model), deltas(whole.model)) > LEAKS


@pytest.mark.slow
def test_trainer_resumed_from_a_naive_checkpoint_loses_what_it_wrote(tmp_path):
    """The parameter is projected when training begins, with moments that still hold the naive gradients."""
    naive = trainer(tmp_path, [], **HALVES)
    naive.train()
    assert written(naive.model) > LEAKS
    run = trainer(tmp_path, [Grasp(Q).callback()], **HALVES)
    run.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{STEPS // 2}"))
    assert written(run.model) <= GUARANTEE
    assert all(e["leak/write"] <= GUARANTEE for e in run.state.log_history if e["step"] > STEPS // 2)


def by_hand(method: Any) -> Any:
    """The Trainer's steps in a loop of one's own, the method as a context manager."""
    model = lora(tiny())
    optimizer = torch.optim.AdamW(trained(model), LR, weight_decay=DECAY)
    schedule = hf.get_linear_schedule_with_warmup(optimizer, WARMUP, STEPS)
    rows = iter(data())
    model.train()
    with method.attached(model, optimizer):
        for _ in range(STEPS):
            optimizer.zero_grad()
            for _ in range(ACCUMULATE):
                pair = [next(rows), next(rows)]
                loss = model(**{key: torch.stack([row[key] for row in pair]) for key in pair[0]}).loss
                (loss / ACCUMULATE).backward()
            torch.nn.utils.clip_grad_norm_(trained(model), CLIP)
            optimizer.step()
            schedule.step()
    return model


@pytest.mark.slow
def test_trainer_callback_does_what_the_context_manager_does(tmp_path):
    run = trainer(tmp_path, [Grasp(Q).callback()], model=lora(tiny()))
    run.train()
    # AdamW divides by √v: rounding of gradients near 0 comes back at the size of the step, hence not GUARANTEE
    assert_same_updates(deltas(run.model), deltas(by_hand(Grasp(Q))), rtol=2e-5)
    assert distance(deltas(by_hand(Naive())), deltas(run.model)) > LEAKS


def test_grasp_is_exact_in_a_loop_that_is_all_inside_autocast():
    """The step and the backward pass too, whose products autocast would do in bfloat16."""
    found = []
    for method in (Grasp(Q), Naive()):
        model = lora(tiny())
        optimizer = torch.optim.AdamW(trained(model), LR, weight_decay=DECAY)
        with method.attached(model, optimizer), torch.autocast("cpu", torch.bfloat16):
            for step in range(3):
                optimizer.zero_grad()
                model(**batch(step)).loss.backward()
                optimizer.step()
        found.append(written(model))
    assert found[0] <= GUARANTEE
    assert found[1] > LEAKS


class Spoilt:
    """A dataset that fails at one item."""

    def __init__(self, at: int) -> None:
        self.rows, self.at = data(), at

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if index == self.at:
            raise RuntimeError("spoilt")
        return self.rows[index]


@pytest.mark.slow
def test_trainer_exception_leaves_the_callback_detachable_and_usable(tmp_path):
    callback, model = Grasp(Q).callback(), lora(tiny())
    clean = hooks(model)
    run = trainer(tmp_path, [callback], model=model, rows=Spoilt(3 * 2 * ACCUMULATE))
    with pytest.raises(RuntimeError, match="spoilt"):
        run.train()
    assert hooks(model) > clean  # the Trainer says nothing to its callbacks then
    callback.detach()
    callback.detach()
    assert hooks(model) == clean
    assert hooks_of(run) == clean
    again = trainer(tmp_path, [callback], model=model)
    again.train()
    assert written(model) <= GUARANTEE
    assert hooks(model) == clean


@pytest.mark.slow
def test_trainer_exception_then_another_run_does_not_attach_twice(tmp_path):
    callback, model = Grasp(Q).callback(), lora(tiny())
    clean = hooks(model)
    with pytest.raises(RuntimeError, match="spoilt"):
        trainer(tmp_path, [callback], model=model, rows=Spoilt(2 * ACCUMULATE)).train()
    trainer(tmp_path, [callback], model=model).train()
    assert written(model) <= GUARANTEE
    assert hooks(model) == clean


def test_trainer_refused_method_stops_before_the_first_step(tmp_path):
    model = lora(tiny())
    before, clean = everything(model), hooks(model)
    wrong = subspace(0, 1, Q.shape[0] + 1)
    with pytest.raises(Exception, match="dimensions"):
        trainer(tmp_path, [Grasp(wrong).callback()], model=model).train()
    assert_same(model, before)
    assert hooks(model) == clean


@pytest.mark.slow
def test_trainer_compiled_model_is_constrained_as_the_plain_one(tmp_path):
    """Compiled first without the method, then with it on the same model: what was compiled must not be used again."""
    compiled = {"torch_compile": True, "torch_compile_backend": "aot_eager", "max_steps": 3, "warmup_steps": 0}
    plain = {key: value for key, value in compiled.items() if not key.startswith("torch")}
    one, other = (lora(tiny(num_hidden_layers=1)) for _ in range(2))
    for model, fields in ((one, compiled), (other, plain)):
        trainer(tmp_path, [], model=model, **fields).train()
    assert written(one) > LEAKS
    after_naive = deltas(one)
    for model, fields in ((one, compiled), (other, plain)):
        trainer(tmp_path, [Grasp(Q).callback()], model=model, **fields).train()
    assert written(one) <= GUARANTEE
    assert_same_updates(deltas(one), deltas(other), rtol=2e-5)
    assert any(np.linalg.norm(dW - after_naive[name]) > LEAKS * np.linalg.norm(dW) for name, dW in deltas(one).items())


@pytest.mark.slow
def test_trainer_of_trl_takes_the_same_callback(tmp_path, monkeypatch):
    """trl is a dependency of the tests alone: it brings pandas and pyarrow."""
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
    import datasets
    import trl

    tokenizer = word_tokenizer(["<unk>", "<pad>", "<eos>", "word"], pad_token="<pad>", eos_token="<eos>")
    rows = [{"input_ids": row["input_ids"].tolist()} for row in data()]
    table = datasets.Dataset(datasets.table.InMemoryTable.from_pylist(rows), fingerprint="rows")
    leaks = []
    for callbacks in ([Grasp(Q).callback()], []):
        settings = trl.SFTConfig(
            output_dir=str(tmp_path), max_steps=4, learning_rate=LR, weight_decay=DECAY, report_to=[], use_cpu=True,
            bf16=False, save_strategy="no", logging_steps=1, disable_tqdm=True,
            dataset_kwargs={"skip_prepare_dataset": True},
        )  # fmt: skip
        run = trl.SFTTrainer(
            lora(tiny()), settings, train_dataset=table, processing_class=tokenizer, callbacks=callbacks
        )
        run.train()
        leaks.append(written(run.model))
        assert ("leak/write" in run.state.log_history[0]) == bool(callbacks)
    assert leaks[0] <= GUARANTEE
    assert leaks[1] > LEAKS
