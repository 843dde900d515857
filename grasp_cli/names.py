"""Names that a shell completes, read from the files that define them.

A shell asks at every press of a key, and importing what is named takes a second (torch several). A test holds the names
equal to those of the program.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
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
    made = _assigned(_room("real_models") / "language_model.py", "MODELS")
    return _starting(
        incomplete, (ast.literal_eval(key) for d in made if isinstance(d, ast.Dict) for key in d.keys if key)
    )


def _starting(incomplete: str, names: Iterator[str]) -> Offered:
    return sorted(name for name in names if name.startswith(incomplete))


def _room(package: str, *inside: str) -> Path:
    """A folder of the installation; finding a package does not import it."""
    found = find_spec(package)
    return Path(((found and found.submodule_search_locations) or ["."])[0], *inside)


def _assigned(path: Path, name: str) -> Iterator[ast.expr]:
    """What a file gives this name to."""
    return _values(ast.parse(path.read_text(encoding="utf-8")).body, name)


def _values(body: Sequence[ast.stmt], name: str) -> Iterator[ast.expr]:
    for node in body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]:
            yield node.value


def _figures() -> Iterator[tuple[str, set[str | None]]]:
    """(name, settings) of each file that has a FIGURE."""
    for path in _room("figures", "plots").glob("*.py"):
        for value in _assigned(path, "FIGURE"):
            if isinstance(value, ast.Call):
                yield path.stem.replace("_", "-"), {setting.arg for setting in value.keywords}


def _training_methods() -> Iterator[str]:
    """The ``name`` of each class that has ``options``."""
    for path in _room("real_models", "methods").glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and any(_values(node.body, "options")):
                yield from map(ast.literal_eval, _values(node.body, "name"))
