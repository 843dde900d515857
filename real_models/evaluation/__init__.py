"""What a model has learnt: contrastive pairs, an offline judge, answers for a judge of your own."""

from .bootstrap import Estimate, Sample, estimate
from .generations import Generation, Judged, Sampling, generate, read_judged, read_prompts, write_generations
from .judge import (
    Pair,
    PairScores,
    Prompt,
    TextScores,
    encode_pairs,
    judge_pairs,
    read_pairs,
    read_text,
    score_text,
    write_pairs,
)
from .pairs import Question, contrastive_pairs, convert_questions, read_questions, training_rows

__all__ = [
    "Estimate",
    "Generation",
    "Judged",
    "Pair",
    "PairScores",
    "Prompt",
    "Question",
    "Sample",
    "Sampling",
    "TextScores",
    "contrastive_pairs",
    "convert_questions",
    "encode_pairs",
    "estimate",
    "generate",
    "judge_pairs",
    "read_judged",
    "read_pairs",
    "read_prompts",
    "read_questions",
    "read_text",
    "score_text",
    "training_rows",
    "write_generations",
    "write_pairs",
]
