"""The made model, and its tokenizer with a chat template."""

from __future__ import annotations

from typing import Any

import pytest
from made_files import BASE

from real_models.base import load_base, load_tokenizer


@pytest.fixture(scope="module")
def small(made) -> tuple[Any, Any]:
    return load_base(made / BASE), load_tokenizer(made / BASE)


@pytest.fixture
def chat(made) -> Any:
    found = load_tokenizer(made / BASE)
    found.chat_template = (
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    return found
