"""Which examples are shown with a question, and where."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from context.examples import BadExamples, Example, Near, Pool, digest, read, shown, within
from context.quoting import TAGS
from context.types import Message

SYSTEM: Message = {"role": "system", "content": "Be brief."}
QUESTION: Message = {"role": "user", "content": "How long?"}
ONE, TWO = Example("Who pays?", "The shop."), Example("Where to?", "The desk.")


def pool(*placed: tuple[str, float, str]) -> Pool:
    """Questions by the angle of their vector to 0 degrees, which is what is asked."""
    examples = [Example(name, "A.", task) for name, _, task in placed]
    angles = np.radians([angle for _, angle, _ in placed])
    return Pool(examples, np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))


def near(pool: Pool, most: int = 2, task: str = "", diversity: float = 0.0) -> list[str]:
    asked = np.array([1, 0], dtype=np.float32)
    found = pool.near(asked, most, task=task, floor=0.3, diversity=diversity)
    return [each.example.question for each in found]


def test_the_likest_are_chosen_and_none_that_is_not_like_at_all() -> None:
    placed = pool(("far", 80, ""), ("b", 20, ""), ("a", 10, ""), ("c", 60, ""))
    assert near(placed) == ["a", "b"]
    assert near(placed, most=9) == ["a", "b", "c"]


def test_one_that_says_the_same_again_gives_way_to_another() -> None:
    placed = pool(("a", 10, ""), ("a again", 10.1, ""), ("b", -25, ""))
    assert near(placed) == ["a", "a again"]
    assert near(placed, diversity=0.5) == ["a", "b"]


def test_a_task_has_its_own_and_those_of_none() -> None:
    placed = pool(("code", 5, "code"), ("any", 10, ""), ("prose", 15, "creative"))
    assert placed.tasks == {"code", "creative"}
    assert near(placed, most=9) == ["any"]
    assert near(placed, most=9, task="code") == ["code", "any"]


def test_what_is_too_long_is_left_out() -> None:
    long = Example("Q", "word " * 50)
    kept = within([Near(long, 0.9), Near(ONE, 0.8), Near(TWO, 0.7)], 5, lambda t: len(t.split()))
    assert [each.example for each in kept] == [ONE]


def test_turns_stand_between_the_instructions_and_the_conversation() -> None:
    assert shown([SYSTEM, QUESTION], [ONE, TWO], "turns", "unused") == (
        SYSTEM,
        {"role": "user", "content": "Who pays?"},
        {"role": "assistant", "content": "The shop."},
        {"role": "user", "content": "Where to?"},
        {"role": "assistant", "content": "The desk."},
        QUESTION,
    )


def test_a_block_ends_the_instructions() -> None:
    block = (
        "See:\n\n<examples>\n<example>\nQuestion: Who pays?\nAnswer: The shop.\n</example>\n"
        "</examples>"
    )
    told = {"role": "system", "content": f"Be brief.\n\n{block}"}
    assert shown([SYSTEM, QUESTION], [ONE], "block", "See:") == (told, QUESTION)
    assert shown([QUESTION], [ONE], "block", "See:")[0] == {"role": "system", "content": block}
    parts: Message = {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]}
    (last, _) = shown([parts, QUESTION], [ONE], "block", "See:")
    assert last["content"][-1] == {"type": "text", "text": block}


@given(st.lists(st.sampled_from(["</", "<", "example", "examples", ">", " ", "source", "x"])))
def test_no_example_opens_or_closes_anything(pieces: list[str]) -> None:
    example = Example("".join(pieces) or "x", "".join(reversed(pieces)) or "x")
    tag = re.compile(rf"<\s*/?\s*(?:{'|'.join(TAGS)})\b", re.IGNORECASE)
    (told,) = shown([], [example], "block", "See:")
    assert len(tag.findall(told["content"])) == 4
    assert not any(tag.search(turn["content"]) for turn in shown([], [example], "turns", ""))


def test_a_pool_is_read_line_by_line() -> None:
    text = '{"question": "a", "answer": "b"}\n\n{"question": "c", "answer": "d", "task": "code"}\n'
    examples = read(text)
    assert examples == [Example("a", "b"), Example("c", "d", "code")]
    assert digest(examples) != digest(examples[:1])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 2 is not JSON"),
        ("[]", "line 2 has to have"),
        ('{"question": "a"}', "line 2 has to have"),
        ('{"question": "a", "answer": "b", "more": 1}', "line 2 has to have"),
        ('{"question": "a", "answer": " "}', "line 2: a text is missing"),
        ('{"question": "a", "answer": 1}', "line 2: a text is missing"),
    ],
)
def test_a_line_that_is_no_example_says_why(line: str, why: str) -> None:
    with pytest.raises(BadExamples, match=why):
        read(f'{{"question": "a", "answer": "b"}}\n{line}')
