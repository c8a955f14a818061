"""What providers say of their rate limits."""

from __future__ import annotations

import pytest

from gateway.headroom import UNSAID, Headroom

TODAY = 1_795_000_000.0  # 2026-11-18T07:06:40Z


def told(**headers: str) -> Headroom:
    headroom = Headroom()
    pairs = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    headroom.read(pairs, 100.0, TODAY)
    return headroom


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "120ms"}, 0.12),
        ({"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "6m0s"}, 360),
        ({"x_ratelimit_remaining_tokens": "0", "x_ratelimit_reset_tokens": "1h2m3.5s"}, 3600),
        ({"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "2m59.56s"}, 179.56),
        ({"x_ratelimit_remaining_tokens": "0", "x_ratelimit_reset_tokens": "17"}, 17),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1795000030"}, 30),
        (
            {
                "anthropic_ratelimit_requests_remaining": "0",
                "anthropic_ratelimit_requests_reset": "2026-11-18T11:07:10Z",
            },
            30,
        ),
        ({"x_ratelimit_remaining_req_minute": "0", "ratelimit_reset": "8"}, 8),
        ({"x_tokenlimit_remaining": "0", "x_tokenlimit_reset": "4"}, 4),
        ({"x_ratelimit_remaining_requests": "0"}, UNSAID),
        ({"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "soon"}, UNSAID),
    ],
)
def test_every_provider_names_its_reset_in_its_own_way(
    headers: dict[str, str], seconds: float
) -> None:
    assert told(**headers).wait(1, 100.0) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "text/event-stream", "x_ratelimit_limit_requests": "0"},
        {"x_ratelimit_remaining_tokens": "-1", "x_ratelimit_reset_tokens": "0"},  # not known
        {"x_ratelimit_remaining_requests": "many", "x_ratelimit_reset_requests": "1s"},
        {"x_ratelimit_remaining_requests": "nan", "x_ratelimit_reset_requests": "inf"},
        {"x_ratelimit_remaining_requests": "3", "x_ratelimit_remaining_tokens": "5000"},
    ],
)
def test_what_says_nothing_of_a_lack_bars_nobody(headers: dict[str, str]) -> None:
    assert told(**headers).wait(100, 100.0) == 0


def test_a_request_that_is_larger_than_what_is_left_waits() -> None:
    headroom = told(x_ratelimit_remaining_tokens="500", x_ratelimit_reset_tokens="9s")
    assert (headroom.wait(400, 100.0), headroom.wait(600, 100.0)) == (0, 9)


def test_what_is_sent_is_taken_off_until_the_next_answer_tells() -> None:
    headroom = told(x_ratelimit_remaining_requests="2", x_ratelimit_reset_requests="9s")
    headroom.take(0)
    headroom.take(0)
    assert headroom.wait(1, 101.0) == 8
    assert headroom.wait(1, 109.0) == 0


def test_of_several_limits_the_nearest_counts() -> None:
    headroom = told(
        anthropic_ratelimit_input_tokens_remaining="0",
        anthropic_ratelimit_output_tokens_remaining="900",
        anthropic_ratelimit_tokens_reset="2026-11-18T11:06:50Z",
    )
    assert headroom.wait(10, 100.0) == pytest.approx(10)


def test_retry_after_pauses_for_as_long_and_never_for_more_than_an_hour() -> None:
    headroom = Headroom()
    headroom.pause(5, 100.0)
    assert (headroom.wait(1, 100.0), headroom.wait(1, 105.0)) == (5, 0)
    headroom.pause(1e6, 100.0)
    assert headroom.wait(1, 100.0) == 3600


def test_who_has_waited_is_not_refused_because_the_timer_was_early() -> None:
    headroom = Headroom()
    headroom.pause(5, 100.0)
    assert headroom.wait(1, 104.9995) == 0
