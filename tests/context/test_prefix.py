"""What two prompts have in common stands first, so that a provider reads it from its cache."""

from __future__ import annotations

from itertools import takewhile

import orjson
import pytest

from context.config import ContextConfig
from context.packing import pack
from context.prompts.catalogue import opened
from context.tokens import counter
from context.types import NOT_IN_DOCUMENTS, Message
from retrieval.types import Hit, Passage

TOLD = opened().used("strict").render(not_in_documents=NOT_IN_DOCUMENTS)
EARLIER: list[Message] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How are goods returned?"},
    {"role": "assistant", "content": "By post [1]."},
]


def hit(text: str) -> Hit:
    return Hit(Passage(text, "a.md", "v", 0, "Returns", (), text, 0, len(text), None), 1.0)


def sent(question: str, *found: str) -> list[Message]:
    prompt = pack(
        [*EARLIER, {"role": "user", "content": question}],
        [hit(text) for text in found],
        question=question,
        grounding="strict",
        instructions=TOLD,
        window=8_192,
        max_output=1_024,
        count=counter(),
        config=ContextConfig(),
    )
    return list(prompt.messages)


def common(one: list[Message], other: list[Message]) -> str:
    """What both begin with, as it is sent."""
    written = (orjson.dumps(each).decode() for each in (one, other))
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(*written, strict=False))
    return "".join(first for first, _ in pairs)


@pytest.mark.parametrize(
    ("found", "last"),
    [("30 days.", "</sources>\\n\\n"), ("14 days.", '<source n=\\"1\\" title=\\"Returns\\">\\n')],
)
def test_two_questions_have_all_but_what_was_found_and_asked_in_common(
    found: str, last: str
) -> None:
    one, other = sent("How long?", "30 days."), sent("What for?", found)
    assert [each["role"] for each in one] == ["system", "user", "assistant", "user"]
    assert one[:-1] == other[:-1]
    assert common(one, other).endswith(last)


def test_a_prompt_has_no_date_and_no_number_of_its_own() -> None:
    assert sent("How long?", "30 days.") == sent("How long?", "30 days.")
