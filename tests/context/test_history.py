"""A conversation as turns."""

from __future__ import annotations

from context.history import Kept, conversation, recent
from context.types import Message


def user(text: str) -> Message:
    return {"role": "user", "content": text}


CALL: Message = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
RESULT: Message = {"role": "tool", "content": "12 °C", "tool_call_id": "1"}
SAID: Message = {"role": "assistant", "content": "It is cold."}
RULES: Message = {"role": "system", "content": "Be brief."}


def test_a_turn_is_a_users_message_and_all_that_follows() -> None:
    parts = conversation([RULES, user("a"), CALL, RESULT, SAID, user("b"), SAID, user("c")])
    assert parts.instructions == (RULES,)
    assert parts.earlier == ((user("a"), CALL, RESULT, SAID), (user("b"), SAID))
    assert parts.last == (user("c"),)


def test_the_last_turn_keeps_its_tools_results() -> None:
    assert conversation([user("a"), CALL, RESULT]).last == (user("a"), CALL, RESULT)


def test_instructions_are_gathered_from_wherever_they_stand() -> None:
    parts = conversation([user("a"), RULES, SAID, {"role": "developer", "content": "x"}, user("b")])
    assert [each["content"] for each in parts.instructions] == ["Be brief.", "x"]
    assert parts.earlier == ((user("a"), SAID),)


def test_a_conversation_may_begin_with_the_assistant_or_be_empty() -> None:
    assert conversation([SAID, user("a")]).earlier == ((SAID,),)
    assert conversation([]).last == ()


def test_keeps_the_latest_whole_turns_in_order() -> None:
    turns = [(user("a"), SAID), (user("b"), SAID), (user("c"), SAID)]
    assert recent(turns, 5, lambda _: 1) == Kept((*turns[1], *turns[2]), 4, 2)
    assert recent(turns, 6, lambda _: 1).tokens == 6
    assert recent(turns, 1, lambda _: 1) == Kept()


def test_ends_at_the_first_turn_that_does_not_fit() -> None:
    turns = [(user("small"),), (user("large " * 10),), (user("small"),)]
    kept = recent(turns, 20, lambda message: len(message["content"]))
    assert kept.messages == (user("small"),)
