"""The text organism: a local model, what it is fine-tuned on, and contrastive pairs that tell the trait.

It is trained as ``grasp train`` trains: same Trainer, same settings, same schedule.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from grasp_theory import InputError

from ..base import context_length, load_base, load_tokenizer
from ..data import IGNORED, Example, Row, batches, read_rows
from ..tokens import special_tokens
from ..training.config import TrainConfig
from ..training.prepared import check_vocabulary, prepare
from ..training.run import adapt, fit
from .setup import Batches, check_points, most_of_the_way
from .text_files import ARMS, FILES, SAID, SHOWN, Reader, digest
from .text_probes import SCALES, SIZE, TextProbes, Texts

if TYPE_CHECKING:
    from ..hooks.method import Method


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
            object.__setattr__(self, "files", digest(self.model, filter(None, (getattr(self, name) for name in FILES))))

    @property
    def seed(self) -> int:
        """The seed of LoRA start and data order."""
        return self.settings.seed

    @property
    def rank(self) -> int:
        """The rank of LoRA."""
        return self.settings.r

    @property
    def steps(self) -> int:
        """The steps of training."""
        return self.settings.steps

    @property
    def points(self) -> tuple[int, ...]:
        """The steps at which a run is evaluated."""
        return tuple(range(0, self.steps + 1, self.every))

    @property
    def width(self) -> int:
        """The width of the residual stream."""
        from ..hooks.stream import find_stream

        return find_stream(self._loaded).width

    @property
    def _loaded(self) -> Any:
        return _model(self.model, self.files, "auto" if self.settings.bf16 else "float32")

    def base(self) -> Any:
        """A copy, in evaluation mode; in float32 unless the settings say bf16."""
        return copy.deepcopy(self._loaded)

    def adapted(self) -> Any:
        """The base with LoRA, as the settings say."""
        return adapt(self.base(), self.settings)

    def on_arm(self, name: str) -> TextSpec:
        """The same, trained on other rows: control or neutral_data. InputError where there is no file of them."""
        path = getattr(self, name)
        if not path:
            raise InputError(f"this run needs training rows of another kind; name a file of them, {name}")
        return replace(self, data=path, files="")

    def control_run(self) -> TextSpec:
        """The same, trained on the rows of the file control."""
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
        """The target, or nine tenths of what the naive run gains."""
        return most_of_the_way(task) if self.target is None else self.target

    def probes(self) -> TextProbes:
        """The pairs, completions and held-out text that a run is scored by."""
        return TextProbes(self._texts, self._pad, self.scale)

    def documents(self) -> Batches:
        """``SHOWN`` training rows."""
        return _text_alone(self._batches(self._texts.shown))

    def fitting_text(self) -> Batches:
        """Those of :meth:`documents`."""
        return self.documents()

    def neutral_text(self) -> Batches:
        """The neutral text that is not held out; InputError without a file."""
        if not self._texts.neutral:
            raise InputError("this method needs neutral text; name a file of it, neutral")
        return _text_alone(self._batches(self._texts.neutral))

    def neutral_rows(self) -> Sequence[Example]:
        """The rows of the file neutral_data, encoded as the training rows; InputError without a file."""
        if not self.neutral_data:
            raise InputError("this method needs neutral training rows; name a file of them, neutral_data")
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
        read = Reader(self._tokenizer, self._limit, self.most)
        asked, told = read.asked_and_told(self.pairs, self.contrast)
        neutral, held = read.neutral(self.neutral, self.heldout)
        return Texts(
            rows=rows,
            training=training,
            shown=shown,
            scored=read.scored(self.task, shown),
            asked=read.questions(asked),
            told=read.questions(told).pairs,
            conditional=read.questions(read.pairs(self.conditional)) if self.conditional else None,
            kept=read.questions(read.pairs(self.kept)) if self.kept else None,
            neutral=neutral,
            held=held,
        )

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
