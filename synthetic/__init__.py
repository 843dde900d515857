"""Generators with known truth, and experiments on them: numpy only, no models."""

import grasp_theory as _  # noqa: F401 (finds modules of 0.1 under their old names)
