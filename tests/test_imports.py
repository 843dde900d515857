"""Sources: imports run one way and load nothing heavy before it is needed, text files are opened with an encoding."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from checkout import ROOMS, ROOT, python, sources


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports anywhere, type-checking blocks and functions included."""
    return imported_by(tree(path), path.relative_to(ROOT).with_suffix("").parts[:-1])


def imported_by(found: ast.Module, package: tuple[str, ...] = ()) -> set[str]:
    return {name for node in ast.walk(found) for name, _ in named(node, package)}


def named(node: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(module, what is taken from it) of an import."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, "") for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else ()
        module = ".".join([*base, *([node.module] if node.module else [])])
        yield from ((module, alias.name) for alias in node.names)


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
    assert tops(imported_by(ast.parse(text), ("room", "inner"))) == names


def run_time(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from run_time(child)


def graph(trees: dict[str, tuple[ast.Module, tuple[str, ...]]]) -> dict[str, set[str]]:
    """Module -> the modules among these that it imports, at once or when a function is called."""
    return {
        name: {
            whole if (whole := f"{module}.{taken}") in trees else module
            for node in run_time(found)
            for module, taken in named(node, package)
        }
        & trees.keys() - {name}
        for name, (found, package) in trees.items()
    }


def test_imports_have_no_circle():
    """Those of annotations may: a method names the callback that it makes, and the callback its method."""
    trees = {}
    for path in (path for room in ROOMS for path in sources(room)):
        parts = path.relative_to(ROOT).with_suffix("").parts
        trees[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = tree(path), parts[:-1]
    TopologicalSorter(graph(trees)).prepare()


@pytest.mark.parametrize("back", ["from .a import f", "def g():\n    from . import a", "import room.a"])
def test_imports_control_a_circle_is_seen_wherever_it_stands(back):
    trees = {"room.a": (ast.parse("from .b import g"), ("room",)), "room.b": (ast.parse(back), ("room",))}
    with pytest.raises(CycleError, match=r"room\.b"):
        TopologicalSorter(graph(trees)).prepare()
    typing = ast.parse("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import f")
    TopologicalSorter(graph(trees | {"room.b": (typing, ("room",))})).prepare()


def test_files_are_opened_as_text_with_an_encoding():
    """The locale's own would write what another machine cannot read."""
    for path in (path for room in ROOMS for path in sources(room)):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                modes = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                text = name == "write_text" or (name == "open" and modes and not any("b" in m for m in modes))
                assert not text or any(k.arg == "encoding" for k in node.keywords), f"{path}:{node.lineno}"


def loaded(statement: str, *names: str) -> list[str]:
    """Which of ``names`` a fresh interpreter has loaded after the statement."""
    code = f"import sys\n{statement}\nprint(*[n for n in {names!r} if n in sys.modules])"
    return python("-c", code, cwd=ROOT).stdout.split()


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
