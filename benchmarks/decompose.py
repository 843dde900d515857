"""An identification of 224 modules and its parts: against reading them, against dense peers; reading a pickle.

Where the CPU seconds of 7B go (one thread of a first-generation EPYC, 18 GF/s in float64, other jobs beside it), at
rank 16: reading 0.08, Gram matrices in float64 0.15, their decompositions 0.06, the factors' start 0.06, further
steps of each module 0.12, the leading components of the stack 0.28 (of which 16 products of 12 vectors with its 17 MB
0.21), agreement 0.11, the read side's start 0.05, findings 0.03. At rank 64: 0.3, 1.0, 0.4, 0.1, 0.35, 1.4 (20
products with 64 MB, of which 47 are read anew in each), 0.1, 0.05, 0.03. Reading and Gram matrices alone are 3 and 5
times reading, with the stack's components 6 and 9 times: a bound of 4 and 8 needs other products, not fewer calls.
Tried: two and four times as many modules at once, blocks of 9 to 36 vectors (all slower or equal); the stack's own
Gram matrix, in float32, takes 0.13.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from grasp_theory import LowRank, identify
from grasp_theory.identification.measure import decomposed
from real_models import Adapter, read_adapter
from real_models.audit.findings import findings

from . import adapters
from .timing import Claim, at_least, at_most, interleaved

VECTORS = 8
SAMPLE = ("model.layers.0.self_attn.o_proj", "model.layers.31.mlp.down_proj", "model.layers.7.mlp.up_proj")


def claims(
    folder: Path, rank: int, *, decomposing: float, everything: float, necessary: float, repeats: int = 5
) -> list[Claim]:
    """Speed and accuracy at one rank.

    The keywords are bounds: of a decomposition, and of an identification with its findings, over reading the factors to
    float32; of the latter over reading them and forming their Gram matrices in float64, which nothing that decomposes
    them to 1e-7 does without.
    """
    import torch

    adapter = read_adapter(adapters.write(folder / f"7B-r{rank}", "7B", rank))
    read, least, decompose, whole = interleaved(
        repeats,
        lambda: _read(adapter),
        lambda: _grams(adapter),
        lambda: _decompose(adapter),
        lambda: findings(adapter, identify(adapter.updates)),
    )
    sample = [u.lowrank for u in adapter.updates if u.name in SAMPLE]
    dense = [torch.from_numpy(np.asarray(s.scaling * (s.B @ s.A), dtype=np.float32)) for s in sample]
    ours, peer = interleaved(
        3,
        # LowRank keeps what it has computed; a new one starts afresh
        lambda: [LowRank(s.B, s.A, s.scaling).svd(VECTORS, rtol=1e-7) for s in sample],
        lambda: [torch.svd_lowrank(w, q=VECTORS) for w in dense],
    )
    modules = len(adapter.updates)
    name = f"7B, r = {rank}"
    return [
        at_most(
            f"{name}: reading and decomposing {modules} modules / reading them to float32",
            decompose / read,
            decomposing,
            f"{decompose:.3f} s against {read:.3f} s; decomposition alone {decompose - read:.3f} s",
        ),
        at_least(
            f"{name}: torch.svd_lowrank on the dense update / ours, {len(sample)} modules",
            peer / ours,
            20,
            f"{1e3 * peer:.0f} ms against {1e3 * ours:.1f} ms",
        ),
        at_most(
            f"{name}: reading, identify and findings / reading",
            whole / read,
            everything,
            f"{whole:.3f} s against {read:.3f} s",
        ),
        at_most(
            f"{name}: reading, identify and findings / reading and the Gram matrices of the factors",
            whole / least,
            necessary,
            f"{whole:.3f} s against {least:.3f} s",
        ),
        *_accuracy(name, sample),
    ]


def _read(adapter: Adapter) -> None:
    for update in adapter.updates:
        _ = update.lowrank


def _grams(adapter: Adapter) -> None:
    for update in adapter.updates:
        lowrank = update.lowrank
        for factor in (lowrank.B, lowrank.A.T):
            wide = factor.astype(np.float64)
            _ = wide.T @ wide


def _decompose(adapter: Adapter) -> None:
    for _, lowrank in decomposed(adapter.updates):
        lowrank.svd(VECTORS, rtol=1e-7)


def pickled(folder: Path, repeats: int = 5) -> list[Claim]:
    """Reading the .bin against the safetensors of the same tensors, torch being imported."""
    import torch
    from safetensors.torch import load_file

    stored, pickle = folder / "7B-r16", folder / "7B-r16-bin"
    pickle.mkdir()
    shutil.copy(stored / "adapter_config.json", pickle)
    torch.save(load_file(stored / "adapter_model.safetensors"), pickle / "adapter_model.bin")
    ours, peer, load = interleaved(
        repeats,
        lambda: _read(read_adapter(pickle)),
        lambda: _read(read_adapter(stored)),
        lambda: torch.load(pickle / "adapter_model.bin", weights_only=True),
    )
    what, seconds = "7B, r = 16: reading adapter_model.bin /", f"{ours:.3f} s against"
    return [
        at_most(f"{what} adapter_model.safetensors", ours / peer, 2.5, f"{seconds} {peer:.3f} s"),
        at_most(f"{what} torch.load alone", ours / load, 1.5, f"{seconds} {load:.3f} s"),
    ]


def _accuracy(name: str, sample: list[LowRank]) -> list[Claim]:
    """Against LAPACK in float64: singular values of the dense update, residuals of the vectors."""
    value, vector = 0.0, 0.0
    for lowrank in sample:
        svd = lowrank.svd(VECTORS, rtol=1e-7)
        dense = lowrank.scaling * (lowrank.B.astype(np.float64) @ lowrank.A.astype(np.float64))
        # eigenvalues of the smaller Gram matrix in float64 lose half the digits: 1e-8, two orders below the claim
        gram = dense @ dense.T if dense.shape[0] <= dense.shape[1] else dense.T @ dense
        from scipy.linalg import eigh

        n = gram.shape[0]
        exact = np.sqrt(eigh(gram, eigvals_only=True, subset_by_index=[n - svd.S.size, n - 1])[::-1].clip(0))
        value = max(value, float(np.abs(svd.S - exact).max() / exact[0]))
        left = np.linalg.norm(dense @ svd.Vh.T - svd.U * svd.S[:VECTORS], axis=0)
        right = np.linalg.norm(dense.T @ svd.U - svd.Vh.T * svd.S[:VECTORS], axis=0)
        vector = max(vector, float(max(left.max(), right.max()) / exact[0]))
    return [
        at_most(f"{name}: error of the singular values / s_1", value, 1e-6, "against float64 dense", unit=""),
        at_most(f"{name}: residual of the vectors / s_1", vector, 1e-5, "both sides, top 8", unit=""),
    ]
