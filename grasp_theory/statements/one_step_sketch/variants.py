"""False variants of one-step-sketch: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np

from ..statement import Claim
from . import Instance, certificate, dense, left_claim, mean_square, on_sphere, overlap, sketch


def _task(i: Instance) -> np.ndarray:
    return i.problem.H @ i.problem.T @ i.problem.Sigma


def _factor(i: Instance) -> float:
    """Size of the factor's part of G K."""
    p = i.problem
    return float(p.beta * np.linalg.norm(p.H @ p.u) * np.linalg.norm(i.K @ p.Sigma @ p.v))


OWN: dict[str, Claim[Instance]] = {
    "dW_1 ∝ G": sketch(lambda i: 2 * i.lr * i.scaling**2 * i.G * np.trace(i.K) / len(i.K)),
}

BLIND: dict[str, Claim[Instance]] = {
    "scaling once, not squared": sketch(lambda i: 2 * i.lr * i.scaling * i.G @ i.K),
    "factor 2 of the gradient forgotten": sketch(lambda i: i.lr * i.scaling**2 * i.G @ i.K),
    "G without the metric": sketch(lambda i: 2 * i.lr * i.scaling**2 * i.problem.M @ i.problem.Sigma @ i.K),
    "G without Sigma": sketch(lambda i: 2 * i.lr * i.scaling**2 * i.problem.H @ i.problem.M @ i.K),
    "certificate: K cancels above and below": certificate(
        lambda task, i: np.linalg.norm(_task(i), 2) / np.linalg.norm(i.G, 2)
    ),
    "certificate: K only above": certificate(lambda task, i: task / np.linalg.norm(i.G, 2)),
    "certificate: task over task plus factor": certificate(lambda task, i: task / (task + _factor(i))),
    "certificate: task over the Frobenius norm": certificate(lambda task, i: task / np.linalg.norm(i.G @ i.K)),
    "certificate for u, H forgotten": certificate(
        lambda task, i: task / np.linalg.norm(i.G @ i.K, 2), of=lambda p: p.u
    ),
    "the left vector is u": left_claim("sgd", lambda a: 1.0, of=lambda p: p.u),
    "Adam: √(2/π) at every size": left_claim("adam", lambda a: np.sqrt(2 / np.pi)),
    "Adam: left exact as under SGD": left_claim("adam", lambda a: 1.0),
    "Adam, on the sphere: the limit √(2/π) at every size": on_sphere(lambda m: np.sqrt(2 / np.pi)),
    "Adam, on the sphere: 1/√2": on_sphere(lambda m: np.sqrt(1 / 2)),
    "Adam, on the sphere: root mean square for the mean": on_sphere(lambda m: np.sqrt((1 + (m - 1) * 2 / np.pi) / m)),
    "Adam: cosine squared": left_claim("adam", lambda a: dense(a) ** 2),
    "right: the limit √(r/(r + d)) at every size": overlap(lambda r, d: np.sqrt(r / (r + d))),
    "right: √(r/d)": overlap(lambda r, d: np.sqrt(r / d)),
    "right: r/(r + d), the root forgotten": overlap(lambda r, d: r / (r + d)),
    "mean square: r/d": mean_square(lambda r, d: r / d),
    "mean square: that of a cosine √(r/(r + d − 1))": mean_square(lambda r, d: np.sqrt(r / (r + d - 1))),
    "mean square: Beta((r − 1)/2, d/2)": mean_square(lambda r, d: (r - 1) / (r + d - 1)),
}
