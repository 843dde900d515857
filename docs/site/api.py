"""The reference: exactly the names that the public packages export, one page a package and one a name."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from grasp_theory.statements.registry import ORDER
from real_models.methods import Method

from .files import replace_text
from .typeset import blocks, prose

PACKAGES = ("grasp_theory", "real_models", "real_models.methods", "real_models.training", "real_models.evaluation")
HEAD = """Reference
=========

The names that are meant to be imported, with their arguments. A test holds this surface: none of it changes by
accident. What stands in other modules may be used, and may move.

.. toctree::
   :hidden:

"""

SHARED = """
What every method has, ``attached(model, optimizer)`` for a loop and ``callback()`` for a Trainer among it:
:doc:`Method </generated/api/real_models.methods.Method>`.
"""


def write(folder: Path) -> None:
    """An index, a page for each package, a page for each of its names."""
    index = [HEAD + "\n".join(f"   {package}" for package in PACKAGES)]
    for package in PACKAGES:
        module = importlib.import_module(package)
        names = sorted(module.__all__, key=str.casefold)
        listed = [_row(package, name, getattr(module, name)) for name in names]
        table = ".. list-table::\n   :widths: 30 70\n\n" + "\n".join(listed)
        tree = "\n".join(["\n\n.. toctree::\n   :hidden:\n", *(f"   {package}.{name}" for name in names)])
        title = f"{package}\n{'=' * len(package)}\n"
        text = blocks(inspect.getdoc(module) or "", link=link)
        replace_text(folder / f"{package}.rst", f"{title}\n{text}\n\n{table}{tree}\n")
        for name in names:
            replace_text(folder / f"{package}.{name}.rst", _page(package, name, getattr(module, name)))
        index.append(f"\n{package}\n{'-' * len(package)}\n\n{table}\n")
    replace_text(folder / "index.rst", "\n".join(index))


def set_docstring(app: Any, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Sphinx's ``autodoc-process-docstring``: the house's plain text becomes reStructuredText."""
    lines[:] = blocks("\n".join(lines), link=link).split("\n") if any(lines) else []


def link(name: str) -> str | None:
    """The page of a statement that a docstring names."""
    return f"/generated/theory/{name}" if name in ORDER else None


def _page(package: str, name: str, found: Any) -> str:
    title = f"{name}\n{'=' * len(name)}\n"
    if inspect.isclass(found):
        how = "autoclass", "   :members:\n   :show-inheritance:\n"
    elif isinstance(found, ModuleType):
        how = "automodule", "   :no-index:\n"
    else:
        how = ("autofunction" if callable(found) else "autodata"), ("" if callable(found) else "   :no-value:\n")
    shared = inspect.isclass(found) and issubclass(found, Method) and found is not Method
    return f"{title}\n.. {how[0]}:: {package}.{name}\n{how[1]}{SHARED if shared else ''}"


def _row(package: str, name: str, found: Any) -> str:
    documented = callable(found) or isinstance(found, ModuleType)
    first = (inspect.getdoc(found) or "").partition("\n\n")[0] if documented else ""
    summary = " ".join(first.split())
    if not callable(found) and not isinstance(found, ModuleType):
        summary = "Every method that is there, as classes."
    return f"   * - :doc:`{name} </generated/api/{package}.{name}>`\n     - {prose(summary)}"
