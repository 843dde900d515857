"""What the command line refuses, and what it says then."""

from __future__ import annotations

from command import grasp


def assert_refuses(capsys, message: str, *arguments: object, silent: bool = True) -> None:
    """Exit code 2 and one line on standard error that holds the message; silent : with nothing printed before."""
    code, out, err = grasp(capsys, *arguments)
    assert (code, err.count("\n"), err[:7]) == (2, 1, "error: "), (arguments, err)
    assert message in err
    assert not (silent and out)
