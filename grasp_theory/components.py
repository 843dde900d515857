"""Unsupervised identification: the singular components of a fine-tune's update, and how sure one can be of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Literal, get_args

import numpy as np

from .agreement import Agreement, LeadingDirections, agreement
from .errors import InputError
from .floor import LEVEL
from .measure import KEPT, RTOL, Module, Stack, floor_and_power, leading_directions, measure, pooled_noise
from .pooling import leading_svd
from .report import Alignment, Decomposition, ModuleSpectrum, Report
from .subspace import fix_sign
from .updates import Side, Update
from .verdict import CAVEAT, RULE, judge, overall

NOTE_CONVERGED = (
    "The noise floor takes B to be signal plus independent noise and A as it stands, as early in training; "
    "after a converged fit the floor and the strength that could have been seen are indicative only."
)
NOTE_CERTIFICATE = (
    "Certificates speak about the matrix that was decomposed. After a LoRA run on correlated inputs the weights alone "
    "are not the whitened update, and the bound can fail; decompose dW X where inputs are at hand."
)
NOTE_READ = (
    "Read side without the base model: the norm's gains are unknown and A is near its random start, so every module "
    "is reported by itself; the value path writes to the stream only through the output projection."
)
NOTE_UNKNOWN = "The module names tell neither the write nor the read side: {} directions of each module by itself."


def identify(
    updates: Iterable[Update],
    *,
    side: Literal["auto", "write", "read"] = "auto",
    pool: Literal["auto", "layers", "none"] = "auto",
    k: int = 8,
    normalize: bool = False,
    level: float = LEVEL,
    seed: int = 0,
) -> Report:
    """Components of a set of updates: strength, floor, certificate, agreement between layers, verdict.

    *write*: left singular vectors of [dW_1 … dW_L], the modules that write the residual stream side by side (pooled),
    or of each. *read*: right singular vectors of the modules that read it. Method ``weight-svd``; no labels.

    Parameters
    ----------
    updates : loaded one at a time; those of a large stack once more in every Lanczos step.
    side : "auto" takes write if any module writes, else read.
    pool : "auto" pools the write side over layers and leaves read modules apart.
    k : components to report of each decomposition.
    normalize : divide every module by its Frobenius norm before pooling, so that no layer dominates.
    level : probability that pure noise stays below the floor.
    seed : of the permutation test; the only random choice.

    Raises
    ------
    InputError : no update, no module of the side asked for, options out of range, factors that are not finite.

    Cost: O((d_out + d_in) r²) a module, then O(width Σr) a Lanczos step. Memory: one module, 16 MB of a stack,
    and the leading directions.
    """
    _check_options(side, pool, k, level)
    updates = list(updates)
    if not updates:
        raise InputError("identify needs at least one update, got none")
    chosen_side, selected, notes = _choose(updates, side)
    names = {u.name for u in selected}
    pooled = pool == "layers" or (pool == "auto" and chosen_side == "write" and any(u.side for u in selected))
    modules, measured, stacks = _scan(updates, names, chosen_side, k, pooled)
    uninformative = [u.name for u in selected if u.fixed == chosen_side]
    if uninformative:
        notes.append(
            f"The {chosen_side} side of {len(uninformative)} modules was fixed by construction: uninformative."
        )
    decompositions: list[Decomposition] = []
    alignments: list[Alignment] = []
    for width in sorted({m.width for m in measured}, reverse=True):
        group = [m for m in measured if m.width == width]
        alignments.append(_alignment(group))
        decompositions += (
            [_pooled(group, stacks.pop(width), k, normalize, level, seed)]
            if pooled
            else _separate(group, chosen_side, k, level, seed)
        )
    verdict = "none can be told" if uninformative and measured else overall(decompositions)
    if decompositions:
        estimated = any(d.floor.value is not None for d in decompositions)
        notes += [NOTE_CONVERGED] if estimated else []
        notes += [NOTE_CERTIFICATE] + ([NOTE_READ] if chosen_side == "read" else [])
    return Report(
        side=chosen_side,
        pool="layers" if pooled else "none",
        normalized=normalize,
        verdict=verdict,
        rule=RULE,
        caveat=CAVEAT,
        decompositions=tuple(decompositions),
        alignments=tuple(alignments),
        modules=tuple(modules),
        notes=tuple(notes),
    )


def _scan(
    updates: Sequence[Update], names: Collection[str], side: Side, k: int, pooled: bool
) -> tuple[list[ModuleSpectrum], list[Module], dict[int, Stack]]:
    """One pass: the spectrum of every module, what the named ones that are not zero leave, their stacks by width."""
    modules: list[ModuleSpectrum] = []
    measured: list[Module] = []
    stacks: dict[int, Stack] = {}
    for update in updates:
        lowrank = update.lowrank
        if update.name in names:
            module = measure(update, lowrank, side, k + 1)
            S = module.S
            if S.size and S[0] > 0:
                measured.append(module)
                if pooled:
                    stacks.setdefault(module.width, Stack(side)).add(update, lowrank)
        else:
            S = lowrank.svd(0, rtol=RTOL).S
        modules.append(ModuleSpectrum(update.name, update.layer, update.side, update.shape, update.rank, S))
    return modules, measured, stacks


def _check_options(side: str, pool: str, k: int, level: float) -> None:
    if side not in ("auto", *get_args(Side)):
        raise InputError(f'side must be "auto", "write" or "read", got {side!r}')
    if pool not in ("auto", "layers", "none"):
        raise InputError(f'pool must be "auto", "layers" or "none", got {pool!r}')
    if not isinstance(k, int) or k < 1:
        raise InputError(f"k must be a positive number of components, got {k!r}")
    if not 0.5 <= level < 1:
        raise InputError(f"level must lie in [0.5, 1), got {level}")


def _choose(updates: Sequence[Update], side: str) -> tuple[Side, list[Update], list[str]]:
    """(side, the updates it concerns, what to tell the user)."""
    known = {u.side for u in updates} - {None}
    if side == "auto":
        chosen: Side = "read" if known == {"read"} else "write"
    else:
        chosen = "write" if side == "write" else "read"
    if not known:  # the user may know better than the names; pooling needs to be asked for
        return chosen, list(updates), [NOTE_UNKNOWN.format("left" if chosen == "write" else "right")]
    selected = [u for u in updates if u.side == chosen]
    if not selected:
        kinds = sorted({u.name.rsplit(".", 1)[-1] for u in updates})
        other = "read" if chosen == "write" else "write"
        raise InputError(
            f"no module of this adapter {chosen}s the residual stream: it adapts {', '.join(kinds)}; use side {other!r}"
        )
    left_out = len(updates) - len(selected)
    note = f"Left out, because not on the {chosen} side: {left_out} of {len(updates)} modules."
    return chosen, selected, [note] if left_out else []


def _alignment(group: Sequence[Module]) -> Alignment:
    leading = np.stack([m.U[:, 0] for m in group])
    return Alignment(tuple(m.name for m in group), tuple(m.layer for m in group), (leading @ leading.T) ** 2)


def _pooled(group: Sequence[Module], stack: Stack, k: int, normalize: bool, level: float, seed: int) -> Decomposition:
    """Components of the modules side by side."""
    side = stack.side
    norms = np.array([np.linalg.norm(m.S) for m in group])
    scales = 1 / norms if normalize else np.ones_like(norms)
    if normalize:
        stack.scale(scales)
    svd = leading_svd(stack, k + 1, rtol=1e-5)
    error = svd.error + max(m.error for m in group)
    shares = (norms * scales) ** 2 / np.sum((norms * scales) ** 2)
    floor, power = floor_and_power(pooled_noise(group, side, scales), level, len(group))
    U = fix_sign(svd.U)
    scaled = " each divided by its norm" if normalize else ""
    joined = ("[dW_1 … dW_L], left" if side == "write" else "[dW_1; …; dW_L], right") + f" singular vectors{scaled}"
    components, verdict = judge(
        svd.S,
        U[:, :k],
        float(np.sum((norms * scales) ** 2)),
        error,
        floor,
        agreement(leading_directions(group), U[:, : k - 1], seed=seed),
    )
    return Decomposition(
        name=f"{side} modules, width {group[0].width}",
        what=f"weights {joined}",
        side=side,
        pooled=True,
        modules=tuple(m.name for m in group),
        layers=tuple(m.layer for m in group),
        width=group[0].width,
        norm=float(np.linalg.norm(norms * scales)),
        error=error,
        largest_module=group[int(shares.argmax())].name,
        largest_share=float(shares.max()),
        floor=floor,
        power=power,
        components=components,
        verdict=verdict,
    )


def _separate(group: Sequence[Module], side: Side, k: int, level: float, seed: int) -> list[Decomposition]:
    """Components of every module by itself; their agreement is that of equal indices over the group."""
    directions = leading_directions(group)
    decompositions = []
    shared = _index_agreement(directions, min(k, KEPT), seed)
    for m in group:
        floor, power = floor_and_power(m.noise, level, 1)
        components, verdict = judge(m.S, m.U[:, :k], float(np.sum(m.S**2)), m.error, floor, shared)
        decompositions.append(
            Decomposition(
                name=m.name,
                what=f"weights dW, {'left' if side == 'write' else 'right'} singular vectors",
                side=side,
                pooled=False,
                modules=(m.name,),
                layers=(m.layer,),
                width=m.width,
                norm=float(np.linalg.norm(m.S)),
                error=m.error,
                largest_module=m.name,
                largest_share=1.0,
                floor=floor,
                power=power,
                components=components,
                verdict=verdict,
            )
        )
    return decompositions


def _index_agreement(modules: LeadingDirections, count: int, seed: int) -> list[Agreement | None]:
    """Agreement of component i of each module with component i of the others, against components after it."""
    nothing = np.zeros((modules.U.shape[0], 0))
    found: list[Agreement | None] = []
    for i in range(count):
        rest = LeadingDirections(modules.U[:, :, i:], modules.S[:, i:], modules.layers)
        found += agreement(rest, nothing, seed=seed)
    return found
