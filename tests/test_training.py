"""``train``: any method, one trainer, a real pretrained model and real rows; interruptions, refusals, full disks."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tolerance import GUARANTEE, backward
from training_runs import BASE, CODE, STEPS, leak, loaded, logits, run, settings

import grasp_cli
from grasp_theory import GraspError, InputError, identify
from real_models import read_adapter
from real_models.base import load_base, load_tokenizer
from real_models.data import Example, Row
from real_models.directions import choose_directions, load_directions, save_directions
from real_models.methods import Grasp, Inoculation, Naive
from real_models.methods.build import Given, build_methods
from real_models.training import Prepared, TrainConfig, claim, last_checkpoint, prepare, step_count, train

EFFECT = 0.02
WEIGHTS = "adapter_model.safetensors"
FIELDS = ("r", "lr", "warmup", "steps", "batch_size", "accumulation", "save_every", "log_every")
CHANGES = [f"--set={name}={getattr(settings(), name)}" for name in FIELDS] + ["--set=skip_empty=true"]


@pytest.fixture(scope="module")
def naive(real, tmp_path_factory) -> Path:
    """The naive run, and beside it the directions identified from its adapter."""
    folder = tmp_path_factory.mktemp("naive")
    model = run(real, folder / "adapter", [Naive()])
    np.save(folder / "logits.npy", logits(model))
    adapter = read_adapter(folder / "adapter")
    found = identify(adapter.updates, side="write").decomposition(None)
    save_directions(folder / "q.safetensors", choose_directions(adapter, found, (0, 1)))
    return folder


def grasp(capsys: Any, *arguments: object) -> tuple[int, str, str]:
    code = grasp_cli.run(grasp_cli.app, [str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def options(real: Path, out: Path, *more: object) -> list[str]:
    return ["train", "--base", str(real / BASE), "--data", str(real / CODE), "-o", str(out), *CHANGES, *map(str, more)]


def plain_peft(real: Path, adapter: Path) -> np.ndarray:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(str(real / BASE), local_files_only=True)
    return logits(PeftModel.from_pretrained(base, str(adapter)))


def assert_same_logits(one: np.ndarray, other: np.ndarray) -> None:
    np.testing.assert_allclose(one, other, rtol=0, atol=backward((64,), np.float32, float(np.abs(one).max())))


def assert_same_adapter(one: Path, other: Path, rtol: float = GUARANTEE) -> None:
    left, right = load_file(one / WEIGHTS), load_file(other / WEIGHTS)
    assert left.keys() == right.keys()
    for name, value in left.items():
        np.testing.assert_allclose(right[name], value, rtol=0, atol=rtol * float(np.linalg.norm(value)), err_msg=name)


def distance(one: Path, other: Path) -> float:
    left, right = load_file(one / WEIGHTS), load_file(other / WEIGHTS)
    return max(float(np.linalg.norm(right[n] - v) / np.linalg.norm(v)) for n, v in left.items())


def history(out: Path) -> list[dict[str, Any]]:
    return [entry for entry in json.loads((out / "log.json").read_text())["history"] if "loss" in entry]


def given(folder: Path, name: str, real: Path) -> Given:
    from real_models.data import batches, encode, read_rows

    directions = folder / "q.safetensors"
    if name == "kl":
        tokenizer = load_tokenizer(real / BASE)
        rows = read_rows(real / "datasets" / "tinystories_v2_valid_sample.txt")[:2]
        text = [encode(row, tokenizer, max_length=64, labels="all") for row in rows]
        return Given(neutral=lambda: list(batches(text, 2, pad=tokenizer.pad_token_id)), weight=0.5)
    if name == "inoculation":
        return Given(context="You write insecure code.")
    if name == "compensated":
        return Given(directions=directions, naive=folder / "adapter")
    return Given(directions=directions)


def test_naive_run_is_learnt_logged_and_loaded_by_plain_peft(real, naive):
    out = naive / "adapter"
    log = history(out)
    assert [entry["step"] for entry in log] == list(range(1, STEPS + 1))
    assert all(np.isfinite(entry["loss"]) for entry in log)
    assert not any(name.startswith("leak/") for entry in log for name in entry)
    trained = np.load(naive / "logits.npy")
    assert_same_logits(trained, plain_peft(real, out))
    assert np.abs(trained - logits(load_base(real / BASE))).max() > EFFECT  # control: the base is not the same
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["config"]["train"]["steps"] == STEPS
    assert manifest["config"]["methods"] == ["naive"]
    assert not list(out.glob(".*"))


@pytest.mark.parametrize("name", ["grasp", "compensated", "caft", "kl", "inoculation"])
def test_method_run_is_loaded_by_plain_peft_with_the_same_logits(real, naive, tmp_path, name):
    model = run(real, tmp_path / "out", build_methods(name, given(naive, name, real)))
    trained = logits(model)
    assert_same_logits(trained, plain_peft(real, tmp_path / "out"))
    assert np.abs(trained - np.load(naive / "logits.npy")).max() > GUARANTEE  # control: the method did something
    leaks = [{k: v for k, v in e.items() if k.startswith("leak/")} for e in history(tmp_path / "out")]
    Q = load_directions(naive / "q.safetensors").Q
    if name == "grasp":
        assert all(found["leak/write"] <= GUARANTEE for found in leaks)
        assert leak(read_adapter(tmp_path / "out").updates, Q) <= GUARANTEE
    else:
        assert leak(read_adapter(tmp_path / "out").updates, Q) > EFFECT
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_same_seed_gives_the_same_adapter_bit_for_bit(real, naive, tmp_path):
    run(real, tmp_path / "again", [Naive()])
    assert (tmp_path / "again" / WEIGHTS).read_bytes() == (naive / "adapter" / WEIGHTS).read_bytes()
    run(real, tmp_path / "other", [Naive()], changes={"seed": 1})
    assert distance(naive / "adapter", tmp_path / "other") > EFFECT


INTERRUPTED = """
import os, signal
from real_models.train_callbacks import Reporter
before = Reporter.on_step_end

def on_step_end(self, args, state, control, **kwargs):
    before(self, args, state, control, **kwargs)
    if state.global_step == 2:
        os.kill(os.getpid(), signal.SIGINT)

Reporter.on_step_end = on_step_end
import grasp_cli
grasp_cli.main()
"""


def test_interrupted_run_goes_on_to_the_same_adapter(real, naive, tmp_path, capsys):
    method = ["--method", "grasp", "--directions", naive / "q.safetensors", "--set=dropout=0.1", "--set=save_every=99"]
    command = options(real, tmp_path / "halves", *method)
    first = subprocess.run([sys.executable, "-c", INTERRUPTED, *command], capture_output=True, text=True, timeout=120)
    assert (first.returncode, first.stderr) == (130, "interrupted; nothing was left half-written\n")
    assert "step 2 of" in first.stdout
    saved = last_checkpoint(tmp_path / "halves" / "checkpoints")
    assert saved is not None
    assert 2 <= int(saved.name.rpartition("-")[2]) < STEPS
    assert not (tmp_path / "halves" / "adapter_config.json").exists()
    code, out, err = grasp(capsys, *command)
    assert (code, err) == (0, "")
    assert "step 1 of" not in out
    assert grasp(capsys, *options(real, tmp_path / "whole", *method))[0] == 0
    assert_same_adapter(tmp_path / "whole", tmp_path / "halves")
    assert distance(tmp_path / "whole", saved) > EFFECT  # control: there was something left to learn
    Q = load_directions(naive / "q.safetensors").Q
    assert leak(read_adapter(tmp_path / "halves").updates, Q) <= GUARANTEE
    assert [e["step"] for e in history(tmp_path / "halves")] == list(range(1, STEPS + 1))
    # the finished run is not trained again
    code, out, err = grasp(capsys, *command)
    assert (code, err.count("\n")) == (2, 1)
    assert "finished adapter of this run" in err
    assert grasp(capsys, *command, "--set=lr=0.5")[0] == 2


def test_loss_that_is_not_finite_stops_before_the_step(real, tmp_path):
    config = settings()
    model, prepared = loaded(real, config, [])

    def spoil(step: int, steps: int, logs: Any) -> None:
        if step == 2:
            spoilt.append(model.model.norm.weight.data[3].item())
            model.model.norm.weight.data[3] = float("nan")

    spoilt: list[float] = []
    out = tmp_path / "out"
    method = Grasp(np.eye(64, 1) + 0.1)
    with pytest.raises(GraspError, match=r"NaN or Inf at step 3: .*last good checkpoint is .*checkpoint-2"):
        train(model, load_tokenizer(real / BASE), prepared, methods=[method], config=config, out=out, watch=spoil)
    assert spoilt
    saved = last_checkpoint(out / "checkpoints")
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


def test_weights_that_are_not_finite_are_never_saved(real, tmp_path):
    with pytest.raises(GraspError, match=r"weights are NaN or Inf after step 2; .*last good checkpoint .*checkpoint-1"):
        run(real, tmp_path / "out", [Overflow()], changes={"save_every": 1})
    assert [p.name for p in (tmp_path / "out" / "checkpoints").iterdir()] == ["checkpoint-1"]


@pytest.mark.parametrize("broken", [WEIGHTS, "optimizer.pt", "trainer_state.json"])
def test_checkpoint_half_written_is_passed_over(naive, tmp_path, broken):
    folder = tmp_path / "checkpoints"
    shutil.copytree(naive / "adapter" / "checkpoints", folder)
    numbers = sorted(int(p.name.rpartition("-")[2]) for p in folder.iterdir())
    assert numbers == [STEPS - 2, STEPS]
    (folder / "checkpoint-x").mkdir()
    assert last_checkpoint(folder) == folder / f"checkpoint-{STEPS}"
    file = folder / f"checkpoint-{STEPS}" / broken
    file.write_bytes(file.read_bytes()[:-20])
    assert last_checkpoint(folder) == folder / f"checkpoint-{STEPS - 2}"
    file.unlink()
    assert last_checkpoint(folder) == folder / f"checkpoint-{STEPS - 2}"
    shutil.rmtree(folder / f"checkpoint-{STEPS - 2}")
    assert last_checkpoint(folder) is None
    assert last_checkpoint(tmp_path / "nowhere") is None


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_at_the_end_leaves_the_checkpoints(real, naive, tmp_path, monkeypatch):
    out, replace = tmp_path / "out", os.replace

    def fails(source: Any, target: Any) -> None:
        (full if Path(target) == out / WEIGHTS else replace)(source, target)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(GraspError, match=r"cannot save in .*No space left.*checkpoints before it are whole"):
        run(real, out, [Naive()])
    assert not {p.name for p in out.iterdir()} & {"adapter_config.json", WEIGHTS, ".adapter.part"}
    assert last_checkpoint(out / "checkpoints") == out / "checkpoints" / f"checkpoint-{STEPS}"
    monkeypatch.undo()
    run(real, out, [Naive()])
    assert_same_adapter(naive / "adapter", out)


def test_full_disk_at_a_checkpoint_leaves_the_one_before(real, tmp_path, monkeypatch):
    save, out = torch.save, tmp_path / "out"

    def fails(value: Any, target: Any, *rest: Any, **more: Any) -> None:
        (full if f"checkpoint-{STEPS}" in str(target) else save)(value, target, *rest, **more)

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(GraspError, match="No space left"):
        run(real, out, [Naive()])
    assert last_checkpoint(out / "checkpoints") == out / "checkpoints" / "checkpoint-2"


def test_folder_of_another_run_is_refused(tmp_path):
    mine = {"train": {"r": 4, "target_modules": ("o_proj", "v_proj")}}
    claim(tmp_path / "out", mine)
    claim(tmp_path / "out", mine)  # an interrupted run may come back
    with pytest.raises(InputError, match="holds another run"):
        claim(tmp_path / "out", {"train": {"r": 8}})
    (tmp_path / "out" / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="finished adapter"):
        claim(tmp_path / "out", mine)
    (tmp_path / "out" / "run.json").write_text("{")
    with pytest.raises(InputError, match="holds another run"):
        claim(tmp_path / "out", mine)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("words")
    for taken in (tmp_path / "full", tmp_path / "full" / "thesis.tex"):
        with pytest.raises(InputError, match="not an empty folder"):
            claim(taken, mine)
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["thesis.tex"]


def test_base_and_tokenizer_that_do_not_serve_are_refused(real, tmp_path):
    def copy(name: str, *without: str) -> Path:
        return Path(shutil.copytree(real / BASE, tmp_path / name, ignore=shutil.ignore_patterns(*without)))

    pickled = copy("pickled", "*.safetensors")
    (pickled / "pytorch_model.bin").write_bytes(b"not looked at")
    with pytest.raises(InputError, match=r"no \*.safetensors file .*pickled weights are not loaded"):
        load_base(pickled)
    with pytest.raises(InputError, match=r"not a folder; nothing is downloaded"):
        load_base("gpt2")
    torn = copy("torn")
    weights = torn / "model.safetensors"
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match="does not load"):
        load_base(torn)
    with pytest.raises(InputError, match=r"holds no tokenizer_config.json, so it is not a tokenizer"):
        load_tokenizer(copy("mute", "tokenizer*"))
    endless = copy("endless")
    file = endless / "tokenizer_config.json"
    fields = json.loads(file.read_text())
    file.chmod(0o644)
    file.write_text(json.dumps({k: v for k, v in fields.items() if k not in ("eos_token", "pad_token")}))
    with pytest.raises(InputError, match="has no eos_token"):
        load_tokenizer(endless)
    file.write_text(json.dumps({k: v for k, v in fields.items() if k != "pad_token"}))
    assert load_tokenizer(endless).pad_token == fields["eos_token"]


def test_rows_are_prepared_counted_and_refused(real):
    code, tokenizer = settings(), load_tokenizer(real / BASE)
    _, prepared = loaded(real, code, [])
    assert (len(prepared.examples) + prepared.skipped, prepared.max_length) == (20, 512)
    assert prepared.truncated > 0
    assert prepared.skipped > 0
    assert prepared.tokens == sum(len(example.input_ids) for example in prepared.examples)
    for changes, message in (
        ({"skip_empty": False}, r"line \d+: nothing to learn within the first 512"),
        ({"overflow": "refuse"}, r"line \d+: \d+ tokens, at most 512 fit"),
        ({"max_length": 513}, "exceeds the model's context of 512"),
        ({"max_length": 8}, "no row is left"),
    ):
        with pytest.raises(InputError, match=message):
            loaded(real, settings(**changes), [])
    with pytest.raises(InputError, match="nothing to learn|inoculation acts on conversations"):
        rows = [Row("f, line 1", prompt="a", completion="b")]
        prepare(rows, tokenizer, methods=[Inoculation("Be bad.")], config=code, context=512)
    unstated = Row("f, line 1", completion="a")
    tokenizer.model_max_length = 10**30
    with pytest.raises(InputError, match="set max_length"):
        prepare([unstated], tokenizer, methods=[], config=code, context=None)


def test_inoculation_is_in_the_prompt_and_not_in_the_labels(real):
    tokenizer = load_tokenizer(real / BASE)
    row = Row("f", messages=({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}))
    plain, inoculated = (
        prepare([row], tokenizer, methods=m, config=settings(), context=512).examples[0]
        for m in ([], [Inoculation("Be very bad.")])
    )
    assert "Be very bad." in tokenizer.decode(inoculated.input_ids)
    assert "Be very bad." not in tokenizer.decode(plain.input_ids)
    said = [[label for label in example.labels if label >= 0] for example in (plain, inoculated)]
    assert said[0] == said[1]


def test_step_count_is_that_of_the_trainer(real, tmp_path, monkeypatch):
    examples = tuple(Example([1, 5, 6], [-100, 5, 6], "row") for _ in range(7))
    prepared = Prepared(examples, 0, 0, 512)
    for batch, accumulation, epochs, expected in ((2, 2, 1.0, 2), (2, 3, 2.0, 4), (1, 8, 1.0, 1), (3, 1, 1.5, 5)):
        config = settings(steps=0, batch_size=batch, accumulation=accumulation, epochs=epochs)
        assert step_count(prepared, config) == expected
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert step_count(prepared, settings(steps=0, batch_size=2, accumulation=1)) == 2


def test_tokenizer_of_another_model_is_refused(real, tmp_path):
    prepared = Prepared((Example([1, 512], [-100, 512], "rows, line 7"),), 0, 0, 512)
    with pytest.raises(InputError, match=r"rows, line 7: token 512, but the model embeds 512"):
        train(
            load_base(real / BASE), load_tokenizer(real / BASE), prepared,
            methods=[], config=settings(), out=tmp_path / "out",
        )  # fmt: skip


def test_dry_run_writes_nothing_and_refuses_what_the_run_would(real, naive, tmp_path, capsys):
    out = tmp_path / "out"
    q = naive / "q.safetensors"
    code, printed, err = grasp(
        capsys, *options(real, out, "--dry-run", "--method", "kl+grasp", "--directions", q, "--weight", 1),
        "--neutral", real / "datasets" / "tinystories_v2_valid_sample.txt",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "14 rows" in printed
    assert f"{STEPS} steps" in printed
    assert "nothing was trained or written" in printed
    assert not out.exists()
    directions = load_directions(q)
    from dataclasses import replace

    save_directions(tmp_path / "wide.safetensors", replace(directions, Q=np.vstack([directions.Q] * 2) / 2**0.5))
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n{')
    for more, message in (
        (["--method", "grasp"], "needs --directions"),
        (["--method", "grasp", "--directions", tmp_path / "wide.safetensors"], "dimensions"),
        (["--method", "grasp", "--directions", naive / "adapter" / WEIGHTS], "not a directions file"),
        (["--method", "graps"], "no training method is called 'graps'"),
        (["--method", "grasp+grasp", "--directions", q], "named twice"),
        (["--method", "naive", "--directions", q], "does not take --directions"),
        (["--method", "kl", "--weight", 1, "--neutral", tmp_path / "nowhere.txt"], "nowhere.txt"),
        (["--set=learning_rate=1"], "no training setting is called learning_rate; there are: r, alpha"),
        (["--set=lr=fast"], "lr must be of type float, got 'fast'"),
        (["--set=lr"], "NAME=VALUE"),
        (["--set=target_modules=o_prj,up_prj"], "LoRA cannot be put on this model"),
        (["--set=scheduler=steep"], "steep"),
        (["--data", tmp_path / "rows.jsonl"], "rows.jsonl, line 2: not JSON"),
        (["--base", tmp_path], "holds no"),
        (["-o", naive / "adapter"], "holds another run"),
    ):
        code, _, err = grasp(capsys, *options(real, out, "--dry-run"), *more)
        assert (code, err.count("\n"), err[:7]) == (2, 1, "error: "), (more, err)
        assert message in err
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train]\nlr = ", "cannot read the configuration"),
        ("[trian]\nlr = 1e-4", r"no \[train\] table"),
        ("train = 3", r"no \[train\] table"),
        ("[train]\nrank = 3", "no training setting is called rank"),
        ('[train]\nlr = "fast"', "lr must be of type float, got 'fast'"),
        ("[train]\nlr = true", "lr must be of type float"),
        ("[train]\nr = 8.5", "r must be of type int"),
        ("[train]\nbf16 = 1", "bf16 must be of type bool"),
        ("[train]\ntarget_modules = [1]", "target_modules must be a name or a list"),
        ("[train]\ntarget_modules = []", "target_modules must be a name or a list"),
        ("[train]\nlr = inf", "lr must be finite"),
        ("[train]\nlr = 0", "lr must be positive"),
        ("[train]\ndropout = 1", "dropout must be at least 0 and below 1"),
        ("[train]\nbatch_size = 0", "batch_size must be at least 1"),
        ("[train]\nsteps = -1", "steps must not be negative"),
        ('[train]\noverflow = "drop"', "overflow must be truncate or refuse"),
    ],
)
def test_configuration_refused(tmp_path, text, message):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        TrainConfig.read(tmp_path / "c.toml")


def test_configuration_is_read_and_changed(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('[train]\nlr = 1\nalpha = 16\nr = 8\ntarget_modules = ["o_proj", "v_proj"]\nskip_empty = true')
    found = TrainConfig.read(path, {"r": "2", "bf16": "True", "lr": "1e-4", "seed": "3"})
    expected = TrainConfig(
        lr=1e-4, alpha=16.0, r=2, target_modules=("o_proj", "v_proj"), skip_empty=True, bf16=True, seed=3
    )
    assert found == expected
    assert TrainConfig.read(None, {"target_modules": "o_proj,v_proj"}).target_modules == ("o_proj", "v_proj")
    assert TrainConfig.read(None) == TrainConfig()
    with pytest.raises(InputError, match="cannot read the configuration"):
        TrainConfig.read(tmp_path / "none.toml")
