"""Two fine-tunes: do their updates share directions more than random subspaces do?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import linalg
from ..errors import InputError
from ..lowrank import LowRank
from ..moved import renamed
from ..subspace import Subspace
from ..updates import AskedSide, Side, Update, require_options
from .lanczos import leading_svd
from .measure import Stack
from .report import SCHEMA_VERSION, plain

DRAWS = 999


@dataclass(frozen=True)
class Overlap:
    """Principal angles between the k leading directions of two updates, with what random subspaces would show.

    Attributes:
        name, layer, width: module (or "pooled"), its layer, dimension of the space the directions lie in.
        norms, strengths: Frobenius norms and leading singular values of the two updates.
        cosine: tr(dWᵀ dW')/(‖dW‖‖dW'‖), None where an update is zero.
        angles: principal angles in degrees, ascending; fewer than k where an update has lower rank.
        mean_cos2: mean squared cosine of these angles: 0 orthogonal, 1 the same subspace.
        random_mean_cos2: its mean max(k, k')/width for independent isotropic subspaces.
        random_99: its 99% quantile under the same law (simulated, fixed seed).
        overlap: mean cos² weighted by the directions' energies (:func:`weighted_overlap`): noise at the end of the rank
            does not dilute it.
        random_overlap, random_spread: its mean and standard deviation by chance.
        start_cosine, trained_cosine: of the factors themselves (the one that started at random, the one that started at
            0) as vectors; near 0 for independent starts, whatever was learnt. None where ranks or starts differ, or
            pooled.
    """

    name: str
    layer: int | None
    width: int
    norms: tuple[float, float]
    strengths: tuple[float, float]
    cosine: float | None
    angles: tuple[float, ...]
    mean_cos2: float | None
    random_mean_cos2: float | None
    random_99: float | None
    overlap: float | None
    random_overlap: float | None
    random_spread: float | None
    start_cosine: float | None = None
    trained_cosine: float | None = None


@dataclass(frozen=True)
class Difference:
    """Result of :func:`diff`: one :class:`Overlap` a common module and one for all pooled."""

    side: Side
    k: int
    pooled: tuple[Overlap, ...]
    modules: tuple[Overlap, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    def to_dict(self) -> dict:
        """The fields as JSON values, with ``schema_version``."""
        return {"schema_version": SCHEMA_VERSION, **plain(self)}


def random_overlap(width: int, k: int, other: int, *, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """(mean, 99% quantile) of the mean cos² between a fixed k- and a uniformly random k'-dimensional subspace.

    With q = min(k, k'), the mean is k k'/(q width). The squared cosines are the eigenvalues of
    G₁ᵀG₁ (G₁ᵀG₁ + G₂ᵀG₂)⁻¹, G₁ (k x k') and G₂ ((width − k) x k') Gaussian; G₂ᵀG₂ is drawn through its Bartlett
    factor, so that a draw costs O(k'³) whatever the width. Raises InputError for dimensions that no subspace of R^width
    has.
    """
    if not 1 <= min(k, other) <= max(k, other) <= width:
        raise InputError(f"needs subspaces of dimensions 1 to {width} in R^{width}, got {k} and {other}")
    k, other = max(k, other), min(k, other)
    rng = np.random.default_rng(seed)
    top = rng.standard_normal((draws, k, other))
    if width - k < other:
        rest = rng.standard_normal((draws, width - k, other))
    else:
        rest = np.triu(rng.standard_normal((draws, other, other)), 1)
        diagonal = np.arange(other)
        rest[:, diagonal, diagonal] = np.sqrt(rng.chisquare(width - k - diagonal, (draws, other)))
    inside = np.swapaxes(top, 1, 2) @ top
    cos2 = linalg.solve(inside + np.swapaxes(rest, 1, 2) @ rest, inside)
    return k / width, float(np.quantile(np.trace(cos2, axis1=1, axis2=2) / other, 0.99))


def weighted_overlap(
    first: tuple[Float[ndarray, "d k"], Float[ndarray, " q"]],
    second: tuple[Float[ndarray, "d l"], Float[ndarray, " p"]],
) -> tuple[float, float, float]:
    """(overlap, its mean and its variance by chance) of the leading singular vectors (U, S) of two matrices.

    Law: the overlap is tr(M N)/(‖M‖_F‖N‖_F) of M = U S² Uᵀ and N alike, Σ s_i² s'_j² cos²(u_i, u'_j)/√(Σ s⁴ Σ s'⁴): 1
    for the same directions in the same proportions, 0 for orthogonal ones. For a uniformly rotated N in R^d tr(M N)
    has mean tr M tr N/d and variance 2 ‖M₀‖²‖N₀‖²/((d − 1)(d + 2)), M₀ = M − (tr M/d) I. Proof (here): rotating N₀ acts
    irreducibly on the traceless symmetric matrices, of dimension (d − 1)(d + 2)/2, so that E (tr M₀ R N₀ Rᵀ)² is
    ‖M₀‖²‖N₀‖² over that dimension; the mean is that of the parts along I. ∎ Cost: O(d k²).

    Source: Escoufier 1973 (the RV coefficient). Raises InputError where a matrix is 0.
    """
    (U, s), (V, t) = ((X, S[: X.shape[1]]) for X, S in (first, second))
    if not _largest(s) or not _largest(t):
        raise InputError("the overlap of a matrix that is 0 is not defined")
    d, a, b = len(U), (s / s[0]) ** 2, (t / t[0]) ** 2  # a, b: eigenvalues of M and N
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    rest = (1 - a.sum() ** 2 / (d * (a @ a))) * (1 - b.sum() ** 2 / (d * (b @ b)))  # ‖M₀‖²‖N₀‖²/(‖M‖²‖N‖²)
    variance = 2 * max(float(rest), 0.0) / ((d - 1) * (d + 2)) if d > 1 else 0.0
    return float(a @ (U.T @ V) ** 2 @ b) / size, float(a.sum() * b.sum()) / d / size, variance


@renamed(k="top")
def diff(first: Iterable[Update], second: Iterable[Update], *, side: AskedSide = "auto", top: int = 8) -> Difference:
    """Compare two adapters, module by module and pooled: the principal angles of their leading directions.

    These are left singular vectors on the write side, right ones on the read side. Only modules that are in both
    adapters, with equal shapes, are compared.

    Args:
        first, second: the updates of the two adapters.
        side: "write" or "read"; "auto" takes write if a common module writes the stream or no side is known, else read.
        top: how many leading directions to compare.

    Raises InputError if there is no common module, or common names differ in shape. Cost as :func:`identify`.
    """
    require_options(side, top)
    a, b = {u.name: u for u in first}, {u.name: u for u in second}
    common = [name for name in a if name in b]
    if not common:
        raise InputError(f"the adapters share no module: the first adapts {_some(a)}, the second {_some(b)}")
    for name in common:
        if a[name].shape != b[name].shape:
            raise InputError(
                f"{name} is {a[name].shape} in the first and {b[name].shape} in the second: different base models"
            )
    sides = {a[name].side for name in common}
    found: Side = "read" if sides - {None} == {"read"} else "write"
    chosen = found if side == "auto" else side
    compared = [n for n in common if a[n].side == chosen or sides == {None}]
    if not compared:
        raise InputError(f"no common module is on the {chosen} side; the sides are {sorted(map(str, sides))}")
    overlaps: list[Overlap] = []
    pairs: dict[int, list[_Pair]] = {}
    stacks: dict[int, tuple[Stack, Stack]] = {}
    for name in compared:
        loaded = a[name].lowrank, b[name].lowrank
        pair = _pair(*loaded, side=chosen, k=top)
        start, trained = factor_cosines((a[name], loaded[0]), (b[name], loaded[1]))
        own = _overlap(name, a[name].layer, [pair], pair.svds)
        overlaps.append(replace(own, start_cosine=start, trained_cosine=trained))
        width = loaded[0].shape[0 if chosen == "write" else 1]
        pairs.setdefault(width, []).append(pair)
        both = stacks.setdefault(width, (Stack(chosen), Stack(chosen)))
        for stack, update, lowrank, norm in zip(both, (a[name], b[name]), loaded, pair.norms, strict=True):
            stack.add(update, lowrank, norm=norm)
    pooled = []
    for width, both in sorted(stacks.items(), reverse=True):
        panels = [stack.panels() for stack in both]
        svds = [leading_svd(p, top, rtol=1e-5) for p in panels]
        leading = [(svd.U, svd.S * p.unit) for svd, p in zip(svds, panels, strict=True)]
        pooled.append(_overlap(f"pooled over {len(pairs[width])} modules", None, pairs[width], leading))
    return Difference(
        side=chosen,
        k=top,
        pooled=tuple(pooled),
        modules=tuple(overlaps),
        only_first=tuple(n for n in a if n not in b),
        only_second=tuple(n for n in b if n not in a),
    )


@dataclass(frozen=True, eq=False)
class _Pair:
    """One module of two adapters: leading (U, S) of each, norms, inner product."""

    svds: list[tuple[ndarray, ndarray]]
    norms: tuple[float, float]
    inner: float


def _pair(first: LowRank, second: LowRank, *, side: Side, k: int) -> _Pair:
    facing = [p if side == "write" else p.T for p in (first, second)]
    svds = [f.svd(k, rtol=1e-7) for f in facing]
    norms = [linalg.length(svd.S) for svd in svds]
    return _Pair([(svd.U, svd.S) for svd in svds], (norms[0], norms[1]), first.inner(second))


def _overlap(
    name: str, layer: int | None, pairs: Sequence[_Pair], leading: Sequence[tuple[ndarray, ndarray]]
) -> Overlap:
    norms = tuple(float(np.linalg.norm([p.norms[i] for p in pairs])) for i in (0, 1))
    width = leading[0][0].shape[0]
    a, b = (_numerical_span(U, S) for U, S in leading)
    angles = np.sort(a.angles(b))
    mean, high = random_overlap(width, a.dimension, b.dimension) if angles.size else (None, None)
    weighted, chance, variance = weighted_overlap(*leading) if angles.size else (None, None, None)
    return Overlap(
        name=name,
        layer=layer,
        width=width,
        norms=(norms[0], norms[1]),
        strengths=(_largest(leading[0][1]), _largest(leading[1][1])),
        cosine=sum(p.inner for p in pairs) / (norms[0] * norms[1]) if norms[0] and norms[1] else None,
        angles=tuple(float(x) for x in np.degrees(angles)),
        mean_cos2=float(np.mean(np.cos(angles) ** 2)) if angles.size else None,
        random_mean_cos2=mean,
        random_99=high,
        overlap=weighted,
        random_overlap=chance,
        random_spread=None if variance is None else variance**0.5,
    )


def factor_cosines(first: tuple[Update, LowRank], second: tuple[Update, LowRank]) -> tuple[float | None, float | None]:
    """(cosine of the factors that started at random, of those that started at 0), of two loaded updates.

    Law: two independent starts with r x d entries have cosine 0 with standard deviation 1/√(r d); one seed and few
    steps leave it near 1. The factors are compared as stored: a decomposition rewritten in another gauge loses it.
    """
    (a, one), (b, other) = first, second
    if a.zero_start is None or a.zero_start != b.zero_start or one.rank != other.rank:
        return None, None
    B, A = _cosine(one.B, other.B), _cosine(one.A, other.A)
    return (A, B) if a.zero_start == "B" else (B, A)


def _cosine(X: ndarray, Y: ndarray) -> float | None:
    x, y = (Z.ravel().astype(np.float64) / (float(np.abs(Z).max(initial=0.0)) or 1.0) for Z in (X, Y))
    size = float(np.linalg.norm(x)) * float(np.linalg.norm(y))
    return float(x @ y) / size if size else None


def _largest(S: Float[ndarray, " q"]) -> float:
    return float(S[0]) if S.size else 0.0


def _numerical_span(U: Float[ndarray, "width k"], S: Float[ndarray, " q"]) -> Subspace:
    """Span of the directions whose singular values are not zero to rounding; the others are arbitrary."""
    return Subspace.span(U[:, S[: U.shape[1]] > 1e-9 * max(_largest(S), np.finfo(float).tiny)])


def _some(updates: dict[str, Update]) -> str:
    names = sorted({name.rsplit(".", 1)[-1] for name in updates})
    return ", ".join(names[:6]) or "nothing"
