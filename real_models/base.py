"""A base model and its tokenizer from a local folder: no hub, no unpickling."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from grasp_theory import InputError

from .adapters.text import listing

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from .adapters import Adapter

UNSTATED = 10**9  # a tokenizer that knows no limit says 10**30


def load_base(path: str | Path, *, dtype: str = "auto") -> PreTrainedModel:
    """The causal language model in a folder in the layout of transformers, safetensors only, evaluation mode.

    A model that was saved quantised loads so, if the package that quantised it is installed.

    Raises InputError if the folder holds no such model, or its weights only in a format that would have to be
    unpickled.
    """
    folder = check_folder(path, "config.json", "a model in the layout of transformers")
    if not list(folder.glob("*.safetensors")):
        raise InputError(
            f"{folder} has no *.safetensors file (it has {_listing(folder)}); pickled weights are not loaded: convert "
            "them with model.save_pretrained(folder, safe_serialization=True)"
        )
    from transformers import AutoModelForCausalLM

    quiet()
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=dtype
        )
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, ImportError, *_damaged()) as error:
        raise InputError(f"{folder} does not load as a causal language model: {error}") from error
    return model.eval()


def dequantised(model: Any) -> Any:
    """The model with its quantised weights as floating point numbers, in float32; as it is if none is quantised.

    Raises InputError for a kind of quantisation that transformers cannot undo.
    """
    from .hooks.quantised import quantised_modules

    names = quantised_modules(model)
    if not names:
        return model
    try:
        return model.dequantize().float().eval()
    except (NotImplementedError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        raise InputError(f"the base is quantised ({names[0]}, …) and transformers cannot undo that: {error}") from error


def load_adapted(base: str | Path, adapter: Adapter, *, model: Any = None) -> Any:
    """:func:`load_base` with an adapter on it, as a PeftModel in evaluation mode.

    Args:
        model: the base, where it is in memory already.

    Raises InputError for an adapter that is not of this base: peft would leave out what it does not find.
    """
    model = load_base(base) if model is None else model
    modules = dict(model.named_modules())
    lost = [update.name for update in adapter.updates if update.name not in modules]
    if lost:
        raise InputError(
            f"{adapter.path} adapts {lost[0]}, which {base} does not have: name the base that it was trained on"
        )
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(model, str(adapter.path), local_files_only=True).eval()
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        why = " ".join(str(error).split("\n\t", 2)[:2])[:300]  # torch lists all modules that do not fit
        raise InputError(
            f"the adapter {adapter.path} does not fit the base model {base} ({why}); name the base it was trained on"
        ) from error


def load_tokenizer(path: str | Path) -> Any:
    """The tokenizer in a folder, with a token to pad with. InputError if there is none, or it has no end token."""
    folder = check_folder(path, "tokenizer_config.json", "a tokenizer")
    from transformers import AutoTokenizer

    quiet()
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, ImportError) as error:
        raise InputError(f"the tokenizer in {folder} does not load: {error}") from error
    if tokenizer.eos_token is None:
        raise InputError(f"the tokenizer in {folder} has no eos_token: set it in tokenizer_config.json")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token  # padding is masked, so any token serves
    return tokenizer


def _damaged() -> tuple[type[Exception], ...]:
    from safetensors import SafetensorError

    return (SafetensorError,)


def quiet() -> None:
    """No progress bars and no advice from transformers and peft: what matters here is said by an error of our own."""
    import warnings

    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)


def check_folder(path: str | Path, file: str, what: str) -> Path:
    """The folder, if it holds this file. Raises InputError if it is no folder or does not."""
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(
            f"expected the folder of {what}, got {folder}, which is not a folder; "
            "nothing is downloaded: name the folder of a model (`grasp model smollm2` makes one)"
        )
    if not (folder / file).is_file():
        raise InputError(
            f"{folder} holds no {file}, so it is not {what}; it has {_listing(folder)}: "
            "name a folder that save_pretrained of transformers wrote"
        )
    return folder


def context_length(model: Any) -> int | None:
    """How many tokens the model can see, if its configuration says so."""
    from .hooks.targets import text_config

    return getattr(text_config(model), "max_position_embeddings", None)


def token_limit(model: Any, tokenizer: Any) -> int:
    """How many tokens a text may have, by the model or else the tokenizer. InputError if neither says so."""
    limit = context_length(model) or tokenizer.model_max_length
    if limit > UNSTATED:
        raise InputError("neither the model nor its tokenizer says how many tokens it can see: set model_max_length")
    return limit


def _listing(folder: Path) -> str:
    return listing(sorted(p.name for p in folder.iterdir()), 5) or "nothing"
