"""What a finding of an audit is, and the modules that it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from grasp_theory.identification.read_start import ReadStart
from grasp_theory.identification.report import ModuleSpectrum

from ..adapters import Adapter
from ..adapters.patterns import by_pattern
from ..adapters.text import percent


@dataclass(frozen=True)
class Finding:
    """One thing that the weights show.

    Attributes:
        key: what kind of finding it is, such as "trained" or "shared-direction".
        text: a sentence that says it, with its number.
        value: that number.
        scope: the modules that it is about, in words, with their share of ‖dW‖_F².
        how: how it was decided.
        modules: the names of these modules.
    """

    key: str
    text: str
    value: float
    scope: str
    how: str
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Audit:
    """The modules that are audited, with their energies."""

    adapter: Adapter
    modules: Sequence[ModuleSpectrum]
    read_start: Sequence[ReadStart] = ()

    @cached_property
    def alive(self) -> list[ModuleSpectrum]:
        return [m for m in self.modules if m.norm > 0]

    @cached_property
    def energy(self) -> float:
        return sum(m.norm**2 for m in self.modules)

    def which(self, modules: Sequence[ModuleSpectrum]) -> str:
        return by_pattern([m.name for m in modules], [m.name for m in self.modules])

    def finding(self, key: str, text: str, value: float, modules: Sequence[ModuleSpectrum], how: str) -> Finding:
        """One about these modules."""
        share = sum(m.norm**2 for m in modules) / self.energy if self.energy else 0.0
        scope = f"{len(modules)} of {len(self.modules)} modules ({self.which(modules)}), {percent(share)} of ‖dW‖²"
        return Finding(key, text, value, scope, how, tuple(m.name for m in modules))
