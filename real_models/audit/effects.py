"""Which parts of an update matter: drift and task without, and with only, each of them, on one loaded model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, LowRank
from synthetic.runner.code_version import code_version
from synthetic.runner.results import file_sha256
from synthetic.runner.store import Place, Store, digest

from ..adapters import Adapter
from ..data import Example
from ..evaluation.bootstrap import Estimate, Sample, estimate, shares
from ..evaluation.judge import PairScores, encode_pairs, judge_pairs, read_pairs
from ..evaluation.scoring import Watch
from .linearity import UNCHANGED, require_factors_alone
from .parts import Factors, Part

if TYPE_CHECKING:
    import torch

Per = Literal["token", "text"]
BASE, NAIVE = "base", "naive"
DEFINITION = (
    "removed: share of the excess over the base that goes when the part is deleted; kept: share that is there with the "
    "part alone; 95% intervals by drawing questions anew"
)


@dataclass(frozen=True, eq=False)
class Effect:
    """What a part does to each quantity, "drift" and "task".

    Law: removed = Σ (naive − without)/Σ (naive − base), kept = Σ (only − base)/Σ (naive − base), over the pairs; equal
    where the log-odds are linear in the update. None where the update changes the quantity by nothing that can be told
    from 0.

    Attributes:
        without, only: the means.
    """

    part: Part
    removed: Mapping[str, Estimate | None]
    kept: Mapping[str, Estimate | None]
    without: Mapping[str, float]
    only: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Effects:
    """The effects of all parts of an adapter.

    Attributes:
        levels: quantity -> {"base", "naive"} -> mean log-odds.
        excess: quantity -> naive − base.
        questions, pairs: quantity -> how many.
        reused: evaluations that were there already.
    """

    per: Per
    levels: Mapping[str, Mapping[str, Estimate]]
    excess: Mapping[str, Estimate]
    questions: Mapping[str, int]
    pairs: Mapping[str, int]
    effects: tuple[Effect, ...]
    reused: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, without what is to be said of them."""
        levels = {q: {name: asdict(e) for name, e in both.items()} for q, both in self.levels.items()}
        excess = {q: asdict(e) for q, e in self.excess.items()}
        head = {"per": self.per, "definition": DEFINITION, "pairs": dict(self.pairs), "questions": dict(self.questions)}
        return head | {"levels": levels, "excess": excess, "parts": [_json(e) for e in self.effects]}

    def rows(self) -> list[dict[str, Any]]:
        """A flat row a part, for a table of values."""
        return [_row(effect, self.excess) for effect in self.effects]


def _json(effect: Effect) -> dict[str, Any]:
    both = {"removed": effect.removed, "kept": effect.kept}
    found = {n: {q: None if e is None else asdict(e) for q, e in values.items()} for n, values in both.items()}
    return effect.part.to_dict() | found | {"without": dict(effect.without), "only": dict(effect.only)}


def _row(effect: Effect, quantities: Iterable[str]) -> dict[str, Any]:
    row = effect.part.to_dict()
    row["components"] = " ".join(map(str, row["components"]))
    for q in quantities:
        row |= {f"{q}_without": effect.without[q], f"{q}_only": effect.only[q]}
        for what, values in (("removed", effect.removed), ("kept", effect.kept)):
            found = values[q] or Estimate(None, None, None)
            row |= {f"{q}_{what}": found.value, f"{q}_{what}_low": found.low, f"{q}_{what}_high": found.high}
    return row


@dataclass(frozen=True)
class Asked:
    """The pairs of one quantity, encoded once for all variants.

    Attributes:
        sha256: of their file.
    """

    encoded: Sequence[tuple[Example, Example]]
    questions: Sequence[str]
    sha256: str

    @property
    def tokens(self) -> int:
        """How many tokens a forward pass over all of them takes."""
        return sum(len(example.input_ids) for pair in self.encoded for example in pair)


def ask(path: str | Path, model: Any, tokenizer: Any, *, most: int | None = None) -> Asked:
    """The pairs of a file (``read_pairs``), at most so many, evenly spaced over it.

    Raises InputError as :func:`~real_models.evaluation.judge.read_pairs`, for pairs that the model has no room or no
    tokens for, and for ``most`` below 1.
    """
    from ..base import token_limit
    from ..training.prepared import check_vocabulary

    pairs = read_pairs(path, most=most)
    limit = token_limit(model, tokenizer)
    encoded = encode_pairs(pairs, tokenizer, max_length=limit)
    check_vocabulary(model, [example for both in encoded for example in both])
    return Asked(encoded, [pair.prompt.question for pair in pairs], file_sha256(path))


def adapted_layers(model: torch.nn.Module) -> dict[str, tuple[torch.nn.Parameter, torch.nn.Parameter]]:
    """Module of the base -> its (B, A) in memory. InputError if the adapter is merged into the weights."""
    from ..hooks.targets import modules_named

    found = {}
    layer: Any
    for name, layer in modules_named(model):
        if not hasattr(layer, "lora_A"):
            continue
        if layer.merged:
            raise InputError(f"{name}: the adapter is merged into the weights, so no part of it can be taken out")
        for key in layer.lora_A:
            found[name] = layer.lora_B[key].weight, layer.lora_A[key].weight
        for key in layer.lora_embedding_A:
            found[name] = layer.lora_embedding_B[key], layer.lora_embedding_A[key]
    return found


@contextmanager
def factors_as(model: torch.nn.Module, edited: Callable[[str, LowRank], LowRank], factors: Factors) -> Iterator[None]:
    """Inside, every module has the factors edited(name, its own) in the place of its own; as before afterwards.

    Args:
        factors: those of the adapter as it is. Modules that come back as they are given are not touched.
    """
    import torch

    layers = adapted_layers(model)
    changed: list[str] = []

    def put(name: str, dW: LowRank) -> None:
        with torch.no_grad():
            for parameter, values in zip(layers[name], (dW.B, dW.A), strict=True):
                parameter.copy_(torch.as_tensor(values).reshape(parameter.shape))

    try:
        for name, dW in factors.items():
            new = edited(name, dW)
            if new is not dW:
                changed.append(name)
                put(name, new)
        yield
    finally:
        for name in changed:
            put(name, factors[name])


def variants_of(parts: Iterable[Part]) -> dict[str, Callable[[str, LowRank], LowRank]]:
    """Name -> what becomes of each module: the update as it is, none at all, without and with only each part."""
    found: dict[str, Callable[[str, LowRank], LowRank]] = {
        NAIVE: lambda _, dW: dW,
        BASE: lambda _, dW: LowRank(np.zeros_like(dW.B), dW.A, dW.scaling),
    }
    for part in parts:
        found |= {f"without {part.name}": part.without, f"only {part.name}": part.only}
    return found


def measure_effects(
    model: torch.nn.Module,
    adapter: Adapter,
    parts: Sequence[Part],
    factors: Factors,
    *,
    asked: Mapping[str, Asked],
    pad: int,
    base: str | Path,
    per: Per = "token",
    folder: Path | None = None,
    batch_size: int = 8,
    watch: Watch | None = None,
) -> Effects:
    """Drift and task of the update, of the base, and without and with only each part, by edits of the factors in place.

    Quantity: mean over pairs of ln p(with) − ln p(without) given the prompt, of the texts or per token of each. Of
    "drift" pairs "with" shows the trait; of "task" pairs it is the right answer.

    Args:
        model: the base with the adapter, ``load_adapted(base, adapter)``; its factors are as they were afterwards.
        parts, factors: of ``parts_of(adapter.updates)``.
        asked: pairs of "drift" and, if wanted, of "task" (:func:`ask`).
        folder: where each variant's scores are kept as they are measured, and taken from if nothing that they depend on
            has changed: adapter, base, pairs, code.
        watch: (stream, total) -> stream, told of every variant.

    Raises InputError where the adapter is not all that the fine-tune changed, where two parts have one name, and for
    probabilities that are not finite. Cost: 2 + 2 ``|parts|`` passes over all pairs.
    """
    require_factors_alone(adapter, allowed=UNCHANGED)
    factors = dict(factors)  # read once: every variant starts from them
    variants = variants_of(parts)
    if len(variants) < 2 + 2 * len(parts):
        raise InputError("two parts have one name, so their results could not be told apart")
    head = {"adapter": adapter.sha256, "base": _base_stamp(Path(base)), "code": code_version(__name__)}
    head |= {"asked": {q: [a.sha256, len(a.encoded)] for q, a in asked.items()}}
    store = None if folder is None else Store(folder)
    places: list[Place] = [(f"{digest(head | {'variant': v})[:16]}.json", head | {"variant": v}) for v in variants]
    questions = {q: tuple(a.questions) for q, a in asked.items()}
    read = store.read(places, lambda values: _scores(values, asked)) if store else [None] * len(places)
    found = dict(zip(variants, read, strict=True))
    todo = [(name, place) for (name, scores), place in zip(found.items(), places, strict=True) if scores is None]
    for name, place in watch(todo, len(todo)) if watch else todo:
        with factors_as(model, variants[name], factors):
            found[name] = {
                q: judge_pairs(model, a.encoded, questions=a.questions, pad=pad, batch_size=batch_size)
                for q, a in asked.items()
            }
        if store is not None:
            values = {q: [s.log_p.tolist(), s.tokens.tolist()] for q, s in (found[name] or {}).items()}
            store.write(place[0], place[1], values)
    odds = {name: {q: _odds(s, per) for q, s in (scores or {}).items()} for name, scores in found.items()}
    return _summarised(parts, odds, questions, per, reused=len(variants) - len(todo))


def _scores(values: Mapping[str, Any], asked: Mapping[str, Asked]) -> dict[str, PairScores]:
    found = {}
    for q, a in asked.items():
        log_p, tokens = np.array(values[q][0], dtype=float), np.array(values[q][1], dtype=int)
        if log_p.shape != (len(a.encoded), 2) or tokens.shape != log_p.shape:
            raise ValueError(f"{q}: expected {len(a.encoded)} pairs, got {log_p.shape}")
        found[q] = PairScores(log_p, tokens, tuple(a.questions), tuple(first.source for first, _ in a.encoded))
    return found


def _odds(scores: PairScores, per: Per) -> Float[ndarray, " n"]:
    return scores.log_odds_per_token if per == "token" else scores.log_odds


def _base_stamp(folder: Path) -> str:
    """Of the names, sizes and times of its weights, and of its configuration: the weights are not read for it."""
    files = sorted(folder.glob("*.safetensors"))
    stats = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    return digest({"weights": stats, "config": file_sha256(folder / "config.json")})


def _summarised(
    parts: Sequence[Part],
    odds: Mapping[str, Mapping[str, Float[ndarray, " n"]]],
    questions: Mapping[str, tuple[str, ...]],
    per: Per,
    *,
    reused: int,
) -> Effects:
    def sample(name: str, q: str) -> Sample:
        return Sample(odds[name][q], np.ones(len(odds[name][q])), questions[q])

    levels = {q: {name: estimate(sample(name, q)) for name in (BASE, NAIVE)} for q in questions}
    excess = {q: estimate(sample(NAIVE, q), sample(BASE, q)) for q in questions}
    removed: dict[str, list[Estimate | None]] = {}
    kept: dict[str, list[Estimate | None]] = {}
    for q, clusters in questions.items():
        base, naive = odds[BASE][q], odds[NAIVE][q]
        for table, changes in (
            (removed, [naive - odds[f"without {part.name}"][q] for part in parts]),
            (kept, [odds[f"only {part.name}"][q] - base for part in parts]),
        ):
            told = moved(excess[q]) and bool(parts)
            table[q] = list(shares(np.stack(changes), naive - base, clusters)) if told else [None] * len(parts)
    effects = [
        Effect(
            part,
            removed={q: removed[q][n] for q in questions},
            kept={q: kept[q][n] for q in questions},
            without={q: float(odds[f"without {part.name}"][q].mean()) for q in questions},
            only={q: float(odds[f"only {part.name}"][q].mean()) for q in questions},
        )
        for n, part in enumerate(parts)
    ]
    counts = {q: len(set(clusters)) for q, clusters in questions.items()}
    return Effects(per, levels, excess, counts, {q: len(c) for q, c in questions.items()}, tuple(effects), reused)


def moved(excess: Estimate) -> bool:
    """Whether the update changes the quantity: the interval of its excess is there and does not hold 0."""
    return excess.low is not None and excess.high is not None and not excess.low <= 0 <= excess.high
