"""A provider over several replicas: where requests go, and what is made of what goes wrong."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from eval.bench.engine.core import Flags, Pace
from eval.bench.engine.server import Refusal
from gateway.errors import (
    AdapterCorrupt,
    AdapterIncompatible,
    AdapterNotFound,
    OutOfMemory,
    ProviderError,
)
from gateway.fleet.config import LoraConfig
from tests.gateway.fleet.world import LORA, call, told, world
from tests.gateway.providers.scripted import until

pytestmark = pytest.mark.anyio


async def test_an_adapter_is_loaded_and_answers_as_itself(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.register.add("a@1")
        here.register.add("b@1")
        answers = [(await here.say(model))[0] for model in ("base", "a@1", "b@1")]
        assert len(set(answers)) == 3
        assert here.idle


async def test_what_is_loaded_is_not_loaded_again(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.register.add("a@1")
        for _ in range(3):
            await here.say("a@1")
        assert here.loads() == ["a@1"]


async def test_many_who_want_the_same_adapter_have_it_loaded_once(tmp_path: Path) -> None:
    async with world(tmp_path, pace=Pace(disk=0.02)) as here:
        here.register.add("a@1")
        await asyncio.gather(*(here.say("a@1") for _ in range(8)))
        assert here.loads() == ["a@1"]


async def test_what_is_resident_is_asked_where_it_is(tmp_path: Path) -> None:
    async with world(tmp_path, replicas=3) as here:
        here.register.add("a@1")
        places = {(await here.say("a@1"))[1].placed["replica"] for _ in range(4)}  # type: ignore[index]
        assert len(places) == 1


async def test_the_call_says_where_it_was_placed_and_why(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        for name in ("a@1", "b@1", "c@1"):
            here.register.add(name)
        tiers = []
        for name in ("base", "a@1", "a@1", "b@1", "c@1", "a@1"):
            placed = (await here.say(name))[1].placed
            assert placed is not None
            tiers.append((placed["tier"], placed.get("evicted", False)))
        assert tiers == [
            ("base", False),
            ("disk", False),
            ("gpu", False),
            ("disk", False),
            ("disk", True),
            ("cpu", True),
        ]


async def test_nothing_that_is_not_registered_reaches_an_engine(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        with pytest.raises(ProviderError) as failed:
            await here.say("../../etc")
        assert failed.value.upstream_status == 404
        assert not failed.value.retryable
        assert here.servers[0].asked == []


@pytest.mark.parametrize("stream", [False, True])
async def test_a_replica_that_fails_is_stood_in_for_before_the_first_token(
    tmp_path: Path, stream: bool
) -> None:
    async with world(tmp_path, replicas=2) as here:
        here.register.add("a@1")
        _, first = await here.say("a@1")
        assert first.placed
        here.server(first.placed["replica"]).faults.answers.append(Refusal(503, "busy"))
        text, second = await here.say("a@1", stream=stream)
        assert second.placed
        assert text
        assert second.placed["replica"] != first.placed["replica"]
        assert here.idle


async def test_a_replica_that_keeps_failing_is_left_alone(tmp_path: Path) -> None:
    async with world(tmp_path, replicas=2) as here:
        broken = here.servers[0]
        broken.faults.answers.append(Refusal(500, "broken"))
        for _ in range(20):
            await here.say("base")
        asked = len(broken.asked)
        for _ in range(10):
            await here.say("base")
        assert len(broken.asked) == asked


async def test_when_all_replicas_fail_the_last_failure_is_told(tmp_path: Path) -> None:
    async with world(tmp_path, replicas=2) as here:
        for server in here.servers:
            server.faults.answers.append(Refusal(503, "busy"))
        with pytest.raises(ProviderError) as failed:
            await here.say("base")
        assert failed.value.upstream_status == 503
        assert here.idle


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({"r": 64}, AdapterIncompatible),
        ({"use_dora": True}, AdapterIncompatible),
        ({"bias": "all"}, AdapterIncompatible),
    ],
)
async def test_what_the_engine_cannot_serve_is_refused_at_once_and_remembered(
    tmp_path: Path, config: dict[str, Any], error: type[ProviderError]
) -> None:
    async with world(tmp_path, replicas=2) as here:
        here.register.add("a@1", **config)
        for _ in range(3):
            with pytest.raises(error):
                await here.say("a@1")
        assert here.loads() == ["a@1"]
        assert here.idle


async def test_files_that_are_gone_are_not_found_and_the_folder_is_not_told(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.register.add("a@1")
        here.register.empty("a@1")
        with pytest.raises(AdapterNotFound) as failed:
            await here.say("a@1")
        assert str(tmp_path) not in failed.value.message


async def test_files_that_cannot_be_read_are_corrupt(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.register.add("a@1")
        here.register.spoil("a@1")
        with pytest.raises(AdapterCorrupt):
            await here.say("a@1")


async def test_files_that_vanish_once_an_engine_has_dropped_them_do_not_kill_it(
    tmp_path: Path,
) -> None:
    """vLLM reads what was pushed out of its memory in the middle of a step, and dies of a folder
    that is gone; and so would each replica that is asked next."""
    async with world(tmp_path, replicas=2) as here:
        names = [f"a{number}@1" for number in range(2 * LORA.cpu_slots + 1)]
        for name in names:
            here.register.add(name)
            await here.say(name)
        for name in names:
            here.register.empty(name)
        for name in names:
            if all(name not in server.cpu for server in here.servers):
                with pytest.raises(AdapterNotFound):
                    await here.say(name)
        assert not any(server.core.dead.is_set() for server in here.servers)
        assert (await here.say("base"))[0]
        assert here.idle


async def test_what_comes_back_from_disk_answers_as_before(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        names = [f"a{number}@1" for number in range(LORA.cpu_slots + 2)]
        for name in names:
            here.register.add(name)
        before = [(await here.say(name))[0] for name in names]
        assert [(await here.say(name))[0] for name in names] == before
        assert sorted(here.servers[0].names) == names


async def test_where_one_replica_does_not_see_the_files_another_one_serves_them(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, replicas=2) as here:
        blind = here.servers[0]
        blind.faults.loads.append(Refusal(404, "Loading lora a failed: No adapter found for it"))
        for number in range(6):
            here.register.add(f"a{number}@1")
            for _ in range(2):
                _, made = await here.say(f"a{number}@1")
                assert made.placed
                assert made.placed["replica"] == here.servers[1].url
        assert len(here.loads()) <= 12


async def test_without_memory_on_one_replica_another_one_loads_it(tmp_path: Path) -> None:
    async with world(tmp_path, replicas=2) as here:
        here.register.add("a@1")
        full = here.servers[0]
        full.faults.loads.append(Refusal())
        here.fleet.kept.view.of(here.servers[1].url, LORA).costs.queue = 0.0
        for _ in range(4):
            _, made = await here.say("a@1")
            assert made.placed
            assert made.placed["replica"] == here.servers[1].url
        assert here.idle


async def test_without_memory_anywhere_it_is_refused_and_no_engine_is_pressed(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, replicas=2) as here:
        here.register.add("a@1")
        for server in here.servers:
            server.faults.loads.append(Refusal())
        for _ in range(3):
            with pytest.raises(OutOfMemory) as failed:
                await here.say("a@1")
            assert failed.value.retry_after  # so that nobody tries again before that
        assert here.loads() == ["a@1", "a@1"]
        assert (await here.say("base"))[0]


async def test_a_load_that_fails_is_not_asked_for_by_each_who_wants_it(tmp_path: Path) -> None:
    """It stalls all that an engine works on."""
    async with world(tmp_path, replicas=2) as here:
        here.register.add("a@1")
        for server in here.servers:
            server.faults.loads.append(Refusal(500, "something odd"))
        for _ in range(3):
            with pytest.raises(ProviderError, match="something odd"):
                await here.say("a@1")
        assert here.loads() == ["a@1", "a@1"]
        assert (await here.say("base"))[0]


async def test_adapters_that_fail_to_load_close_no_replica_to_others(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.servers[0].faults.loads.append(Refusal(500, "something odd"))
        for number in range(10):
            here.register.add(f"a{number}@1")
            with pytest.raises(ProviderError, match="something odd"):
                await here.say(f"a{number}@1")
        assert (await here.say("base"))[0]


async def test_an_engine_that_was_started_anew_loads_once_more(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.register.add("a@1")
        before, _ = await here.say("a@1")
        here.servers[0].names.clear()
        after, _ = await here.say("a@1")
        assert after == before
        assert here.loads() == ["a@1", "a@1"]


async def test_another_content_under_an_old_name_is_not_mistaken_for_it(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.register.add("a@1")
        before, _ = await here.say("a@1")
        here.register.add("a@1")  # a new register, which counts from one again
        here.fleet.kept.loads.forget(here.fleet.replicas[0], "a@1")
        after, _ = await here.say("a@1")
        assert after != before


async def test_who_leaves_gives_the_place_back(tmp_path: Path) -> None:
    async with world(tmp_path, pace=Pace(step=0.01)) as here:
        here.register.add("a@1")
        asking = asyncio.create_task(here.say("a@1", tokens=500))
        await until(lambda: here.servers[0].core.running)
        asking.cancel()
        await asyncio.wait([asking])
        assert here.idle


async def test_a_stream_that_is_closed_gives_the_place_back(tmp_path: Path) -> None:
    async with world(tmp_path, pace=Pace(step=0.001)) as here:
        here.register.add("a@1")
        async with aclosing(await here.fleet.start(call("a@1", stream=True, tokens=500))) as events:
            async for event in events:
                if told(event):
                    break
            assert not here.idle
        assert here.idle


async def test_who_leaves_while_an_adapter_is_loaded_does_not_end_it_for_others(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, pace=Pace(disk=0.03)) as here:
        here.register.add("a@1")
        first, second = (asyncio.create_task(here.say("a@1")) for _ in range(2))
        await until(here.loads)
        first.cancel()
        assert (await second)[0]
        assert here.loads() == ["a@1"]


async def test_no_more_adapters_run_than_there_are_slots_and_all_are_served(tmp_path: Path) -> None:
    async with world(tmp_path, pace=Pace(step=0.001)) as here:
        names = [f"a{number}@1" for number in range(6)]
        most = 0
        for name in names:
            here.register.add(name)

        async def watched() -> None:
            nonlocal most
            while True:
                core = here.servers[0].core
                most = max(most, len({each.lora for each in (*core.running, *core.waiting)}))
                await asyncio.sleep(0)

        watching = asyncio.create_task(watched())
        try:
            answers = await asyncio.gather(*(here.say(name) for name in names * 3))
        finally:
            watching.cancel()
        assert all(text for text, _ in answers)
        assert 0 < most <= LORA.slots
        assert here.idle


async def test_a_cold_adapter_gets_a_slot_although_hot_ones_never_rest(tmp_path: Path) -> None:
    lora = LoraConfig(slots=1, cpu_slots=2, drain_after=0.05, max_wait=5)
    async with world(tmp_path, flags=Flags(max_loras=1), pace=Pace(step=0.002)) as here:
        here.fleet = here.over(here.servers, lora)
        here.register.add("hot@1")
        here.register.add("cold@1")

        async def for_ever() -> None:
            while True:
                await here.say("hot@1")

        hot = [asyncio.create_task(for_ever()) for _ in range(3)]
        await asyncio.sleep(0.02)
        text, made = await here.say("cold@1")
        for each in hot:
            each.cancel()
        await asyncio.wait(hot)
        assert text
        assert made.placed
        assert made.placed["waited"] > 0


async def test_a_line_that_is_too_long_is_refused_and_says_when_to_come_back(
    tmp_path: Path,
) -> None:
    lora = LoraConfig(slots=1, cpu_slots=2, max_waiting=0)
    async with world(tmp_path, flags=Flags(max_loras=1), pace=Pace(step=0.01)) as here:
        here.fleet = here.over(here.servers, lora)
        here.register.add("a@1")
        here.register.add("b@1")
        async with aclosing(await here.fleet.start(call("a@1", stream=True, tokens=300))):
            with pytest.raises(ProviderError) as failed:
                await here.say("b@1")
        assert failed.value.retry_after
        assert not failed.value.retryable
        assert failed.value.upstream_status is None  # no engine said so: none is left alone for it


async def test_who_waits_too_long_is_refused(tmp_path: Path) -> None:
    lora = LoraConfig(slots=1, cpu_slots=2, max_wait=0.02)
    async with world(tmp_path, flags=Flags(max_loras=1), pace=Pace(step=0.01)) as here:
        here.fleet = here.over(here.servers, lora)
        here.register.add("a@1")
        here.register.add("b@1")
        async with aclosing(await here.fleet.start(call("a@1", stream=True, tokens=300))):
            with pytest.raises(ProviderError) as failed:
                await here.say("b@1")
            assert "0.02 s" in failed.value.message
        assert here.idle


async def test_only_the_providers_own_key_reaches_an_engine(tmp_path: Path) -> None:
    async with world(tmp_path, key="internal") as here:
        here.register.add("a@1")
        here.fleet = here.over(here.servers, api_key="internal")
        text, _ = await here.say("a@1")
        assert text


async def test_a_long_prompt_comes_back_to_the_replica_that_has_read_it(tmp_path: Path) -> None:
    async with world(tmp_path, replicas=3) as here:
        text = "A long story. " * 500
        _, first = await here.say("base", text)
        places = [(await here.say("base", f"{text} And {n}?"))[1].placed for n in range(4)]
        assert first.placed
        assert {place["replica"] for place in places if place} == {first.placed["replica"]}
