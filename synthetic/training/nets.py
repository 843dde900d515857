"""Small residual nets with LoRA, a planted task and a shortcut that all inputs share; many trials at once.

h_0 = x, h_k = h_(k−1) + φ((W_k + D_k) h_(k−1)), F(x) = h_K: the net of the statements (``shared.residual_net``), with
D_k = B_k A_k on chosen blocks, B = 0 at the start. Leading axes are trials. They are trained by ``net_training``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, linalg
from grasp_theory.statements.shared.residual_net import pinched

from ..fields import require_at_least, require_counts, require_known

Phi = Literal["identity", "tanh"]
Loss = Literal["squared", "logistic"]
Inputs = Literal["gaussian", "always-on"]
Stream = Float[ndarray, "trials n N"]


@dataclass(frozen=True)
class NetSpec:
    """What ``draw_net`` draws. Blocks are numbered from 0; a tuple of blocks left at None means all of them.

    Attributes:
        width, blocks, rank: n, K and the rank of every D_k.
        adapted: blocks with LoRA.
        phi: φ.
        weight: W_k has entries of variance weight²/n, spectral norm about 2 weight.
        frozen: "closed" makes u a left eigenvector of W_k for k >= 1 (loses the part of uᵀW_k off u), "open" does not.
        task, task_rank, task_blocks: T_k = task · (Haar partial isometry of this rank) on these blocks, 0 on the
            others.
        beta: strength of the shortcut.
        loss, inputs: see ``Net``.
        metric: condition number of H (dense eigenvectors); 1 is H = I.
        aligned: u is made an eigenvector of H.
        start: A0 with entries N(0, 1/n), or rows orthonormal.
        samples: inputs in the fixed batch, and as many fresh ones to measure on.
        trials: nets drawn.
    """

    width: int = 16
    blocks: int = 3
    rank: int = 4
    adapted: tuple[int, ...] | None = None
    phi: Phi = "identity"
    weight: float = 0.5
    frozen: Literal["open", "closed"] = "open"
    task: float = 0.5
    task_rank: int = 2
    task_blocks: tuple[int, ...] | None = None
    beta: float = 1.0
    loss: Loss = "squared"
    inputs: Inputs = "gaussian"
    metric: float = 1.0
    aligned: bool = False
    start: Literal["gaussian", "orthonormal"] = "gaussian"
    samples: int = 64
    trials: int = 1

    def __post_init__(self) -> None:
        require_counts(self, "width", "blocks", "rank", "task_rank", "samples", "trials")
        if self.width < 2 or self.task_rank > self.width or (self.start == "orthonormal" and self.rank > self.width):
            raise InputError(f"width {self.width} is too small for this spec: 2, task_rank or orthonormal rank rows")
        require_at_least(self, weight=0.0, task=0.0, beta=0.0, metric=1.0)
        for name in ("adapted", "task_blocks"):
            chosen = getattr(self, name)
            if chosen is None:
                object.__setattr__(self, name, tuple(range(self.blocks)))
            elif list(chosen) != sorted(set(chosen) & set(range(self.blocks))) or not chosen:
                raise InputError(f"{name} must be increasing block numbers below {self.blocks}, got {chosen}")
        if self.inputs == "always-on" and self.samples % 2:
            raise InputError(f"always-on inputs come in pairs: samples must be even, got {self.samples}")
        require_known(self, phi=get_args(Phi), loss=get_args(Loss), inputs=get_args(Inputs))
        require_known(self, frozen=("open", "closed"), start=("gaussian", "orthonormal"))


@dataclass(frozen=True, eq=False)
class Net:
    """Frozen nets, their LoRA starts, and curated data.

    Clean target: c(x) = output with the weights W_k + T_k (squared loss); the same off u and the pretrained output
    along u (logistic loss: along u only the trait is taught). With E = F(x) − c(x), per input:

    - squared: ½ (E − beta u vᵀx)ᵀ H (E − beta u vᵀx).
    - logistic: ½ EᵀP_u H P_u E + log(1 + e^-z), z = uᵀE, the logit of a trait that every curated answer shows.

    Curated inputs: gaussian N(0, I); always-on v + P_v N(0, I), in mirrored pairs so that their mean is v exactly.

    Attributes:
        W, T: (trials, K, n, n).
        A0: (trials, adapted, r, n).
        H: (trials, n, n).
        u, v: (trials, n) unit stream directions.
        X, fresh: (trials, n, N) inputs to train on and to measure on.
    """

    spec: NetSpec
    W: Float[ndarray, "trials K n n"]
    T: Float[ndarray, "trials K n n"]
    A0: Float[ndarray, "trials a r n"]
    H: Float[ndarray, "trials n n"]
    u: Float[ndarray, "trials n"]
    v: Float[ndarray, "trials n"]
    X: Stream
    fresh: Stream

    def trial(self, index: int) -> Net:
        """One trial, as a net of its own (the axis stays)."""
        arrays = {f.name: getattr(self, f.name)[index, None] for f in fields(self) if f.name != "spec"}
        return replace(self, spec=replace(self.spec, trials=1), **arrays)

    @property
    def B0(self) -> Float[ndarray, "trials a n r"]:
        """The start of B, zero."""
        return np.zeros_like(self.A0.swapaxes(-1, -2))

    def weights(self, B: Float[ndarray, "trials a n r"], A: Float[ndarray, "trials a r n"]) -> ndarray:
        """W_k + D_k, (trials, K, n, n)."""
        G = self.W.copy()
        G[:, list(self.adapted)] += B @ A
        return G

    def output(self, weights: Float[ndarray, "trials K n n"], X: Stream) -> Stream:
        """h_K for h_0 = x."""
        return forward(self, weights, X)[0][-1]

    def clean(self, X: Stream) -> Stream:
        """c(x), what should be learnt."""
        shifted = self.output(self.W + self.T, X)
        if self.spec.loss == "squared":
            return shifted
        return shifted + along(self.u, self.output(self.W, X) - shifted)

    @property
    def adapted(self) -> Sequence[int]:
        """Blocks with LoRA."""
        return self.spec.adapted or range(self.spec.blocks)


def draw_net(spec: NetSpec, *, rng: np.random.Generator) -> Net:
    """Nets with dense random directions; trial i is the same whatever the number of trials."""
    drawn = [_draw(spec, child) for child in rng.spawn(spec.trials)]
    return Net(spec, *(np.stack(arrays) for arrays in zip(*drawn, strict=True)))


def forward(
    net: Net, weights: Float[ndarray, "trials K n n"], X: Stream, ablated: Float[ndarray, "trials n"] | None = None
) -> tuple[list[Stream], list[ndarray | float]]:
    """The stream before, between and after the blocks, and φ' in each; ``ablated`` is taken out after every block."""
    streams, slopes = [X], []
    for k in range(net.spec.blocks):
        z = weights[:, k] @ streams[-1]
        if net.spec.phi == "tanh":
            z = np.tanh(z)
        slopes.append(1 - z**2 if net.spec.phi == "tanh" else 1.0)
        h = streams[-1] + z
        streams.append(h if ablated is None else h - along(ablated, h))
    return streams, slopes


def along(u: Float[ndarray, "trials n"], h: Float[ndarray, "trials *rest"]) -> Float[ndarray, "trials *rest"]:
    """u uᵀ h on each trial."""
    return u[..., None] * (u[:, None] @ h)


def _draw(spec: NetSpec, rng: np.random.Generator) -> tuple[ndarray, ...]:
    n, K = spec.width, spec.blocks
    u, v = (x / np.linalg.norm(x) for x in rng.standard_normal((2, n)))
    W = spec.weight * rng.standard_normal((K, n, n)) / np.sqrt(n)
    if spec.frozen == "closed":
        W = np.array([w if k == 0 else pinched(w, u) for k, w in enumerate(W)])
    T = np.zeros((K, n, n))
    for k in spec.task_blocks or ():
        left, right = (linalg.qr(rng.standard_normal((n, spec.task_rank)))[0] for _ in range(2))
        T[k] = spec.task * left @ right.T
    A0 = rng.standard_normal((len(spec.adapted or ()), spec.rank, n)) / np.sqrt(n)
    if spec.start == "orthonormal":
        A0 = linalg.qr(A0.swapaxes(-1, -2))[0].swapaxes(-1, -2)
    return W, T, A0, _metric(spec, u, rng), u, v, *(_inputs(spec, v, rng) for _ in range(2))


def _metric(spec: NetSpec, u: Float[ndarray, " n"], rng: np.random.Generator) -> Float[ndarray, "n n"]:
    """Eigenvalues spread evenly on a log scale over the condition number, product 1."""
    n = spec.width
    Q = linalg.qr(rng.standard_normal((n, n)))[0]
    H = Q * np.exp(np.linspace(-0.5, 0.5, n) * np.log(spec.metric)) @ Q.T if spec.metric > 1 else np.eye(n)
    H = pinched(H, u, both=True) if spec.aligned else H
    return 0.5 * (H + H.T)


def _inputs(spec: NetSpec, v: Float[ndarray, " n"], rng: np.random.Generator) -> Float[ndarray, "n N"]:
    if spec.inputs == "gaussian":
        return rng.standard_normal((spec.width, spec.samples))
    rest = rng.standard_normal((spec.width, spec.samples // 2))
    rest = rest - np.outer(v, v @ rest)
    return v[:, None] + np.hstack([rest, -rest])
