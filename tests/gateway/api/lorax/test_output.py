"""What LoRAX's clients are told."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway import errors
from gateway.api.lorax.output import Telling, error_body, generated
from gateway.api.lorax.request import Generate, read_generate
from gateway.errors import GatewayError
from gateway.streams import Choice
from gateway.types import Delta, Done, Usage

DONE = Done(usage=Usage(prompt=4, completion=2))
LOGPROBS = {
    "content": [{
        "token": "At", "logprob": -0.5, "top_logprobs": [
            {"token": "At", "logprob": -0.5}, {"token": "On", "logprob": -1.5},
        ],
    }],
}  # fmt: skip


def asked(**parameters: Any) -> Generate:
    return read_generate(orjson.dumps({"inputs": "Where?", "parameters": parameters}), None)


def test_details_are_told_where_they_are_asked_for() -> None:
    choice = Choice("At sea.", finish="length")
    assert generated(asked(), choice, DONE) == {"generated_text": "At sea."}
    assert generated(asked(details=True, seed=7), choice, DONE)["details"] == {
        "finish_reason": "length",
        "prompt_tokens": 4,
        "generated_tokens": 2,
        "skipped_tokens": 0,
        "seed": 7,
        "prefill": [],
        "tokens": [
            {"id": 0, "text": "At sea.", "logprob": 0.0, "special": False, "skipped": False}
        ],
    }


def test_the_full_text_begins_with_the_prompt() -> None:
    told = generated(asked(return_full_text=True), Choice(" At sea."), DONE)
    assert told["generated_text"] == "Where? At sea."


def test_alternatives_stand_with_their_token() -> None:
    choice = Choice("At", extra={"logprobs": LOGPROBS})
    (token,) = generated(asked(details=True), choice, DONE)["details"]["tokens"]
    assert (token["text"], token["logprob"]) == ("At", -0.5)
    assert [each["text"] for each in token["alternative_tokens"]] == ["At", "On"]


def test_tokens_of_words_that_a_guard_took_out_are_not_told() -> None:
    choice = Choice("[name]", extra={"logprobs": LOGPROBS})
    (token,) = generated(asked(details=True), choice, DONE)["details"]["tokens"]
    assert token == {"id": 0, "text": "[name]", "logprob": 0.0, "special": False, "skipped": False}


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        (Choice(finish="stop"), "eos_token"),
        (Choice(finish="length"), "length"),
        (Choice(finish="stop", extra={"stop_reason": "\n"}), "stop_sequence"),
        (Choice(finish="content_filter"), "eos_token"),
    ],
)
def test_an_end_is_one_of_those_that_clients_know(choice: Choice, reason: str) -> None:
    assert generated(asked(details=True), choice, DONE)["details"]["finish_reason"] == reason


def events(data: bytes) -> list[Any]:
    frames = data.split(b"\n\n")
    assert frames.pop() == b""
    return [orjson.loads(frame.removeprefix(b"data:")) for frame in frames]


def test_a_stream_is_an_event_for_each_token_and_one_with_the_whole_text() -> None:
    telling = Telling(asked(details=True, return_full_text=True))
    data = telling.delta(Delta("At ")) + telling.delta(Delta("sea.", finish="stop"))
    data += b"".join(telling.done(DONE))
    first, second, last = events(data)
    assert (first["token"]["text"], second["token"]["text"]) == ("At ", "sea.")
    assert first["generated_text"] is None
    assert last["token"]["special"] is True
    assert last["generated_text"] == "Where?At sea."
    assert last["details"]["generated_tokens"] == 2


def test_an_error_in_a_stream_is_an_event_like_any_other() -> None:
    told = Telling(asked()).error(errors.ProviderError("It broke off."))
    assert told == b'data:{"error":"It broke off.","error_type":"generation"}\n\n'


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.Unprocessable("x"), "validation"),
        (errors.PromptTooLong("x"), "validation"),
        (errors.RateLimited("x"), "overloaded"),
        (errors.UnknownModel("x"), "not_found"),
        (errors.Unauthorized("x"), "authentication"),
        (errors.ProviderTimeout("x"), "timeout"),
        (errors.NoModelAvailable("x"), "generation"),
    ],
)
def test_an_error_is_of_the_kind_that_clients_tell_apart(error: GatewayError, kind: str) -> None:
    assert orjson.loads(error_body(error)) == {"error": "x", "error_type": kind}
