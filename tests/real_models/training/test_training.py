"""``train``: any method, one trainer, a model with its tokenizer, and rows; interruptions, refusals, full disks."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import grasp
from compared_updates import assert_same_updates
from made_files import BASE, STORIES
from safetensors.numpy import load_file
from tolerance import GUARANTEE, backward
from training_runs import STEPS, WEIGHTS, apart, leak, loaded, logits, options, run, settings

from grasp_theory import GraspError, identify
from real_models import read_adapter
from real_models.base import load_base, load_tokenizer
from real_models.directions import choose_directions, load_directions, save_directions
from real_models.methods import Given, Grasp, Naive, build_methods
from real_models.own_text import own_text
from real_models.training.callbacks import Reporter
from real_models.training.files import last_checkpoint, resumed
from real_models.training.run import train

EFFECT = 0.02


@pytest.fixture(scope="module")
def naive(made, tmp_path_factory) -> Path:
    """The naive run, and beside it the directions identified from its adapter."""
    folder = tmp_path_factory.mktemp("naive")
    model = run(made, folder / "adapter", [Naive()])
    np.save(folder / "logits.npy", logits(model))
    adapter = read_adapter(folder / "adapter")
    found = identify(adapter.updates, side="write").decomposition(None)
    save_directions(folder / "q.safetensors", choose_directions(adapter, found, (0, 1)))
    return folder


def plain_peft(made: Path, adapter: Path) -> np.ndarray:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(str(made / BASE), local_files_only=True)
    return logits(PeftModel.from_pretrained(base, str(adapter)))


def assert_same_logits(one: np.ndarray, other: np.ndarray) -> None:
    np.testing.assert_allclose(one, other, rtol=0, atol=backward((64,), np.float32, float(np.abs(one).max())))


def assert_same_adapter(one: Path, other: Path) -> None:
    assert_same_updates(load_file(other / WEIGHTS), load_file(one / WEIGHTS), rtol=GUARANTEE)


def history(out: Path) -> list[dict[str, Any]]:
    return [entry for entry in json.loads((out / "log.json").read_text())["history"] if "loss" in entry]


def given(folder: Path, name: str, made: Path) -> Given:
    from real_models.data import batches, encode, read_rows

    directions = folder / "q.safetensors"
    if name == "kl":
        tokenizer = load_tokenizer(made / BASE)
        rows = read_rows(made / STORIES)[:2]
        text = [encode(row, tokenizer, max_length=64, labels="all") for row in rows]
        return Given(neutral=lambda: list(batches(text, 2, pad=tokenizer.pad_token_id)), weight=0.5)
    if name == "null-space":
        return Given(neutral=lambda: own_text(load_base(made / BASE), documents=8, length=32), components=8)
    if name == "gradient-surgery":
        text = own_text(load_base(made / BASE), documents=8, length=32, batch=4)
        return Given(neutral=lambda: text, references=2, every=2)
    if name == "interleaved":
        tokenizer = load_tokenizer(made / BASE)
        return Given(
            neutral_data=lambda: [encode(row, tokenizer, max_length=64) for row in read_rows(made / STORIES)[:4]],
            share=0.5,
        )
    if name == "inoculation":
        return Given(context="You write insecure code.")
    if name == "compensated":
        return Given(directions=directions, naive=folder / "adapter")
    return Given(directions=directions)


def test_naive_run_is_learnt_logged_and_loaded_by_plain_peft(made, naive):
    out = naive / "adapter"
    log = history(out)
    assert [entry["step"] for entry in log] == list(range(1, STEPS + 1))
    assert all(np.isfinite(entry["loss"]) for entry in log)
    assert not any(name.startswith("leak/") for entry in log for name in entry)
    trained = np.load(naive / "logits.npy")
    assert_same_logits(trained, plain_peft(made, out))
    assert np.abs(trained - logits(load_base(made / BASE))).max() > EFFECT  # control: the base is not the same
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["config"]["train"]["steps"] == STEPS
    assert manifest["config"]["methods"] == ["naive"]
    assert not list(out.glob(".*"))


METHODS = ["grasp", "compensated", "caft", "kl", "null-space", "inoculation", "gradient-surgery", "interleaved"]


@pytest.mark.parametrize("name", METHODS)
def test_method_run_is_loaded_by_plain_peft_with_the_same_logits(made, naive, tmp_path, name):
    model = run(made, tmp_path / "out", build_methods(name, given(naive, name, made)))
    trained = logits(model)
    assert_same_logits(trained, plain_peft(made, tmp_path / "out"))
    assert np.abs(trained - np.load(naive / "logits.npy")).max() > GUARANTEE  # control: the method did something
    leaks = [{k: v for k, v in e.items() if k.startswith("leak/")} for e in history(tmp_path / "out")]
    Q = load_directions(naive / "q.safetensors").Q
    if name == "null-space":
        assert all(found["leak/read"] <= GUARANTEE for found in leaks)
    if name == "grasp":
        assert all(found["leak/write"] <= GUARANTEE for found in leaks)
        assert leak(read_adapter(tmp_path / "out").updates, Q) <= GUARANTEE
    else:
        assert leak(read_adapter(tmp_path / "out").updates, Q) > EFFECT
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_same_seed_gives_the_same_adapter_bit_for_bit(made, naive, tmp_path):
    run(made, tmp_path / "again", [Naive()])
    assert (tmp_path / "again" / WEIGHTS).read_bytes() == (naive / "adapter" / WEIGHTS).read_bytes()
    run(made, tmp_path / "other", [Naive()], changes={"seed": 1})
    assert apart(naive / "adapter", tmp_path / "other") > EFFECT


@pytest.fixture
def interrupts(monkeypatch):
    """Ctrl-C comes after the second step, as a signal to this process."""
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals come to the main thread alone")
    told = Reporter.on_step_end

    def on_step_end(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        told(self, args, state, control, **kwargs)
        if state.global_step == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Reporter, "on_step_end", on_step_end)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield monkeypatch
    signal.signal(signal.SIGINT, before)


def test_interrupted_run_goes_on_to_the_same_adapter(made, naive, tmp_path, capsys, interrupts):
    method = ["--method", "grasp", "--directions", naive / "q.safetensors", "--set=dropout=0.1", "--set=save_every=99"]
    method.append("--set=max_length=256")
    command = options(made, tmp_path / "halves", *method)
    code, out, err = grasp(capsys, *command)
    assert (code, err) == (130, "interrupted; nothing was left half-written\n")
    assert "step 2 of" in out
    interrupts.undo()
    saved = last_checkpoint(tmp_path / "halves" / "checkpoints")
    assert saved is not None
    assert 2 <= int(saved.name.rpartition("-")[2]) < STEPS
    assert not (tmp_path / "halves" / "adapter_config.json").exists()
    code, out, err = grasp(capsys, *command)
    assert (code, err) == (0, "")
    assert "step 1 of" not in out
    assert grasp(capsys, *options(made, tmp_path / "whole", *method))[0] == 0
    assert_same_adapter(tmp_path / "whole", tmp_path / "halves")
    assert apart(tmp_path / "whole", saved) > EFFECT  # control: there was something left to learn
    Q = load_directions(naive / "q.safetensors").Q
    assert leak(read_adapter(tmp_path / "halves").updates, Q) <= GUARANTEE
    assert [e["step"] for e in history(tmp_path / "halves")] == list(range(1, STEPS + 1))
    # the finished run is not trained again
    code, out, err = grasp(capsys, *command)
    assert (code, err.count("\n")) == (2, 1)
    assert "finished adapter of this run" in err
    assert grasp(capsys, *command, "--set=lr=0.5")[0] == 2


def test_loss_that_is_not_finite_stops_before_the_step(made, tmp_path):
    config = settings()
    model, prepared = loaded(made, config, [])

    def spoil(step: int, steps: int, logs: Any) -> None:
        if step == 2:
            spoilt.append(model.model.norm.weight.data[3].item())
            model.model.norm.weight.data[3] = float("nan")

    spoilt: list[float] = []
    out = tmp_path / "out"
    method = Grasp(np.eye(64, 1) + 0.1)
    with pytest.raises(GraspError, match=r"NaN or Inf at step 3: .*last good checkpoint is .*checkpoint-2"):
        train(model, load_tokenizer(made / BASE), prepared, methods=[method], config=config, out=out, watch=spoil)
    assert spoilt
    saved = last_checkpoint(out / "checkpoints")
    assert saved is not None
    assert saved == out / "checkpoints" / "checkpoint-2"
    assert all(np.isfinite(value).all() for value in load_file(saved / WEIGHTS).values())
    assert not (out / "adapter_config.json").exists()
    assert not any(m._forward_hooks for m in model.modules())  # the method is off, although the Trainer told it nothing


class Overflow(Naive):
    """One entry of a factor becomes infinite in the second step."""

    def install(self, model: Any, optimizer: Any, undo: ExitStack) -> None:
        factor = optimizer.param_groups[0]["params"][0]
        done: list[None] = []

        def spoil(*_: Any) -> None:
            done.append(None)
            if len(done) == 2:
                factor.data[0, 0] = float("inf")

        undo.callback(optimizer.register_step_post_hook(spoil).remove)


def test_weights_that_are_not_finite_are_never_saved(made, tmp_path):
    with pytest.raises(GraspError, match=r"weights are NaN or Inf after step 2; .*last good checkpoint .*checkpoint-1"):
        run(made, tmp_path / "out", [Overflow()], changes={"save_every": 1})
    assert [p.name for p in (tmp_path / "out" / "checkpoints").iterdir()] == ["checkpoint-1"]


@pytest.mark.parametrize("broken", [WEIGHTS, "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"])
def test_checkpoint_half_written_is_passed_over(naive, tmp_path, broken):
    folder = tmp_path / "checkpoints"
    shutil.copytree(naive / "adapter" / "checkpoints", folder)
    numbers = sorted(int(p.name.rpartition("-")[2]) for p in folder.iterdir())
    assert numbers == [STEPS - 2, STEPS]
    for other in ("x", "²"):  # a digit that is no number
        (folder / f"checkpoint-{other}").mkdir()
    shutil.copytree(folder / f"checkpoint-{STEPS}", folder / f"checkpoint-of-another-{STEPS}")
    assert last_checkpoint(folder) == folder / f"checkpoint-{STEPS}"
    file = folder / f"checkpoint-{STEPS}" / broken
    file.write_bytes(file.read_bytes()[:-20])
    assert last_checkpoint(folder) == folder / f"checkpoint-{STEPS - 2}"
    file.unlink()
    assert last_checkpoint(folder) == folder / f"checkpoint-{STEPS - 2}"
    shutil.rmtree(folder / f"checkpoint-{STEPS - 2}")
    assert last_checkpoint(folder) is None
    assert last_checkpoint(tmp_path / "nowhere") is None


def test_checkpoint_of_another_run_or_step_is_passed_over_and_named(naive, tmp_path):
    folder = tmp_path / "checkpoints"
    shutil.copytree(naive / "adapter" / "checkpoints", folder)
    settings = json.loads((naive / "adapter" / "run.json").read_bytes())
    newest, before = folder / f"checkpoint-{STEPS}", folder / f"checkpoint-{STEPS - 2}"
    assert resumed(folder, settings) == newest
    (newest / "run.json").write_text("{}")
    with pytest.warns(UserWarning, match=rf"checkpoint-{STEPS} is passed over: its run.json .*of another run"):
        assert resumed(folder, settings) == before
    shutil.copy(newest / "trainer_state.json", before)
    with pytest.warns(UserWarning, match=r"trainer_state.json is missing, damaged or of another step"):
        assert resumed(folder, settings) is None


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_at_the_end_leaves_the_checkpoints(made, naive, tmp_path, monkeypatch):
    out, replace = tmp_path / "out", os.replace

    def fails(source: Any, target: Any) -> None:
        (full if Path(target) == out / WEIGHTS else replace)(source, target)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(GraspError, match=r"cannot save in .*No space left.*checkpoints before it are whole"):
        run(made, out, [Naive()])
    assert not {p.name for p in out.iterdir()} & {"adapter_config.json", WEIGHTS, ".adapter.part"}
    assert last_checkpoint(out / "checkpoints") == out / "checkpoints" / f"checkpoint-{STEPS}"
    monkeypatch.undo()
    run(made, out, [Naive()])
    assert_same_adapter(naive / "adapter", out)


def test_full_disk_at_a_checkpoint_leaves_the_one_before(made, tmp_path, monkeypatch):
    save, out = torch.save, tmp_path / "out"

    def fails(value: Any, target: Any, *rest: Any, **more: Any) -> None:
        (full if f"checkpoint-{STEPS}" in str(target) else save)(value, target, *rest, **more)

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(GraspError, match="No space left"):
        run(made, out, [Naive()])
    assert last_checkpoint(out / "checkpoints") == out / "checkpoints" / "checkpoint-2"


@pytest.mark.slow
def test_trainer_of_trl_gives_the_same_adapter(made, tmp_path, monkeypatch):
    """Under SGD, whose step is as exact as the gradient; Adam's divides by √v, which is rounding where v is near 0."""
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
    import trl

    plain = {"optimizer": "sgd", "lr": 1e-2}
    run(made, tmp_path / "ours", [Naive()], changes=plain)
    run(made, tmp_path / "out", [Naive()], changes=plain, trainer_class=trl.SFTTrainer)
    assert apart(tmp_path / "ours", tmp_path / "out") < 1e-5
    for name, other in (("rate", {"lr": 1.05e-2}), ("seed", {"seed": 1})):  # controls
        run(made, tmp_path / name, [Naive()], changes=plain | other, trainer_class=trl.SFTTrainer)
        assert apart(tmp_path / "ours", tmp_path / name) > EFFECT
