"""What GRASP refuses, with the reason, and that the model is left as it was found: bit for bit, and without a hook."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from test_grasp_guarantee import leaks
from tiny_models import (
    OPTIMIZERS,
    WIDTH,
    assert_same,
    batch,
    deltas,
    descend,
    everything,
    hooks,
    lora,
    subspace,
    tiny,
    trained,
)
from tolerance import GUARANTEE
from torch import nn

from grasp_theory import GraspError, InputError, Subspace
from real_models.directions import HOOK_POINT, SIGN_RULE, Directions
from real_models.methods.grasp import Grasp

Q = subspace(0, 2)
DIRECTIONS = Directions(
    Q=Q.astype(np.float32),
    singular_values=np.ones(2, np.float32),
    components=(0, 1),
    decomposed="dW",
    side="write",
    modules=("model.layers.0.self_attn.o_proj",),
    layers=(0,),
    hook_point=HOOK_POINT["write"],
    operation="project",
    base_model=None,
    adapter_sha256=None,
    sign_rule=SIGN_RULE,
)
