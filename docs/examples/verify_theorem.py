"""
Verify a theorem, and break it
==============================

A statement carries what is needed to check it. Here one is checked, then taken beyond its assumption, where it fails.
On the command line: ``grasp verify prior-angle`` and ``grasp verify --explain prior-angle``.
"""

# %%
# The statement: a factor of strength beta in a task of norm at most tau < beta/2 is at most ½ arcsin(2 tau/beta) away
# from the top singular vector, and no smaller bound holds.
import matplotlib.pyplot as plt
import numpy as np

from grasp_theory import verify
from grasp_theory.statements import find

outcome = verify("prior-angle")
print(f"stands: {outcome.stands}; holds on {outcome.held} of {outcome.draws} draws")
refuted, total = outcome.variants
print(f"reaches {outcome.best_ratio:.6f} of the bound; {refuted} of {total} false variants refuted")

# %%
# One instance that attains it, and one that breaks the assumption: the claim is then false, with finite numbers.
(statement,) = find(["prior-angle"])
rng = np.random.default_rng(0)
inside, outside = statement.extremal(rng), statement.violators["tau < beta/2"](rng)
for name, instance in (("inside", inside), ("outside", outside)):
    sides = statement.claims["left"].sides(instance)
    print(f"{name}: tau/beta = {instance.rho:.2f}, sin = {sides.measured:.3f}, bound {sides.bound:.3f}")
print("broken:", statement.broken(outside))

# %%
# Random tasks stay far below the bound; the worst one follows it, and beyond tau = beta/2 the factor may be lost.
rho = np.linspace(0.02, 0.7, 60)
u, v = np.eye(8)[0], np.eye(8)[0]


def sine(T: np.ndarray) -> float:
    """sin of the angle between u and the top left singular vector of T + u vᵀ."""
    top = np.linalg.svd(T + np.outer(u, v))[0][:, 0]
    return float(np.sqrt(max(1 - top[0] ** 2, 0.0)))


def worst(r: float) -> np.ndarray:
    """The task of the proof; beyond one half, a little more than a reflection."""
    s = min(2 * r, 1.0)
    T = np.zeros((8, 8))
    T[:2, :2] = r * np.array([[-s, np.sqrt(1 - s * s)], [np.sqrt(1 - s * s), s]])
    return T


random = [sine(r * (X := rng.standard_normal((8, 8))) / np.linalg.norm(X, 2)) for r in rho]
bound = np.where(rho < 0.5, np.sin(0.5 * np.arcsin(np.minimum(2 * rho, 1))), 1)
fig, axis = plt.subplots()
axis.plot(rho, bound, color="black", label="bound; 1 beyond the border")
axis.plot(rho, [sine(worst(r)) for r in rho], ".", color="tab:red", label="worst task")
axis.plot(rho, random, ".", color="tab:blue", label="random tasks")
axis.axvline(0.5, color="gray", linestyle=":")
axis.set(
    xlabel="tau/beta", ylabel="sin of the angle", ylim=(-0.03, 1.05), title="Angle of the top vector to the factor"
)
axis.legend()
plt.show()
