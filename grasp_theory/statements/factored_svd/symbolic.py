"""Derives that the core of generic factors B (3 x 2), A (2 x 3) has dW's singular values, and that no gauge matters."""

from typing import Any

import sympy as sp

from . import Instance


def det(matrix: Any) -> Any:
    """Determinant (sympy types it as a union that has no powers)."""
    return matrix.det()


def energy(B: sp.Matrix, A: sp.Matrix) -> Any:
    """tr(BᵀB AAᵀ), the sum of the squared singular values by the core."""
    return ((B.T * B) * (A * A.T)).trace()


def residuals() -> dict[str, sp.Expr]:
    """Coefficients of characteristic polynomials, left minus right."""
    B = sp.Matrix(3, 2, sp.symbols("b:6", real=True))
    A = sp.Matrix(2, 3, sp.symbols("a:6", real=True))
    G = sp.Matrix(2, 2, sp.symbols("g:4", real=True))
    dW = B * A
    gram = dW * dW.T
    X, Y = B * G, G.adjugate() * A  # G⁻¹ = adjugate/det: times det(G)² both sides are polynomials
    minors = (gram.trace() ** 2 - (gram * gram).trace()) / 2  # sum of products of two eigenvalues
    cofactors = [gram[0, j] * det(gram.minor_submatrix(0, j)) for j in range(3)]
    return {
        "sum of s_i²": gram.trace() - energy(B, A),
        "sum of s_i² s_j²": minors - det(B.T * B) * det(A * A.T),
        "no third value": cofactors[0] - cofactors[1] + cofactors[2],
        "gauge: sum": energy(X, Y) - det(G) ** 2 * energy(B, A),
        "gauge: a product of minors": det(X[:2, :]) * det(Y[:, :2]) - det(G) ** 2 * det(B[:2, :]) * det(A[:, :2]),
    }


def twin(i: Instance) -> dict[str, float]:
    """The sum of squares by the core, of this instance's factors."""
    return {"sum of squares": i.scaling**2 * float(energy(sp.Matrix(i.B), sp.Matrix(i.A)))}
