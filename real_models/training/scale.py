"""What sharded LoRA training (FSDP 2) takes on many devices: bytes sent, memory, time. Formulas alone, no torch.

Bytes are exact: tests hold them equal to those that two and four processes hand to their collectives. Memory and time
are models, with the parts that they leave out named.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2

from grasp_theory import InputError

ADAM = 8  # bytes of AdamW's two float32 moments, a number
NODE = 8  # devices that share a fast network


@dataclass(frozen=True)
class Decoder:
    """A decoder of the Llama kind.

    Attributes:
        name: as printed.
        width, inner, keys: of the stream, of the feed-forward layer, and of keys and of values.
        blocks: how many.
        vocabulary: tokens, embedded and unembedded by a matrix each.
    """

    name: str
    width: int
    inner: int
    keys: int
    blocks: int
    vocabulary: int

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """Name -> (d_out, d_in) of each linear module of a block."""
        d, inner, keys = self.width, self.inner, self.keys
        attention = {"q_proj": (d, d), "k_proj": (keys, d), "v_proj": (keys, d), "o_proj": (d, d)}
        return attention | {"gate_proj": (inner, d), "up_proj": (inner, d), "down_proj": (d, inner)}

    @property
    def parameters(self) -> int:
        """N, all of them."""
        block = sum(rows * columns for rows, columns in self.linears.values()) + 2 * self.width
        return self.blocks * block + self.width * (2 * self.vocabulary + 1)


LLAMAS = (
    Decoder("8B", 4096, 14336, 1024, 32, 128256),
    Decoder("70B", 8192, 28672, 1024, 80, 128256),
    Decoder("405B", 16384, 53248, 1024, 126, 128256),
)
WRITERS = ("o_proj", "down_proj")


@dataclass(frozen=True)
class Setting:
    """How it is trained.

    Attributes:
        processes: P, one a device, that share the model.
        rank: r, of LoRA.
        tokens: of a batch on one device.
        batches: of one step on each device, the gradients summed; reduced after the last.
        directions: k, of ``grasp`` in every writing module; 0 for a run without it.
        modules: those with LoRA.
        gathered, reduced: bytes of a number that is gathered (the type that is computed in), and of a gradient.
    """

    processes: int
    rank: int = 16
    tokens: int = 8192
    batches: int = 1
    directions: int = 0
    modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    gathered: int = 2
    reduced: int = 4

    def __post_init__(self) -> None:
        if min(self.processes, self.rank, self.tokens, self.batches) < 1 or self.directions < 0:
            raise InputError(
                "processes, rank, tokens and batches must be at least 1, directions at least 0, got "
                f"{self.processes}, {self.rank}, {self.tokens}, {self.batches}, {self.directions}"
            )


@dataclass(frozen=True)
class Traffic:
    """Bytes that one process hands to each collective of one step.

    Attributes:
        gathers: parts of parameters, into all-gathers.
        scatters: whole gradients, into reduce-scatters.
        sums: what methods and checks sum over processes, into all-reduces.
        processes: P.
    """

    gathers: tuple[int, ...]
    scatters: tuple[int, ...]
    sums: tuple[int, ...]
    processes: int

    @property
    def received(self) -> float:
        """Bytes that reach one process, by rings: (P − 1)/P of what is gathered or scattered, twice that of a sum."""
        P = self.processes
        return (P - 1) * sum(self.gathers) + (P - 1) / P * (sum(self.scatters) + 2 * sum(self.sums))


def base_numbers(model: Decoder, *, parts: int) -> tuple[int, int]:
    """Frozen numbers in one of so many parts, filled up to whole rows: of a block, and of what is outside of them."""
    norm = ceil(model.width / parts)
    block = sum(ceil(rows / parts) * columns for rows, columns in model.linears.values()) + 2 * norm
    return block, 2 * ceil(model.vocabulary / parts) * model.width + norm


def lora_numbers(model: Decoder, setting: Setting, *, parts: int = 1) -> int:
    """Numbers of one block's factors in one of so many parts, filled up to whole rows: ⌈r/P⌉ d_in + ⌈d_out/P⌉ r."""
    shapes = (model.linears[name] for name in setting.modules)
    r = setting.rank
    return sum(ceil(r / parts) * d_in + ceil(d_out / parts) * r for d_out, d_in in shapes)


def _writers(setting: Setting) -> list[str]:
    return [name for name in setting.modules if name in WRITERS]


def traffic(model: Decoder, setting: Setting) -> Traffic:
    """Law: in every batch a block is gathered forward and backward, the rest forward; gradients are reduced once.

    ``grasp`` sums k r numbers for a writing module where its gradient arrives and before the step, and k r + 1 in
    float64 after it; and one flag says whether all gradients are finite. The read side of it, ``null-space`` and
    methods on activations sum the flag, or nothing.
    """
    P, s, k = setting.processes, setting, setting.directions
    frozen, rest = base_numbers(model, parts=P)
    block = (frozen + lora_numbers(model, s, parts=P)) * s.gathered
    once = (rest * s.gathered,) + (block,) * (2 * model.blocks)
    gradients = (P * lora_numbers(model, s, parts=P) * s.reduced,) * model.blocks
    writers = model.blocks * len(_writers(s)) if k else 0
    of_gradient, of_parameter = k * s.rank * s.reduced, 8 * (k * s.rank + 1)
    sums = (of_gradient,) * (2 * writers) + (of_parameter,) * writers + (4,) * bool(k)
    return Traffic(once * s.batches, gradients, sums, P)


def memory(model: Decoder, setting: Setting) -> dict[str, float]:
    """Bytes on the fullest device, by what they are for.

    ``weights``, ``adapter``: parts of the base, and of LoRA in float32 with gradient and AdamW, whole rows each, so
    that some device holds one of the r rows of A however many there are. ``directions``: k numbers in float64 for each
    row of the writing modules, whole on every device. ``whole``: two blocks, one at work and the next, and embeddings,
    which stay whole during a pass. ``activations``: checkpointed, the stream at every block, and of the block at work
    its intermediate results, about 16 d + 4 d_inner numbers a token. ``logits``: in float32 with their gradient. Left
    out: the allocator's waste, buffers of the network.
    """
    s = setting
    block = sum(rows * columns for rows, columns in model.linears.values()) + lora_numbers(model, s)
    stream = s.tokens * s.gathered * (model.blocks * model.width + 16 * model.width + 4 * model.inner)
    frozen, rest = base_numbers(model, parts=s.processes)
    written = model.blocks * sum(model.linears[name][0] for name in _writers(s))
    return {
        "weights": float(s.gathered * (model.blocks * frozen + rest)),
        "adapter": float((4 + 4 + ADAM) * model.blocks * lora_numbers(model, s, parts=s.processes)),
        "directions": 8.0 * s.directions * written,
        "whole": s.gathered * (2.0 * block + 2 * model.vocabulary * model.width),
        "activations": float(stream),
        "logits": 8.0 * s.tokens * model.vocabulary,
    }


@dataclass(frozen=True)
class Machine:
    """What a device does: nothing here is measured, it is asserted by who asks.

    Attributes:
        flops: a second, as reached in training.
        near, far: bytes a second that reach one device, from within its node and from other nodes.
        hop: seconds from one device to the next for a message without length.
    """

    flops: float = 4e14
    near: float = 4e11
    far: float = 4e10
    hop: float = 1e-5


@dataclass(frozen=True)
class Step:
    """Seconds of a step: computing, the network for the sharding, and what ``grasp`` waits for.

    Attributes:
        compute: of the passes.
        network: of gathers and scatters, which are hidden behind computing as far as they are shorter.
        sums: of the method's all-reduces, none of it hidden.
    """

    compute: float
    network: float
    sums: float

    @property
    def seconds(self) -> float:
        """max(compute, network) + sums."""
        return max(self.compute, self.network) + self.sums

    @property
    def share(self) -> float:
        """The share of a step in which the method waits."""
        return self.sums / self.seconds


def step(model: Decoder, setting: Setting, machine: Machine) -> Step:
    """Law: 6 N flops a token (a frozen base: forward 2, recomputed 2, gradients of activations 2), attention left out.

    A message over P devices takes 2 log₂ P hops, and the bytes that reach a device their time on the slowest link.
    """
    found, P = traffic(model, setting), setting.processes
    link = machine.near if P <= NODE else machine.far
    hops = 2 * log2(P) * machine.hop
    sums = Traffic((), (), found.sums, P)
    passes = Traffic(found.gathers, found.scatters, (), P)
    return Step(
        compute=6 * model.parameters * setting.tokens * setting.batches / machine.flops,
        network=passes.received / link + hops * (len(found.gathers) + len(found.scatters)),
        sums=sums.received / link + hops * len(found.sums),
    )
