"""The errors of the toolkit: each says what was expected, what came, and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class GraspError(ValueError):
    """Any refusal by this toolkit; the command line prints it on one line and exits with code 2."""


class InputError(GraspError):
    """An argument has the wrong type, shape, range or is not finite."""


class AssumptionError(GraspError):
    """A statement was asked about an instance that breaks one of its assumptions."""


class AdapterError(GraspError):
    """An adapter folder is missing, damaged or contradicts itself."""


class UnsupportedAdapterError(AdapterError):
    """A sound checkpoint whose update is not scaling * B @ A, refused with the reason."""


def unknown_name(what: str, names: Iterable[str], known: Iterable[str], *, most: int | None = None) -> InputError:
    """The error for names that nothing has: the nearest of those there are, where one is near, and all of them.

    Args:
        what: a word for the kind, such as "statement".
        names: those that were asked for and are not known.
        most: so many of those there are named, and how many there are in all.
    """
    known = [repr(name) if "," in name else name for name in known]
    asked = list(dict.fromkeys(names))
    near = dict.fromkeys(found for name in asked for found in get_close_matches(name, known, n=1))
    hint = f"did you mean {' and '.join(near)}? " if near else ""
    shown = ", ".join(known[:most]) or "none"
    if most is not None and len(known) > most:
        shown += f", … ({len(known)} in all)"
    return InputError(f"no {what} is called {', '.join(map(repr, asked))}; {hint}there are: {shown}")
