"""stream-hold (tight). What holding the stream does that projecting an update cannot.

A residual net h_k = h_{k−1} + U_k φ(V_k h_{k−1}): V_k reads the stream, U_k writes it, φ acts on each entry. An update
dV_k, dU_k makes another net of it. h⁰ is the base's stream, h the tuned one's, on the same inputs X, ‖u‖ = 1.

(i) Hold. With h_k <- h_k − u uᵀ(h_k − h⁰_k) after every block, uᵀh_k = uᵀh⁰_k for every update, block, φ and input:
    what reads the stream along u, inside the net or behind it, reads what the base says.
(ii) Write projection, uᵀdU_k = 0, promises less. One block moves the stream along u by

        uᵀ(h_1 − h⁰_1) = uᵀU (φ((V + dV) X) − φ(V X)),    at most ‖Uᵀu‖ ‖dV X‖_F if |φ'| <= 1:

    uᵀU, which stays the base's, writes along u what the updated V hands it. Approached by small dV X = Uᵀu yᵀ where
    V X = 0 and φ' = 1. The spectral norm of dV X is no bound: the change can exceed it where a unit saturates.
(iii) Price. However it is tuned, what the held net misses of the free net's output is at least what the update did
    along u: ‖h_L − held_L‖_F >= ‖uᵀ(h_L − h⁰_L)‖, with equality for one block, whose held output is the free one less
    u uᵀ(h_1 − h⁰_1). A task along u is lost with the factor.

Assumes: every block is held; ‖u‖ = 1; |φ'| <= 1.

Proof (here). (i) uᵀ of the held stream is uᵀh_k − ‖u‖² uᵀ(h_k − h⁰_k) = uᵀh⁰_k. (ii) uᵀ(U + dU) φ((V + dV) X) −
uᵀU φ(V X) with uᵀdU = 0; then Cauchy-Schwarz in every column, and |φ(a) − φ(b)| <= |a − b| in every entry. If
dV X = Uᵀu yᵀ and V X = 0, φ(z) = φ(0) + z + o(z), both sides are ‖Uᵀu‖² ‖y‖ to first order. Against the spectral norm:
dV X = eps (1, 1; 1, −1) has eps √2; if φ is flat at the last entry of V X and φ' = 1 at the others, the change is
eps (1, 1; 1, 0), of norm 1.618 eps, reached by Uᵀu ∥ (1.618, 1). (iii) By (i) the component along u of h_L − held_L is
uᵀ(h_L − h⁰_L); a norm is at least that of a component. One block has the same input X held and free, so that only
u uᵀ(h_1 − h⁰_1) is missed. ∎ In deep nets later blocks bring back what a write projection keeps out too
(rerouting-share).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..shared.draws import log_uniform, unit
from ..statement import Border, Claim, Route, Sides, Statement, exact


@dataclass(frozen=True, eq=False)
class Instance:
    """A net of L blocks with m hidden units, an update, inputs, a direction.

    slope : φ(z) = tanh(slope z), so that |φ'| <= slope. held : whether the stream is held after each block.
    """

    V: Float[ndarray, "L m n"]
    U: Float[ndarray, "L n m"]
    dV: Float[ndarray, "L m n"]
    dU: Float[ndarray, "L n m"]
    X: Float[ndarray, "n N"]
    u: Float[ndarray, " n"]
    slope: float
    held: tuple[bool, ...]

    def act(self, z: Float[ndarray, "m N"]) -> Float[ndarray, "m N"]:
        """φ."""
        return np.tanh(self.slope * z)

    def base(self) -> list[Float[ndarray, "n N"]]:
        """h⁰ after each block."""
        return self._run(self.V, self.U)

    def free(self) -> list[Float[ndarray, "n N"]]:
        """h after each block."""
        return self._run(self.V + self.dV, self.U + self.dU)

    def hold(self) -> list[Float[ndarray, "n N"]]:
        """The same, held."""
        return self._run(self.V + self.dV, self.U + self.dU, self.base())

    def write_projected(self) -> Instance:
        """The same with uᵀdU = 0."""
        return replace(self, dU=self.dU - np.einsum("i,j,ljm->lim", self.u, self.u, self.dU))

    def first(self) -> Instance:
        """Its first block alone."""
        return replace(self, V=self.V[:1], U=self.U[:1], dV=self.dV[:1], dU=self.dU[:1], held=(True,))

    def _run(self, V, U, kept=None) -> list[Float[ndarray, "n N"]]:
        h, streams = self.X, []
        for k in range(len(V)):
            h = h + U[k] @ self.act(V[k] @ h)
            if kept is not None and self.held[k]:
                h = h - np.outer(self.u, self.u @ (h - kept[k]))
            streams.append(h)
        return streams


def along(i: Instance, streams: list[Float[ndarray, "n N"]]) -> Float[ndarray, "L N"]:
    """uᵀ(h_k − h⁰_k)."""
    return np.array([i.u @ (h - plain) for h, plain in zip(streams, i.base(), strict=True)])


def _largest(streams: list[Float[ndarray, "n N"]]) -> float:
    return float(max(np.linalg.norm(h) for h in streams))


def moves(i: Instance) -> Sides:
    """The largest |uᵀ(h_k − h⁰_k)| of the held net."""
    return Sides.exact(float(np.abs(along(i, i.hold())).max()), 0.0, scale=_largest(i.hold()))


def left(i: Instance) -> Float[ndarray, "1 N"]:
    """What a write projection of the first block leaves along u."""
    one = i.first().write_projected()
    return along(one, one.free())


def handed_on(i: Instance) -> Float[ndarray, "1 N"]:
    """uᵀU (φ((V + dV) X) − φ(V X)), of the first block."""
    change = i.act((i.V[0] + i.dV[0]) @ i.X) - i.act(i.V[0] @ i.X)
    return (i.u @ i.U[0] @ change)[None]


def reach(i: Instance) -> float:
    """‖Uᵀu‖ ‖dV X‖_F, of the first block."""
    return float(np.linalg.norm(i.U[0].T @ i.u) * np.linalg.norm(i.dV[0] @ i.X))


def size(bound, *, tight: bool = False) -> Claim[Instance]:
    """What a write projection leaves along u, against a bound."""
    return exact("<=", lambda i: np.linalg.norm(left(i)), bound, scale=reach, tight=tight)


def missed(i: Instance) -> float:
    """‖h_L − held_L‖."""
    return float(np.linalg.norm(i.free()[-1] - i.hold()[-1]))


def moved(i: Instance) -> float:
    """‖uᵀ(h_L − h⁰_L)‖."""
    return float(np.linalg.norm(along(i, i.free())[-1]))


def same(a, b) -> Claim[Instance]:
    """The two functions of an instance give the same array, to rounding of its streams."""
    return exact(
        "=",
        lambda i: np.linalg.norm(a(i) - b(i)),
        lambda i: 0.0,
        scale=lambda i: _largest([i.X, *i.base(), *i.free()]),
    )


def along_a_path(i: Instance) -> float:
    """‖uᵀU ∫₀¹ φ'((V + t dV) X) ∘ (dV X) dt‖ by Gauss-Legendre, which takes no difference of streams."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    change, total = i.dV[0] @ i.X, np.zeros((len(i.V[0]), i.X.shape[1]))
    for t, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        total += weight * i.slope / np.cosh(i.slope * (i.V[0] @ i.X + t * change)) ** 2 * change
    return float(np.linalg.norm(i.u @ i.U[0] @ total))


def draw(rng: np.random.Generator) -> Instance:
    """Sizes, depth, strength of the update and slope drawn; two in five ``aligned``, one in five ``saturated``."""
    n, m, blocks = int(rng.integers(3, 8)), int(rng.integers(2, 9)), int(rng.integers(1, 4))
    slope, size = float(np.clip(1 + 0.3 * rng.standard_normal(), 0.2, 2)), log_uniform(rng, 0.03, 3)
    V, dV = (rng.standard_normal((blocks, m, n)) / np.sqrt(n) for _ in range(2))
    U, dU = (rng.standard_normal((blocks, n, m)) / np.sqrt(m) for _ in range(2))
    X = rng.standard_normal((n, int(rng.integers(1, 7))))
    i = Instance(V, U, size * dV, size * dU, X, unit(rng, n), slope, (True,) * blocks)
    kind = rng.random()
    return aligned(i, rng) if kind < 0.4 else saturated(i) if kind < 0.6 else i


def aligned(i: Instance, rng: np.random.Generator) -> Instance:
    """V of the first block next to nothing, and its dV X small and parallel to Uᵀu."""
    V, dV = i.V.copy(), i.dV.copy()
    V[0] *= 1e-6
    dV[0] = 1e-4 * np.outer(i.U[0].T @ i.u, unit(rng, len(i.u)))
    return replace(i, V=V, dV=dV)


def saturated(i: Instance) -> Instance:
    """The proof's case against the spectral norm: the second of two inputs saturates the second unit of block 1."""
    V, U, dV = i.V.copy(), i.U.copy(), i.dV.copy()
    X = np.column_stack([i.X[:, 0], np.roll(i.X[:, 0], 1)])
    read = np.linalg.pinv(X)
    V[0], dV[0] = 0, 0
    V[0, 1] = 20 * read[1]
    dV[0, :2] = 1e-3 * np.array([[1, 1], [1, -1]]) @ read
    top = np.zeros(len(V[0]))
    top[:2] = (1 + np.sqrt(5)) / 2, 1
    U[0] += np.outer(i.u, top - i.u @ U[0])
    return replace(i, V=V, U=U, dV=dV, X=X, slope=max(i.slope, 0.95))


def extremal(rng: np.random.Generator) -> Instance:
    """One block, as where (ii) is approached."""
    return aligned(replace(draw(rng).first(), slope=1 - 1e-9), rng)


STATEMENT = Statement(
    key="stream-hold",
    kind="tight",
    law="held along u, the stream says there what the base says; write projection leaves ‖Uᵀu‖ ‖dV X‖_F",
    basis="proved here",
    assumptions={
        "every block is held": lambda i: all(i.held),
        "‖u‖ = 1": lambda i: abs(float(np.linalg.norm(i.u)) - 1) < 1e-9,
        "|φ'| <= 1": Border(lambda i: 1 - i.slope),
    },
    draw=draw,
    claims={
        "hold": Claim("=", moves),
        "write projection": same(left, handed_on),
        "write projection, size": size(reach, tight=True),
        "price": exact("<=", moved, missed, tight=True),
        "price of one block": exact("=", lambda i: moved(i.first()), lambda i: missed(i.first())),
    },
    extremal=extremal,
    route=Route(
        "write projection, size",
        along_a_path,
        lambda i: 1e-6 * float(np.linalg.norm(i.U[0].T @ i.u) * np.sqrt(i.X.shape[1])),
        "measured",
    ),
    violators={
        "every block is held": lambda rng: replace(i := draw(rng), slope=min(i.slope, 0.9), held=(*i.held[:-1], False)),
        "‖u‖ = 1": lambda rng: replace(i := draw(rng), slope=min(i.slope, 0.9), u=1.3 * i.u),
        "|φ'| <= 1": lambda rng: aligned(replace(draw(rng), slope=1.5), rng),
    },
)
