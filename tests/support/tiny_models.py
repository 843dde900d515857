"""Tiny random causal LMs of transformers, LoRA on them, optimizers, and a training loop. Nothing is downloaded."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from contextlib import ExitStack, nullcontext
from typing import Any

import numpy as np
import torch
import transformers as hf
from peft import LoraConfig, PeftModel, get_peft_model
from strategies import rotation
from torch import nn

WIDTH, BLOCKS, VOCABULARY = 32, 2, 40
_COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 40,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": 4,
}
_GROUPED = {**_COMMON, "num_key_value_heads": 2}
_GEMMA = {**_GROUPED, "head_dim": 8}
_SHORT = {"vocab_size": VOCABULARY, "hidden_size": WIDTH, "n_layer": BLOCKS, "n_head": 4}
_OPT = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "ffn_dim": 40,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": 4,
    "word_embed_proj_dim": WIDTH,
    "max_position_embeddings": 32,
}
_GPT2 = {"vocab_size": VOCABULARY, "n_embd": WIDTH, "n_layer": BLOCKS, "n_head": 4, "n_positions": 32}
_GPT2 |= {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}

# kind -> (name of the model's class, name of its configuration's class, configuration)
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "llama": ("LlamaForCausalLM", "LlamaConfig", _GROUPED),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", _GROUPED),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", _GEMMA),
    "mistral": ("MistralForCausalLM", "MistralConfig", _GROUPED),
    "gemma": ("GemmaForCausalLM", "GemmaConfig", _GEMMA),
    "gemma2": ("Gemma2ForCausalLM", "Gemma2Config", _GEMMA),
    "gemma3": ("Gemma3ForCausalLM", "Gemma3TextConfig", _GEMMA),
    "phi": ("PhiForCausalLM", "PhiConfig", _COMMON),
    "phi3": ("Phi3ForCausalLM", "Phi3Config", {**_GROUPED, "pad_token_id": 0}),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", _GPT2),
    "gpt-neox": ("GPTNeoXForCausalLM", "GPTNeoXConfig", _COMMON),
    "opt": ("OPTForCausalLM", "OPTConfig", _OPT),
    "bloom": ("BloomForCausalLM", "BloomConfig", _SHORT),
    "olmo2": ("Olmo2ForCausalLM", "Olmo2Config", _COMMON),
    "falcon": ("FalconForCausalLM", "FalconConfig", {**_COMMON, "intermediate_size": None}),
    "mixtral": (
        "MixtralForCausalLM",
        "MixtralConfig",
        {**_GROUPED, "num_local_experts": 4, "experts_implementation": "eager"},
    ),
    "granite": ("GraniteForCausalLM", "GraniteConfig", {**_GROUPED, "residual_multiplier": 0.3}),
    "opt-post-ln": ("OPTForCausalLM", "OPTConfig", {**_OPT, "do_layer_norm_before": False}),
    "bert": ("BertLMHeadModel", "BertConfig", {**_COMMON, "is_decoder": True}),
    "t5": (
        "T5ForConditionalGeneration",
        "T5Config",
        {
            "vocab_size": VOCABULARY,
            "d_model": WIDTH,
            "d_kv": 6,
            "d_ff": 40,
            "num_layers": BLOCKS,
            "num_heads": 4,
            "decoder_start_token_id": 0,
        },
    ),
}


def tiny(kind: str = "llama", *, seed: int = 0, **config: Any) -> Any:
    """A random model: weights of order 1/√width, norm gains spread around their start (nothing is axis-aligned)."""
    model, configuration, fields = KINDS[kind]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fields = {key: value for key, value in {**fields, **config}.items() if value is not None}
        built = getattr(hf, model)(getattr(hf, configuration)(**fields))
        for parameter in built.parameters():
            if parameter.ndim > 1:
                parameter.data = torch.randn_like(parameter) / WIDTH**0.5
            else:
                parameter.data += 0.3 * torch.randn_like(parameter)
    return built


def lora(model: nn.Module, *, seed: int = 0, name: str = "default", **config: Any) -> PeftModel:
    """LoRA of rank 4 on every linear layer but the head; ``config`` as for LoraConfig."""
    fields = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM", **config}
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")  # peft reports that it corrects fan_in_fan_out for Conv1D
        torch.manual_seed(seed)
        return get_peft_model(model, LoraConfig(**fields), adapter_name=name)  # pyright: ignore[reportArgumentType]


def begun(model: Any, *, seed: int = 1, size: float = 0.2) -> Any:
    """The model with a random B in the place of 0, so that it is not its base."""
    generator = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        if "lora_" in name and "_B" in name:
            p.data = size * torch.randn(p.shape, generator=generator, dtype=p.dtype)
    return model


def trained(model: nn.Module) -> list[nn.Parameter]:
    """What an optimizer is given."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


class SignDescent(torch.optim.Optimizer):
    """p <- p − lr sign(momentum average of g): the coordinate-wise rule that Adam starts as."""

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # pyright: ignore
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                average = self.state[p].setdefault("average", torch.zeros_like(p))
                average.lerp_(p.grad, 1 - group["momentum"])
                p.sub_(average.sign(), alpha=group["lr"])
        return loss


_ADAFACTOR = {"relative_step": False, "scale_parameter": False, "weight_decay": 0.1}
OPTIMIZERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    "sgd": lambda m: torch.optim.SGD(trained(m), 0.05),
    "momentum": lambda m: torch.optim.SGD(trained(m), 0.05, momentum=0.9, nesterov=True),
    "adam": lambda m: torch.optim.Adam(trained(m), 1e-2),
    "adamw": lambda m: torch.optim.AdamW(trained(m), 1e-2, weight_decay=0.3),
    "adafactor": lambda m: hf.Adafactor(trained(m), lr=1e-2, **_ADAFACTOR),
    "sign": lambda m: SignDescent(trained(m), 3e-3),
}
COORDINATE_WISE = ("adam", "adamw", "adafactor", "sign")


def batch(seed: int, *, sequences: int = 2, tokens: int = 8) -> dict[str, torch.Tensor]:
    """Random tokens, to be predicted themselves."""
    x = torch.randint(0, VOCABULARY, (sequences, tokens), generator=torch.Generator().manual_seed(seed))
    return {"input_ids": x, "labels": x}


def descend(
    model: Any,
    optimizer: torch.optim.Optimizer,
    steps: int,
    *,
    first: int = 0,
    accumulate: int = 1,
    clip: float | None = None,
    autocast: bool = False,
    each: Callable[[], None] | None = None,
) -> None:
    """``steps`` steps on batches that follow from their number (``first``, first + 1, …); ``each`` after every one."""
    model.train()
    with torch.random.fork_rng():
        for step in range(first, first + steps):
            torch.manual_seed(step)  # what dropout draws from
            optimizer.zero_grad()
            for part in range(accumulate):
                with torch.autocast("cpu", torch.bfloat16) if autocast else nullcontext():
                    loss = model(**batch(step * accumulate + part)).loss
                (loss / accumulate).backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(trained(model), clip)
            optimizer.step()
            if each is not None:
                each()


def deltas(model: nn.Module, name: str = "default") -> dict[str, np.ndarray]:
    """dW = scaling · B A (d_out, d_in) of every adapted module, dense, in float64, by its name in the base model."""
    found = {}
    for path, layer in model.named_modules():
        if name in getattr(layer, "lora_B", {}):
            B, A = (f[name].weight.detach().double().numpy() for f in (layer.lora_B, layer.lora_A))
            found[path.removeprefix("base_model.model.")] = layer.scaling[name] * (B @ A)
    return found


def inputs(model: nn.Module, batches: Iterable[dict[str, torch.Tensor]], *, ending: str = "_proj") -> dict[str, Any]:
    """(n, d_in) of each module of such a name in the base model: what it is given at the tokens that are not masked."""
    found: dict[str, list[np.ndarray]] = {}
    with ExitStack() as stack, torch.no_grad():
        for path, module in model.named_modules():
            if path.endswith(ending):
                rows = found.setdefault(path.removeprefix("base_model.model."), [])
                look = lambda _, args, rows=rows: rows.append(args[0][mask].double().numpy())  # noqa: E731
                stack.callback(module.register_forward_pre_hook(look).remove)
        for batch in batches:
            mask = batch.get("attention_mask", torch.ones_like(batch["input_ids"])).bool()
            model(**batch)
    return {name: np.concatenate(rows) for name, rows in found.items()}


def frozen(model: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of what must not change: every parameter without a gradient, and every buffer."""
    parameters = {n: p.detach().clone() for n, p in model.named_parameters() if not p.requires_grad}
    return parameters | {n: b.clone() for n, b in model.named_buffers()}


def everything(model: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of all parameters and buffers."""
    return {n: t.detach().clone() for n, t in [*model.named_parameters(), *model.named_buffers()]}


def assert_same(model: nn.Module, before: dict[str, torch.Tensor]) -> None:
    """Bit for bit what it was."""
    now = dict([*model.named_parameters(), *model.named_buffers()])
    for name, tensor in before.items():
        torch.testing.assert_close(now[name].detach(), tensor, rtol=0, atol=0, equal_nan=True, msg=name)


def hooks(model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> int:
    """How many hooks there are on all modules and on the optimizer's step."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    count = sum(len(getattr(module, kind)) for module in model.modules() for kind in kinds)
    count += sum(len(p._backward_hooks or ()) for p in model.parameters())
    if optimizer is not None:
        count += len(optimizer._optimizer_step_pre_hooks) + len(optimizer._optimizer_step_post_hooks)
    return count


def subspace(seed: int, k: int, width: int = WIDTH) -> np.ndarray:
    """(width, k) orthonormal columns, dense and random."""
    return rotation(np.random.default_rng(seed), width, k)
