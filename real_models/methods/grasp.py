"""GRASP: the model acquires no new content along the directions, and no new reliance on them; what it had stays."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from grasp_theory import InputError

from ..adapters.sides import HEADS, layer_of, side_of
from ..arguments import listed, mapping
from ..comparison.compared import COUNT, ComparedMethod, Sources
from ..directions import Directions
from ..hooks import linalg
from ..hooks.bases import Choice, basis, joint_basis, stream_bases
from ..hooks.edits import project_stream
from ..hooks.gains import output_gains
from ..hooks.method import Method
from ..hooks.projection import Constraint, hold, relative_leak
from ..hooks.stream import Stream, blocks_of, find_stream
from ..hooks.targets import Factors, lora_factors, refuse_others

if TYPE_CHECKING:
    import torch

    from ..hooks.given import Given

Side = Literal["stream", "write", "read"]


class Grasp(Method):
    """GRadient projection of Associated Spurious Patterns.

    ``write``: B <- (I − QQᵀ) B in every adapted module that writes the stream, so QᵀdW = 0: nothing new is written
    along Q. ``stream``: g <- (I − QQᵀ) g for the residual gradient at every block's output, so nothing is learnt below
    in order to reach Q through frozen weights (v through o). ``read``: A <- A (I − VVᵀ), so dW V = 0: no new reliance
    on V. Parameters are projected when the method is attached, after every step, and before every forward pass, save
    and merge, whoever moved them; gradients as they arrive. Exact to the rounding of the stored type under every
    optimizer (statements ``projection-invariance``, ``optimizer-leak``). Several projections act on their joint span.
    Pretrained weights are never touched.

    Args:
        directions: of the residual stream for ``stream`` and ``write``: Directions, Subspace, array (d,) or (d, k), or
            a mapping from block index to one of these. For ``read`` of the adapted modules' inputs (after the norm),
            for all adapted reading modules, for those that the Directions were made of, or a mapping from module name.
        sides: by default {stream, write}, or {read} for Directions of the read side.
        blocks: the list of decoder blocks, where it cannot be found.
        gains: module name -> gain of the norm behind it, instead of asking the model
            (:func:`~real_models.hooks.gains.output_gains`); {} where no norm follows.
        allow_unconstrained: do not refuse trainable parameters that the method cannot bound (whole modules, biases).
    """

    name = "grasp"
    needs = "directions (from the fine-tuning run itself)"
    guarantees = "QᵀdW = 0 (write), dW V = 0 (read); no gradient through Q at block outputs (stream)"
    needs_optimizer = True
    projects = True
    options = frozenset({"directions", "sides"})
    compared = (
        ComparedMethod(
            "grasp", "data", "components", COUNT, 1.0, lambda s, k: [Grasp(s.top(int(k)))], needs_naive=True
        ),
        ComparedMethod(
            "grasp, activations", "data", "components", COUNT, 1.0, lambda s, k: [Grasp(s.seen(int(k)))],
            needs_naive=True,
        ),
        ComparedMethod(
            "grasp, own text", "data", "components", COUNT, 1.0, lambda s, k: [Grasp(s.seen_on_own_text(int(k)))],
            needs_naive=True,
        ),
        ComparedMethod(
            "grasp, contrasted", "control run", "components", COUNT, 1.0, lambda s, k: [Grasp(s.contrasted(int(k)))],
            needs_naive=True, needs_control=True,
        ),
        ComparedMethod(
            "grasp, per block and side", "data", "components", COUNT, 1.0,
            lambda s, k: [Grasp(s.per_layer(int(k))), Grasp(s.reading(int(k)), sides={"read"})], needs_naive=True,
        ),
        ComparedMethod(
            "grasp, supervised", "trait", "none", (1.0,), 1.0, lambda s, _: [Grasp(s.supervised())], control=True
        ),
        ComparedMethod(
            "grasp, random", "data", "components", COUNT, 1.0, lambda s, k: [Grasp(s.random(int(k)))], control=True
        ),
        ComparedMethod(
            "grasp, random per block and side", "data", "components", COUNT, 1.0, lambda s, k: _random(s, int(k)),
            control=True,
        ),
    )  # fmt: skip

    @classmethod
    def from_given(cls, given: Given) -> Grasp:
        return cls(given.chosen(cls.name), sides=given.sides)  # pyright: ignore[reportArgumentType]

    def __init__(
        self,
        directions: Choice,
        *,
        sides: Collection[Side] | None = None,
        blocks: Sequence[torch.nn.Module] | None = None,
        gains: Mapping[str, torch.Tensor] | None = None,
        allow_unconstrained: bool = False,
    ) -> None:
        default: tuple[Side, ...] = ("stream", "write")
        if isinstance(directions, Directions) and directions.side == "read":
            default = ("read",)
        chosen = default if sides is None else listed("sides", sides, "sides")
        if not chosen or any(not isinstance(side, str) or side not in get_args(Side) for side in chosen):
            raise InputError(f"sides must be some of {', '.join(get_args(Side))}, got {sorted(map(str, chosen))}")
        self.sides = frozenset(chosen)
        if "read" in self.sides and len(self.sides) > 1:
            raise InputError(
                "directions of the stream and of a module's input are different vectors: attach two Grasp, one with "
                'sides={"read"} and the read directions, one with the others'
            )
        self.directions, self.blocks = directions, blocks
        self.gains = None if gains is None else mapping("gains", gains, "module name to gain")
        self.allow_unconstrained = allow_unconstrained
        self._constraints: list[Constraint] = []

    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        factors = lora_factors(model)
        if not self.allow_unconstrained:
            refuse_others(model, factors, " and would not be constrained", instead=", or pass allow_unconstrained=True")
        if "read" in self.sides:
            constraints = list(self._read(factors, model))
        else:
            constraints = self._install_stream(factors, model, undo)
        if optimizer is not None:  # attach has refused to go on without one
            hold(constraints, optimizer, model, undo)
        self._constraints = constraints
        undo.callback(self._constraints.clear)

    def leak(self, model: torch.nn.Module) -> dict[str, float]:
        return relative_leak(self._constraints)

    def _install_stream(self, factors: list[Factors], model: torch.nn.Module, undo: ExitStack) -> list[Constraint]:
        stream = find_stream(model, blocks=self.blocks)
        bases = stream_bases(self.directions, stream, model)
        gains = self._gains(model, factors, stream)
        constraints = list(self._write(factors, bases, gains, stream)) if "write" in self.sides else []
        if "write" in self.sides and not constraints and "stream" not in self.sides:
            raise InputError(
                "no adapted module writes the stream in these blocks (only "
                f"{', '.join(sorted({f.name.rsplit('.', 1)[-1] for f in factors}))}): add the side stream, which keeps "
                "them from reaching it through frozen weights, or adapt o_proj and down_proj"
            )
        places, end = blocks_of(stream), [len(stream.blocks)]
        first = {f.name: min(places.get(f.layer, end if f.name.rpartition(".")[2] in HEADS else [0])) for f in factors}
        if not constraints and min(first.values()) > max(bases):
            raise InputError(
                f"there are directions for blocks {sorted(bases)}, and LoRA is behind them only "
                f"({factors[0].name}, …), which neither writes there nor gets a gradient through them: the method "
                "would constrain nothing"
            )
        if "stream" in self.sides:
            project_stream(stream, bases, undo, at=sorted(bases), gradient=True)
        return constraints

    def _gains(self, model: torch.nn.Module, factors: list[Factors], stream: Stream) -> dict[str, torch.Tensor]:
        if self.gains is not None:
            return dict(self.gains)
        found = output_gains(model, stream)
        names = {f.layer: f.name for f in factors}
        return {names[module]: gain for module, gain in found.items() if module in names}

    def _write(
        self, factors: list[Factors], bases: dict[int, torch.Tensor], gains: dict[str, torch.Tensor], stream: Stream
    ) -> Iterator[Constraint]:

        width, places = stream.width, blocks_of(stream)
        for f in factors:
            fits = f.B.shape[0] in (1, width)  # what has another width (a router's scores) is not added to the stream
            if f.side is None and fits and not self.allow_unconstrained:
                raise InputError(f"{f.name}: not known to read or write the stream; pass allow_unconstrained=True")
            here = [bases[index] for index in places.get(f.layer, ()) if index in bases]
            if f.side != "write" or not here:
                continue
            if f.B.shape[0] != width:
                raise InputError(f"{f.name} writes {f.B.shape[0]} dimensions, the stream has {width}")
            Q = here[0] if len(here) == 1 else joint_basis(here).to(here[0])
            if f.name in gains:  # gain * y has no part along Q iff y has none along gain * Q
                Q = linalg.qr(gains[f.name].to(Q)[:, None] * Q)[0]
            Q = Q.to(f.B.device)
            yield Constraint(f, Q, 0)

    def _read(self, factors: list[Factors], model: torch.nn.Module) -> Iterator[Constraint]:
        chosen = self.directions
        if isinstance(chosen, Mapping):
            wanted = dict(chosen)
        elif isinstance(chosen, Directions):
            wanted = dict.fromkeys(chosen.modules, chosen)
        else:
            wanted = {f.name: chosen for f in factors if f.side == "read"}
        by_name = {f.name: f for f in factors}
        missing = sorted(set(wanted) - set(by_name))
        if missing or not wanted:
            raise InputError(f"not among the adapted modules: {missing[0] if missing else 'any that reads the stream'}")
        for name, choice in wanted.items():
            f = by_name[name]
            V = basis(choice, f.A.shape[1], model, side="read").to(f.A.device)
            yield Constraint(f, V, 1)


def _random(sources: Sources, k: int) -> list[Grasp]:
    """The control of a set for each block and side: as many random directions at the same places."""
    rng = np.random.default_rng([sources.seed, 12])
    widths = sources.input_widths()
    blocks = sorted({block for name in widths if side_of(name) == "write" and (block := layer_of(name)) is not None})
    written = {block: rng.standard_normal((len(sources.random(1)), k)) for block in blocks}
    read = {name: rng.standard_normal((d, k)) for name, d in sorted(widths.items()) if side_of(name) == "read"}
    return [Grasp(written), Grasp(read, sides={"read"})]
