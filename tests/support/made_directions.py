"""What a file of directions says, of directions that come from nowhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from real_models.directions import HOOK_POINT, Directions


def directions(Q: np.ndarray, side: Any = "write", **change: Any) -> Directions:
    fields: dict[str, Any] = {
        "Q": Q.astype(np.float32),
        "singular_values": np.ones(Q.shape[1]),
        "components": tuple(range(Q.shape[1])),
        "decomposed": "a random matrix",
        "side": side,
        "modules": (),
        "layers": (),
        "hook_point": HOOK_POINT[side],
        "operation": "project out",
        "base_model": None,
        "adapter_sha256": "",
    }
    return Directions(**fields | change)
