"""Every real adapter at hand is read or refused as the table says, and what is read is what dense arithmetic gives."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tolerance
from expected_adapters import EXPECTED, READ, REFUSED, Read, Refused, dense_updates, real_adapters

from grasp_theory import UnsupportedAdapterError, identify
from real_models import find_checkpoints, read_adapter
from real_models.directions import choose_directions, load_directions, save_directions

RTOL = 1e-10  # what LowRank promises of its singular values, relative to the largest


def test_table_covers_exactly_the_folders_found():
    root = real_adapters()
    found = {str(c.parent.relative_to(root)) for c in root.rglob("adapter_config.json")}
    assert found == set(EXPECTED)


@pytest.mark.parametrize("folder", READ)
def test_real_adapter_is_read_as_expected(folder):
    expected = EXPECTED[folder]
    assert isinstance(expected, Read)
    adapter = read_adapter(real_adapters() / folder)
    assert len(adapter.updates) == expected.updates
    assert len({u.block for u in adapter.updates if u.block is not None}) == expected.layers
    assert tuple(sorted({u.side for u in adapter.updates}, key=str)) == tuple(sorted(expected.sides, key=str))
    assert Counter(e.kind for e in adapter.extras) == expected.extras
    assert adapter.warnings == ()
    assert len(adapter.notes) == len(expected.notes) + (expected.extras.get("bias", 0) > 0)
    for note in expected.notes:
        assert any(note in text for text in adapter.notes)
    assert adapter.config.base_model_name == expected.base
    assert adapter.dtypes == ("F32",)


@pytest.mark.parametrize("folder", REFUSED)
def test_real_adapter_is_refused_with_the_reason(folder):
    expected = EXPECTED[folder]
    assert isinstance(expected, Refused)
    with pytest.raises(UnsupportedAdapterError, match=expected.reason):
        read_adapter(real_adapters() / folder)


@pytest.mark.parametrize("folder", READ)
def test_real_updates_equal_dense_arithmetic(folder):
    """Singular values of every module, vectors and the product itself on a sample, against dense float64."""
    path = real_adapters() / folder
    updates, dense = read_adapter(path).updates, dense_updates(path)
    assert {u.name for u in updates} == set(dense)
    for i, update in enumerate(updates):
        dW, lowrank = dense[update.name], update.lowrank
        assert dW.shape == update.shape == lowrank.shape
        S = lowrank.singular_values()
        # Dense singular values from the smaller Gram side would lose half the digits; this is LAPACK on dW itself.
        expected = np.linalg.svd(dW, compute_uv=False) if i % 6 == 0 else _singular_values_by_qr(dW, update.rank)
        np.testing.assert_allclose(S, expected[: S.size], rtol=0, atol=RTOL * expected[0])
        if i % 6 == 0:
            svd = lowrank.svd(2)
            residual = dW @ svd.Vh.T - svd.U * svd.S[:2]
            np.testing.assert_allclose(residual, 0, atol=RTOL * expected[0])
            scale = abs(lowrank.scaling) * np.linalg.norm(lowrank.B) * np.linalg.norm(lowrank.A)
            np.testing.assert_allclose(
                lowrank @ np.eye(dW.shape[1]), dW, rtol=0, atol=tolerance.backward([update.rank], np.float32, scale)
            )


def _singular_values_by_qr(dW: np.ndarray, rank: int) -> np.ndarray:
    """Dense singular values of a matrix of known rank: exact projection on a random sample of its columns' span."""
    Q = np.linalg.qr(dW @ np.random.default_rng(0).standard_normal((dW.shape[1], rank + 8)))[0]
    return np.linalg.svd(Q.T @ dW, compute_uv=False)


def test_partly_zero_update_is_valid_and_zero():
    adapter = read_adapter(real_adapters() / "hyper07+Skin-Lesion-Generation-Diffusion/lora_weights")
    norms = np.array([u.lowrank.norm() for u in adapter.updates])
    assert 0 < np.count_nonzero(norms == 0) < norms.size


def test_safetensors_are_read_without_torch():
    code = (
        "import sys; from real_models import read_adapter; import real_models.adapters\n"
        "for path in sys.argv[1:]:\n"
        "    for u in read_adapter(path).updates: u.lowrank.singular_values()\n"
        "heavy = {'torch', 'peft', 'transformers', 'huggingface_hub', 'safetensors'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    root = real_adapters()
    paths = [root / f for f in READ if (root / f / "adapter_model.safetensors").exists()]
    assert len(paths) >= 10
    root = Path(__file__).parents[1]
    command = [sys.executable, "-c", code, *map(str, paths)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_updates_come_in_natural_order():
    adapter = read_adapter(real_adapters() / "SARAELSAFTY+Movies-_with_lora/model")
    layers = [u.layer for u in adapter.updates]
    assert layers == sorted(layers)


def test_checkpoints_are_found_by_step():
    found = find_checkpoints(real_adapters() / "AguLeon+LoRA_RoBERTa_AGNews/results")
    assert [step for step, _ in found] == [500, 1000, 1200]
    assert all(path.name == f"checkpoint-{step}" for step, path in found)


def test_sha256_is_the_one_of_the_manifest():
    root = real_adapters()
    manifest = {item["local"]: item for item in json.loads((root / "MANIFEST.json").read_text())}
    adapter = read_adapter(root / "huggingface+trl/7f579ce4/kto_anthropic_hh")
    item = manifest["adapters/huggingface+trl/7f579ce4/kto_anthropic_hh/adapter_model.safetensors"]
    assert adapter.sha256 == item["sha256"]


@pytest.mark.real
@pytest.mark.parametrize("folder", READ)
def test_component_0_of_every_real_adapter_is_its_largest_singular_value(folder, tmp_path):
    """Against dense singular values: component 0 is the strongest, and a directions file says of what."""
    path = real_adapters() / folder
    adapter = read_adapter(path)
    report = identify(adapter.updates)
    found, component = report.decomposition(), report.component(0)
    assert component is found.components[0]
    assert component.singular_value == max(c.singular_value for d in report.decompositions for c in d.components)
    dense = dense_updates(path)
    stacked = np.hstack([dense[n] if found.side == "write" else dense[n].T for n in found.modules])
    np.testing.assert_allclose(component.singular_value, np.linalg.norm(stacked, 2), rtol=1e-4)
    read = load_directions(save_directions(tmp_path / "d.safetensors", choose_directions(adapter, found, (0,))))
    assert (read.side, read.modules) == (found.side, found.modules)
    np.testing.assert_allclose(np.linalg.norm(read.Q.T @ stacked), component.singular_value, rtol=1e-4)
