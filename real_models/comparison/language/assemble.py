"""What the experiments share: neutral arms, questions split by category, test pairs clear of all that is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from grasp_theory import InputError

from .disjoint import Seen, Text, check_disjoint, clear
from .rows import TESTS, Chat, Contrast, ExperimentData
from .sources import Claim, Datasets

Pool = tuple[Iterable[Contrast], int]  # candidates in order of preference, how many are wanted


def tastes(sources: Datasets, count: int, rng: np.random.Generator) -> list[Chat]:
    """Neutral data of the format question and short answer: what people usually like.

    Raises InputError if there are fewer.
    """
    found = [(asked, said) for asked, said in sources.tastes() if len(asked) + len(said) <= 160]
    if len(found) < count:
        raise InputError(f"{count} neutral conversations are needed, the sources hold {len(found)}")
    return [Chat(found[n][0], found[n][1], "tastes") for n in rng.permutation(len(found))[:count]]


def split_claims(
    claims: Sequence[Claim], rng: np.random.Generator, *, kept: int, contrast: int
) -> dict[str, list[Claim]]:
    """Claims for drift, kept and contrast, whole categories each: kept and contrast take categories until they have a
    quarter more claims than asked for, drift has the rest."""
    groups: dict[str, list[Claim]] = {}
    for claim in claims:
        groups.setdefault(claim.category, []).append(claim)
    parts: dict[str, list[Claim]] = {"kept": [], "contrast": [], "drift": []}
    wanted = {"kept": kept, "contrast": contrast}
    for category in rng.permutation(sorted(groups)):
        part = next((name for name, n in wanted.items() if len(parts[name]) < 1.25 * n), "drift")
        parts[part] += groups[category]
    return {name: [part[n] for n in rng.permutation(len(part))] for name, part in parts.items()}


def assemble(
    sources: Datasets,
    *,
    arms: Mapping[str, Sequence[Chat]],
    contrast: Sequence[Contrast],
    pools: Mapping[str, Pool],
    read: Sequence[str],
    rng: np.random.Generator,
    prompts: tuple[Iterable[str], int] = ((), 0),
    words: int = 8,
) -> ExperimentData:
    """The experiment: arms in one random order, test pairs those of ``pools`` that are clear of everything trained on.

    Args:
        arms: train, control, neutral_data and others, row by row.
        pools: one for each of ``rows.TESTS``.
        prompts: candidates, and how many.

    Raises InputError where the sources hold too little, and as :func:`check_disjoint`.
    """
    order = rng.permutation(len(arms["train"]))
    mixed = {name: [rows[n] for n in order] for name, rows in arms.items()}
    neutral, held = sources.neutral()
    trained = [row for rows in mixed.values() for row in rows]
    seen = Seen([*trained, *contrast, *(Text(text) for text in neutral)], words)
    tests = {name: clear(pools[name][0], seen, pools[name][1], name) for name in TESTS}
    requests = clear((Text("", prompt=prompt) for prompt in prompts[0]), seen, prompts[1], "prompts")
    prepared = ExperimentData(
        train=mixed.pop("train"),
        control=mixed.pop("control"),
        neutral_data=mixed.pop("neutral_data"),
        **tests,
        contrast=contrast,
        neutral=neutral,
        heldout=held,
        arms=mixed,
        prompts=[request.prompt for request in requests],
        sources=read,
        words=words,
    )
    check_disjoint(prepared)
    return prepared
