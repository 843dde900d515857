"""The plain-text notation of the docstrings, split into tokens: what both typesetters read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "eps": "ε", "eta": "η", "theta": "θ", "kappa": "κ",
    "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "chi": "χ",
    "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Sigma": "Σ", "Phi": "Φ",
}  # fmt: skip
# "ell" is written out where a lone l would be read as a one
GREEK |= {"ell": "ℓ"}
RELATIONS = {"<=": "≤", ">=": "≥", "->": "→", "<-": "←", "!=": "≠"}
SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀᵗᵏᵃ⊥", "0123456789+−Ttka⊥", strict=True)) | {"ᵉ": "e"}
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+−", strict=True))
_UPRIGHT = (
    "sin cos tan arcsin arccos asin arctan sinh cosh min max tr log ln exp sharp rank mean sign median Var "
    "diag span det col row argmin relu"
)
FUNCTIONS = frozenset(_UPRIGHT.split())
# of matrices
_SIDE_BY_SIDE = "AA AB BA BB BG GA PP QQ RR VV LL KP PK LJ OV BAA PS TV VVT"
PRODUCTS = frozenset(_SIDE_BY_SIDE.split())
# Σ is a sum, the others are variables
LETTER = r"[A-Za-zÀ-ÖØ-ɏΑ-ΡΤ-Ωα-ωℓ][\u0300-\u036f]?"

Kind = Literal["space", "word", "name", "number", "super", "sub", "script", "open", "close", "bar", "root", "sign"]


@dataclass(frozen=True)
class Token:
    """A piece of a formula as it is typed.

    Attributes:
        kind: a name is a variable, a script _ or ^.
        text: as it is shown on the line.
        raw: as it was typed, where that is raised or lowered.
    """

    kind: Kind
    text: str
    raw: str = ""

    @property
    def flat(self) -> str:
        """What stands for it where it cannot be raised or lowered: the raised character itself."""
        return self.raw or self.text


_PATTERN = re.compile(
    "|".join(
        [
            r"(?P<space>\s+)",
            r"(?P<word>i\.e\.|e\.g\.|z3\b|[A-Za-z]{3,}\d+-\d+[MB]\b)",
            r"(?P<number>\d+(?:\.\d+)?(?:e[-−]?\d+)?|[½⅓¼¾⅕])",
            rf"(?P<letters>(?:{LETTER})+)",
            f"(?P<super>[{''.join(SUPERSCRIPTS)}]+)",
            f"(?P<sub>[{''.join(SUBSCRIPTS)}]+)",
            r"(?P<script>[_^])",
            r"(?P<relation><=|>=|->|<-|!=)",
            r"(?P<open>[(\[{⟨])",
            r"(?P<close>[)\]}⟩])",
            r"(?P<bar>[‖|])",
            r"(?P<root>√)",
            r"(?P<sign>.)",
        ]
    )
)


def tokens(text: str) -> Iterator[Token]:
    """The tokens of one line. Spelled Greek becomes letters, ``<=`` becomes ≤; nothing else is changed."""
    for found in _PATTERN.finditer(text):
        kind, part = found.lastgroup or "sign", found[0]
        if kind == "letters":
            yield from _letters(part)
        elif kind == "relation":
            yield Token("sign", RELATIONS[part])
        elif kind == "super":
            yield Token("super", "".join(SUPERSCRIPTS[c] for c in part), part)
        elif kind == "sub":
            yield Token("sub", "".join(SUBSCRIPTS[c] for c in part), part)
        else:
            yield Token(kind, part)  # pyright: ignore[reportArgumentType]


def _letters(part: str) -> Iterator[Token]:
    """A word, a variable, or several variables side by side (dW, A B written as AB)."""
    if part in GREEK:
        yield Token("name", GREEK[part])
    elif re.fullmatch(LETTER, part):
        yield Token("name", part)
    elif part in PRODUCTS:
        yield from (Token("name", letter) for letter in part)
    elif re.fullmatch(rf"d(?:{LETTER}|{'|'.join(GREEK)})", part) and part not in ("do", "de"):
        yield Token("name", "d")
        yield from _letters(part[1:])
    else:
        found = re.fullmatch(rf"({'|'.join(GREEK)})([\u0300-\u036f])", part)
        if found:  # an accent on a spelled letter
            yield Token("name", GREEK[found[1]] + found[2])
        else:
            yield Token("word", part)
