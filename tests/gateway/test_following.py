"""A follow-up is completed for the search; the model reads what was said."""

from __future__ import annotations

from typing import Any

from gateway.following import followed, turns
from gateway.messages import question_of
from gateway.tracing.trace import Trace
from gateway.types import Ask
from retrieval.questions.follow_ups import Turn

MESSAGES: tuple[dict[str, Any], ...] = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is the VAT rate in Germany?"},
    {"role": "assistant", "content": "19 % [1]."},
    {"role": "user", "content": [{"type": "text", "text": "and in France?"}]},
)


def ask(*messages: dict[str, Any]) -> Ask:
    return Ask("auto", messages, question_of(messages))


def test_the_question_is_completed_and_the_messages_are_not() -> None:
    trace = Trace()
    found = followed(ask(*MESSAGES), trace)
    assert found.question == "What is the VAT rate in France?"
    assert found.messages == MESSAGES
    (span,) = trace.spans
    assert span.attributes == {"query": "What is the VAT rate in France?"}


def test_what_stands_alone_leaves_no_trace() -> None:
    trace = Trace()
    asked = ask(*MESSAGES[:3], {"role": "user", "content": "Who pays for travel in Germany?"})
    assert followed(asked, trace) is asked
    assert followed(ask(MESSAGES[1]), trace).question == MESSAGES[1]["content"]
    assert trace.spans == []


def test_turns_are_questions_with_their_answers() -> None:
    assert list(turns(MESSAGES)) == [Turn("What is the VAT rate in Germany?", "19 % [1].")]
