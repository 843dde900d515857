"""dW of the modules of two runs, compared."""

from __future__ import annotations

import numpy as np


def assert_same_updates(one: dict[str, np.ndarray], other: dict[str, np.ndarray], *, rtol=0.0, atol=0.0) -> None:
    """dW of every module, to atol and rtol ‖dW‖."""
    assert one.keys() == other.keys()
    for name, dW in other.items():
        np.testing.assert_allclose(one[name], dW, rtol=0, atol=atol + rtol * np.linalg.norm(dW), err_msg=name)


def distance(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    """Of the module that differs most, relative to the other."""
    assert one.keys() == other.keys()
    return max(float(np.linalg.norm(one[name] - dW) / np.linalg.norm(dW)) for name, dW in other.items())
