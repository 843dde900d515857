"""What the experiments on organisms share: one thread, and base models that differ in curation alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from synthetic.results import replacing

from .persona import OrganismSpec, _key, cache_folder, pretrained


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread inside: the same sums in the same order, whatever runs beside."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def share_base(organism: OrganismSpec) -> None:
    """Put the base model into the cache from that of curation 1: pretraining documents do not depend on curation."""
    folder = cache_folder()
    target = folder / f"organism-{_key(organism)}.safetensors"
    if target.exists():
        return
    plain = replace(organism, language=replace(organism.language, curation=1.0))
    pretrained(plain)
    if plain != organism:
        with replacing(target) as file:
            file.write((folder / f"organism-{_key(plain)}.safetensors").read_bytes())
