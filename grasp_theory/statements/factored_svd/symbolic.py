"""Derives that the core of generic factors B (3 x 2), A (2 x 3) has dW's singular values, and that no gauge matters."""

from typing import Any

import sympy as sp


def det(matrix: Any) -> Any:
    """Determinant (sympy types it as a union that has no powers)."""
    return matrix.det()


def residuals() -> dict[str, sp.Expr]:
    """Coefficients of characteristic polynomials, left minus right."""
    B = sp.Matrix(3, 2, sp.symbols("b:6", real=True))
    A = sp.Matrix(2, 3, sp.symbols("a:6", real=True))
    G = sp.Matrix(2, 2, sp.symbols("g:4", real=True))
    dW = B * A
    gram = dW * dW.T
    core = (B.T * B) * (A * A.T)
    X, Y = B * G, G.adjugate() * A  # G⁻¹ = adjugate/det: times det(G)² both sides are polynomials
    gauged = (X.T * X) * (Y * Y.T)
    minors = (gram.trace() ** 2 - (gram * gram).trace()) / 2  # sum of products of two eigenvalues
    return {
        "sum of s_i²": sp.expand(gram.trace() - core.trace()),
        "sum of s_i² s_j²": sp.expand(minors - det(core)),
        "no third value": sp.expand(det(gram)),
        "gauge: sum": sp.expand(gauged.trace() - det(G) ** 2 * core.trace()),
        "gauge: a product of minors": sp.expand(
            det(X[:2, :]) * det(Y[:, :2]) - det(G) ** 2 * det(B[:2, :]) * det(A[:, :2])
        ),
    }
