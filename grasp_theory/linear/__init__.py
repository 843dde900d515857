"""The linear model of fine-tuning: one layer, its closed forms under every method, and the risks at deployment."""

from .problem import LinearProblem, draw_problem, psd_root
from .regimes import excess_risk, norm_left, response_left

__all__ = ["LinearProblem", "draw_problem", "excess_risk", "norm_left", "psd_root", "response_left"]
