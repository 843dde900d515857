"""Edited folders: as peft loads them, the old one untouched, the command line."""

from __future__ import annotations

import copy
import hashlib
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from command import grasp
from expected_adapters import as_weight, dense, expected_edit
from peft import LoraConfig, PeftModel, get_peft_model
from refusals import assert_refuses
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from figures.tables.edit import edit_blocks
from grasp_theory import InputError, LowRank, Update, identify
from real_models import read_adapter
from real_models.adapters.copy import copy_adapter
from real_models.audit.edit_report import EditedModule
from real_models.directions import choose_directions, load_directions, save_directions
from real_models.methods.edit import edit

WORDS, WIDTH = 30, 16


def llama():
    torch.manual_seed(0)
    sizes = {"hidden_size": WIDTH, "intermediate_size": 24, "num_hidden_layers": 2, "vocab_size": WORDS}
    return LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=2, initializer_range=0.2))


def gpt2():
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(n_embd=WIDTH, n_layer=2, n_head=2, vocab_size=WORDS, n_positions=16))


RICH = {
    "llama, rsLoRA, patterns, a module saved whole": (
        llama,
        {"use_rslora": True, "rank_pattern": {"o_proj": 2}, "alpha_pattern": {"layers.1.mlp.down_proj": 5.0}}
        | {"target_modules": ["o_proj", "down_proj", "q_proj"], "modules_to_save": ["lm_head"]},
    ),
    "gpt2, Conv1D, biases of B": (
        gpt2,
        {"target_modules": ["c_attn", "c_proj"], "fan_in_fan_out": True, "lora_bias": True},
    ),
}


@pytest.fixture(params=RICH)
def trained(request, tmp_path):
    """(base, folder): an adapter with random factors, saved by peft."""
    make, config = RICH[request.param]
    base = make()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(copy.deepcopy(base), LoraConfig(r=3, lora_alpha=4, task_type="CAUSAL_LM", **config))
        generator = torch.Generator().manual_seed(1)
        for parameter in (p for p in model.parameters() if p.requires_grad):
            parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
        model.save_pretrained(tmp_path / "old")
    return base, tmp_path / "old"


def digest(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def saved_directions(folder: Path, target: Path) -> Path:
    adapter = read_adapter(folder)
    found = identify(adapter.updates, side="write", pool="layers").decomposition()
    return save_directions(target, choose_directions(adapter, found, (0, 1)))


def loaded(base, folder: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PeftModel.from_pretrained(copy.deepcopy(base), str(folder)).eval()


def with_dense_updates(base, before, after):
    """``before`` merged by peft, every adapted weight then set to base + the expected dW (d_out, d_in)."""
    model = before.merge_and_unload()
    weights = dict(base.named_modules())
    for name, module in model.named_modules():
        if name in after:
            dW = torch.from_numpy(after[name]).float()
            start = weights[name].weight.detach()
            module.weight.data = start + (dW.T if type(module).__name__ == "Conv1D" else dW)
    return model.eval()


IDS = torch.arange(12).reshape(2, 6)


def test_edit_command_writes_what_peft_merges_and_leaves_the_old_one(trained, tmp_path, capsys):
    base, old = trained
    before, Q = digest(old), saved_directions(old, tmp_path / "d.safetensors")
    new, report = tmp_path / "new", tmp_path / "out.json"
    code, out, err = grasp(
        capsys, "edit", old, "--directions", Q, "-o", new, "--delete", 1, "--scale", 0.5, "--json", report
    )
    assert (code, err) == (0, "")
    assert digest(old) == before
    assert (new / "adapter_config.json").read_bytes() == (old / "adapter_config.json").read_bytes()
    basis, stored = load_directions(Q).subspace.basis, {u.name: u for u in read_adapter(old).updates}
    expected = {
        name: expected_edit(dense(u), basis if u.side == "write" else None, delete=[1], scale=0.5)
        for name, u in stored.items()
    }
    merged = loaded(base, new).merge_and_unload().eval()
    weights = dict(base.named_modules())
    for update in read_adapter(new).updates:
        np.testing.assert_allclose(dense(update), expected[update.name], rtol=0, atol=1e-6)
        delta = dict(merged.named_modules())[update.name].weight.detach() - weights[update.name].weight.detach()
        np.testing.assert_allclose(as_weight(update, weights[update.name]), delta, rtol=0, atol=1e-6)
    with torch.no_grad():
        want = with_dense_updates(base, loaded(base, old), expected)(IDS).logits
        np.testing.assert_allclose(merged(IDS).logits, want, rtol=0, atol=1e-5)
        assert float((loaded(base, old)(IDS).logits - want).abs().max()) > 1e-2  # control: the edit is felt
    rows = {row["name"]: row for row in json.loads(report.read_text())["modules"]}
    assert set(rows) == set(stored)
    for name, update in stored.items():
        row, dW = rows[name], dense(update)
        left = 1 - np.linalg.norm(expected[name]) ** 2 / np.linalg.norm(dW) ** 2
        np.testing.assert_allclose(row["removed"], left, rtol=1e-5)
        if update.side == "write":
            np.testing.assert_allclose(row["leak_before"], np.linalg.norm(basis.T @ dW) / np.linalg.norm(dW), rtol=1e-6)
            assert row["leak_after"] <= 1e-6
        else:
            assert row["leak_before"] is row["leak_after"] is None
        assert name in out
    pooled = [dense(u) for u in stored.values() if u.side == "write"]
    there = sum(np.sum((basis.T @ dW) ** 2) for dW in pooled) / sum(np.sum(dW**2) for dW in pooled)
    assert there > 0.2  # control: the content was there


def test_copy_keeps_every_other_tensor_as_it_was(trained, tmp_path):
    from safetensors.torch import load_file

    _, old = trained
    adapter = read_adapter(old)
    changed = [u for u in edit(adapter.updates, keep=1) if u.layer == 0]
    copy_adapter(tmp_path / "new", adapter, changed)
    a, b = (load_file(folder / "adapter_model.safetensors") for folder in (old, tmp_path / "new"))
    assert a.keys() == b.keys()
    for key in a:
        edited = (".layers.0." in key or ".h.0." in key) and ("lora_B.weight" in key)
        assert torch.equal(a[key], b[key]) != edited, key
        assert a[key].shape == b[key].shape


def test_copy_refuses_another_rank_and_leaves_nothing(trained, tmp_path):
    _, old = trained
    adapter = read_adapter(old)
    first = adapter.updates[0].lowrank
    for bad, match in (
        (Update.of(adapter.updates[0].name, 2.0 * first), "scaling"),
        (Update.of("elsewhere", first), "does not adapt"),
        (
            Update.of(adapter.updates[0].name, LowRank(1e39 * first.B.astype(float), first.A, first.scaling)),
            "not finite",
        ),
    ):
        with pytest.raises(InputError, match=match):
            copy_adapter(tmp_path / "new", adapter, [bad])
        assert not (tmp_path / "new").exists()


@pytest.fixture
def small(tmp_path) -> Path:
    """A bfloat16 adapter saved by torch."""
    base = llama()
    model = get_peft_model(base, LoraConfig(r=3, target_modules=["o_proj", "down_proj"]))
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            generator = torch.Generator().manual_seed(len(name))
            parameter.data = torch.randn(parameter.shape, generator=generator).bfloat16()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(tmp_path / "small", safe_serialization=False)
    return tmp_path / "small"


def test_edit_of_a_bfloat16_bin_is_exact_in_float32(small, tmp_path, capsys):
    assert (small / "adapter_model.bin").exists()
    assert read_adapter(small).dtypes == ("BF16",)
    Q = saved_directions(small, tmp_path / "d.safetensors")
    assert grasp(capsys, "edit", small, "--directions", Q, "-o", tmp_path / "new")[0] == 0
    adapter, basis = read_adapter(tmp_path / "new"), load_directions(Q).subspace.basis
    assert adapter.dtypes == ("F32",)
    for old, new in zip(read_adapter(small).updates, adapter.updates, strict=True):
        size = np.linalg.norm(dense(old))
        assert np.linalg.norm(basis.T @ dense(new)) < 1e-6 * size < 1e-5 * np.linalg.norm(basis.T @ dense(old))
        np.testing.assert_array_equal(new.lowrank.A, old.lowrank.A)


def test_edit_command_shrinks_and_says_so(small, tmp_path, capsys):
    report = tmp_path / "out.json"
    asked = ("--shrink", 0.999, "--strength", 1.0, "--json", report)
    code, _, err = grasp(capsys, "edit", small, *asked, "-o", tmp_path / "new")
    assert (code, err) == (0, "")
    found = json.loads(report.read_text())
    assert (found["shrink"], found["strength"]) == (0.999, 1.0)
    for old, new in zip(read_adapter(small).updates, read_adapter(tmp_path / "new").updates, strict=True):
        S = old.lowrank.singular_values()
        want = np.sort(np.append(S[1:], S[0] * 0.999**2))[::-1]  # s − (s² − tau²)/(2s − beta) = tau²/s at beta = s
        np.testing.assert_allclose(new.lowrank.singular_values(), want, rtol=1e-5)
    assert_refuses(capsys, "by Weyl", "edit", small, "--shrink", 0.01, "-o", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_edit_command_refuses_to_touch_what_is_there(small, tmp_path, capsys):
    full = tmp_path / "full"
    full.mkdir()
    (full / "file").write_text("kept")
    before = digest(tmp_path)
    for target, match in (
        (small, "own folder"),
        (small / "inside", "own folder"),
        (full, "holds something already"),
        (full / "file", "is a file"),
        (tmp_path / "no" / "parent", "does not exist"),
    ):
        assert_refuses(capsys, match, "edit", small, "--keep", 1, "-o", target)
    for wrong, match in (
        ((), "nothing to edit"),
        (("--delete", 3), "none with index 3"),
        (("--directions", full / "file"), "cannot read the directions"),
        (("--keep", 1, "--json", small / "adapter_config.json"), "refused to write"),
    ):
        assert_refuses(capsys, match, "edit", small, *wrong, "-o", tmp_path / "new")
        assert not (tmp_path / "new").exists()
    assert digest(tmp_path) == before
    (tmp_path / "empty").mkdir()
    assert grasp(capsys, "edit", small, "--keep", 1, "-o", tmp_path / "empty")[0] == 0


def test_edit_command_json_dash_is_nothing_but_json(small, tmp_path, capsys):
    code, out, _ = grasp(capsys, "edit", small, "--keep", 1, "-o", tmp_path / "new", "--json", "-")
    assert code == 0
    assert [row["leak_after"] for row in json.loads(out)["modules"]] == [None] * 4


@pytest.mark.slow
def test_edit_command_refuses_directions_of_another_base(small, tmp_path, capsys):
    adapter = read_adapter(small)
    config = json.loads((small / "adapter_config.json").read_text())
    for base, options, code in (("owner/other", (), 2), ("owner/this", (), 0), ("owner/other", ("--same-base",), 0)):
        directions = choose_directions(adapter, identify(adapter.updates).decomposition(), (0,))
        object.__setattr__(directions, "base_model", base)
        save_directions(tmp_path / "d.safetensors", directions)
        (small / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "/models/this"}))
        new = tmp_path / f"new{base[-1]}{len(options)}"
        found = grasp(capsys, "edit", small, "--directions", tmp_path / "d.safetensors", "-o", new, *options)
        assert (found[0], "--same-base" in found[2], new.exists()) == (code, code == 2, code == 0), found


def test_edit_is_summed_up_in_a_line_and_its_largest_changes_fit_a_screen():
    rows = [EditedModule(f"m.{n}", "write", 1.0, 1.0 - n / 40, 0.0, 0.3, 1e-9 * n) for n in range(20)]
    line, table, more = edit_blocks(rows)
    removed = 100 * (1 - sum((1 - n / 40) ** 2 for n in range(20)) / 20)
    assert line == (
        f"20 modules edited, ‖dW‖² together {removed:.3g}% less; of what is left at most 1.9e-08 lies along the "
        "directions"
    )
    assert [row[0] for row in table.rows] == [f"m.{n}" for n in range(8, 20)]
    assert more == "… and 8 modules that changed less; --json has all of them"
    grown = EditedModule("m", "read", 1.0, 2.0, -3.0, None, None)
    assert next(iter(edit_blocks([grown]))) == "1 module edited, ‖dW‖² together 300% more"
