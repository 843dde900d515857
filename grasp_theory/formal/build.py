"""Coq checks the formal statements: ``python -m grasp_theory.formal.build`` (``make formal``) writes the record.

It fails where a proof does, where a theorem rests on more than the axioms of Coq's real numbers (an ``Admitted`` counts
as an axiom), and where a file has no theorem. ``--check`` writes nothing and also fails where the record is another.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import GraspError, InputError
from ..statements.registry import find
from . import FOLDER, KEYS, RECORD, entry, file_of, needed, read_record

# What Coq's own ``sin_acos`` rests on: classical logic for the reals, and functions with equal values being equal.
AXIOMS = frozenset(
    {
        "ClassicalDedekindReals.sig_forall_dec",
        "ClassicalDedekindReals.sig_not_dec",
        "Classical_Prop.classic",
        "FunctionalExtensionality.functional_extensionality_dep",
    }
)
HEADINGS = ("Axioms:", "Closed under the global context")
LIMIT = 600  # seconds for one file


class FormalError(GraspError):
    """Coq did not accept a file, or a theorem rests on an axiom that it must not use."""


def build(folder: Path = FOLDER, *, place: Path | None = None) -> dict[str, Any]:
    """The record of this folder's files, every one accepted by Coq.

    Args:
        folder: holds the files. Nothing is written into it.
        place: where they are copied and checked, and what Coq makes of them stays; a temporary folder by default.

    Raises InputError where Coq is not installed, FormalError with Coq's message where a proof is not accepted or rests
    on another axiom. Cost: three quarters of a minute of a processor.
    """
    texts = {statement.key: statement.text for statement in find(KEYS)}
    with TemporaryDirectory() if place is None else nullcontext(place) as name:
        place = Path(name)  # of copies, so that what is recorded is what was checked
        for file in folder.glob("*.v"):
            shutil.copy(file, place)
        for file in dict.fromkeys(name for key in KEYS for name in needed(file_of(key), place)):
            coq(file, place)
        made = {key: entry(key, texts[key], folder=place) for key in KEYS}
        axioms = rests_on({file_of(key): part["theorems"] for key, part in made.items()}, place)
    return {"coq": version(), "axioms": sorted(axioms), "statements": made}


def rests_on(theorems: Mapping[str, Sequence[str]], place: Path) -> set[str]:
    """The axioms that the theorems of these files rest on; the folder ``place`` holds the files, accepted by Coq.

    Raises FormalError if they are more than those of Coq's reals, or if a file has no theorem.
    """
    lacking = [file for file, names in theorems.items() if not names]
    if lacking:
        raise FormalError(f"a formal statement is a Theorem; there is none in {', '.join(lacking)}")
    required = f"From Grasp Require {' '.join(file.removesuffix('.v') for file in theorems)}."
    names = [f"{file.removesuffix('.v')}.{name}" for file, own in theorems.items() for name in own]
    # Of all at once: for each answer Coq goes through its whole theory of the reals again.
    every = f"Definition every := ({', '.join(f'@{name}' for name in names)})."
    (axioms,) = _printed(["every"], [required, every], place)
    if axioms - AXIOMS:
        apart = zip(names, _printed(names, [required], place), strict=True)
        name, axioms = next((name, axioms) for name, axioms in apart if axioms - AXIOMS)
        more = ", ".join(sorted(axioms - AXIOMS))
        raise FormalError(f"{name} rests on {more}; it may rest on the axioms of Coq's reals alone")
    return axioms


def _printed(names: Sequence[str], before: Sequence[str], place: Path) -> list[set[str]]:
    """What Coq prints that each of these rests on, behind these lines."""
    lines = [*before, *(f"Print Assumptions {name}." for name in names)]
    (place / "asked.v").write_text("\n".join(lines) + "\n", encoding="utf-8")
    used = assumptions(coq("asked.v", place))
    if len(used) != len(names):
        raise FormalError(f"Coq answered for {len(used)} of {len(names)} theorems")
    return used


def assumptions(printed: str) -> list[set[str]]:
    """What each ``Print Assumptions`` named: lines that are not indented begin with a name, but for the headings."""
    found: list[set[str]] = []
    for line in printed.splitlines():
        if line in HEADINGS:
            found.append(set())
        elif line.strip() and not line.startswith(" "):
            if not found:
                raise FormalError(f"Coq printed {line!r} where one of {', '.join(HEADINGS)} was expected")
            found[-1].add(re.split(r"[\s:]", line, maxsplit=1)[0])
    return found


def coq(file: str, folder: Path) -> str:
    """What Coq prints on checking this file. FormalError with its message if it does not accept it."""
    command = [_coqc(), "-q", "-Q", ".", "Grasp", file]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise FormalError(f"Coq did not finish {file} within {LIMIT} s") from None
    if done.returncode:
        raise FormalError(f"Coq does not accept {file}:\n{done.stderr.strip()}")
    return done.stdout


def version() -> str:
    """Coq's version."""
    return subprocess.run([_coqc(), "-print-version"], capture_output=True, text=True, check=True).stdout.split()[0]  # noqa: S603


def _coqc() -> str:
    found = shutil.which("coqc")
    if found is None:
        raise InputError("the formal statements are checked by Coq (written for 8.16): no coqc found; apt install coq")
    return found


def main(arguments: list[str] | None = None) -> int:
    """The command; 0 where every file was accepted."""
    parser = argparse.ArgumentParser(
        prog="python -m grasp_theory.formal.build", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the record is another")
    check = parser.parse_args(arguments).check
    try:
        made = build()
    except GraspError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    count = sum(len(part["theorems"]) for part in made["statements"].values())
    print(f"Coq {made['coq']} accepts {count} theorems of {len(made['statements'])} statements")
    if check:
        same = made["statements"] == read_record().get("statements")
        print(
            "the record is of these files" if same else "the record is of other files: run make formal", file=sys.stderr
        )
        return 0 if same else 1
    RECORD.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
