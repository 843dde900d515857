"""Imports run one way, and importing a package or asking the command line for help loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from checkout import ROOMS, ROOT, sources


@cache
def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports anywhere, type-checking blocks and functions included."""
    return imported_by(path.read_text(), path.relative_to(ROOT).with_suffix("").parts[:-1])


def imported_by(text: str, package: tuple[str, ...] = ()) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            names.add(".".join([*base, *([node.module] if node.module else [])]))
    return names


def tops(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_one_way(room):
    allowed = set(ROOMS[: ROOMS.index(room) + 1])
    assert sources(room)
    for path in sources(room):
        backwards = (tops(imported(path)) & set(ROOMS)) - allowed
        assert not backwards, f"{path.relative_to(ROOT)} imports {sorted(backwards)}"


def test_imports_of_figures_are_by_the_command_line_alone():
    users = {room for room in ROOMS for path in sources(room) if "figures" in tops(imported(path))}
    assert users <= {"figures", "grasp_cli"}


PROVERS = {"sympy": ("*/symbolic.py", "derivations.py"), "z3": ("*/decided.py", "shared/reals.py", "derivations.py")}


@pytest.mark.parametrize("prover", PROVERS)
def test_imports_of_a_prover_are_in_its_own_files_alone(prover):
    for room in ROOMS:
        for path in sources(room):
            if prover in tops(imported(path)):
                own = [f"grasp_theory/statements/{file}" for file in PROVERS[prover]]
                assert any(path.match(file) for file in own), path.relative_to(ROOT)


def test_imports_of_the_mathematics_are_numpy_and_scipy():
    """No files, plots or models in grasp_theory; torch inside the adversarial search, provers inside their files."""
    standard = set(sys.stdlib_module_names)
    for path in sources("grasp_theory"):
        foreign = tops(imported(path)) - standard - {"numpy", "scipy", "jaxtyping", "grasp_theory", "torch", *PROVERS}
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"
    for path in sources("synthetic"):
        assert not tops(imported(path)) & {"torch", "transformers", "matplotlib", "sympy"}, path.relative_to(ROOT)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import torch.nn as nn", {"torch"}),
        ("def f():\n    from figures.style import x", {"figures"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sympy", {"typing", "sympy"}),
        ("from .a import b\nfrom ..c import d\nfrom . import e", {"room"}),
    ],
)
def test_imports_are_found_wherever_they_stand(text, names):
    """Control: the reader of imports sees those that a search of the first lines would miss."""
    assert tops(imported_by(text, ("room", "inner"))) == names


def loaded(statement: str, *names: str) -> list[str]:
    """Which of ``names`` a fresh interpreter has loaded after the statement."""
    code = f"import sys\n{statement}\nprint(*[n for n in {names!r} if n in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


HEAVY = ("torch", "matplotlib", "sympy", "z3", "transformers", "peft", "safetensors")


@pytest.mark.parametrize(
    "package", ["grasp_theory", "synthetic.generators.adapters", "real_models", "real_models.directions"]
)
def test_import_of_a_package_loads_nothing_heavy(package):
    assert loaded(f"import {package}", *HEAVY) == []


@pytest.mark.parametrize(
    "statement", ["import grasp_cli", "import grasp_cli\ntry: grasp_cli.app(['--help'])\nexcept SystemExit: pass"]
)
def test_import_of_the_command_line_loads_nothing_heavy(statement):
    printed = loaded(statement, *HEAVY, "numpy", "scipy", "grasp_theory", "real_models", "figures")
    assert not set(printed) & {*HEAVY, "numpy", "scipy"}


def test_import_of_the_mathematics_loads_no_statement():
    folders = [f"grasp_theory.statements.{path.name}" for path in (ROOT / "grasp_theory" / "statements").glob("*_*/")]
    assert len(folders) > 20
    assert loaded("import grasp_theory", *folders, "grasp_theory.linear") == []
    assert loaded("import grasp_theory\ngrasp_theory.statements.find(['prior-angle'])", *folders) == [
        "grasp_theory.statements.prior_angle"
    ]


def test_import_control_sees_what_is_loaded():
    assert loaded("import grasp_theory", "numpy", "grasp_theory", "scipy.linalg") == ["numpy", "grasp_theory"]
