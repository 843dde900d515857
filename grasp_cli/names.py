"""Names that a shell completes, read from the files that define them.

A shell asks at every press of a key, and importing what is named takes a second (torch several). A test holds the names
equal to those of the program.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

Offered = list[str]


def statements(incomplete: str = "") -> Offered:
    """Keys of the statements."""
    places = _room("grasp_theory", "statements").glob("*/variants.py")
    return _starting(incomplete, (place.parent.name.replace("_", "-") for place in places))


def figures(incomplete: str = "") -> Offered:
    """Names of the figures."""
    return _starting(incomplete, (name for name, _ in _figures()))


def experiments(incomplete: str = "") -> Offered:
    """Names of the figures that are swept by experiments."""
    return _starting(incomplete, (name for name, settings in _figures() if settings & {"experiments", "organisms"}))


def methods(incomplete: str = "") -> Offered:
    """Methods of ``grasp train``; behind each +, another."""
    before, plus, last = incomplete.rpartition("+")
    found = _starting(last, _training_methods())
    return [before + plus + name for name in found if name not in before.split("+")]


def configurations(incomplete: str = "") -> Offered:
    """Experiments on a language model."""
    places = _room("real_models", "comparison", "language", "configs").glob("*.toml")
    return _starting(incomplete, (place.stem for place in places))


def models(incomplete: str = "") -> Offered:
    """Models that ``grasp model`` fetches."""
    body = _parsed(_room("real_models") / "language_model.py").body
    made = [node.value for node in body if _assigns(node, "MODELS")]
    return _starting(
        incomplete, (ast.literal_eval(key) for d in made if isinstance(d, ast.Dict) for key in d.keys if key)
    )


def _starting(incomplete: str, names: Iterator[str]) -> Offered:
    return sorted(name for name in names if name.startswith(incomplete))


def _room(package: str, *inside: str) -> Path:
    """A folder of the installation; finding a package does not import it."""
    found = find_spec(package)
    return Path(((found and found.submodule_search_locations) or ["."])[0], *inside)


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _assigns(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]


def _figures() -> Iterator[tuple[str, set[str]]]:
    """(name, settings) of each file that has a FIGURE."""
    for path in _room("figures", "plots").glob("*.py"):
        for node in _parsed(path).body:
            if _assigns(node, "FIGURE") and isinstance(node.value, ast.Call):  # pyright: ignore[reportAttributeAccessIssue]
                yield path.stem.replace("_", "-"), {key.arg or "" for key in node.value.keywords}  # pyright: ignore


def _training_methods() -> Iterator[str]:
    """The ``name`` of each class that has ``options``."""
    for path in _room("real_models", "methods").glob("*.py"):
        for node in _parsed(path).body:
            inside = node.body if isinstance(node, ast.ClassDef) else []
            names = [statement.value for statement in inside if _assigns(statement, "name")]  # pyright: ignore
            if any(_assigns(statement, "options") for statement in inside):
                yield from map(ast.literal_eval, names)
