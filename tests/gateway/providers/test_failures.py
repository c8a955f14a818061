"""What a failure is, told by its status first and then by its body."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest

from gateway.errors import ProviderError, ProviderTimeout, WindowExceeded
from gateway.providers.failures import Failures, parsed_retry_after
from gateway.providers.wire.errors import Broken, TimedOut

KEY = "sk-very-secret"


def failures(*secrets: str) -> Failures:
    return Failures("models.example", secrets)


def refused(status: int, error: Any = None) -> ProviderError:
    body = {"error": error or {"message": "No.", "code": None}}
    return failures().status(status, orjson.dumps(body))


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_retryable(status: int) -> None:
    error = refused(status)
    assert (error.retryable, error.upstream_status) == (True, status)


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 405, 413, 422])
def test_what_will_not_pass_is_not_retryable(status: int) -> None:
    error = refused(status)
    assert (error.retryable, error.upstream_status) == (False, status)


def test_a_quota_that_is_spent_does_not_come_back_by_asking_again() -> None:
    assert not refused(429, {"message": "Pay.", "code": "insufficient_quota"}).retryable


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"message": "Too long.", "code": "context_length_exceeded"}),
        (400, {"message": "This model's maximum context length is 8192 tokens."}),
        (400, {"message": "prompt is too long: 210000 tokens > 200000 maximum"}),
        (400, {"message": "request exceeds the available context size", "code": 400}),
        (413, {"message": "The input is too long for the requested model."}),
        (422, {"message": "`inputs` tokens + `max_new_tokens`: reduce the length"}),
    ],
)
def test_a_prompt_that_is_too_long_is_recognised(status: int, error: dict[str, Any]) -> None:
    failure = refused(status, error)
    assert isinstance(failure, WindowExceeded)
    assert not failure.retryable
    assert failure.body()["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (429, "Too many tokens per minute: the context length of your requests is …"),
        (400, "Unknown parameter: 'frobnicate'."),
        (400, "Invalid value for 'max_tokens'."),
    ],
)
def test_other_refusals_are_not_taken_for_it(status: int, message: str) -> None:
    assert type(refused(status, {"message": message})) is ProviderError


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": "No."}}', "No."),
        (b'{"error": "No."}', "No."),
        (b'{"message": "No."}', "No."),
        (b'{"detail": "No."}', "No."),
        (b'{"detail": [{"loc": ["body"]}]}', '[{"loc":["body"]}]'),
        (b'{"object": "error", "message": "No."}', "No."),
        (b'[{"error": {"message": "No."}}]', "No."),
        (b"No.", "No."),
        (b"<html>No.</html>", "a page of HTML"),
        (b"\xff\x00No.\n\nReally.", "\ufffd No. Really."),
    ],
)
def test_messages_are_found_in_all_the_shapes_that_are_about(body: bytes, message: str) -> None:
    assert failures().status(500, body).message == f"models.example answered 500: {message}"


def test_a_refusal_without_words_says_so() -> None:
    assert failures().status(503, b"").message == "models.example answered 503."


def test_the_parameter_is_told() -> None:
    assert refused(400, {"message": "No.", "param": "tools.0"}).param == "tools.0"


@pytest.mark.parametrize(
    ("error", "status", "retryable"),
    [
        ({"message": "x", "code": 503}, 503, True),
        ({"message": "x", "code": "401"}, 401, False),
        ({"message": "x", "type": "rate_limit_error"}, 429, True),
        ({"message": "x", "code": "rate_limit_exceeded"}, 429, True),
        ({"message": "x", "type": "invalid_request_error"}, 400, False),
        ({"message": "x", "type": "BadRequestError", "code": 400}, 400, False),
        ({"message": "x"}, 200, True),
        ("x", 200, True),
    ],
)
def test_an_error_inside_a_success_means_what_it_says(
    error: Any, status: int, retryable: bool
) -> None:
    failure = failures().reported({"error": error})
    assert (failure.upstream_status, failure.retryable) == (status, retryable)


def test_no_secret_is_told_even_if_the_provider_tells_it() -> None:
    body = orjson.dumps({"error": {"message": f"Wrong key {KEY}!", "param": KEY}})
    error = failures(KEY, "").status(401, body)
    assert error.message == "models.example answered 401: Wrong key ***!"
    assert KEY not in repr(error.body())


def test_a_secret_that_holds_another_is_hidden_whole() -> None:
    assert failures("Bearer", f"Bearer {KEY}").clean(f"got Bearer {KEY}") == "got ***"


def test_a_page_inside_a_message_is_named_and_not_told() -> None:
    said = "Empty response. Received: '<!doctype html><html><h1>Sign in</h1></html>'."
    assert failures().clean(said) == "Empty response. Received: 'a page of HTML"


def test_a_long_message_is_shortened() -> None:
    assert len(refused(500, {"message": "no " * 1000}).message) <= 500


def test_a_deadline_is_a_timeout_and_a_broken_connection_is_not() -> None:
    assert isinstance(failures().wire(TimedOut("late")), ProviderTimeout)
    assert type(failures().wire(Broken("cut"))) is ProviderError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("-3", None), ("soon", None), ("nan", None), ("1e400", None)],
)
def test_retry_after_in_seconds(text: str, seconds: float | None) -> None:
    assert parsed_retry_after(text) == seconds


def test_retry_after_as_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert parsed_retry_after(date) == pytest.approx(30, abs=2)


def test_a_date_that_is_past_means_now() -> None:
    assert parsed_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_callers_are_told_a_providers_name_not_its_address() -> None:
    named = Failures("eu", (), "10.1.2.3:8000")
    assert named.wire(Broken("10.1.2.3:8000 closed it.")).message == "eu closed it."
    assert named.status(503, b"{}").message == "eu answered 503."
