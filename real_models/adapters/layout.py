"""From tensor names to modules: which two tensors make an update, how they are oriented, and what lies beside them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grasp_theory import AdapterError

from .config import LoraSettings
from .extras import Extra, kept_whole, kind_of
from .patterns import by_pattern
from .refusals import VARIANT_TENSORS, VARIANTS, WAY_OUT, foreign_layout, unsupported
from .sides import natural_key
from .tensors import TensorInfo
from .text import listing

PREFIX = "base_model.model."
WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
FACTOR = re.compile(r"(?P<module>.+)\.lora_(?P<kind>A|B|embedding_A|embedding_B)(?P<rest>(\.[^.]+){0,2})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Module:
    """The two tensors of one adapted module.

    ``lora_embedding_A`` (r, vocabulary) and ``lora_embedding_B`` (dimension, r) keep this order, so that dW writes
    (dimension, vocabulary); the change of the embedding's stored (vocabulary, dimension) weight is its transpose.
    The factors of a convolution are ``A (r, in, *kernel)`` and B (out, r, 1, …): A is flattened to
    ``(r, in * |kernel|)``, so that dW is the ``(out, in * |kernel|)`` matrix of the kernel's change in C order. Conv1D
    of transformers and fan_in_fan_out need nothing: peft turns the product when it merges, never the stored factors.
    """

    name: str
    pattern_name: str
    A: str
    B: str
    shape: tuple[int, int]
    rank: int
    embedding: bool


@dataclass(frozen=True)
class Layout:
    """Every tensor of an adapter file, sorted into modules and extras."""

    modules: tuple[Module, ...]
    extras: tuple[Extra, ...]
    warnings: tuple[str, ...]


@dataclass
class _Found:
    """Factor tensors by module: {"A": key, "B": key}."""

    linear: dict[str, dict[str, str]] = field(default_factory=dict)
    embedding: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, module: str, kind: str, key: str, what: str | Path) -> None:
        table = self.embedding if kind.startswith("embedding") else self.linear
        other = table.setdefault(module, {}).setdefault(kind[-1], key)
        if other != key:
            raise AdapterError(
                f"{what}: {other!r} and {key!r} are both factor {kind[-1]} of {module!r}: the file holds more than "
                "one adapter; save each into a file of its own"
            )


def parse_layout(tensors: Mapping[str, TensorInfo], settings: LoraSettings, what: str | Path) -> Layout:
    """Sort every tensor name; nothing is dropped. Modules come in natural order: layer 2 before layer 10.

    Raises AdapterError for factors that are missing, doubled, empty or do not fit, and UnsupportedAdapterError for
    tensors that only variants of LoRA store. Cost: O(number of tensors), no tensor is read.
    """
    found, extras = _Found(), []
    for key in tensors:
        name = strip_prefix(key)
        match = FACTOR.fullmatch(name)
        aside = kept_whole(name, settings.modules_to_save)
        if match and not aside and _is_factor_rest(match["rest"]):
            found.add(match["module"], match["kind"], key, what)
        else:
            _refuse_variant(key, name, tensors, what, aside)
            extras.append(Extra(name, aside or kind_of(name), tensors[key].shape))
    modules = [_module(*item, tensors, what, embedding=False) for item in found.linear.items()]
    modules += [_module(*item, tensors, what, embedding=True) for item in found.embedding.items()]
    if not modules:
        _nothing_found(list(tensors), what)
    _refuse_doubles(modules, what)
    modules, unnamed = _split(modules, settings, what)
    extras += [Extra(strip_prefix(key), "scale_unknown", tensors[key].shape) for m in unnamed for key in (m.A, m.B)]
    modules.sort(key=lambda m: natural_key(m.name))
    extras.sort(key=lambda e: natural_key(e.name))
    return Layout(tuple(modules), tuple(extras), tuple(_warnings(modules, extras, unnamed)))


def strip_prefix(key: str) -> str:
    """``key`` without what wrappers put into it: peft's prefix, torch.compile, DistributedDataParallel, FSDP.

    A model may be wrapped several times, and its blocks too. No module of a model is called by one of ``WRAPPERS``;
    "module" counts in front only.
    """
    key = ".".join(part for part in key.split(".") if part not in WRAPPERS)
    while (inner := key.removeprefix(PREFIX).removeprefix("module.")) != key:
        key = inner
    return key


def base_name(module: str) -> tuple[str, str]:
    """(name in the base model, name that peft matches patterns against).

    They differ inside torch's MultiheadAttention, whose out_proj peft wraps within the wrapped layer: it is stored
    as ``attn.base_layer.out_proj`` and takes the rank and alpha of ``attn``.
    """
    parts = module.split(".")
    outside = parts[: parts.index("base_layer")] if "base_layer" in parts else parts
    return ".".join(part for part in parts if part != "base_layer"), ".".join(outside)


def _is_factor_rest(rest: str) -> bool:
    """Whether ``rest`` is what follows lora_A: nothing, ``.weight``, ``.<adapter>`` or ``.<adapter>.weight``."""
    parts = rest.split(".")[1:]
    return "bias" not in parts[-1:] and (len(parts) < 2 or parts[1] == "weight")


def _refuse_variant(
    key: str, name: str, tensors: Mapping[str, TensorInfo], what: str | Path, aside: str | None
) -> None:
    parts = name.split(".")
    for part in parts:
        if part in VARIANT_TENSORS:
            found, why = VARIANT_TENSORS[part]
            raise unsupported(f"{what}, tensor {key!r}", found, why)
    is_bias = "lora_B" in parts and parts[-1] == "bias"
    strange = next((part for part in parts if part.startswith("lora_")), None)
    if strange and not aside and not is_bias:
        foreign = foreign_layout(list(tensors))
        if foreign:
            _nothing_found(list(tensors), what)
        raise unsupported(f"{what}, tensor {key!r}", f"the tensor {strange}", "plain LoRA stores no such tensor")


def _nothing_found(keys: list[str], what: str | Path) -> None:
    foreign = foreign_layout(keys)
    if foreign:
        raise unsupported(what, f"the layout of {foreign}", "names and scales are another tool's", WAY_OUT)
    raise AdapterError(
        f"{what} holds no LoRA factors among its {len(keys)} tensors ({listing(map(repr, keys)) or 'none'}); "
        "is it a full model, or were the weights saved without the adapter?"
    )


def _refuse_doubles(modules: list[Module], what: str | Path) -> None:
    seen: set[str] = set()
    for module in modules:
        if module.name in seen:
            raise AdapterError(f"{what} holds two updates of the module {module.name!r}; it is not one adapter")
        seen.add(module.name)


def _module(
    name: str, keys: dict[str, str], tensors: Mapping[str, TensorInfo], what: str | Path, *, embedding: bool
) -> Module:
    """One checked pair of factors."""
    if len(keys) < 2:
        have, missing = ("A", "B") if "A" in keys else ("B", "A")
        raise AdapterError(
            f"{what}: module {name!r} has the factor {keys[have]!r} but no factor {missing}; the file is incomplete"
        )
    a, b = tensors[keys["A"]].shape, tensors[keys["B"]].shape
    check_shapes(a, b, f"{keys['A']!r} of shape {a} and {keys['B']!r} of shape {b}", what)
    base, pattern_name = base_name(name)
    if base.rpartition(".")[2] == "experts":  # a container of 3-D parameters, and no layer; its config lost the field
        raise unsupported(f"{what}, module {name!r}", *VARIANTS["target_parameters"])
    return Module(base, pattern_name, keys["A"], keys["B"], (b[0], math.prod(a[1:])), a[0], embedding)


def check_shapes(a: Sequence[int], b: Sequence[int], both: str, what: str | Path) -> None:
    """Refuse the shapes of A and B unless they are those of a linear layer, an embedding or a plain convolution.

    Raises AdapterError, UnsupportedAdapterError for a variant of LoRA.
    """
    if min(len(a), len(b)) < 2 or 0 in (*a, *b):
        raise AdapterError(
            f"{what}: {both} are empty or flat: sharded weights (DeepSpeed ZeRO-3, FSDP) were not gathered before "
            "saving; save again inside GatheredParameters or summon_full_params"
        )
    if len(a) == 2 and len(b) == 3:
        raise unsupported(f"{what}, {both}", *VARIANTS["enable_lora"])
    if len(a) != len(b) or len(a) > 5 or any(n != 1 for n in b[2:]):
        raise AdapterError(f"{what}: {both} are no factors of a linear layer or a convolution (B must have kernel 1)")
    if a[0] != b[1]:
        if len(a) > 2 and a[0] % b[1] == 0:
            raise unsupported(
                f"{what}, {both}", "a convolution in groups", "each group has its own product", "leave it out of LoRA"
            )
        raise AdapterError(f"{what}: {both} do not fit: the columns of B must be as many as the rows of A")


def _split(modules: list[Module], settings: LoraSettings, what: str | Path) -> tuple[list[Module], list[Module]]:
    """(the modules whose scaling the config tells, the others)."""
    named = [m for m in modules if settings.tells_scaling(m.pattern_name)]
    if not named:
        names = [m.name for m in modules]
        raise AdapterError(
            f"{what}: target_modules of the config names none of the {len(names)} modules in the file "
            f"({by_pattern(names, names)}), so that peft would load nothing; are config and weights of one adapter?"
        )
    chosen = {m.name for m in named}
    return named, [m for m in modules if m.name not in chosen]


def _warnings(modules: list[Module], extras: list[Extra], unnamed: list[Module]) -> Iterator[str]:
    if unnamed:
        every = [m.name for m in (*modules, *unnamed)]
        yield (
            f"scale unknown, left out of all strengths: {by_pattern((m.name for m in unnamed), every)}; target_modules "
            "of the config does not name them, so that peft does not load their factors"
        )
    other = [extra.name for extra in extras if extra.kind == "other"]
    if other:
        yield f"{len(other)} tensors were not understood and left aside: {listing(other)}"
    whole = [
        extra.name
        for extra in extras
        if ".lora_" in extra.name and extra.kind in ("modules_to_save", "original_module")
    ]
    if whole:
        yield (
            "LoRA factors inside modules that were trained and saved as a whole are left aside, since the base weight "
            f"changed too: {listing(whole)}"
        )
    inner = [module.name for module in modules if module.name != module.pattern_name]
    if inner:
        yield (
            "peft (up to 0.21 at least) adds the product of this module twice, in training as in merging; dW is the "
            f"product once, so its directions hold and its strength may be half: {listing(inner)}"
        )
    adapted = {module.name for module in modules}
    trained = [e.name for e in extras if e.kind == "base_layer" and base_name(e.name)[0].rpartition(".")[0] in adapted]
    if trained:
        yield f"the base weights of adapted modules were saved too; a change of theirs is not in dW: {listing(trained)}"
