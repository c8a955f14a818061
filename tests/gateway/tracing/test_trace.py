"""How the stages of a request are collected."""

from __future__ import annotations

import re

import pytest

from gateway.tracing.trace import Trace


def test_an_id_is_w3cs() -> None:
    assert re.fullmatch("[0-9a-f]{32}", Trace().id)
    assert Trace("given").id == "given"


def test_stages_are_in_the_order_in_which_they_began() -> None:
    trace = Trace()
    with trace.span("outer"), trace.span("inner"):
        pass
    assert [span.name for span in trace.spans] == ["outer", "inner"]
    outer, inner = trace.spans
    assert 0 <= outer.start <= inner.start <= inner.end <= outer.end <= trace.elapsed


def test_what_was_seen_is_kept() -> None:
    trace = Trace()
    with trace.span("route") as span:
        span.set(model="a/b")
        span.set(reason="short")
    assert trace.spans[0].attributes == {"model": "a/b", "reason": "short"}


def test_an_exception_ends_its_stage_and_goes_on() -> None:
    trace = Trace()
    with pytest.raises(ValueError, match="wrong"), trace.span("screen"):
        raise ValueError("wrong")
    (span,) = trace.spans
    assert span.error == "ValueError: wrong"
    assert span.end >= span.start


def test_a_stage_can_outlive_the_call_that_began_it() -> None:
    trace = Trace()
    span = trace.span("stream")
    assert span.end == 0
    span.end = trace.elapsed
    assert span.end >= span.start


@pytest.mark.anyio
async def test_a_step_is_one_awaitable() -> None:
    async def embed() -> int:
        return 7

    trace = Trace()
    assert await trace.step("embed", embed()) == 7
    assert [span.name for span in trace.spans] == ["embed"]
