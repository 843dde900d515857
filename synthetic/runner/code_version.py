"""A fingerprint of the code that a result depends on."""

from __future__ import annotations

import ast
import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

ROOMS = ("grasp_theory", "synthetic", "real_models", "figures")


@lru_cache
def code_version(module: str) -> str:
    """12 hexadecimal digits of the sources of a module and of all it imports from this project, however deep.

    Imports are read from the source, those inside functions included, so a change anywhere below changes the version;
    comments and docstrings do not. A package's own ``__init__`` counts for the names that are imported through it.
    Versions of numpy and scipy are not part of it; they are in the manifest.
    """
    sources: dict[str, str] = {}
    todo = [module]
    while todo:
        name = todo.pop()
        if name in sources:
            continue
        sources[name], imported = _read(name)
        todo += sorted(imported - set(sources))
    text = "\n".join(f"{name}\n{sources[name]}" for name in sorted(sources))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@lru_cache
def _read(name: str) -> tuple[str, frozenset[str]]:
    """A module's source without docstrings and comments, and the modules of this project that it imports."""
    tree = _parse(name)
    return ast.dump(_bare(tree)), frozenset(_imported(tree, name))


def _parse(name: str) -> ast.Module:
    return ast.parse(_file(name).read_text(encoding="utf-8"))


def _file(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ImportError(f"no source for {name}")
    return Path(spec.origin)


def _bare(tree: ast.Module) -> ast.Module:
    """Without docstrings."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            body.pop(0)  # pyright: ignore[reportOptionalMemberAccess]
    return tree


def _imported(tree: ast.Module, name: str) -> set[str]:
    """Modules of this project that the source imports; a name that a package passes on counts as its origin."""
    package = name if _file(name).name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if _ours(alias.name)}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            if _ours(base):
                found |= {_origin(base, alias.name) for alias in node.names}
    return found


def _absolute(node: ast.ImportFrom, package: str) -> str:
    parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    return ".".join([*parts, *([node.module] if node.module else [])])


def _origin(base: str, name: str) -> str:
    """The module that ``from base import name`` gets it from."""
    if find_spec(base).submodule_search_locations is None:  # pyright: ignore[reportOptionalMemberAccess]
        return base
    if find_spec(f"{base}.{name}") is not None:
        return f"{base}.{name}"
    for node in ast.walk(_parse(base)):
        if isinstance(node, ast.ImportFrom) and name in {alias.asname or alias.name for alias in node.names}:
            return _origin(_absolute(node, base), name)
    return base


def _ours(name: str) -> bool:
    return name.split(".")[0] in ROOMS
