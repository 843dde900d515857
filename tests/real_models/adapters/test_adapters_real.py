"""Every real adapter at hand is read or refused as the table says, and what is read is what dense arithmetic gives."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from expected_adapters import (
    EXPECTED,
    READ,
    REFUSED,
    assert_dense,
    assert_read,
    assert_read_without_torch,
    assert_refused,
    dense_updates,
)

from grasp_theory import identify
from real_models import read_adapter
from real_models.directions import choose_directions, load_directions, save_directions


def test_table_covers_exactly_the_folders_found(real):
    root = real / "adapters"
    found = {str(c.parent.relative_to(root)) for c in root.rglob("adapter_config.json")}
    assert found == set(EXPECTED)


@pytest.mark.parametrize("folder", READ)
def test_real_adapter_is_read_as_expected(real, folder):
    assert_read(real / "adapters" / folder, EXPECTED[folder])


@pytest.mark.parametrize("folder", REFUSED)
def test_real_adapter_is_refused_with_the_reason(real, folder):
    assert_refused(real / "adapters" / folder, EXPECTED[folder])


@pytest.fixture(scope="module", params=READ)
def dense(request, real):
    """(the folder of an adapter, its dense updates), made once for all tests of it."""
    path = real / "adapters" / request.param
    return path, dense_updates(path)


@pytest.mark.slow
def test_real_updates_equal_dense_arithmetic(dense):
    assert_dense(*dense)


def test_real_safetensors_are_read_without_torch(real):
    folders = [real / "adapters" / f for f in READ]
    folders = [folder for folder in folders if (folder / "adapter_model.safetensors").exists()]
    assert len(folders) >= 10
    assert_read_without_torch(folders)


def test_component_0_of_every_real_adapter_is_its_largest_singular_value(dense, tmp_path):
    """Against dense singular values: component 0 is the strongest, and a directions file says of what."""
    path, updates = dense
    adapter = read_adapter(path)
    report = identify(adapter.updates)
    found, component = report.decomposition(), report.component(0)
    assert component is found.components[0]
    assert component.singular_value == max(c.singular_value for d in report.decompositions for c in d.components)
    stacked = np.hstack([updates[n] if found.side == "write" else updates[n].T for n in found.modules])
    # of stacked itself; squaring costs half of the digits, and four are asked for
    largest = scipy.linalg.eigh(stacked @ stacked.T, eigvals_only=True, subset_by_index=[len(stacked) - 1] * 2)
    np.testing.assert_allclose(component.singular_value, np.sqrt(largest[0]), rtol=1e-4)
    read = load_directions(save_directions(tmp_path / "d.safetensors", choose_directions(adapter, found, (0,))))
    assert (read.side, read.modules) == (found.side, found.modules)
    np.testing.assert_allclose(np.linalg.norm(read.Q.T @ stacked), component.singular_value, rtol=1e-4)
