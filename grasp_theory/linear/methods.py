"""Every method's effective update at full rank, by the names of ``regimes.risk_table``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jaxtyping import Float
from numpy import ndarray

from .ablation import naive_ablated
from .caft import caft, caft_ablated
from .edit import delete_component, posthoc_read, posthoc_write
from .grasp import grasp_both, grasp_read, grasp_write
from .naive import naive_solution
from .problem import LinearProblem

SOLUTIONS: Mapping[str, Callable[[LinearProblem], Float[ndarray, "m d"]]] = {
    "naive": naive_solution,
    "post-hoc write": lambda p: posthoc_write(p, naive_solution(p)),
    "write GRASP": grasp_write,
    "post-hoc read": lambda p: posthoc_read(p, naive_solution(p)),
    "read GRASP": grasp_read,
    "both GRASP": grasp_both,
    "deletion": lambda p: delete_component(naive_solution(p)),
    "CAFT": caft,
    "ablation": naive_ablated,
    "CAFT + ablation": caft_ablated,
}
