"""Damaged versions of saved adapters: nothing but GraspError escapes, at once and without trusting a claimed size.

Each test runs the number of examples of the active profile; the five together make the 300 cases of ``ci``.
"""

from __future__ import annotations

import json
import tempfile
import time
import tracemalloc
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch  # noqa: F401  (here, so that no case is charged for its import)
from expected_adapters import raw
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from saved_adapters import SAVED

from grasp_theory import GraspError
from real_models import read_adapter

SECONDS = 20.0  # a guard against following a lying header for ever, no claim about speed: a case takes about 10 ms


@cache
def original(folder: str) -> tuple[bytes, bytes]:
    """(config, weights) of an adapter that peft saved."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "adapter"
        SAVED[folder][0](path)
        return _contents(path)


def _contents(path: Path) -> tuple[bytes, bytes]:
    weights = next(p for p in path.iterdir() if p.name.startswith("adapter_model"))
    return (path / "adapter_config.json").read_bytes(), weights.read_bytes()


@cache
def small_safetensors() -> tuple[bytes, bytes]:
    """Config and header as saved, with the first eight tensors of the file."""
    config, weights = original("modules_to_save")
    length = int.from_bytes(weights[:8], "little")
    header = json.loads(weights[8 : 8 + length])
    first = sorted((k for k in header if ".lora_" in k), key=lambda k: header[k]["data_offsets"])[:8]
    data, kept = b"", {}
    for key in first:
        begin, end = header[key]["data_offsets"]
        kept[key] = {**header[key], "data_offsets": [len(data), len(data) + end - begin]}
        data += weights[8 + length + begin : 8 + length + end]
    return config, raw(kept, data)


def read_or_refuse(config: bytes, weights: bytes, suffix: str = "safetensors") -> bool:
    """Whether the adapter was read; any error but GraspError, a long wait or a large allocation fails the test."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "adapter_config.json").write_bytes(config)
        (folder / f"adapter_model.{suffix}").write_bytes(weights)
        tracemalloc.start()
        start = time.perf_counter()
        try:
            for update in read_adapter(folder).updates:
                assert np.isfinite(update.lowrank.scaling)
            message = None
        except GraspError as e:
            message = str(e)
        finally:
            elapsed, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert elapsed < SECONDS
    assert peak < 10_000_000 + 20 * len(weights)
    assert message is None or (20 < len(message) < 1500 and message.isprintable())
    return message is None


def test_originals_are_read():
    """The control: what is mutated below is sound before."""
    assert read_or_refuse(*small_safetensors())
    assert read_or_refuse(*original("bin"), suffix="bin")


@pytest.mark.slow
@given(st.data())
def test_mutated_bytes(data: DataObject):
    """Bytes anywhere in header or body replaced, removed or inserted."""
    config, weights = small_safetensors()
    length = int.from_bytes(weights[:8], "little")
    changed = bytearray(weights)
    for _ in range(data.draw(st.integers(1, 8))):
        # two of three mutations hit the length and the header, where they matter most
        end = data.draw(st.sampled_from([8, 8 + length, len(weights)]))
        at = data.draw(st.integers(0, end))
        changed[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    read_or_refuse(config, bytes(changed))


@given(cut=st.integers(0, 200_000), length=st.none() | st.integers(0, 2**64 - 1) | st.integers(0, 5_000))
def test_truncated_file_and_lying_length(cut, length):
    config, weights = small_safetensors()
    body = weights[: cut % (len(weights) + 1)]
    read_or_refuse(config, body if length is None else length.to_bytes(8, "little") + body[8:])


sizes = st.one_of(st.integers(-2, 10), st.sampled_from([2**31, 2**32, 2**63 - 1, 2**63, 2**64, 10**11, 10**30]))
anything = st.recursive(
    st.none() | st.booleans() | sizes | st.floats() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=8,
)


@pytest.mark.slow
@given(st.data())
def test_header_with_other_values(data: DataObject):
    """A header that stays valid JSON: names, types, shapes, offsets replaced by others, likely or not."""
    config, weights = small_safetensors()
    length = int.from_bytes(weights[:8], "little")
    header: dict[str, Any] = json.loads(weights[8 : 8 + length])
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(st.sampled_from(sorted(header)))
        field = data.draw(st.sampled_from(["dtype", "shape", "data_offsets", "name", "all"]))
        new = data.draw(st.one_of(anything, st.lists(sizes, min_size=2, max_size=2), st.sampled_from(["BF16", "F64"])))
        if field == "all":
            header[key] = new
        elif field == "name":
            header[data.draw(st.one_of(st.text(max_size=30), st.just(key + ".weight")))] = header.pop(key)
        elif isinstance(header[key], dict):
            header[key] = {**header[key], field: new}
    read_or_refuse(config, raw(header, weights[8 + length :]))


@pytest.mark.slow
@given(st.data())
def test_config_with_other_values(data: DataObject):
    config, weights = small_safetensors()
    changed = json.loads(config)
    fields = [*sorted(changed), "kasa_config", "use_bdlora", "new_field"]
    for _ in range(data.draw(st.integers(1, 3))):
        field = data.draw(st.sampled_from(fields))
        patterns = st.dictionaries(st.text(max_size=10), st.one_of(sizes, st.floats()), max_size=3)
        likely = patterns if field in ("rank_pattern", "alpha_pattern") else st.sampled_from(["pissa", True, 4, "IA3"])
        changed[field] = data.draw(st.one_of(anything, likely))
    read_or_refuse(json.dumps(changed).encode(), weights)


@given(st.data())
def test_mutated_pickle(data: DataObject):
    """The zip and the pickle of a .bin, which torch's restricted loader meets first."""
    config, weights = original("bin")
    changed = bytearray(weights)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(weights)))
        changed[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    read_or_refuse(config, bytes(changed), suffix="bin")
