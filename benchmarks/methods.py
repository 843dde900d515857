"""One training step with a removal method against the same step of plain peft LoRA: time and peak memory.

With few tokens and with more, with gradient checkpointing, and with torch.compile. Seconds are those of the processor.
A projection of weights takes the same time whatever the batch, some 20 ms a step here: few tokens show it at its worst.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import numpy as np
from numpy import ndarray

from .timing import Claim, at_most

WIDTH, BLOCKS, VOCABULARY, RANK, DIRECTIONS = 384, 6, 512, 16, 2
SHORT, MEMORY_OF, LONG = (2, 64), (2, 128), (8, 64)  # sequences, tokens of each
TOGETHER = {"grasp+null-space": ("grasp", "null-space"), "compensated+grasp": ("compensated", "grasp")}
PROJECTIONS = ("plain", "grasp", "null-space", *TOGETHER)
ROWS = (*PROJECTIONS, "caft", "steering", "compensated", "osf")
TITLES = {"grasp": "GRASP", "caft": "CAFT", "steering": "preventative steering", "osf": "peft OSF"}
Way = Literal["128 tokens", "512 tokens", "with gradient checkpointing", "with torch.compile"]
BOUNDS: dict[Way, float] = {"128 tokens": 1.05, "512 tokens": 1.03}  # of GRASP's interval; other ways are reported
WAYS: dict[Way, tuple[str, ...]] = {
    "128 tokens": ROWS,
    "512 tokens": PROJECTIONS,
    "with gradient checkpointing": PROJECTIONS,
    "with torch.compile": ("plain", "grasp"),  # each is compiled for a minute
}
MEMORY = 1.05


def claims(rounds: int = 200) -> list[Claim]:
    """``rounds`` steps of each method, the order turned by one each round; the peak memory of one step of each."""
    found = []
    for way, rows in WAYS.items():
        seconds = step_seconds(rounds // 4 if way == "512 tokens" else rounds, rows, way)
        found += [_speed(name, seconds, way) for name in rows[1:]]
        if way in ("128 tokens", "with gradient checkpointing"):  # what is compiled allocates by itself
            megabytes = {name: peak(name, way) for name in rows}
            found += [_memory(name, megabytes, way) for name in rows[1:]]
    return found


def _speed(name: str, seconds: dict[str, ndarray], way: Way) -> Claim:
    low, middle, high = median_interval(seconds[name] / seconds["plain"])
    own, plain = (1e3 * float(np.median(seconds[row])) for row in (name, "plain"))
    detail = (
        f"95% interval of the median {low:.3f} … {high:.3f}; {own:.0f} ms against {plain:.0f} ms, {len(seconds[name])} "
        f"steps in turn, {parameters() / 1e6:.0f} M parameters"
    )
    title = f"{TITLES.get(name, name)} step / plain peft LoRA step, {way}"
    bound = BOUNDS.get(way) if name == "grasp" else None
    if bound is None:
        return _reported(title, middle, detail)
    return Claim(title, middle, f"interval < {bound:g}x", high < bound, detail)


def _memory(name: str, megabytes: dict[str, float], way: Way) -> Claim:
    ratio = megabytes[name] / megabytes["plain"]
    title = f"{TITLES.get(name, name)} peak memory / plain peft LoRA, {way}"
    detail = f"{megabytes[name]:.1f} MB against {megabytes['plain']:.1f} MB allocated in a step beyond the weights"
    return at_most(title, ratio, MEMORY, detail) if name == "grasp" else _reported(title, ratio, detail)


def _reported(title: str, measured: float, detail: str) -> Claim:
    return Claim(title, measured, "reported", True, detail)


def median_interval(x: ndarray) -> tuple[float, float, float]:
    """(lower end, median, upper end): the order statistics between which the median lies with 95% probability."""
    from scipy.stats import binom

    ordered, n = np.sort(x), len(x)
    low = int(binom.ppf(0.025, n, 0.5))
    return float(ordered[max(low - 1, 0)]), float(np.median(x)), float(ordered[min(n - low, n - 1)])


def step_seconds(rounds: int, rows: Sequence[str], way: Way) -> dict[str, ndarray]:
    """Row -> seconds of each of its steps, after three rounds that are not counted."""
    taken: dict[str, list[float]] = {name: [] for name in rows}
    with ExitStack() as stack:
        steps = [
            (name, stack.enter_context(training(name, LONG if way == "512 tokens" else SHORT, way))) for name in rows
        ]
        for n in range(rounds + 3):
            turn = n % len(steps)
            for name, step in steps[turn:] + steps[:turn]:
                start = time.process_time()
                step()
                if n >= 3:
                    taken[name].append(time.process_time() - start)
    return {name: np.array(times) for name, times in taken.items()}


def peak(name: str, way: Way) -> float:
    """Most that a step has allocated at one time beyond what was there before it, in MB: no noise.

    From the profiler's record of every allocation and release of torch's CPU tensors in the third step, when the
    optimizer has its state.
    """
    from torch.autograd.profiler import profile

    with training(name, MEMORY_OF, way) as step:
        for _ in range(2):
            step()
        with profile(profile_memory=True) as record:
            step()
    events = [e for e in record.kineto_results.events() if e.name() == "[memory]"]  # pyright: ignore
    changes = [e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())]  # pyright: ignore
    return float(np.max(np.cumsum(changes))) / 2**20


@contextmanager
def training(name: str, shape: tuple[int, int], way: Way) -> Iterator[Callable[[], None]]:
    """One step of AdamW on a batch, with the row's methods on."""
    import torch

    model: Any = adapted(osf=name == "osf").train()
    if way == "with gradient checkpointing":
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-4)
    x = torch.randint(0, VOCABULARY, shape, generator=torch.Generator().manual_seed(0))
    with ExitStack() as stack:
        for one in TOGETHER.get(name, (name,)):
            if (method := made(one)) is not None:
                stack.enter_context(method.attached(model, optimizer))
        run = torch.compile(model) if way == "with torch.compile" else model

        def step() -> None:
            run(input_ids=x, labels=x).loss.backward()
            optimizer.step()
            optimizer.zero_grad()

        yield step


def made(name: str) -> Any:
    """The method of a row; None where peft does it all."""
    import torch

    from real_models import updates_from_model
    from real_models.methods.caft import Caft
    from real_models.methods.compensated import Compensated
    from real_models.methods.grasp import Grasp
    from real_models.methods.null_space import NullSpace
    from real_models.methods.steering import PreventativeSteering

    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((WIDTH, DIRECTIONS)))[0]
    if name == "compensated":
        return Compensated(Q, updates_from_model(adapted(started=True)))
    if name == "null-space":
        text = torch.randint(0, VOCABULARY, (4, 64), generator=torch.Generator().manual_seed(1))
        return NullSpace([{"input_ids": text, "attention_mask": torch.ones_like(text)}], components=16)
    table = {"grasp": lambda: Grasp(Q), "caft": lambda: Caft(Q)}
    table["steering"] = lambda: PreventativeSteering(Q[:, 0], strength=1.0)
    return table[name]() if name in table else None


def adapted(*, osf: bool = False, started: bool = False) -> Any:
    """A Llama of 15 M parameters with LoRA of rank 16 on all its projections, or OSF that trains rank 16 of them.

    started : B is random and not 0, as after training.
    """
    import torch
    from peft import LoraConfig, OSFConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=BLOCKS,
        num_attention_heads=6, num_key_value_heads=6, use_cache=False,
    )  # fmt: skip
    modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    kind = (
        OSFConfig(effective_rank=WIDTH - RANK, target_modules=modules)
        if osf
        else LoraConfig(r=RANK, lora_alpha=RANK, target_modules=modules)
    )
    model: Any = get_peft_model(LlamaForCausalLM(config), kind)  # pyright: ignore[reportArgumentType]
    if started:
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.02)
    return model


def parameters() -> int:
    """Of the base model."""
    return sum(p.numel() for name, p in adapted().named_parameters() if "lora_" not in name)
