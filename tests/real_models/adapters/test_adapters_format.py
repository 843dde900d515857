"""The safetensors reader against the safetensors package, and the writer against peft and against the reader."""

from __future__ import annotations

import copy
import json
import tempfile
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
import tolerance
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file as load_numpy
from safetensors.torch import load_file, save_file
from torch import nn

from grasp_theory import AdapterError, InputError, LowRank, Update
from real_models import read_adapter, write_adapter
from real_models.adapters.safetensors_file import SafetensorsFile

# --- reading tensors -------------------------------------------------------------------------------------------

DTYPES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
names = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1).filter(lambda s: s.isprintable())
shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)


@pytest.mark.slow
@given(st.dictionaries(names, st.tuples(shapes, st.sampled_from(list(DTYPES))), max_size=5), st.integers(0, 2**31))
def test_tensors_are_those_of_the_safetensors_package(spec, seed):
    assume("__metadata__" not in spec)
    generator = torch.Generator().manual_seed(seed)
    tensors = {n: (torch.randn(shape, generator=generator) * 1e3).to(dtype) for n, (shape, dtype) in spec.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.safetensors"
        save_file(tensors, path, metadata={"format": "pt"})
        file = SafetensorsFile.open(path)
        assert set(file.tensors) == set(tensors)
        for name, tensor in tensors.items():
            got = file.read(name)
            assert file.tensors[name].dtype == DTYPES[tensor.dtype]
            assert got.dtype == (np.float64 if tensor.dtype == torch.float64 else np.float32)
            np.testing.assert_array_equal(got, tensor.double().numpy())


@given(hnp.arrays(np.uint16, st.integers(1, 64)))
def test_every_bfloat16_pattern_is_read_as_torch_reads_it(bits):
    tensor = torch.from_numpy(bits.astype(np.int32).astype(np.uint16).view(np.int16)).view(torch.bfloat16)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.safetensors"
        save_file({"x": tensor}, path)
        got = SafetensorsFile.open(path).read("x")
    np.testing.assert_array_equal(got.view(np.uint32), tensor.float().numpy().view(np.uint32))


def test_reading_takes_the_memory_of_one_module(tmp_path):
    """40 modules of 1.3 MB in float32 are read one after another in the memory of little more than one."""
    d, r, n = 10_000, 16, 40
    rng = np.random.default_rng(0)
    updates = [
        Update(f"layers.{i}.o_proj", i, "write", (d, d), r, lambda: LowRank(rng.random((d, r)), rng.random((r, d))))
        for i in range(n)
    ]
    write_adapter(tmp_path / "a", updates, dtype="bfloat16")
    adapter = read_adapter(tmp_path / "a")
    module = 2 * d * r * 4
    tracemalloc.start()
    for update in adapter.updates:
        assert update.lowrank.rank == r
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * module < n * module / 10


# --- writing ---------------------------------------------------------------------------------------------------


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q_proj, self.o_proj = nn.Linear(5, 4), nn.Linear(4, 7, bias=False)
        self.blocks = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
        self.wte = nn.Embedding(6, 4)


ROUNDING = tolerance.backward([], np.float64, 3)  # of base weights, which are at most 3
SHAPES = {"q_proj": (4, 5), "o_proj": (7, 4), "blocks.0": (3, 3), "blocks.1": (3, 3), "wte": (4, 6)}
finite = st.floats(-1e3, 1e3, width=32)


@st.composite
def updates(draw) -> dict[str, LowRank]:
    out = {}
    for name in draw(st.sets(st.sampled_from(sorted(SHAPES)), min_size=1)):
        (m, d), r = SHAPES[name], draw(st.integers(1, 9))
        rng = np.random.default_rng(draw(st.integers(0, 2**31)))
        dtype = draw(st.sampled_from([np.float32, np.float64]))
        factors = rng.standard_normal((m, r)).astype(dtype), rng.standard_normal((r, d)).astype(dtype)
        out[name] = LowRank(*factors, draw(st.one_of(finite, st.just(2.0), st.just(0.0))))
    return out


@pytest.mark.slow
@given(table=updates(), r=st.none() | st.integers(1, 9), lora_alpha=st.none() | st.integers(1, 32))
def test_written_adapter_is_what_peft_merges(table, r, lora_alpha):
    from peft import PeftModel

    base = Net().double()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write_adapter(Path(folder) / "out", table, r=r, lora_alpha=lora_alpha, base_model_name="some/base")
        merged = PeftModel.from_pretrained(copy.deepcopy(base), str(path)).merge_and_unload()
    before = dict(base.named_modules())
    for name, module in merged.named_modules():
        if not hasattr(module, "weight"):
            continue
        delta = (module.weight - before[name].weight).detach().numpy()
        delta = delta.T if name == "wte" else delta
        if name not in table:
            np.testing.assert_array_equal(delta, 0)
            continue
        expected = table[name] @ np.eye(SHAPES[name][1])
        # the factors were rounded to float32
        # and the sum of base and update in float64
        size = abs(table[name].scaling) * float(np.max(abs(table[name].B) @ abs(table[name].A)))
        np.testing.assert_allclose(delta, expected, rtol=0, atol=tolerance.backward([], np.float32, size) + ROUNDING)


@pytest.mark.slow
@given(table=updates(), dtype=st.sampled_from(["float32", "bfloat16", "float16"]))
def test_written_adapter_is_read_back(table, dtype):
    with tempfile.TemporaryDirectory() as folder:
        adapter = read_adapter(write_adapter(folder, table, dtype=dtype))
        stored = load_file(Path(folder) / "adapter_model.safetensors")
        assert sorted(p.name for p in Path(folder).iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
        got = {u.name: u.lowrank for u in adapter.updates}
    assert set(got) == set(table)
    assert adapter.warnings == adapter.notes == adapter.extras == ()
    assert {str(t.dtype) for t in stored.values()} == {f"torch.{dtype}"}
    for name, lowrank in table.items():
        np.testing.assert_array_max_ulp(got[name].scaling, np.float64(lowrank.scaling), 1)
        for read, wanted in ((got[name].B, lowrank.B), (got[name].A, lowrank.A)):
            rounded = torch.from_numpy(wanted).float().to(getattr(torch, dtype)).float().numpy()
            np.testing.assert_array_equal(read, rounded)


@pytest.mark.slow
@given(hnp.arrays(np.float32, st.integers(1, 32), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_bfloat16_is_rounded_as_torch_rounds(values):
    rounded = torch.from_numpy(values).to(torch.bfloat16).float().numpy()
    assume(np.isfinite(rounded).all())
    with tempfile.TemporaryDirectory() as folder:
        write_adapter(folder, {"x": LowRank(values[:, None], np.ones((1, 1)))}, dtype="bfloat16")
        got = read_adapter(folder).updates[0].lowrank.B[:, 0]
    np.testing.assert_array_equal(got, rounded)


def test_written_file_is_read_by_the_safetensors_package(tmp_path):
    B, A = np.arange(6.0).reshape(3, 2), np.arange(8.0).reshape(2, 4)
    write_adapter(tmp_path, {"x": LowRank(B, A)})
    tensors = load_numpy(tmp_path / "adapter_model.safetensors")
    np.testing.assert_array_equal(tensors["base_model.model.x.lora_B.weight"], B)
    np.testing.assert_array_equal(tensors["base_model.model.x.lora_A.weight"], A)


ONE = {"x": LowRank(np.ones((2, 1)), np.ones((1, 2)))}


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ({}, {}, "at least one update"),
        ([Update.of("x", ONE["x"]), Update.of("x", ONE["x"])], {}, "same module name"),
        (ONE, {"dtype": "int8"}, "dtype must be one of float32, bfloat16, float16"),
        (ONE, {"r": 0}, "r must be a positive integer"),
        (ONE, {"lora_alpha": float("nan")}, "lora_alpha finite"),
        ({"x": LowRank(np.full((2, 1), np.nan), np.ones((1, 2)))}, {}, "not finite in float32"),
        ({"x": LowRank(np.full((2, 1), 1e5), np.ones((1, 2)))}, {"dtype": "float16"}, "not finite in float16"),
        ({"x": LowRank(np.full((2, 1), 3.4e38), np.ones((1, 2)))}, {"dtype": "bfloat16"}, "not finite in bfloat16"),
        ({"x": LowRank(np.full((2, 1), 7e-6), np.ones((1, 2)))}, {"dtype": "float16"}, "float16 rounds by up to 3e-08"),
        ({"x": LowRank(np.full((2, 1), 1e-44), np.ones((1, 2)))}, {}, "float32 rounds by up to"),
        ({"x": LowRank(np.ones((2, 1)), np.ones((1, 2)), 2e9)}, {}, "needs an alpha of 2e\\+09"),
        ({"x": LowRank(np.ones((2, 0)), np.ones((0, 2)))}, {}, "rank 0"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(table, options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        write_adapter(tmp_path / "out", table, **options)
    assert list(tmp_path.iterdir()) == []


def test_small_values_are_kept_to_a_256th_where_they_are_written(tmp_path):
    """Just above what is refused; below it float16 would keep less, and nothing at all of 1e-8."""
    B = np.random.default_rng(0).standard_normal((40, 2))
    B *= 8e-6 / np.sqrt(np.mean(B**2))
    read = read_adapter(write_adapter(tmp_path / "a", {"x": LowRank(B, np.ones((2, 3)))}, dtype="float16"))
    error = np.linalg.norm(read.updates[0].lowrank.B - B) / np.linalg.norm(B)
    assert 1e-4 < error < 1 / 256


def test_factor_of_another_shape_than_announced_is_refused_and_leaves_nothing(tmp_path):
    """The header is written before a lazy update is loaded: what comes must be what was announced."""
    update = Update("x", None, None, (3, 2), 1, lambda: ONE["x"])
    with pytest.raises(InputError, match=r"^module 'x' gives a factor of shape \(2, 1\) where \(3, 1\) was announced$"):
        write_adapter(tmp_path / "out", [update])
    assert list(tmp_path.iterdir()) == []


def test_missing_parent_and_file_in_the_way_are_refused(tmp_path):
    with pytest.raises(AdapterError, match="cannot be written"):
        write_adapter(tmp_path / "missing" / "out", ONE)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(AdapterError, match="cannot be written"):
        write_adapter(tmp_path / "file", ONE)
    assert (tmp_path / "file").read_text() == "mine"


def test_interruption_leaves_the_old_adapter_as_it_was(tmp_path):
    write_adapter(tmp_path, ONE)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def interrupted():
        raise KeyboardInterrupt

    updates = [Update.of("a", ONE["x"]), Update("b", None, None, (2, 2), 1, interrupted)]
    with pytest.raises(KeyboardInterrupt):
        write_adapter(tmp_path, updates)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert json.loads(before["adapter_config.json"])["r"] == 1


# --- names -----------------------------------------------------------------------------------------------------

MODULE = "model.layers.1.self_attn.o_proj"
WRAPPED = [
    f"_orig_mod.base_model.model.{MODULE}",
    f"module.base_model.model.{MODULE}",
    f"module._orig_mod.base_model.model.{MODULE}",
    f"base_model.model._orig_mod.{MODULE}",
    "base_model.model.model.layers.1._orig_mod.self_attn.o_proj",
    "_fsdp_wrapped_module.base_model.model.model.layers.1._fsdp_wrapped_module.self_attn.o_proj",
    "base_model.model.model.layers.1._checkpoint_wrapped_module.self_attn.o_proj",
]


@pytest.mark.parametrize("stored", WRAPPED)
def test_names_that_wrappers_changed_are_those_of_the_base_model(tmp_path, stored):
    """torch.compile, DistributedDataParallel and FSDP put parts into names; the config names the modules without."""
    update = Update.of(MODULE, LowRank(np.ones((4, 2)), np.ones((2, 3)), 2.0))
    folder = write_adapter(tmp_path / "a", [update], target_modules=["o_proj"])
    file = folder / "adapter_model.safetensors"
    tensors = {key.replace(f"base_model.model.{MODULE}", stored): x for key, x in load_file(file).items()}
    assert all(key.startswith(stored) for key in tensors)
    save_file(tensors, file)
    (read,) = read_adapter(folder).updates
    assert (read.name, read.block, read.side) == (MODULE, "model.layers.1", "write")
