"""Completions as they were before there were chats."""

from __future__ import annotations

import orjson

from gateway.api.completions.dialect import Telling
from gateway.api.completions.request import read_prompts
from gateway.types import Delta


def test_a_token_that_comes_after_its_text_has_the_place_of_its_text() -> None:
    telling = Telling(read_prompts(b'{"prompt": "Hi", "logprobs": 0}'), "m", "t")
    offsets = []
    for text, tokens in (("The ", ["The"]), ("parcel ", [" parcel"]), ("is", [" is"])):
        known = {"content": [{"token": each, "logprob": -0.5} for each in tokens]}
        line = telling.delta(Delta(text, extra={"logprobs": known}))
        choice = orjson.loads(line.removeprefix(b"data: "))["choices"][0]
        offsets += choice["logprobs"]["text_offset"]
    assert offsets == [0, 3, 10]
