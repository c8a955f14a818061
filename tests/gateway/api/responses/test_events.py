"""A streamed response's events."""

from __future__ import annotations

from gateway.api.responses.events import Telling
from gateway.api.responses.request import read_turn
from gateway.types import Delta, Done


def test_tokens_that_come_after_all_text_are_told_with_the_whole() -> None:
    telling = Telling(read_turn(b'{"input": "Hi"}'), Done(), "t")
    telling.delta(Delta("Hello"))
    token = {"token": "Hello", "logprob": -0.5}
    telling.delta(Delta(extra={"logprobs": {"content": [token]}}, finish="stop"))
    whole = b"".join(telling.done(Done()))
    assert b'"logprobs":[{"token":"Hello","logprob":-0.5}]' in whole
