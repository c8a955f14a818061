"""One deployment after another, one group after another, until one has begun to answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from context.types import Prompt
from gateway.config import DispatchConfig
from gateway.dispatch import Begun, Dispatcher
from gateway.errors import (
    AdapterNotFound,
    GatewayError,
    InvalidRequest,
    NoModelAvailable,
    PromptTooLong,
    ProviderError,
    ProviderTimeout,
    WindowExceeded,
)
from gateway.providers.base import Call, Header
from gateway.streams import replay
from gateway.tracing.trace import Span
from gateway.types import Ask, Delta, Done, Events, Usage
from routing.config import HedgeConfig
from routing.types import Balance, Group, Limits, Plan, Target

pytestmark = pytest.mark.anyio

BUSY = ProviderError("busy", upstream_status=503)


@dataclass
class Time:
    """A clock that runs while somebody sleeps."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Scripted:
    """Answers its outcomes in turn, the last one for ever."""

    def __init__(self, *outcomes: str | ProviderError, headers: Sequence[Header] = ()) -> None:
        self.outcomes, self.calls, self.headers = list(outcomes), 0, headers
        self.asked = asyncio.Event()

    async def start(self, call: Call) -> Events:
        outcome = self.outcomes[min(self.calls, len(self.outcomes) - 1)]
        self.calls += 1
        self.asked.set()
        if call.observe:
            call.observe(self.headers)
        if isinstance(outcome, ProviderError):
            raise outcome
        return replay([Delta(outcome)], Done(usage=Usage(10, 10)))

    async def aclose(self) -> None: ...


class Hanging(Scripted):
    """Begins when it is told to, and knows how it was left."""

    def __init__(self) -> None:
        super().__init__("late")
        self.go, self.cancelled = asyncio.Event(), False
        self.failure: ProviderError | None = None

    async def start(self, call: Call) -> Events:
        self.calls += 1
        self.asked.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self.failure:
            raise self.failure
        return replay([Delta("late")], Done())


class World:
    """A dispatcher over scripted providers p0, p1, …"""

    def __init__(
        self,
        *providers: Scripted,
        balance: Balance | None = None,
        weights: tuple[float, ...] = (),
        limits: Limits = Limits(),  # noqa: B008, frozen
        **config: Any,
    ) -> None:
        self.time = Time()
        self.providers = {f"p{i}": each for i, each in enumerate(providers)}
        self.targets = [Target(name, "m", 1000, 100, "", limits) for name in self.providers]
        self.plan = Plan.chain(self.targets, "test")
        if balance:
            self.plan = Plan((Group("m", tuple(self.targets), balance, weights),), "test")
        self.dispatcher = Dispatcher(
            self.providers,
            DispatchConfig.model_validate(config),
            now=self.time,
            sleep=self.time.sleep,
            chance=Random(7),
        )
        self.span = Span("dispatch", 0)

    async def begun(self, plan: Plan | None = None, **ask: Any) -> Begun:
        asked = Ask("auto", (), "", **{"stream": True, **ask})
        self.span = Span("dispatch", 0)
        return await self.dispatcher.start(Prompt(()), plan or self.plan, asked, self.span)

    async def asked(self, **ask: Any) -> str:
        """Who answers; the answer is read to its end."""
        begun = await self.begun(**ask)
        [event async for event in begun.events]
        await begun.events.aclose()
        return begun.target.provider

    async def fails(self, kind: type[GatewayError] = NoModelAvailable) -> GatewayError:
        with pytest.raises(kind) as caught:
            await self.begun()
        return caught.value

    def attempts(self, *names: str) -> list[tuple[Any, ...]]:
        return [tuple(each.get(n) for n in names) for each in self.span.attributes["attempts"]]

    def skipped(self) -> list[tuple[str, str]]:
        return [(each["model"], each["why"]) for each in self.span.attributes.get("skipped", ())]

    def in_flight(self) -> list[int]:
        return [self.dispatcher.deployments.of(target).in_flight for target in self.targets]


# Chains: one model after another.


async def test_a_failure_that_may_pass_is_tried_again_on_the_same_model() -> None:
    world = World(Scripted(BUSY, "answer"), Scripted("other"))
    assert await world.asked() == "p0"
    assert len(world.time.slept) == 1


async def test_the_next_model_answers_when_the_first_keeps_failing() -> None:
    world = World(Scripted(BUSY), Scripted("other"), retries_before_fallback=2)
    begun = await world.begun()
    assert (begun.target.provider, begun.fallback) == ("p1", True)
    assert world.providers["p0"].calls == 3


async def test_waits_grow_by_doubling_with_some_jitter() -> None:
    world = World(Scripted(BUSY))
    await world.fails()
    assert world.providers["p0"].calls == 4
    for slept, expected in zip(world.time.slept, (1, 2, 4), strict=True):
        assert 0.75 * expected <= slept <= 1.25 * expected


async def test_a_failure_that_stays_is_not_tried_again() -> None:
    world = World(
        Scripted(ProviderError("bad key", retryable=False, upstream_status=401)), Scripted("other")
    )
    assert await world.asked() == "p1"
    assert world.providers["p0"].calls == 1


async def test_a_provider_is_given_the_time_that_it_asks_for() -> None:
    world = World(Scripted(ProviderError("limit", upstream_status=429, retry_after=7), "answer"))
    assert await world.asked() == "p0"
    assert world.time.slept == [7]


async def test_a_longer_wait_than_ours_is_passed_over() -> None:
    world = World(Scripted(ProviderError("limit", retry_after=60)), Scripted("other"))
    assert await world.asked() == "p1"
    assert (world.providers["p0"].calls, world.time.slept) == (1, [])


async def test_what_the_caller_did_wrong_is_told_at_once() -> None:
    wrong = ProviderError("no such tool", retryable=False, upstream_status=400, param="tools")
    world = World(Scripted(wrong), Scripted("other"))
    failure = await world.fails(InvalidRequest)
    assert (failure.message, failure.param) == ("no such tool", "tools")
    assert world.providers["p1"].calls == 0


async def test_a_prompt_too_long_for_one_model_is_given_to_the_next() -> None:
    small = WindowExceeded("8k", retryable=False, upstream_status=400)
    assert await World(Scripted(small), Scripted("large")).asked() == "p1"
    await World(Scripted(small)).fails(PromptTooLong)


async def test_a_prompt_that_is_too_long_for_a_fallback_alone_is_not_the_callers_fault() -> None:
    small = WindowExceeded("8k", retryable=False, upstream_status=400)
    await World(Scripted(BUSY), Scripted(small)).fails(NoModelAvailable)


async def test_when_nobody_answers_the_error_names_all_that_were_tried() -> None:
    world = World(Scripted(ProviderError("x")), Scripted(ProviderError("boom")))
    with pytest.raises(NoModelAvailable, match=r"p0/m, p1/m.*boom"):
        await world.begun()


async def test_the_error_names_nobody_where_a_key_knows_an_alias_alone() -> None:
    world = World(Scripted(ProviderError("m is busy")), Scripted(ProviderError("so is m")))
    with pytest.raises(NoModelAvailable) as caught:
        await world.begun(plan=Plan.chain(world.targets, "named").unnamed())
    assert caught.value.message == "No model answered."


async def test_the_error_tells_what_was_said_last_and_who_was_not_asked() -> None:
    world = World(Scripted(BUSY), Scripted("x"), breaker={"failures": 2})
    world.dispatcher.deployments.force(world.targets[1], "open")
    tried = "No model answered. Tried p0/m; the last said: busy"
    others = "Not asked: p1/m (shut off by an admin)."
    assert (await world.fails()).message == f"{tried} {others}"
    # By now the breaker of the first one is open, too.
    told = (await world.fails()).message
    assert told.startswith("No model can be asked now. Not asked: p0/m (breaker open), p1/m")


async def test_every_attempt_is_in_the_trace() -> None:
    world = World(Scripted(BUSY), Scripted("other"))
    await world.begun()
    assert world.attempts("model", "error", "why") == [
        ("p0/m", "busy", None),
        ("p0/m", "busy", "retry 1"),
        ("p1/m", None, None),
    ]


async def test_an_answer_that_broke_off_can_be_begun_again_on_what_is_left() -> None:
    world = World(Scripted("first"), Scripted("second"), Scripted("third"))
    ask, span = Ask("auto", (), "", stream=True), Span("dispatch", 0)
    first, second, third = world.targets
    begun = await world.dispatcher.resume(Prompt(()), world.plan, ask, first, span)
    assert (begun.target, begun.fallback) == (second, True)
    with pytest.raises(NoModelAvailable):
        await world.dispatcher.resume(Prompt(()), world.plan, ask, third, span)


# The caller's deadline.


async def test_no_retry_that_could_not_answer_in_time() -> None:
    world = World(Scripted(BUSY))
    with pytest.raises(NoModelAvailable):
        await world.begun(deadline=2.0)
    assert world.time.slept == pytest.approx([1], rel=0.3)  # not the one of two seconds


async def test_a_model_that_does_not_begin_within_the_deadline_is_let_go() -> None:
    hanging = Hanging()
    world = World(hanging)
    with pytest.raises(ProviderTimeout, match=r"0\.01 s"):
        await world.begun(deadline=0.01)
    assert hanging.cancelled
    assert world.in_flight() == [0]


# Groups: several deployments of one model.


async def test_another_deployment_is_asked_at_once() -> None:
    world = World(Scripted(BUSY), Scripted("answer"), balance="cheapest")
    begun = await world.begun()
    assert (begun.target.provider, begun.fallback) == ("p1", False)
    assert world.time.slept == []
    assert world.attempts("model", "why") == [("p0/m", "cheapest"), ("p1/m", "cheapest")]


async def test_only_when_all_have_failed_there_is_a_wait() -> None:
    world = World(Scripted(BUSY, "answer"), Scripted(BUSY), balance="cheapest")
    assert await world.asked() == "p0"
    assert len(world.time.slept) == 1
    assert [p.calls for p in world.providers.values()] == [2, 1]


async def test_a_deployment_with_a_bad_key_is_not_asked_again() -> None:
    bad = ProviderError("bad key", retryable=False, upstream_status=401)
    world = World(Scripted(bad), Scripted(BUSY, BUSY, "answer"), balance="cheapest")
    assert await world.asked() == "p1"
    assert [p.calls for p in world.providers.values()] == [1, 3]


async def test_the_same_model_elsewhere_has_the_same_window() -> None:
    small = WindowExceeded("8k", retryable=False, upstream_status=400)
    world = World(Scripted(small), Scripted("same"), balance="cheapest")
    await world.fails(PromptTooLong)
    assert world.providers["p1"].calls == 0


async def test_requests_are_shared_out_by_weight() -> None:
    world = World(Scripted("a"), Scripted("b"), balance="weighted", weights=(3.0, 1.0))
    for _ in range(400):
        await world.asked()
    assert 270 <= world.providers["p0"].calls <= 330


async def test_the_least_busy_is_the_one_with_the_fewest_under_way() -> None:
    world = World(Scripted("a"), Scripted("b"), Scripted("c"), balance="least-busy")
    open_streams = [await world.begun() for _ in range(3)]
    assert world.in_flight() == [1, 1, 1]
    left = open_streams[1]
    await left.events.aclose()
    assert (await world.begun()).target == left.target


async def test_a_slow_deployment_gets_less() -> None:
    world = World(Scripted("a"), Scripted("b"), balance="latency")
    slow = world.dispatcher.deployments.of(world.targets[0])
    slow.latency[True].add(9.0, world.time.now)
    world.dispatcher.deployments.of(world.targets[1]).latency[True].add(0.1, world.time.now)
    assert {await world.asked() for _ in range(20)} == {"p1"}


async def test_a_stream_is_under_way_until_it_is_closed_however_that_comes() -> None:
    world = World(Scripted("a"))
    begun = await world.begun()
    assert world.in_flight() == [1]
    await begun.events.aclose()
    await begun.events.aclose()
    assert world.in_flight() == [0]
    begun = await world.begun()
    del begun  # nobody even closes it
    assert world.in_flight() == [0]


async def test_a_plain_answer_is_over_when_it_is_there() -> None:
    world = World(Scripted("a"))
    await world.begun(stream=False)
    assert world.in_flight() == [0]


# Limits and headroom.


async def test_a_full_deployment_is_passed_over() -> None:
    world = World(Scripted("a"), Scripted("b"), balance="cheapest", limits=Limits(max_parallel=1))
    held = await world.begun()
    assert (await world.begun()).target.provider == "p1"
    assert world.skipped() == [("p0/m", "max_parallel are under way")]
    await held.events.aclose()


async def test_no_more_requests_are_sent_than_the_provider_takes_a_minute() -> None:
    world = World(Scripted("a"), Scripted("b"), limits=Limits(requests_per_minute=2))
    assert [await world.asked() for _ in range(4)] == ["p0", "p0", "p1", "p1"]
    failure = await world.fails()
    assert failure.retry_after == 60
    world.time.now += 60
    assert await world.asked() == "p0"


async def test_tokens_are_counted_as_they_were_used() -> None:
    world = World(Scripted("a"), Scripted("b"), limits=Limits(tokens_per_minute=100))
    asked = [await world.asked(params={"max_tokens": 90}) for _ in range(2)]
    assert asked == ["p0", "p1"]  # 20 of the 90 were used, and 90 more do not fit into 80
    assert await world.asked(params={"max_tokens": 80}) == "p0"


async def test_a_provider_without_headroom_is_left_alone_until_its_reset() -> None:
    headers = [(b"X-RateLimit-Remaining-Requests", b"0"), (b"x-ratelimit-reset-requests", b"12s")]
    world = World(Scripted("a", headers=headers), Scripted("b"))
    assert [await world.asked() for _ in range(3)] == ["p0", "p1", "p1"]
    assert world.skipped() == [("p0/m", "rate limit of its provider")]
    world.time.now += 12
    assert await world.asked() == "p0"


async def test_what_finds_no_slot_here_keeps_nobody_from_asking_after_it() -> None:
    full = ProviderError("no slot came free", retryable=False, retry_after=7)
    world = World(Scripted(full, "answer"))
    assert (await world.fails()).retry_after == 7
    assert await world.asked() == "p0"
    assert world.time.slept == []


async def test_a_short_lack_of_headroom_is_waited_for_where_there_is_nothing_else() -> None:
    headers = [(b"x-ratelimit-remaining-requests", b"0"), (b"x-ratelimit-reset-requests", b"2s")]
    world = World(Scripted("a", headers=headers))
    await world.asked()
    assert await world.asked() == "p0"
    assert world.time.slept == [2]


# Breakers.


async def test_a_deployment_that_keeps_failing_is_not_asked_for_a_while() -> None:
    world = World(Scripted(*[BUSY] * 5, "well again"), retries=0, breaker={"open_seconds": 8})
    for _ in range(5):
        await world.fails()
    failure = await world.fails()
    assert failure.retry_after == pytest.approx(8)
    assert "breaker open" in failure.message
    assert world.providers["p0"].calls == 5
    world.time.now += 8
    assert await world.asked() == "p0"


async def test_an_open_breaker_sends_requests_elsewhere_without_a_wait() -> None:
    world = World(Scripted(BUSY), Scripted("b"), breaker={"failures": 2})
    assert [await world.asked() for _ in range(3)] == ["p1"] * 3
    assert (world.providers["p0"].calls, len(world.time.slept)) == (2, 1)


@pytest.mark.parametrize(
    "failure",
    [
        ProviderError("no", retryable=False, upstream_status=400),
        WindowExceeded("8k", retryable=False, upstream_status=400),
        ProviderError("slow down", upstream_status=429, retry_after=0.0),
    ],
)
async def test_what_is_not_its_fault_opens_no_breaker(failure: ProviderError) -> None:
    world = World(Scripted(failure), retries=0, breaker={"failures": 1})
    for _ in range(3):
        await world.fails(GatewayError)
    assert world.dispatcher.deployments.of(world.targets[0]).breaker.state == "closed"


async def test_a_client_that_leaves_is_no_failure_and_gives_a_probes_place_back() -> None:
    hanging = Hanging()
    world = World(hanging, breaker={"failures": 1, "probes": 1, "open_seconds": 1})
    breaker = world.dispatcher.deployments.of(world.targets[0]).breaker
    breaker.failed(breaker.era, world.time.now)
    world.time.now += 1
    for _ in range(2):  # the second one is a probe again
        asking = asyncio.ensure_future(world.begun())
        await asyncio.sleep(0)
        assert not asking.done()
        assert not breaker.admits(world.time.now)
        asking.cancel()
        await asyncio.wait([asking])
        assert breaker.state == "half-open"
    assert hanging.calls == 2
    assert world.attempts("error") == [("cancelled",)]


async def test_streams_that_break_off_open_the_breaker() -> None:
    class Cut(Scripted):
        async def start(self, call: Call) -> Events:
            async def events() -> Events:
                yield Delta("a")
                raise ProviderError("cut")

            return events()

    world = World(Cut(), breaker={"minimum_calls": 3, "error_rate": 1.0, "failures": 99})
    for _ in range(3):
        begun = await world.begun()
        with pytest.raises(ProviderError, match="cut"):
            [event async for event in begun.events]
        await begun.events.aclose()
    assert (await world.fails()).retry_after == pytest.approx(5)


async def test_an_admin_shuts_a_deployment_off() -> None:
    world = World(Scripted("a"), Scripted("b"))
    world.dispatcher.deployments.force(world.targets[0], "open")
    assert await world.asked() == "p1"
    assert world.skipped() == [("p0/m", "shut off by an admin")]
    world.dispatcher.deployments.force(world.targets[0], "auto")
    assert await world.asked() == "p0"


# The retry budget.


async def test_an_outage_is_not_amplified() -> None:
    down = Scripted(BUSY)
    world = World(down, breaker={"failures": 10**6, "minimum_calls": 10**6})
    for _ in range(500):
        world.time.now += 0.001
        with pytest.raises(NoModelAvailable):
            await world.begun()
    retries = down.calls - 500
    assert retries <= 0.2 * 500 + sum(world.time.slept) + 0.5 + 10


# Hedging.


HEDGED = {"enabled": True, "minimum": 0.001, "max_share": 1.0}


def hedged(*providers: Scripted, known: float = 0.001, breaker: Any = None, **hedge: Any) -> World:
    world = World(*providers, balance="cheapest", hedge={**HEDGED, **hedge}, breaker=breaker or {})
    for target in world.targets:
        for _ in range(20):
            world.dispatcher.deployments.of(target).usual(True).add(known)
    return world


async def test_a_second_deployment_is_asked_when_the_first_takes_unusually_long() -> None:
    slow, quick = Hanging(), Scripted("quick")
    world = hedged(slow, quick)
    assert await world.asked() == "p1"
    assert slow.cancelled
    assert world.in_flight() == [0, 0]
    assert world.span.attributes["hedged"]["with"] == "p1/m"
    assert sorted(world.attempts("model", "error", "why")) == [
        ("p0/m", "cancelled", "cheapest"),
        ("p1/m", None, "hedge"),
    ]


async def test_the_first_may_still_win() -> None:
    first, second = Hanging(), Hanging()
    world = hedged(first, second)
    asking = asyncio.ensure_future(world.asked())
    await second.asked.wait()
    first.go.set()
    assert await asking == "p0"
    assert second.cancelled


async def test_of_two_that_begin_at_once_one_is_closed() -> None:
    first, second = Hanging(), Hanging()
    world = hedged(first, second)
    asking = asyncio.ensure_future(world.begun())
    await second.asked.wait()
    first.go.set()
    second.go.set()
    await (await asking).events.aclose()
    assert world.in_flight() == [0, 0]


async def test_a_hedge_that_fails_leaves_the_first_running() -> None:
    first = Hanging()
    world = hedged(first, second := Scripted(ProviderError("no")))
    asking = asyncio.ensure_future(world.asked())
    await second.asked.wait()
    await asyncio.sleep(0)
    first.go.set()
    assert await asking == "p0"


async def test_hedges_are_a_share_of_the_requests() -> None:
    quick = Scripted("quick")
    world = hedged(Hanging(), quick, max_share=0.1)
    for _ in range(30):
        with suppress(ProviderTimeout):
            await world.begun(deadline=0.01)
    assert 1 <= quick.calls <= 0.1 * 30 + 1


async def test_hedging_as_it_is_by_default_happens() -> None:
    quick = Scripted("quick")
    world = hedged(Hanging(), quick, max_share=HedgeConfig().max_share)
    for _ in range(30):
        with suppress(ProviderTimeout):
            await world.begun(deadline=0.01)
    assert 1 <= quick.calls <= 0.05 * 30 + 1


async def test_whoever_may_not_be_asked_as_a_hedge_is_still_asked_after_a_failure() -> None:
    slow, other = Hanging(), Scripted("other")
    world = hedged(slow, other, max_share=0.001)
    asking = asyncio.ensure_future(world.asked())
    await slow.asked.wait()
    await asyncio.sleep(0.01)
    assert other.calls == 0
    slow.failure = BUSY
    slow.go.set()
    assert await asking == "p1"


async def test_a_probes_place_that_is_gone_when_a_hedged_call_begins_is_no_crash() -> None:
    world = hedged(Hanging(), Hanging(), breaker={"failures": 1, "probes": 1, "open_seconds": 5})
    for target in world.targets:
        breaker = world.dispatcher.deployments.of(target).breaker
        breaker.failed(breaker.era, world.time.now)
    world.time.now += 10
    told = await asyncio.gather(
        *(world.begun(deadline=0.05) for _ in range(3)), return_exceptions=True
    )
    assert {type(each) for each in told} <= {ProviderTimeout, NoModelAvailable}
    assert world.in_flight() == [0, 0]


@pytest.mark.parametrize(
    "not_hedged",
    [
        lambda slow, quick: World(slow, quick, balance="cheapest"),  # off by default
        lambda slow, quick: World(slow, quick, balance="cheapest", hedge=HEDGED),  # not yet known
        lambda slow, quick: hedged(slow, quick, minimum=60),
    ],
    ids=["off", "unknown", "minimum"],
)
async def test_nobody_else_is_asked_without_reason(
    not_hedged: Callable[[Scripted, Scripted], World],
) -> None:
    quick = Scripted("quick")
    with pytest.raises(ProviderTimeout):
        await not_hedged(Hanging(), quick).begun(deadline=0.02)
    assert quick.calls == 0


async def test_when_the_caller_leaves_both_are_let_go() -> None:
    first, second = Hanging(), Hanging()
    world = hedged(first, second)
    asking = asyncio.ensure_future(world.begun())
    await second.asked.wait()
    asking.cancel()
    await asyncio.wait([asking])
    assert (first.cancelled, second.cancelled, world.in_flight()) == (True, True, [0, 0])


async def test_what_a_fleet_says_of_a_call_is_told_of_its_attempt() -> None:
    class Placing(Scripted):
        async def start(self, call: Call) -> Events:
            call.placed = {"replica": "http://a/v1"}
            return await super().start(call)

    world = World(Placing("answer"))
    await world.begun()
    assert world.attempts("placed") == [({"replica": "http://a/v1"},)]


async def test_an_adapter_that_nobody_can_serve_is_told_as_such_and_not_tried_again() -> None:
    provider = Scripted(AdapterNotFound("Its files are gone."))
    await World(provider).fails(AdapterNotFound)
    assert provider.calls == 1


async def test_an_adapter_that_cannot_be_served_is_stood_in_for() -> None:
    world = World(Scripted(AdapterNotFound("Its files are gone.")), Scripted("answer"))
    assert (await world.begun()).fallback
