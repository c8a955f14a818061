"""One target after another, until one has begun to answer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from context.types import Prompt
from gateway.dispatch import Begun, DispatchConfig, Dispatcher
from gateway.errors import (
    InvalidRequest,
    NoModelAvailable,
    PromptTooLong,
    ProviderError,
    WindowExceeded,
)
from gateway.providers.base import Call
from gateway.streams import replay
from gateway.tracing.trace import Span
from gateway.types import Ask, Delta, Done, Events
from routing.types import Plan, Target

pytestmark = pytest.mark.anyio


class Scripted:
    """Answers its outcomes in turn, the last one for ever."""

    def __init__(self, *outcomes: str | ProviderError) -> None:
        self.outcomes, self.calls = list(outcomes), 0

    async def start(self, call: Call) -> Events:
        outcome = self.outcomes[min(self.calls, len(self.outcomes) - 1)]
        self.calls += 1
        if isinstance(outcome, ProviderError):
            raise outcome
        return replay([Delta(outcome)], Done())

    async def aclose(self) -> None: ...


async def begun(*providers: Scripted, attempts: int = 2) -> tuple[Begun, Span]:
    named = {f"p{i}": each for i, each in enumerate(providers)}
    targets = tuple(Target(name, "m", 1000, 100) for name in named)
    config = DispatchConfig(attempts=attempts, first_wait=0, longest_wait=0)
    span = Span("dispatch", 0)
    dispatcher = Dispatcher(named, config)
    ask = Ask("auto", (), "", stream=True)
    return await dispatcher.start(Prompt(()), Plan.chain(targets, "test"), ask, span), span


async def answered_by(providers: Sequence[Scripted], attempts: int = 2) -> str:
    result, _ = await begun(*providers, attempts=attempts)
    return result.target.provider


async def test_a_failure_that_may_pass_is_tried_again_on_the_same_model() -> None:
    first = Scripted(ProviderError("busy"), "answer")
    assert await answered_by([first, Scripted("other")]) == "p0"
    assert first.calls == 2


async def test_the_next_target_answers_when_the_first_keeps_failing() -> None:
    first = Scripted(ProviderError("down"))
    assert await answered_by([first, Scripted("other")], attempts=3) == "p1"
    assert first.calls == 3


async def test_a_failure_that_stays_is_not_tried_again() -> None:
    first = Scripted(ProviderError("bad key", retryable=False, upstream_status=401))
    assert await answered_by([first, Scripted("other")]) == "p1"
    assert first.calls == 1


async def test_a_longer_wait_than_ours_is_passed_over() -> None:
    first = Scripted(ProviderError("limit", retry_after=60))
    assert await answered_by([first, Scripted("other")]) == "p1"
    assert first.calls == 1


async def test_what_the_caller_did_wrong_is_told_at_once() -> None:
    wrong = ProviderError("no such tool", retryable=False, upstream_status=400, param="tools")
    second = Scripted("other")
    with pytest.raises(InvalidRequest) as caught:
        await begun(Scripted(wrong), second)
    assert (caught.value.message, caught.value.param) == ("no such tool", "tools")
    assert second.calls == 0


async def test_a_prompt_too_long_for_one_model_is_given_to_the_next() -> None:
    small = Scripted(WindowExceeded("8k", retryable=False, upstream_status=400))
    assert await answered_by([small, Scripted("large")]) == "p1"
    with pytest.raises(PromptTooLong):
        await begun(small)


async def test_when_nobody_answers_the_error_names_all_that_were_tried() -> None:
    with pytest.raises(NoModelAvailable, match=r"p0/m, p1/m.*boom"):
        await begun(Scripted(ProviderError("x")), Scripted(ProviderError("boom")))


async def test_every_attempt_is_in_the_trace() -> None:
    _, span = await begun(Scripted(ProviderError("busy")), Scripted("other"))
    attempts = [(each["model"], each["error"]) for each in span.attributes["attempts"]]
    assert attempts == [("p0/m", "busy"), ("p0/m", "busy"), ("p1/m", None)]
