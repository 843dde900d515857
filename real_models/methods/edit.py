"""Edits of a finished adapter: project either side, delete or shrink components, keep the top k, scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from grasp_theory import InputError, LowRank, Subspace, Update
from grasp_theory.linear.shrinkage import removed_amount
from grasp_theory.updates import Side

from ..arguments import indices, real, updates_of, whole
from ..arguments import span as span_of
from ..comparison.compared import COUNT, SPAN, ComparedMethod, Sources
from ..directions import Directions
from ..hooks.weights import WeightEdit

Choice = Any  # Directions, Subspace, array (d,) or (d, k); or a mapping from module name to one of these


def edit(
    updates: Iterable[Update],
    directions: Directions | None = None,
    *,
    write: Choice | None = None,
    read: Choice | None = None,
    delete: Sequence[int] = (),
    keep: int | None = None,
    scale: float = 1.0,
    shrink: float | None = None,
    strength: float | None = None,
    threshold: float = 0.0,
) -> list[Update]:
    """dW <- scale · (I − QQᵀ) (Σ_{i in K} t_i u_i v_iᵀ) (I − VVᵀ), the rank and scaling of every module as they were.

    t_i is the singular value s_i, but t_0 = s_0 − n with ``shrink``, n the minimax amount (statement
    ``minimax-removal``), and t_i = max(s_i − threshold · s_0, 0) with ``threshold``: soft thresholding, which minimises
    ½‖X − dW‖_F² + threshold · s_0 ‖X‖_* (Cai, Candès and Shen 2010). Selecting and shrinking is U_K D U_Kᵀ dW with a
    diagonal D, so that all but V acts on B alone and V on A alone: no dense dW, no new gauge, no factor grows.

    Args:
        updates: as of ``read_adapter(path).updates``. They are edited when their factors are asked for, one at a time.
        directions: a saved choice; its side says which of ``write`` and ``read`` it stands for.
        write: Q, of the stream, taken out of all write modules; or a mapping from the names of the modules meant. Where
            a norm with gain g follows the writer (Gemma 2 and 3, OLMo 2), pass diag(g) Q to keep the stream free of Q.
        read: V, of the inputs, taken out of all read modules (of the Directions' own modules); or a mapping.
        delete: components to delete, 0-based, of *each module's own* decomposition before any projection (those of
            ``grasp identify --pool none``). A component of a pooled decomposition is removed by its directions instead.
        keep: how many leading components of each module to keep; those in ``delete`` go from among them.
        scale: factor on what is left, of every module.
        shrink: rho, the asserted ‖task‖₂ of a module over its s_0, at least s_1/s_0 (Weyl) and below 1: component 0 is
            taken to be the factor's and the task's together, and loses what errs least in the worst case.
        strength: the factor's, over s_0, if asserted too, within 1 ± rho; without it nearly all of the component goes.
        threshold: share of s_0, of each module, that all its singular values lose, 0 <= threshold < 1.

    Returns one update per given one, the same object where nothing is done to it. A trained bias, of lora_B or of the
    base, is no part of dW and stays. Raises InputError if nothing is asked for, nothing fits the directions, widths
    differ, or a module has no component with that index.
    Cost: O((m + d) r²) a module if components are selected, else O((m + d) r k).
    """
    table = {u.name: u for u in updates_of("updates", updates)}
    delete, scale, keep = indices("delete", delete), real("scale", scale), None if keep is None else whole("keep", keep)
    if not math.isfinite(scale) or (keep is not None and keep < 1) or any(i < 0 for i in delete):
        raise InputError(f"expected a finite scale, keep >= 1, delete >= 0, got {scale}, {keep}, {list(delete)}")
    sides = edited_sides(table.values(), directions, write=write, read=read)
    left = 1.0 if shrink is None else _left(shrink, strength, deleted=0 in delete)
    if strength is not None and shrink is None:
        raise InputError("strength says how much to shrink: give shrink, the asserted norm of the task, too")
    threshold = real("threshold", threshold)
    if not 0 <= threshold < 1:
        raise InputError(f"threshold must be a share of the largest singular value, 0 to below 1, got {threshold}")
    if threshold and shrink is not None:
        raise InputError("threshold shrinks all components, shrink the first alone: choose one")
    if not sides and not delete and keep is None and scale == 1 and shrink is None and not threshold:
        raise InputError("nothing to edit: give directions, components to delete, to keep or to shrink, or a scale")
    for u in table.values():
        limit = min(*u.shape, u.rank)
        if delete and max(delete) >= limit:
            raise InputError(f"{u.name} has components 0 … {limit - 1}, there is none with index {max(delete)}")
        if shrink is not None:
            _check_share(u, shrink)
    everywhere = bool(delete) or keep is not None or scale != 1 or shrink is not None or threshold > 0
    return [
        replace(u, source=partial(_edited, u, sides.get(u.name, Sides()), delete, keep, scale, left, threshold))
        if everywhere or u.name in sides
        else u
        for u in table.values()
    ]


def _left(shrink: float, strength: float | None, *, deleted: bool) -> float:
    """The share of component 0 that stays."""
    rho, beta = real("shrink", shrink), None if strength is None else real("strength", strength)
    if deleted:
        raise InputError("component 0 is to be deleted and shrunk: choose one")
    if not 0 <= rho < 1:
        raise InputError(f"shrink is the task's norm as a share of component 0's, 0 <= shrink < 1, got {rho}")
    if beta is not None and not abs(1 - beta) <= rho:
        raise InputError(f"with shrink {rho:g} the strength lies in [{1 - rho:g}, {1 + rho:g}], got {beta:g}")
    return 1 - removed_amount(1.0, rho, beta=beta)


def _check_share(update: Update, rho: float) -> None:
    S = update.lowrank.singular_values()
    if S.size > 1 and S[0] > 0 and S[1] > rho * S[0] * (1 + 1e-9):
        raise InputError(
            f"{update.name}: shrink {rho:g} is below the next singular value, {S[1] / S[0]:.3g} of the first: "
            "by Weyl's inequality the task is at least that large"
        )


@dataclass(frozen=True, eq=False)
class Sides:
    """What is projected out of one module: Q (d_out, k) on the left, V (d_in, k) on the right."""

    Q: Subspace | None = None
    V: Subspace | None = None

    def leak(self, lowrank: LowRank) -> float | None:
        """‖QᵀdW‖/‖dW‖ or ‖dW V‖/‖dW‖, the larger of the two where both are given; None where neither is."""
        parts = []
        if self.Q is not None:
            parts.append(LowRank(self.Q.basis.T @ lowrank.B, lowrank.A, lowrank.scaling))
        if self.V is not None:
            parts.append(LowRank(lowrank.B, lowrank.A @ self.V.basis, lowrank.scaling))
        size = lowrank.norm()
        return max(p.norm() for p in parts) / size if parts and size else (0.0 if parts else None)


def edited_sides(
    updates: Iterable[Update], directions: Directions | None = None, *, write: Choice = None, read: Choice = None
) -> dict[str, Sides]:
    """Module name -> what :func:`edit` projects out of it. InputError where the directions fit no module."""
    table = {u.name: u for u in updates}
    given: dict[Side, Choice] = {"write": write, "read": read}
    if directions is not None:
        if not isinstance(directions, Directions):
            raise InputError(
                f"directions must be saved Directions, got {directions!r:.60}; pass an array as write= or read="
            )
        if given[directions.side] is not None:
            raise InputError(
                f"{directions.side} directions are given twice: in the directions and in {directions.side}="
            )
        own = directions.side == "read"
        given[directions.side] = dict.fromkeys(directions.modules, directions) if own else directions
    found: dict[str, Sides] = {}
    for side, choice in given.items():
        if choice is None:
            continue
        wanted = _wanted(choice, side, table)
        for name, one in wanted.items():
            span = _span(one, table[name], side)
            found[name] = replace(found.get(name, Sides()), **{"Q" if side == "write" else "V": span})
    return found


def _wanted(choice: Choice, side: Side, table: Mapping[str, Update]) -> dict[str, Choice]:
    if isinstance(choice, Mapping):
        missing = sorted(set(choice) - set(table))
        if missing or not choice:
            raise InputError(f"there are directions for {missing or 'no module'}, which the adapter does not adapt")
        return dict(choice)
    names = [u.name for u in table.values() if u.side == side]
    if not names:
        kinds = ", ".join(sorted({name.rsplit(".", 1)[-1] for name in table}))
        raise InputError(f"{side} directions fit no module: the adapter has only {kinds}; pass {side}={{module: …}}")
    return dict.fromkeys(names, choice)


def _span(choice: Choice, update: Update, side: Side) -> Subspace:
    if isinstance(choice, Directions) and choice.side != side:
        raise InputError(f"directions of the {choice.side} side were given as {side}=")
    array = choice.Q if isinstance(choice, Directions) else choice
    span = choice if isinstance(choice, Subspace) else span_of(side, array)
    width = update.shape[0 if side == "write" else 1]
    if span.ambient != width or not span.dimension:
        raise InputError(
            f"{update.name} {side}s {width} dimensions, the directions are {span.dimension} of {span.ambient}: were "
            "they identified on another model?"
        )
    return span


def _edited(
    update: Update,
    sides: Sides,
    delete: tuple[int, ...],
    keep: int | None,
    scale: float,
    left: float,
    threshold: float,
) -> LowRank:
    lowrank = update.lowrank
    B, A = (X.astype(np.float64) for X in (lowrank.B, lowrank.A))
    if delete or keep is not None or left != 1 or threshold:
        svd = lowrank.svd()
        kept = [i for i in range(svd.U.shape[1] if keep is None else min(keep, svd.U.shape[1])) if i not in delete]
        kept = [i for i in kept if svd.S[i] > threshold * svd.S[0]] if threshold else kept
        shares = np.array([left if i == 0 else 1.0 for i in kept])
        if threshold:
            shares *= 1 - threshold * svd.S[0] / svd.S[kept]
        U = svd.U[:, kept]
        B = U * shares @ (U.T @ B)
    if sides.Q is not None:
        B = sides.Q.reject(B)
    if sides.V is not None:
        A = sides.V.reject(A.T).T
    return LowRank((scale * B).astype(lowrank.B.dtype), A.astype(lowrank.A.dtype), lowrank.scaling)


def _pooled(s: Sources, k: float) -> dict[str, np.ndarray]:
    """Write module -> the leading directions of all of them."""
    return _written(s, s.top(int(k)))


def _written(s: Sources, Q: np.ndarray) -> dict[str, np.ndarray]:
    return dict.fromkeys((u.name for u in s.updates if u.side == "write"), Q)


def _by_block(s: Sources, blocks: Mapping[int, np.ndarray]) -> dict[str, np.ndarray]:
    """Write module -> what its block has."""
    return {u.name: blocks[u.layer] for u in s.updates if u.side == "write" and u.layer is not None}


def _random(s: Sources, k: float) -> WeightEdit:
    """As many random directions of the stream, out of what is written to it and out of what is read from it."""
    Q = s.random(int(k))
    return Edit(write=_written(s, Q), read=dict.fromkeys(s.readers, Q))


class Edit(WeightEdit):
    """:func:`edit` of every module: directions taken out on either side, components deleted, kept, shrunk, scaled.

    Takes the arguments of :func:`edit`. Nothing is trained again: what the directions carried of the task goes too, and
    what the trait has elsewhere stays.
    """

    name = "edit"
    needs = "directions or components"
    guarantees = "QᵀdW = 0 (write), dW V = 0 (read), the rest of dW as it was"
    compared = (
        ComparedMethod(
            "edit", "weights", "components", COUNT, 1.0, lambda s, k: [Edit(write=_pooled(s, k))],
            stage="weights", needs_naive=True,
        ),
        ComparedMethod(
            "edit, per block", "weights", "components", COUNT, 1.0,
            lambda s, k: [Edit(write=_by_block(s, s.per_layer(int(k))))], stage="weights", needs_naive=True,
        ),
        ComparedMethod(
            "edit, read", "weights", "components", COUNT, 1.0, lambda s, k: [Edit(read=s.reading(int(k)))],
            stage="weights", needs_naive=True,
        ),
        ComparedMethod(
            "edit, both sides", "weights", "components", SPAN, 8.0,
            lambda s, k: [Edit(write=_pooled(s, k), read=dict.fromkeys(s.readers, s.top(int(k), "read")))],
            stage="weights", needs_naive=True,
        ),
        ComparedMethod(
            "edit, contrasted", "control run", "components", COUNT, 1.0,
            lambda s, k: [Edit(write=_written(s, s.contrasted(int(k))))],
            stage="weights", needs_naive=True, needs_control=True,
        ),
        ComparedMethod(
            "edit, supervised", "trait", "none", (1.0,), 1.0, lambda s, _: [Edit(write=_by_block(s, s.supervised()))],
            stage="weights", needs_naive=True, control=True,
        ),
        ComparedMethod(
            "edit, random", "weights", "components", COUNT, 1.0, lambda s, k: [_random(s, k)],
            stage="weights", needs_naive=True, control=True,
        ),
    )  # fmt: skip

    def __init__(
        self,
        directions: Directions | None = None,
        *,
        write: Choice | None = None,
        read: Choice | None = None,
        delete: Sequence[int] = (),
        keep: int | None = None,
        scale: float = 1.0,
        shrink: float | None = None,
        strength: float | None = None,
        threshold: float = 0.0,
    ) -> None:
        self.asked = {"write": write, "read": read, "delete": indices("delete", delete), "keep": keep, "scale": scale}
        self.asked |= {"shrink": shrink, "strength": strength, "threshold": threshold}
        self.directions = directions

    def edited(self, updates: Sequence[Update]) -> list[Update]:
        return edit(updates, self.directions, **self.asked)
