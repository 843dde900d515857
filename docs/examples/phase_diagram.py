"""
A phase diagram in ten lines
============================

When does the singular value decomposition see one factor in an unstructured task? Above the critical strength
(m d)^¼, and not below it (statement ``phase-transition``).
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from grasp_theory.identification.spectra import spike

rng, d = np.random.default_rng(0), 120
sizes, strengths = np.geomspace(40, 300, 10).astype(int).tolist(), np.linspace(0.3, 2.5, 16)
overlap = np.zeros((len(sizes), len(strengths)))
for (i, m), (j, x) in ((a, b) for a in enumerate(sizes) for b in enumerate(strengths)):
    u, v = (z / np.linalg.norm(z) for z in (rng.standard_normal(m), rng.standard_normal(d)))
    M = rng.standard_normal((m, d)) + x * (m * d) ** 0.25 * np.outer(u, v)
    overlap[i, j] = (np.linalg.svd(M, full_matrices=False)[0][:, 0] @ u) ** 2
between = np.linspace(0.3, 2.5, 200)
law = np.array([[spike(x * (m * d) ** 0.25, m, d).left for x in between] for m in sizes])

# %%
# Colours are measured, one matrix a point; the lines are the law.
aspects = [m / d for m in sizes]
fig, axis = plt.subplots()
mesh = axis.pcolormesh(strengths, aspects, overlap, shading="nearest", vmin=0, vmax=1)
axis.contour(between, aspects, law, levels=[0.01, 0.25, 0.5, 0.75], colors="white", linewidths=1)
axis.set(yscale="log", xlabel="strength / (m d)^¼", ylabel="m/d", title="Where the planted factor shows; lines: theory")
fig.colorbar(mesh, label="squared overlap")
plt.show()
