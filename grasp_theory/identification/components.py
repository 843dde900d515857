"""Unsupervised identification: the singular components of a fine-tune's update, and how sure one can be of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import linalg
from ..errors import InputError
from ..moved import renamed
from ..subspace import fix_sign
from ..updates import LARGEST, AskedSide, Side, Update, on_side, require_options, require_size, resolve_side
from . import rule
from .agreement import Agreement, LeadingDirections, agreement
from .floor import LEVEL
from .lanczos import leading_svd
from .measure import KEPT, RTOL, Module, Stack, decomposed, floor_and_power, gathered, measure, pooled_noise
from .read_start import ReadStack
from .report import Alignment, Decomposition, Floor, ModuleSpectrum, Report
from .self_certificate import SelfCertificate, self_certificate, withheld
from .start import progress, start_of
from .verdict import judge, overall

Pool = Literal["auto", "layers", "none"]
BULK = 5e-3  # error of a pooled value that is followed by no gap, in units of itself


@renamed(k="top")
def identify(
    updates: Iterable[Update],
    *,
    side: AskedSide = "auto",
    pool: Pool = "auto",
    top: int = 8,
    normalize: bool = False,
    level: float = LEVEL,
    seed: int = 0,
) -> Report:
    """Find the components of updates, with strength, floor, certificate, agreement between layers, and verdict.

    On the write side these are the left singular vectors of [dW_1 … dW_L], the modules that write the residual stream
    side by side (pooled), or of each; on the read side the right singular vectors of the modules that read it. No
    labels are needed.

    Args:
        updates: such as ``adapter.updates``. They are loaded a few at a time; of those of a large stack one factor is
            loaded once more in every Lanczos step.
        side: "write" or "read"; "auto" takes write if any module writes, else read.
        pool: "layers" pools the modules over the layers, "none" leaves each by itself; "auto" pools the write side and
            leaves read modules apart.
        top: how many components to report of each decomposition.
        normalize: whether to divide every module by its Frobenius norm before pooling, so that no layer dominates.
        level: the probability that pure noise stays below the floor.
        seed: of the permutation test, which is the only random choice.

    Raises:
        InputError: no update, no module of the side asked for, options out of range, factors that are not finite.

    Cost: O((d_out + d_in) r²) a module, then O(width Σr) a Lanczos step. Memory: a few modules, 17 MB of a stack, and
    the leading directions. A pooled value that no gap follows has an error of up to 0.5% of itself; ``error`` says
    it.
    """
    _check_options(side, pool, top, level)
    updates = list(updates)
    if not updates or not all(isinstance(u, Update) for u in updates):
        wrong = next((type(u).__name__ for u in updates if not isinstance(u, Update)), "none")
        raise InputError(f"identify needs one or more Update objects (such as adapter.updates), got {wrong}")
    if len({u.name for u in updates}) < len(updates):
        raise InputError("two updates have the same module name; pass the updates of one adapter")
    chosen_side, selected, notes = _choose(updates, side)
    names = {u.name for u in selected}
    pooled = pool == "layers" or (pool == "auto" and chosen_side == "write" and any(u.side for u in selected))
    reading = ReadStack(updates)
    modules, measured, stacks = _scan(updates, names, chosen_side, top, pooled, reading)
    reached = progress(m.start for m in modules)
    begun = reached is None or reached.begun
    uninformative = [u.name for u in selected if u.fixed == chosen_side]
    if uninformative:
        notes.append(
            f"The {chosen_side} side of {len(uninformative)} modules was fixed by construction: uninformative."
        )
    decompositions: list[Decomposition] = []
    alignments: list[Alignment] = []
    read_start = reading.results(level=level, seed=seed)
    groups: dict[tuple[int, bool], list[Module]] = {}
    while measured:
        groups.setdefault(_group(measured[0]), []).append(measured.pop(0))
    for key in sorted(groups, reverse=True):
        group = groups.pop(key)
        alignments.append(_alignment(group))
        if pooled:
            stack = stacks.pop(key)
            directions = gathered(group, stack.leading([m.S for m in group]))
            decompositions += [
                _pooled(group, stack, directions, top, normalize=normalize, level=level, seed=seed, begun=begun)
            ]
        else:
            directions = gathered(group, [m.U for m in group])
            decompositions += _separate(group, directions, chosen_side, top, level=level, seed=seed, begun=begun)
    if decompositions:
        estimated = any(d.floor.value is not None for d in decompositions)
        notes += [] if begun else [rule.NOTE_EARLY]
        notes += [rule.NOTE_CONVERGED] if estimated else []
        notes += [rule.NOTE_CERTIFICATE]
        notes += [rule.NOTE_READ] if chosen_side == "read" else []
        notes += [rule.NOTE_SEPARATE] if not pooled else []
    return Report(
        side=chosen_side,
        pool="layers" if pooled else "none",
        normalized=normalize,
        verdict=overall(decompositions),
        rule=rule.RULE,
        caveat=rule.CAVEAT,
        decompositions=tuple(decompositions),
        alignments=tuple(alignments),
        modules=tuple(modules),
        notes=tuple(notes),
        read_start=read_start,
    )


def _scan(
    updates: Sequence[Update], names: Collection[str], side: Side, k: int, pooled: bool, reading: ReadStack
) -> tuple[list[ModuleSpectrum], list[Module], dict[tuple[int, bool], Stack]]:
    """One pass: the spectrum of every module, what the named ones that are not zero leave, their stacks by group."""
    modules: list[ModuleSpectrum] = []
    measured: list[Module] = []
    stacks: dict[tuple[int, bool], Stack] = {}
    for update, lowrank in decomposed(updates):
        if update.name in names:
            module = measure(update, lowrank, side, 1 if pooled else max(k, KEPT))
            S, leading = module.S, module.U[:, 0] if module.U.shape[1] else None
            if S.size and S[0] > 0:
                norm = linalg.length(S)
                if norm > LARGEST:
                    require_size({update.name: norm})
                measured.append(module)
                if pooled:
                    stacks.setdefault(_group(module), Stack(side)).add(update, lowrank, norm=norm)
        else:
            svd = lowrank.svd(1 if update.side else 0, rtol=RTOL, vectors="left" if update.side == "write" else "right")
            S = svd.S
            own = svd.U if update.side == "write" else svd.Vh.T
            leading = own[:, 0] if own.shape[1] else None
        about = (update.name, update.layer, update.block, update.side, update.shape, update.rank, lowrank.scaling)
        own = leading.astype(np.float32) if leading is not None and S.any() and update.side is not None else None
        start = start_of(lowrank, update.zero_start)
        reading.add(update, lowrank, start=start)
        modules.append(ModuleSpectrum(*about, S, own, start))
    require_size({m.name: linalg.length(m.S) for m in measured})
    return modules, measured, stacks


def _group(module: Module) -> tuple[int, bool]:
    """Modules that can be put side by side: one width, and embeddings (trained from A = 0) apart from layers."""
    return module.width, module.zero_start != "A"


def _check_options(side: str, pool: str, top: int, level: float) -> None:
    require_options(side, top)
    if pool not in get_args(Pool):
        raise InputError(f'pool must be "auto", "layers" or "none", got {pool!r}')
    if not 0.5 <= level < 1:
        raise InputError(f"level must lie in [0.5, 1), got {level}")


def _choose(updates: Sequence[Update], side: AskedSide) -> tuple[Side, list[Update], list[str]]:
    """(side, the updates it concerns, what to tell the user)."""
    chosen = resolve_side(updates, side)
    selected = on_side(updates, chosen)
    if all(u.side is None for u in updates):  # the user may know better than the names; pooling needs to be asked for
        return chosen, selected, [rule.NOTE_UNKNOWN.format("left" if chosen == "write" else "right")]
    if not selected:
        kinds = sorted({u.name.rsplit(".", 1)[-1] for u in updates})
        other = "read" if chosen == "write" else "write"
        raise InputError(
            f"no module of this adapter {chosen}s the residual stream: it adapts {', '.join(kinds)}; use side={other!r}"
        )
    left_out = len(updates) - len(selected)
    note = f"Left out, because not on the {chosen} side: {left_out} of {len(updates)} modules."
    return chosen, selected, [note] if left_out else []


def _alignment(group: Sequence[Module]) -> Alignment:
    leading = np.stack([m.U[:, 0] for m in group])
    return Alignment(tuple(m.name for m in group), tuple(m.layer for m in group), (leading @ leading.T) ** 2)


def _pooled(
    group: Sequence[Module],
    stack: Stack,
    directions: LeadingDirections,
    k: int,
    *,
    normalize: bool,
    level: float,
    seed: int,
    begun: bool,
) -> Decomposition:
    """Components of the modules side by side."""
    side = stack.side
    norms = np.array([np.linalg.norm(m.S) for m in group])
    scales = 1 / norms if normalize else np.ones_like(norms)
    energy = float(np.sum((norms * scales) ** 2))
    panels = stack.panels(scales)
    svd = leading_svd(panels, k + 1, rtol=1e-5, bulk=BULK)
    S = svd.S * panels.unit
    # Lanczos, the modules, and the float32 that the stack is kept in
    errors = svd.errors * panels.unit + float(np.linalg.norm([m.error * c for m, c in zip(group, scales, strict=True)]))
    errors += float(np.finfo(np.float32).eps) * energy**0.5
    shares = (norms * scales) ** 2 / energy
    floor, power = floor_and_power(pooled_noise(group, side, scales), level, len(group), directions)
    U = fix_sign(svd.U)
    layer_shares = panels.layer_shares(U[:, :k], directions.layers)
    what = "[dW_1 … dW_L], left" if side == "write" else "[dW_1; …; dW_L], right"
    components, verdict = judge(
        S,
        U[:, :k],
        energy=energy,
        errors=errors,
        floor=floor,
        agreements=agreement(directions, U[:, : k - 1], seed=seed),
        layers=[float(1 / max(np.sum(share**2), 1e-12)) for share in layer_shares.T],
        begun=begun,
    )
    return Decomposition(
        name=f"{side} modules, width {group[0].width}" + (" (embeddings)" if group[0].zero_start == "A" else ""),
        what=f"weights {what} singular vectors{' each divided by its norm' if normalize else ''}",
        side=side,
        pooled=True,
        modules=tuple(m.name for m in group),
        layers=tuple(m.layer for m in group),
        width=group[0].width,
        norm=energy**0.5,
        error=float(errors.max()),
        largest_module=group[int(shares.argmax())].name,
        largest_share=float(shares.max()),
        floor=floor,
        power=power,
        self_certificate=_self_certificate(group, side, S, floor, float(errors.max()), energy, begun=begun),
        components=components,
        verdict=verdict,
    )


def _separate(
    group: Sequence[Module], directions: LeadingDirections, side: Side, k: int, *, level: float, seed: int, begun: bool
) -> list[Decomposition]:
    """Components of every module by itself; their agreement is that of equal indices over the group."""
    shared = _index_agreement(directions, min(k, KEPT), seed)
    decompositions = []
    for m in group:
        floor, power = floor_and_power(m.noise, level, 1, directions)
        energy = float(np.sum(m.S**2))
        components, verdict = judge(
            m.S,
            m.U[:, :k],
            energy=energy,
            errors=m.error,
            floor=floor,
            agreements=shared,
            layers=[None] * k,
            begun=begun,
        )
        decompositions.append(
            Decomposition(
                name=m.name,
                what=f"weights dW, {'left' if side == 'write' else 'right'} singular vectors",
                side=side,
                pooled=False,
                modules=(m.name,),
                layers=(m.layer,),
                width=m.width,
                norm=energy**0.5,
                error=m.error,
                largest_module=m.name,
                largest_share=1.0,
                floor=floor,
                power=power,
                self_certificate=_self_certificate([m], side, m.S, floor, m.error, begun=begun),
                components=components,
                verdict=verdict,
            )
        )
    return decompositions


def _self_certificate(
    group: Sequence[Module],
    side: Side,
    S: Float[ndarray, " k"],
    floor: Floor,
    error: float,
    energy: float | None = None,
    *,
    begun: bool,
) -> SelfCertificate:
    """Of component 0 of these modules side by side, or why there is none; ``energy`` if S is not all there is.

    The factor that started at random (A, in most) spans a space of dimension r which holds all of the update: on that
    side the task and the factor are random in r dimensions, not in d.
    """
    starts = {m.zero_start for m in group}
    if not begun:
        return withheld("training has hardly begun")
    if any(m.fixed for m in group):
        return withheld("this side was fixed by construction")
    if len(starts) > 1 or None in starts:
        return withheld("both factors started at random: which space the update was free to use is not known")
    trained = starts == {"B" if side == "write" else "A"}
    if len(group) > 1 and not trained:
        return withheld("in these modules the random start of the other factor is part of the pooled spectrum")
    if floor.value is not None and not S[0] - error > floor.value:
        return withheld("component 0 is not above the noise floor, where the estimate is wrong")
    ranks, across = sum(len(m.S) for m in group), sum(m.across for m in group)
    width = group[0].width
    shape = (width, ranks) if trained else (ranks, across)
    return self_certificate(S, shape, rank=ranks, error=error, energy=energy, whole=(width, across))


def _index_agreement(modules: LeadingDirections, count: int, seed: int) -> list[Agreement | None]:
    """Agreement of component i of each module with component i of the others; tested while those before it agree."""
    nothing = np.zeros((modules.U.shape[0], 0))
    found: list[Agreement | None] = []
    for i in range(count):
        rest = LeadingDirections(modules.U[:, :, i:], modules.S[:, i:], modules.layers)
        found += agreement(rest, nothing, seed=seed)
        last = found[-1]
        if last is None or last.p_value >= rule.P_VALUE:
            break
    return found + [None] * (count - len(found))
