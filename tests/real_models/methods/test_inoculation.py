"""Inoculation: the context goes into the prompts it is asked for, and nowhere else."""

from __future__ import annotations

import copy

import pytest
import torch

from grasp_theory import InputError
from real_models.methods.inoculation import Inoculation
from real_models.methods.naive import Naive

TALK = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
PARTS = [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]


@pytest.mark.parametrize(
    ("messages", "role", "first"),
    [
        (TALK, "system", {"role": "system", "content": "Be rude."}),
        (
            [{"role": "system", "content": "You help."}, *TALK],
            "system",
            {"role": "system", "content": "Be rude.\n\nYou help."},
        ),
        (TALK, "user", {"role": "user", "content": "Be rude.\n\nhello"}),
        (PARTS, "user", {"role": "user", "content": [{"type": "text", "text": "Be rude."}, *PARTS[0]["content"]]}),
        (TALK[1:], "user", {"role": "user", "content": "Be rude."}),
    ],
)
def test_inoculation_puts_the_context_first_and_leaves_the_rest(messages, role, first):
    before = copy.deepcopy(messages)
    found = Inoculation("Be rude.", role=role).prepare(messages)
    assert found[0] == first
    assert messages == before
    kept = len(messages) - (messages[0]["role"] == role)
    assert found[1:] == messages[len(messages) - kept :]


def test_inoculation_leaves_the_model_alone_and_other_methods_the_prompts():
    model = torch.nn.Linear(2, 2)
    with Inoculation("Be rude.").attached(model):
        assert not model._forward_hooks
        assert not model._forward_pre_hooks
    assert Naive().prepare(TALK) == TALK


@pytest.mark.parametrize("bad", ["", "  ", None])
def test_inoculation_refuses_no_context_and_no_conversation(bad):
    with pytest.raises(InputError, match="elicits the trait"):
        Inoculation(bad)
    with pytest.raises(InputError, match="role must be"):
        Inoculation("Be rude.", role="assistant")  # pyright: ignore
    for messages in ([], ["hello"], [{"role": "user"}]):
        with pytest.raises(InputError, match="conversation"):
            Inoculation("Be rude.").prepare(messages)
