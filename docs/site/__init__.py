"""What writes the generated pages of the site: ``docs/conf.py`` calls :func:`write` before Sphinx reads the sources."""

from __future__ import annotations

from pathlib import Path

from . import api, gallery, theory

__all__ = ["write"]


def write(folder: Path, results: Path) -> None:
    """Write theory/, figures/ and api/ into ``folder``.

    Args:
        folder: of the site's sources.
        results: where the outcomes of the statements' checks are kept; what was checked with the code of today, by an
            earlier build or by ``grasp reproduce``, is not checked again.
    """
    drawn = gallery.write(folder / "figures")
    theory.write(folder / "theory", results / "statements", drawn)
    api.write(folder / "api")
