"""What Prometheus and an operator are told of replicas and adapters."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.fleet import counts
from gateway.fleet.telling import families, state
from gateway.metrics.exposition import page
from tests.gateway.fleet.world import World, world

pytestmark = pytest.mark.anyio


def told(here: World, *, public: bool = False) -> list[str]:
    return page(families(here.fleets, public=public)).splitlines()


async def test_an_adapters_requests_hits_misses_loads_and_evictions_are_counted(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.serve()
        for name in ("a@1", "b@1", "c@1"):
            here.register.add(name)
        for name in ("a@1", "a@1", "b@1", "c@1"):
            await here.say(name, stream=True)
        lines = told(here)
        of_a = 'provider="gpu",adapter="a@1"'
        assert f'moorline_adapter_requests_total{{{of_a},outcome="ok"}} 2' in lines
        assert f'moorline_adapter_placements_total{{{of_a},tier="gpu"}} 1' in lines
        assert f'moorline_adapter_placements_total{{{of_a},tier="disk"}} 1' in lines
        assert f"moorline_adapter_evictions_total{{{of_a}}} 1" in lines
        assert f"moorline_adapter_load_seconds_count{{{of_a}}} 1" in lines
        assert f"moorline_adapter_first_token_seconds_count{{{of_a}}} 2" in lines
        assert f'moorline_adapter_replicas{{{of_a},tier="cpu"}} 1' in lines
        assert 'moorline_adapter_waiting{provider="gpu"} 0' in lines


async def test_a_page_that_everybody_may_read_names_no_teams_adapter_and_no_address(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.serve()
        here.register.add("ours@1")
        here.register.add("acme:secret@1", tenant="acme")
        await here.say("ours@1")
        await here.say("acme:secret@1")
        text = "\n".join(told(here, public=True))
        assert "ours@1" in text
        assert "acme" not in text
        assert "127.0.0.1" not in text
        assert "acme:secret@1" in "\n".join(told(here))


async def test_more_adapters_than_can_be_told_are_counted_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "MOST", 2)
    async with world(tmp_path) as here:
        here.serve()
        for number in range(4):
            here.register.add(f"a{number}@1")
            await here.say(f"a{number}@1")
        lines = told(here)
        other = 'moorline_adapter_requests_total{provider="gpu",adapter="other",outcome="ok"} 2'
        assert other in lines


async def test_the_state_says_where_each_adapter_is(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.serve()
        here.register.add("a@1")
        await here.say("a@1")
        (provider,) = state(here.fleets)
        (replica,) = provider["replicas"]
        assert (provider["provider"], provider["shared"], provider["waiting"]) == ("gpu", True, 0)
        assert (replica["up"], replica["in_flight"]) == (True, 0)
        assert replica["adapters"]["a@1"]["tier"] == "gpu"
