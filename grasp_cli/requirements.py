"""What the toolkit needs beside itself, and whether it is there: read from the metadata of the installed package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

PACKAGE = "grasp-toolkit"


@dataclass(frozen=True)
class Needed:
    """A package that the toolkit, or one of its extras, asks for.

    Attributes:
        extra: whose it is; "" for what is always needed.
        wanted: the versions that will do, as pip writes them.
        installed: the version that is there, None if none is.
        fits: whether it will do.
    """

    extra: str
    name: str
    wanted: str
    installed: str | None
    fits: bool


def needed() -> list[Needed]:
    """All, in the order of the metadata; none if the toolkit runs from a checkout that is not installed."""
    from importlib import metadata

    try:
        about = metadata.metadata(PACKAGE)
    except metadata.PackageNotFoundError:
        return []
    extras = ["", *(about.get_all("Provides-Extra") or [])]
    return [found for extra in extras for text in about.get_all("Requires-Dist") or [] for found in _of(text, extra)]


def installed(name: str) -> str | None:
    """The version of a package, without importing it."""
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def install(extra: str) -> str:
    """The command that brings an extra."""
    return f"pip install '{PACKAGE}[{extra}]'" if extra else f"pip install --upgrade {PACKAGE}"


def missing(error: ModuleNotFoundError) -> str | None:
    """What to say of an import that failed: the package, and what brings it. None if it is none that is asked for."""
    name = (error.name or "").partition(".")[0]
    for one in needed():
        if one.name.replace("-", "_").lower() == name.lower():
            state = f"version {one.installed} does not work ({error})" if one.installed else "it is not installed"
            return f"{one.name}{one.wanted} is needed, and {state}: {install(one.extra)}"
    return None


def _of(text: str, extra: str) -> Iterator[Needed]:
    """The requirement if it is this extra's: markers are true of it, and were not without it."""
    from packaging.requirements import Requirement

    one = Requirement(text)
    own = one.marker is None or one.marker.evaluate({"extra": extra})
    if own and not (extra and (one.marker is None or one.marker.evaluate({"extra": ""}))):
        version = installed(one.name)
        fits = version is not None and one.specifier.contains(version, prereleases=True)
        yield Needed(extra, one.name, str(one.specifier), version, fits)
