"""What users import, with its arguments: a change is made on purpose, by ``python -m tests.test_public_surface``."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

RECORD = Path(__file__).with_suffix(".json")
PACKAGES = ("grasp_theory", "real_models", "real_models.evaluation", "real_models.methods", "real_models.training")


def surface(package: str) -> dict[str, str]:
    """Name -> signature: argument names, their order, kinds and defaults, annotations left out."""
    module = importlib.import_module(package)
    return {name: _signature(getattr(module, name)) for name in sorted(module.__all__)}


def _signature(found: Any) -> str:
    if not callable(found):
        return type(found).__name__
    try:
        signature = inspect.signature(found)
    except ValueError:  # an exception class without a signature of its own
        return "(*args)"
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))


@pytest.mark.parametrize("package", PACKAGES)
def test_public_surface_is_the_recorded_one(package):
    assert surface(package) == json.loads(RECORD.read_text(encoding="utf-8"))[package]


def test_public_surface_sees_a_changed_default():
    """The control: names, order, kind and default of an argument are all part of a signature."""

    def of(*variants: Any) -> set[str]:
        return {_signature(f) for f in variants}

    assert len(of(lambda a, b: 0, lambda b, a: 0, lambda a, *, b: 0, lambda a, b=1: 0, lambda a, b=2: 0)) == 5


def test_grasp_theory_exports_what_its_users_need():
    import grasp_theory

    assert len(grasp_theory.__all__) <= 15
    with pytest.warns(DeprecationWarning, match=r"grasp_theory\.identification\.floor now"):
        assert grasp_theory.white_edge is importlib.import_module("grasp_theory.identification.floor").white_edge
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = grasp_theory.nothing


def test_arguments_of_0_1_are_taken_by_their_old_names_with_a_warning():
    from grasp_theory import InputError, diff, identify
    from real_models.methods import Caft

    for call in (lambda: identify([], k=0), lambda: diff([], [], k=0), lambda: Caft(None, at=["x"])):
        with (
            pytest.warns(DeprecationWarning, match=r"(k is called top|at is called layers) now"),
            pytest.raises(InputError, match=r"^top must be|an index in layers must be"),
        ):
            call()
    with pytest.raises(TypeError, match="'at'"):
        Caft(None, layers=[0], at=[1])


if __name__ == "__main__":
    RECORD.write_text(json.dumps({p: surface(p) for p in PACKAGES}, indent=1, ensure_ascii=False) + "\n", "utf-8")
