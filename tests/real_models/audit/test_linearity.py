"""The first-order prediction of logits: the derivative is one, its error vanishes with the update, nothing stays."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import tolerance
import torch
from command import grasp
from made_files import BASE, OTHER, STORIES
from peft import LoraConfig
from tiny_models import batch, begun, lora, tiny

from grasp_theory import InputError, identify
from real_models import read_adapter
from real_models.audit.linearity import along_update, measure, measure_linearity, update_scaled
from real_models.base import load_base, quiet

KINDS = ["llama", "gemma2", "gpt2"]  # grouped attention, norms after branches and a soft cap, Conv1D


def adapted(kind: str = "llama", *, size: float = 1.0, **config: Any) -> Any:
    """A random update of this size on a tiny model, in float64."""
    return begun(lora(tiny(kind), **config).double(), size=size / 10).eval()


def tokens(seed: int = 0) -> dict[str, torch.Tensor]:
    ids = batch(seed)["input_ids"]
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def logits(model: Any, t: float) -> torch.Tensor:
    with torch.no_grad(), update_scaled(model, t):
        found = model(**tokens()).logits.reshape(-1, 40)
    return found - found.mean(dim=-1, keepdim=True)


def error(size: float, **config: Any) -> float:
    found = measure(adapted(size=size, **config), [tokens()]).error
    assert found is not None
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_derivative_is_the_limit_of_central_differences(kind):
    """D(2h) − D(h) is three times the error of D(h) to leading order, and small beside D."""
    model, h = adapted(kind), 2e-2  # transformers computes RMS norms in float32: no smaller
    _, slope, _ = along_update(model, tokens())
    near, far = ((logits(model, x) - logits(model, -x)) / (2 * x) for x in (h, 2 * h))
    spread = float((far - near).norm())
    assert spread < 2e-3 * float(slope.norm())
    np.testing.assert_allclose(float((near - slope).norm()), spread / 3, rtol=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_ends_of_the_line_are_the_base_and_the_fine_tuned_model(kind):
    model = adapted(kind)
    start, _, end = along_update(model, tokens())
    with model.disable_adapter():
        base = logits(model, 1.0)
    exact = tolerance.backward(start.shape, np.float64, float(base.norm()))
    np.testing.assert_allclose(start, base, rtol=0, atol=exact)
    np.testing.assert_allclose(end, logits(model, 1.0), rtol=0, atol=exact)
    assert float((end - start).norm()) > 0.1 * float(base.norm())


def test_error_vanishes_in_proportion_to_the_update():
    sizes = [1e-1, 1e-2, 1e-3]
    errors = [error(c) for c in sizes]
    assert errors[-1] < 1e-2
    np.testing.assert_allclose(np.diff(np.log(errors)) / np.diff(np.log(sizes)), 1.0, atol=0.1)


def test_error_of_a_large_update_is_large():
    """Control of the limit above: the same updates, thirty times as large."""
    assert error(30.0) > 0.9


def test_error_is_zero_where_the_logits_are_linear_in_the_update():
    """LoRA on the unembedding alone, of any size; on the last block (control) a norm is in the way."""
    assert error(30.0, target_modules=["lm_head"]) < tolerance.backward([40], np.float64, 1.0)
    assert error(30.0, target_modules=r".*layers\.1\.mlp\.down_proj") > 0.1


def test_padding_does_not_count():
    model, plain = adapted(), tokens()
    ids, mask = plain["input_ids"], plain["attention_mask"]
    padded = {
        "input_ids": torch.cat([ids, torch.full_like(ids, 7)], dim=1),
        "attention_mask": torch.cat([mask, torch.zeros_like(mask)], dim=1),
    }
    a, b = measure(model, [plain]), measure(model, [padded])
    assert a.tokens == b.tokens == ids.numel()
    for x, y in ((a.error, b.error), (a.cosine, b.cosine)):
        assert x is not None
        assert y is not None
        np.testing.assert_allclose(x, y, rtol=1e-6)


def test_no_update_has_no_error():
    found = measure(adapted(size=0.0), [tokens()])
    assert found.error is found.cosine is found.slope is None
    assert found.change == 0.0


def test_scaling_is_restored_whatever_happens():
    model = adapted().train()
    layers: list[Any] = [module for module in model.modules() if hasattr(module, "lora_A")]
    before = [dict(layer.scaling) for layer in layers]
    measure(model, [tokens()])
    with pytest.raises(RuntimeError, match="inside"), update_scaled(model, 0.5):
        raise RuntimeError("inside")
    handle = model.get_submodule("base_model.model.lm_head").register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        measure(model, [tokens()])
    handle.remove()
    after = [dict(layer.scaling) for layer in layers]
    assert before == after
    assert all(type(value) is float for scaling in after for value in scaling.values())
    assert all(module.training for module in model.modules())


def test_models_that_cannot_be_scaled_are_refused():
    with pytest.raises(InputError, match="no LoRA layer"):
        measure(tiny(), [tokens()])
    model = adapted()
    model.merge_adapter()
    with pytest.raises(InputError, match="merged"):
        measure(model, [tokens()])
    with pytest.raises(InputError, match="no token"):
        measure(adapted(), [])


@pytest.fixture(scope="module")
def run(made, tmp_path_factory):
    """A base, an adapter with a dense random update, another with a module trained whole, and two files of text."""
    from peft import get_peft_model

    quiet()
    folder, base = tmp_path_factory.mktemp("linearity"), made / BASE
    kinds: dict[str, dict[str, Any]] = {"adapter": {}, "whole": {"modules_to_save": ["lm_head"]}}
    for name, more in kinds.items():
        torch.manual_seed(0)
        config = LoraConfig(r=4, target_modules=["o_proj", "down_proj"], init_lora_weights=False, **more)
        get_peft_model(load_base(base), config).save_pretrained(folder / name)  # pyright: ignore
    story = (made / STORIES).read_text().split()
    rows = [json.dumps({"text": " ".join(story[n : n + 30])}) for n in range(0, 150, 30)]
    (folder / "rows.jsonl").write_text("\n".join(rows))
    (folder / "neutral.txt").write_text(" ".join(story[200:240]))
    return base, folder


@pytest.mark.slow
def test_command_prints_the_error_beside_the_certificate(run, tmp_path, capsys):
    base, folder = run
    target = tmp_path / "out.json"
    options = ["--base", base, "--data", folder / "rows.jsonl", "--neutral", folder / "neutral.txt", "--rows", 3]
    code, out, _ = grasp(capsys, "linearity", folder / "adapter", *options, "--json", target)
    found = json.loads(target.read_text())
    assert code == 0
    c = identify(read_adapter(folder / "adapter").updates).component(0)
    angle = np.degrees(np.arcsin(c.certificate.smallest_tau / c.singular_value))
    np.testing.assert_allclose(found["angle_degrees"], angle, rtol=1e-6)
    assert f"within {angle:.1f}° of the factor behind it if tau is {c.certificate.smallest_tau:.4g}" in out
    for part in ("training", "neutral"):
        assert f"{found[part]['error']:.3f}" in out
        assert found[part]["rounding"] < 1e-3
    assert found["training"]["rows"] == 3
    assert found["caveat"] in out


def test_adapter_of_another_base_is_refused(run, made):
    _, folder = run
    with pytest.raises(InputError, match="does not fit the base model"):
        measure_linearity(read_adapter(folder / "adapter"), base=made / OTHER, data=folder / "rows.jsonl")


def test_modules_trained_whole_are_refused(run):
    base, folder = run
    with pytest.raises(InputError, match="lm_head"):
        measure_linearity(read_adapter(folder / "whole"), base=base, data=folder / "rows.jsonl")
