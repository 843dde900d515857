"""Where the energy of an update lies: by side, kind of module and part of the model, then by depth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from grasp_theory.identification.report import ModuleSpectrum

from ..adapters.patterns import kind, shared_path
from ..adapters.text import percent
from .finding import Audit, Finding
from .robust import OUTLIER, robust_spread

TOWERS = 4  # parts of a model that are named each
BLOCKS = 6  # blocks, below which nothing is said of depth
DEPTH = 0.5  # share of the energy in a third of the blocks


def where(audit: Audit) -> Iterator[Finding]:
    """Energy by side, kind and part of the model, then by depth."""
    total = audit.energy
    sides = {
        name: sum(m.norm**2 for m in audit.modules if m.side == side) / total
        for name, side in (("write", "write"), ("read", "read"), ("neither", None))
    }
    kinds: dict[str, float] = {}
    for m in audit.modules:
        kinds[kind(m.name)] = kinds.get(kind(m.name), 0.0) + m.norm**2 / total
    largest = sorted((item for item in kinds.items() if item[1] > 0), key=lambda item: -item[1])[:3]
    parts = ", ".join(f"{name} {percent(share)}" for name, share in largest)
    parts = f"most in {parts}" if len(largest) > 1 else f"all in {largest[0][0]}"
    split = (
        f"{percent(sides['write'])} in modules that write the stream, {percent(sides['read'])} in those that read it"
    )
    split += f", {percent(sides['neither'])} in others" if sides["neither"] > 0 else ""
    towers = ", ".join(f"{name} {percent(energy / total)}" for name, energy in _towers(audit))
    text = f"Energy: {split}; {parts}{'; by part of the model: ' if towers else ''}{towers}."
    yield audit.finding("sides", text, sides["write"], audit.alive, "‖dW‖_F²")
    yield from _depth(audit)


def _towers(audit: Audit) -> list[tuple[str, float]]:
    """(name, ‖dW‖_F²) of the parts whose blocks are counted apart, such as encoder and decoder, the largest first.

    They are told by the first component in which the paths of the lists of blocks differ; numbers there are stages of
    one network. None where that tells no two of them, or more than TOWERS.
    """
    paths = {m.name: m.block.rpartition(".")[0] for m in audit.modules if m.block is not None}
    shared = len(shared_path(paths.values()))
    energies: dict[str, float] = {}
    for m in audit.modules:
        if m.name in paths:
            name = "".join(paths[m.name].split(".")[shared : shared + 1])
            energies[name] = energies.get(name, 0.0) + m.norm**2
    told = 2 <= len(energies) <= TOWERS and not any(name == "" or name.isdigit() for name in energies)
    return sorted(energies.items(), key=lambda item: -item[1]) if told else []


def _depth(audit: Audit) -> Iterator[Finding]:
    """Of an encoder and a decoder each by itself: nothing orders the blocks of one before those of the other."""
    stacks: dict[str, list[tuple[Any, list[ModuleSpectrum]]]] = {}
    for place, modules in _blocks(audit):
        parts = str(modules[0].place).split(".")
        stacks.setdefault(next((name for name in ("encoder", "decoder") if name in parts), ""), []).append(
            (place, modules)
        )
    for name, blocks in stacks.items():
        if len(blocks) >= BLOCKS:
            yield from _depth_of(audit, blocks, f"{name}'s" if len(stacks) > 1 and name else "")


def _depth_of(audit: Audit, blocks: Sequence[tuple[Any, list[ModuleSpectrum]]], whose: str) -> Iterator[Finding]:
    energies = np.array([sum(m.norm**2 for m in modules) for _, modules in blocks])
    if not energies.any():
        return
    the = f"the {whose}" if whose else "the"
    shares = energies / energies.sum()
    thirds = np.array_split(np.arange(len(blocks)), 3)
    share = np.array([shares[part].sum() for part in thirds])
    top = int(share.argmax())
    if share[top] >= DEPTH:
        first, last = blocks[thirds[top][0]][0], blocks[thirds[top][-1]][0]
        third = ("first", "middle", "last")[top]
        text = f"{percent(share[top])} of {the} energy lies in the {third} third of the blocks ({first} to {last})."
        inside = [m for n in thirds[top] for m in blocks[n][1]]
        yield audit.finding("depth", text, float(share[top]), inside, f"at least {percent(DEPTH)} in one third")
    alive = np.flatnonzero(energies)
    if len(alive) < BLOCKS:
        return
    entries = np.array([sum(m.shape[0] * m.shape[1] for m in blocks[n][1]) for n in alive.tolist()])
    per = "" if entries.min() == entries.max() else ", entry by entry"  # blocks of one size are compared whole
    logs = np.log(energies[alive] / entries)
    middle, spread = float(np.median(logs)), robust_spread(logs)
    for n, log in zip(alive.tolist(), logs, strict=True):
        place, modules = blocks[n]
        times = float(np.exp(log - middle))
        if times >= OUTLIER and log - middle >= OUTLIER * max(spread, 1e-9):
            text = (
                f"Block {place} stands apart: {percent(shares[n])} of {the} energy, {times:.0f} times the median "
                f"block{per}."
            )
            how = f"robust z of the log energy ≥ {OUTLIER:g} and {OUTLIER:g} times the median, of blocks with an update"
            yield audit.finding("outlier-block", text, times, modules, how)


def _blocks(audit: Audit) -> list[tuple[Any, list[ModuleSpectrum]]]:
    blocks: dict[Any, list[ModuleSpectrum]] = {}
    for m in audit.modules:
        if m.place is not None:
            blocks.setdefault(m.place, []).append(m)
    short = {place: modules[0].layer for place, modules in blocks.items()}
    plain = len(set(short.values())) == len(blocks) and None not in short.values()
    return [(short[place] if plain else place, modules) for place, modules in blocks.items()]
