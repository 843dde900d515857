"""The text organism: a local model, what it is fine-tuned on, and contrastive pairs that tell the trait.

It is trained as ``grasp train`` trains: same Trainer, same settings, same schedule.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from grasp_theory import InputError

from ..base import check_folder, context_length, load_base, load_tokenizer
from ..data import IGNORED, Example, Row, batches, read_rows
from ..evaluation.judge import Pair, encode_pairs, read_pairs, read_text
from ..tokens import special_tokens
from ..training.config import TrainConfig
from ..training.prepared import check_vocabulary, prepare
from ..training.run import adapt, fit
from .setup import Batches, check_points, most_of_the_way
from .text_probes import SCALES, SIZE, Questions, TextProbes, Texts, holds_pairs

if TYPE_CHECKING:
    from ..hooks.method import Method

SHOWN = 64  # rows that stand for a file: of the training data where a method sees them, of text, of what is scored
LONG, SAID = 64, 32  # tokens of neutral text, and of what the base says by itself
LEAST = 4  # questions among the pairs: two that drift is asked on, two that vectors are made of
FILES = ("data", "pairs", "neutral", "heldout", "task", "contrast", "conditional", "kept", "control", "neutral_data")
ARMS = ("control", "neutral_data")  # of FILES, those that a run may train on in the place of data


@dataclass(frozen=True, kw_only=True)
class TextSpec:
    """A model folder and files, and how it is fine-tuned (``Setup``); "" is no file.

    Attributes:
        model: folder of the base.
        data: training rows.
        pairs: every other question of them asks for drift, the rest make the supervised vectors, so that no method sees
            the probes; with a file contrast those make the vectors, and all of pairs ask for drift.
        neutral: text for ``kl``, on topics that the pairs are not about.
        heldout: text for the neutral loss, every fourth row of neutral by default.
        task: rows whose completions make the task score, ``SHOWN`` of the training rows by default; or pairs, the wrong
            answer ``without`` and the right one ``with``.
        conditional, kept: pairs that ask for the trait as the training asks, and where a prompt calls for it.
        control, neutral_data: training rows without the trait, and unrelated ones, for the runs of these names.
        context: what elicits the trait, for inoculation.
        target: matched task score; None for nine tenths of the way from the naive run's start to its end.
        most: at most so many pairs of each file, evenly spaced, and as many held-out rows; those of contrast are all
            used.
        scale: of drift, conditional and kept: "probability" of the completion with the trait among the two, "log-odds",
            or "log-odds per token", which tells answers apart that the base gives a probability near 0 or 1.
        settings: as of ``grasp train``; its seed is that of LoRA start and data order, model and data stay as they are.
        every: steps between evaluations.
        files: digest of all files, made here.

    Raises InputError for numbers that make no run and files that cannot be read.
    """

    model: str
    data: str
    pairs: str
    neutral: str = ""
    heldout: str = ""
    task: str = ""
    contrast: str = ""
    conditional: str = ""
    kept: str = ""
    control: str = ""
    neutral_data: str = ""
    context: str = ""
    target: float | None = None
    most: int | None = None
    scale: str = "probability"
    settings: TrainConfig = field(default_factory=lambda: TrainConfig(steps=200))
    every: int = 20
    files: str = ""

    def __post_init__(self) -> None:
        steps, every = self.settings.steps, self.every
        if steps < 1 or every < 1 or steps % every:
            raise InputError(f"steps must be a positive multiple of every, got {steps} and {every}")
        check_points(self.points)
        if self.target is not None and not 0 < self.target < 1:
            raise InputError(f"target must lie between 0 and 1, a mean token probability, got {self.target}")
        if self.most is not None and self.most < 1:
            raise InputError(f"most must be a number of pairs, 1 or more, got {self.most}")
        if self.scale not in SCALES:
            raise InputError(f"scale must be one of {', '.join(SCALES)}, got {self.scale!r}")
        if (self.control or self.neutral_data) and not self.task:
            raise InputError("runs on control or neutral_data need a file task: theirs would be of their own rows")
        if not self.files:
            object.__setattr__(self, "files", _digest(self))

    @property
    def seed(self) -> int:
        """Of LoRA start and data order."""
        return self.settings.seed

    @property
    def rank(self) -> int:
        """Of LoRA."""
        return self.settings.r

    @property
    def steps(self) -> int:
        """Of training."""
        return self.settings.steps

    @property
    def points(self) -> tuple[int, ...]:
        """The steps at which a run is evaluated."""
        return tuple(range(0, self.steps + 1, self.every))

    @property
    def width(self) -> int:
        """Of the residual stream."""
        from ..hooks.stream import find_stream

        return find_stream(self._loaded).width

    @property
    def _loaded(self) -> Any:
        return _model(self.model, self.files, "auto" if self.settings.bf16 else "float32")

    def base(self) -> Any:
        """A copy, in evaluation mode; in float32 unless the settings say bf16."""
        return copy.deepcopy(self._loaded)

    def adapted(self) -> Any:
        """With LoRA as the settings say."""
        return adapt(self.base(), self.settings)

    def on_arm(self, name: str) -> TextSpec:
        """The same, trained on other rows: control or neutral_data. InputError where there is no file of them."""
        path = getattr(self, name)
        if not path:
            raise InputError(f"this run needs training rows of another kind; name a file of them, {name}")
        return replace(self, data=path, files="")

    def control_run(self) -> TextSpec:
        """On the rows of the file control."""
        return self.on_arm("control")

    def check(self) -> None:
        """InputError for what would only be found out while training."""
        _ = self.width, self._texts
        for name in filter(lambda name: getattr(self, name), ARMS):
            check_vocabulary(self._loaded, self.on_arm(name)._training(inoculated=False))
        if self.context:
            self._training(inoculated=True)
        check_vocabulary(self._loaded, self._texts.training)

    def train(
        self, model: Any, *, methods: Sequence[Method], inoculated: bool, look: Callable[[int], None], steps: int
    ) -> None:
        """Loss on completions.

        Args:
            inoculated: the context before them, as a system turn of conversations.
        """
        config = replace(self.settings, steps=steps)
        examples = self._training(inoculated=inoculated)
        fit(model, examples, methods=methods, config=config, pad=self._pad, look=look)

    def matched_score(self, task: Sequence[float]) -> float:
        """The target."""
        return most_of_the_way(task) if self.target is None else self.target

    def probes(self) -> TextProbes:
        """Pairs, completions, held-out text."""
        return TextProbes(self._texts, self._pad, self.scale)

    def documents(self) -> Batches:
        """``SHOWN`` training rows."""
        return _text_alone(self._batches(self._texts.shown))

    def fitting_text(self) -> Batches:
        """The same."""
        return self.documents()

    def neutral_text(self) -> Batches:
        """What is not held out; InputError without a file."""
        if not self._texts.neutral:
            raise InputError("this row needs neutral text; name a file of it, neutral")
        return _text_alone(self._batches(self._texts.neutral))

    def neutral_rows(self) -> Sequence[Example]:
        """Of the file neutral_data, encoded as the training rows; InputError without a file."""
        if not self.neutral_data:
            raise InputError("this row needs neutral training rows; name a file of them, neutral_data")
        return self._prepared(read_rows(self.neutral_data))

    def said_by_base(self) -> Batches:
        """``SHOWN`` samples from the begin token, or the end token of models without one."""
        from ..own_text import own_text

        tokens = special_tokens(tokenizer=self._tokenizer)
        start = tokens.ends[0] if tokens.begin is None else tokens.begin
        length = min(SAID, self._limit - 1)
        said = own_text(self.base(), documents=SHOWN, length=length, seed=self.seed, batch=SHOWN, start=start)
        parts = zip(*(said[0][name].split(SIZE) for name in ("input_ids", "attention_mask")), strict=True)
        return [{"input_ids": ids, "attention_mask": mask} for ids, mask in parts]

    def trait_vectors(self) -> dict[int, np.ndarray]:
        """Law: mean over pairs of (mean over the tokens of ``with`` − mean over those of ``without``), of the base."""
        model, pairs = self.base(), self._texts.told
        without, having = (self._token_means(model, [pair[n] for pair in pairs]) for n in (0, 1))
        return {block: having[block] - without[block] for block in having}

    def _token_means(self, model: Any, examples: Sequence[Example]) -> dict[int, np.ndarray]:
        """Block -> mean over examples of the mean over labelled tokens."""
        from ..hooks.stream import stream_outputs

        total: dict[int, Any] = {}
        for batch in self._batches(examples):
            kept = batch.pop("labels") != IGNORED
            weights = (kept / kept.sum(1, keepdim=True)).unsqueeze(-1)
            for block, h in enumerate(stream_outputs(model, batch)):
                total[block] = total.get(block, 0.0) + (h * weights).sum((0, 1)).numpy()
        return {block: found / len(examples) for block, found in total.items()}

    # what the files hold

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self.model)

    @property
    def _pad(self) -> int:
        return special_tokens(model=self._loaded, tokenizer=self._tokenizer).pad

    @cached_property
    def _limit(self) -> int:
        most = context_length(self._loaded) or self._tokenizer.model_max_length
        return min(self.settings.max_length or most, most)

    def _training(self, *, inoculated: bool) -> Sequence[Example]:
        if not inoculated:
            return self._texts.training
        return self._prepared([_behind(self.context, row) for row in self._texts.rows])

    def _prepared(self, rows: Sequence[Row]) -> Sequence[Example]:
        """As ``grasp train`` makes them."""
        context = context_length(self._loaded)
        return prepare(rows, self._tokenizer, methods=(), config=self.settings, context=context).examples

    @cached_property
    def _texts(self) -> Texts:
        rows = read_rows(self.data)
        training = self._prepared(rows)
        some = np.sort(np.random.default_rng(0).permutation(len(training))[:SHOWN])
        shown = [training[n] for n in some]
        asked, told = self._asked_and_told()
        neutral, held = self._neutral()
        return Texts(
            rows=rows,
            training=training,
            shown=shown,
            scored=self._scored(shown),
            asked=self._questions(asked),
            told=self._questions(told).pairs,
            conditional=self._questions(self._pairs(self.conditional)) if self.conditional else None,
            kept=self._questions(self._pairs(self.kept)) if self.kept else None,
            neutral=neutral,
            held=held,
        )

    def _scored(self, shown: list[Example]) -> list[Example] | Questions:
        """What the task is scored by."""
        if not self.task:
            return shown
        if holds_pairs(self.task):
            return self._questions(self._pairs(self.task))
        return read_text(self.task, self._tokenizer, max_length=self._limit, labels="completion")[0]

    def _asked_and_told(self) -> tuple[list[Pair], list[Pair]]:
        """Pairs that drift is asked on, and pairs that make the supervised vectors."""
        if self.contrast:
            return self._pairs(self.pairs), read_pairs(self.contrast)
        pairs = self._pairs(self.pairs)
        distinct = list(dict.fromkeys(pair.prompt.question for pair in pairs))
        if len(distinct) < LEAST:
            raise InputError(
                f"{self.pairs} asks {len(distinct)} different questions; at least {LEAST} are needed: half of them ask "
                "for drift, the others make the supervised vectors; or name a file contrast for these"
            )
        chosen = set(distinct[::2])
        asked, told = ([p for p in pairs if (p.prompt.question in chosen) is here] for here in (True, False))
        return asked, told

    def _pairs(self, path: str) -> list[Pair]:
        return read_pairs(path, most=self.most)

    def _questions(self, pairs: Sequence[Pair]) -> Questions:
        encoded = encode_pairs(pairs, self._tokenizer, max_length=self._limit)
        return Questions(encoded, tuple(pair.prompt.question for pair in pairs))

    def _neutral(self) -> tuple[list[Example], list[Example]]:
        """(for ``kl``, held out)."""
        given, held = (
            read_text(path, self._tokenizer, max_length=min(LONG, self._limit), labels="all")[0] if path else []
            for path in (self.neutral, self.heldout)
        )
        if given and not held:
            if len(given) < 2:
                raise InputError(f"{self.neutral} holds one row: give two or more, or a file heldout for the loss")
            given, held = [row for n, row in enumerate(given) if n % 4], given[::4]
        return given[:SHOWN], held[: min(SHOWN, self.most or SHOWN)]

    def _batches(self, examples: Sequence[Example], size: int = SIZE) -> Batches:
        return list(batches(examples, size, pad=self._pad))


def _behind(context: str, row: Row) -> Row:
    from ..methods import Inoculation

    if row.messages:
        return replace(row, messages=tuple(Inoculation(context).prepare([dict(turn) for turn in row.messages])))
    return replace(row, prompt=f"{context}\n\n{row.prompt}")


def _text_alone(found: Batches) -> Batches:
    return [{name: batch[name] for name in ("input_ids", "attention_mask")} for batch in found]


@lru_cache(maxsize=1)
def _model(model: str, files: str, dtype: str) -> Any:
    return load_base(model, dtype=dtype)  # pyright: ignore[reportArgumentType]


def _digest(spec: TextSpec) -> str:
    """16 hexadecimal digits of the contents of all files: model, tokenizer, text."""
    folder = check_folder(spec.model, "config.json", "a model in the layout of transformers")
    paths = sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".json", ".model", ".jinja", ".txt"))
    texts = [getattr(spec, name) for name in FILES]
    parts = [_content(str(path), *_version(path)) for path in [*paths, *(Path(text) for text in texts if text)]]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def _version(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    return found.st_size, found.st_mtime_ns


@cache
def _content(path: str, size: int, changed: int) -> str:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
