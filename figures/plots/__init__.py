"""One file a figure: ``build(rows)`` draws it, and ``FIGURE`` is what the catalogue finds it by.

What a plot needs beside numpy it imports in ``build``: listing the figures imports all of these files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Section = Literal["language", "identification", "removal", "comparison"]
SECTIONS: dict[Section, str] = {
    "language": "A pretrained language model",
    "identification": "Identification",
    "removal": "Removal",
    "comparison": "Comparison on models made here",
}


@dataclass(frozen=True)
class Entry:
    """A figure: its caption, and the modules of the experiments (``EXPERIMENT``) that its rows come from.

    Attributes:
        experiments: of the linear lab.
        organisms: on persona organisms or real models, swept only when named: an organism is pretrained first, a real
            model has to be there, and trained models do not repeat to the last digits on other machines.
        section: of the report.
        place: in lists, and in its section.
    """

    caption: str
    section: Section
    experiments: tuple[str, ...] = ()
    organisms: tuple[str, ...] = ()
    place: int = 1000
