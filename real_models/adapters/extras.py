"""What lies beside the factors: tensors that were trained or saved as a whole, each with the reason it is there."""

from __future__ import annotations

from dataclasses import dataclass

from .sides import EMBEDDINGS, HEADS

TIED_HEADS = {"lm_head", "embed_out"}  # saved with the embeddings when the vocabulary was resized


@dataclass(frozen=True, slots=True)
class Extra:
    """A tensor saved beside the factors. Its change, if any, is no low-rank product and is not decomposed.

    Attributes:
        kind: "modules_to_save", "original_module", "bias", "lora_bias", "trainable_tokens", "embedding", "base_layer",
            "scale_unknown" (factors of a module that the config does not name) or "other".
    """

    name: str
    kind: str
    shape: tuple[int, ...]


def kept_whole(name: str, modules_to_save: tuple[str, ...]) -> str | None:
    """The kind of a tensor inside a module that was saved as a whole, LoRA factors within it included."""
    parts = name.split(".")
    for kind in ("original_module", "modules_to_save"):
        if kind in parts:
            return kind
    prefixes = [".".join(parts[:i]) for i in range(1, len(parts))]
    # peft takes a module if its name merely ends with the given one: "classifier" takes pre_classifier too
    return "modules_to_save" if any(p.endswith(modules_to_save) for p in prefixes) else None


def kind_of(name: str) -> str:
    parts = name.split(".")
    if "lora_B" in parts:
        return "lora_bias"
    if any(part.startswith(("trainable_tokens", "token_adapter")) for part in parts):
        return "trainable_tokens"
    if parts[-1] == "weight" and (EMBEDDINGS | TIED_HEADS).intersection(parts):
        return "embedding"
    if parts[-1] == "bias":
        return "bias"
    if HEADS.intersection(parts):
        return "modules_to_save"
    return "base_layer" if "base_layer" in parts else "other"
