"""How near the identified directions are to the supervised one, block by block, and what random ones would show."""

from __future__ import annotations

from typing import Any

import numpy as np

from .directions import seen_directions, top_directions
from .runs import NaiveRun


def alignment(naive: NaiveRun, *, components: int = 4) -> dict[str, Any]:
    """|cos| of the leading components with the mean-difference vector of each block.

    weights, activations : (components, blocks) for ``weight-svd`` and ``activation-svd``. random : √(2/(π d)), the mean
    of |cos| for a random direction in d dimensions (large d), and its 99% quantile.
    """
    table = naive.spec.trait_vectors()
    V = np.column_stack([v / np.linalg.norm(v) for _, v in sorted(table.items())])
    found = {
        name: np.abs(directions(naive, components).T @ V).round(4).tolist()
        for name, directions in (("weights", top_directions), ("activations", seen_directions))
    }
    d = len(V)
    return found | {"random": round(float(np.sqrt(2 / (np.pi * d))), 4), "random_99": round(2.576 / np.sqrt(d), 4)}
