"""Requests that mean an adapter, through the door with the official client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from openai import APIStatusError

from gateway.adapters.names import Reference
from gateway.build import open_router
from gateway.config import ConfigError, parse
from tests.gateway.adapters.asking import QUESTION, Asked, asked

pytestmark = pytest.mark.anyio

CONFIGURED = """
[models.help]
use = ["adapter:support"]
fallbacks = ["vllm/tiny"]
[models.strict]
use = ["adapter:support"]
[routing]
default = ["vllm/tiny"]
[[routing.rules]]
name = "support"
when = "tokens < 100"
use = ["adapter:support@canary"]
[[routing.rules]]
name = "hard"
use = ["adapter:support"]
"""


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Asked]:
    async with asked(tmp_path) as found:
        yield found


@pytest.fixture
async def configured(tmp_path: Path) -> AsyncIterator[Asked]:
    async with asked(tmp_path, CONFIGURED) as found:
        yield found


async def refused(here: Asked, *args: Any, **fields: Any) -> APIStatusError:
    with pytest.raises(APIStatusError) as caught:
        await here.answer(*args, **fields)
    return caught.value


async def test_a_name_means_the_live_revision_and_a_number_that_one(here: Asked) -> None:
    for _ in range(2):
        here.add("support")
    here.store.lead("", Reference("support", 2), "canary")
    here.gateway.adapters.refresh()
    said = [await here.answer(each) for each in ("support", "support@2", "support@canary")]
    assert said == ["support@1, 1", "support@2, 2", "support@2, 3"]


async def test_an_adapter_may_be_asked_for_beside_its_model(here: Asked) -> None:
    here.add("support")
    for model in ("vllm/tiny", "tiny", "auto"):
        body: dict[str, Any] = {"extra_body": {"adapter_id": "support@1"}}
        assert (await here.answer(model, **body)).startswith("support@1")
    assert (await here.answer("tiny", extra_body={"adapter_id": None})).startswith("tiny")


async def test_an_adapter_beside_a_model_that_it_does_not_change_is_refused(here: Asked) -> None:
    here.add("support")
    error = await refused(here, "other/simulated", extra_body={"adapter_id": "support"})
    assert (error.status_code, error.param) == (400, "adapter_id")
    assert here.engine.asked == []


async def test_a_key_learns_nothing_of_adapters_that_it_may_not_use(here: Asked) -> None:
    here.add("support", "acme")
    key = here.key("acme", models=("other/simulated",))
    seen = set()
    for name in ("support", "nothing"):
        error = await refused(here, "other/simulated", key, extra_body={"adapter_id": name})
        seen.add((error.status_code, error.code, error.message.replace(name, "…")))
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"input": "Hello"}),
        ("/v1/messages", {"max_tokens": 9, "messages": QUESTION}),
    ],
)
async def test_every_door_takes_an_adapter_beside_its_model(
    here: Asked, path: str, body: dict[str, Any]
) -> None:
    here.add("support")
    async with here.http() as client:
        answer = await client.post(path, json={**body, "model": "tiny", "adapter_id": "support"})
    assert answer.json()["model"] == "vllm/support@1"
    assert here.engine.asked == ["support@1"]


async def test_older_completions_name_adapters_too(here: Asked) -> None:
    here.add("support")
    by_model = await here.client().completions.create(model="support", prompt="Hello")
    beside = await here.client().completions.create(
        model="tiny", prompt="Hello", extra_body={"adapter_id": "support"}
    )
    assert [each.choices[0].text for each in (by_model, beside)] == ["support@1, 1", "support@1, 2"]


async def test_what_is_not_there_and_what_is_anothers_look_alike(here: Asked) -> None:
    here.add("secret", "acme")
    acme, globex = here.key("acme"), here.key("globex")
    assert await here.answer("secret", acme) == "acme:secret@1, 1"
    seen = []
    for model in ("secret", "nothing", "secret@1", "acme:secret@1", "vllm/acme:secret@1"):
        error = await refused(here, model, globex)
        seen.append((error.status_code, error.code, error.message.replace(model, "…")))
    assert len(set(seen)) == 1
    assert seen[0][:2] == (404, "model_not_found")
    for adapter in ("secret", "nothing"):
        error = await refused(here, "tiny", globex, extra_body={"adapter_id": adapter})
        assert (error.status_code, error.code) == (404, "model_not_found")
    assert here.engine.asked == ["acme:secret@1"]


@pytest.mark.parametrize("adapter", ["../../etc", "a/b", "", "support@", "support@0", "x" * 10_000])
async def test_nothing_that_is_not_registered_reaches_an_engine(here: Asked, adapter: str) -> None:
    here.add("support")
    error = await refused(here, adapter or "support@live@live")
    assert error.status_code == 404
    assert here.engine.asked == []


async def test_a_team_sees_its_own_before_everybodys(here: Asked) -> None:
    here.add("support"), here.add("support", "acme")
    assert (await here.answer("support", here.key("acme"))).startswith("acme:support@1")
    assert (await here.answer("support", here.key("globex"))).startswith("support@1")


@pytest.mark.parametrize(
    ("models", "allowed"),
    [
        (("support",), ["support", "support@1", "support@canary"]),
        (("support@canary",), ["support@canary"]),
        (("vllm/tiny",), []),
        (("other",), []),
    ],
)
async def test_a_keys_models_hold_for_adapters(
    here: Asked, models: tuple[str, ...], allowed: list[str]
) -> None:
    here.add("support")
    here.store.lead("", Reference("support", 1), "canary")
    here.gateway.adapters.refresh()
    key = here.key("acme", models=models)
    for name in ("support", "support@1", "support@canary"):
        if name in allowed:
            assert (await here.answer(name, key)).startswith("support@1")
        else:
            assert (await refused(here, name, key)).status_code == 404
    listed = {each.id async for each in here.client(key).models.list()}
    assert {each for each in listed if "support" in each} == {*allowed} - {"support@1"}


async def test_a_promotion_misses_the_cache(here: Asked) -> None:
    here.add("support")
    cool: dict[str, Any] = {"temperature": 0}
    assert await here.answer("support", **cool) == "support@1, 1"
    assert await here.answer("support", **cool) == "support@1, 1"
    here.add("support", live=True)
    assert await here.answer("support", **cool) == "support@2, 2"
    # What was kept for the earlier one is given again where it is live again.
    here.store.back("", "support")
    here.gateway.adapters.refresh()
    assert await here.answer("support", **cool) == "support@1, 1"


@pytest.mark.parametrize("model", ["help", "auto", "strict"])
async def test_a_promotion_misses_the_cache_of_what_leads_to_the_adapter(
    configured: Asked, model: str
) -> None:
    configured.add("support")
    said = [await configured.answer(model, temperature=0) for _ in range(2)]
    configured.add("support", live=True)
    said.append(await configured.answer(model, temperature=0))
    assert said == ["support@1, 1", "support@1, 1", "support@2, 2"]


async def test_an_alias_leads_each_team_to_its_own(configured: Asked) -> None:
    configured.add("support", "acme")
    acme, globex = configured.key("acme"), configured.key("globex")
    assert (await configured.answer("help", acme)).startswith("acme:support@1")
    assert (await configured.answer("help", globex)).startswith("tiny")
    assert (await configured.answer("strict", acme)).startswith("acme:support@1")
    assert (await refused(configured, "strict", globex)).status_code == 404


async def test_a_rule_whose_adapter_is_not_there_is_passed_over(configured: Asked) -> None:
    assert (await configured.answer()).startswith("tiny")
    configured.add("support")
    assert (await configured.answer()).startswith("support@1")
    configured.add("support")
    configured.store.lead("", Reference("support", 2), "canary")
    configured.gateway.adapters.refresh()
    assert (await configured.answer()).startswith("support@2")


async def test_plans_are_told_apart_by_what_an_adapters_name_is(tmp_path: Path) -> None:
    more = '[models.help]\nuse = ["adapter:support", "vllm/tiny", "adapter:support@canary"]\n'
    async with asked(tmp_path, more) as here:
        here.add("support")
        assert await here.answer("help") == "support@1, 1"
        here.store.lead("", Reference("support"), "canary")
        here.store.unlead("", "support", "live")
        here.gateway.adapters.refresh()
        assert await here.answer("help") == "tiny, 2"


TRIAL = """
[experiments.trial]
when = "model = 'tiny'"
[experiments.trial.variants]
live = { share = 0.5, model = "adapter:support" }
next = { share = 0.5, model = "adapter:support@canary" }
"""


async def test_an_experiment_compares_two_revisions(tmp_path: Path) -> None:
    async with asked(tmp_path, TRIAL) as here:
        for _ in range(2):
            here.add("support", "acme")
        keys = [here.key("acme") for _ in range(12)]
        before = {(await here.answer("tiny", key)).split(",")[0] for key in keys}
        here.store.lead("acme", Reference("support", 2), "canary")
        here.gateway.adapters.refresh()
        during = {(await here.answer("tiny", key)).split(",")[0] for key in keys}
        assert (before, during) == ({"tiny"}, {"acme:support@1", "acme:support@2"})
        # Who has none of that name, or may not use it, takes no part.
        for key in (here.key("globex"), here.key("acme", models=("tiny",))):
            assert (await here.answer("tiny", key)).startswith("tiny")


async def test_a_variants_model_does_not_part_a_request_from_its_adapter(tmp_path: Path) -> None:
    both = TRIAL.replace("adapter:support@canary", "other/simulated")
    async with asked(tmp_path, both.replace("adapter:support", "other/simulated")) as here:
        here.add("support")
        for key in [here.key("acme") for _ in range(4)]:
            said = await here.answer("tiny", key, extra_body={"adapter_id": "support"})
            assert said.startswith("support@1")


async def test_a_key_for_an_alias_may_use_the_adapter_behind_it(configured: Asked) -> None:
    configured.add("support")
    key = configured.key("acme", models=("help",))
    assert (await configured.answer("help", key)).startswith("support@1")
    assert (await refused(configured, "support", key)).status_code == 404


async def test_an_answer_costs_what_the_base_model_costs(here: Asked) -> None:
    here.add("support")
    async with here.http() as http:
        body = {"model": "support", "messages": QUESTION}
        told = await http.post("/v1/chat/completions", json=body)
    assert told.headers["x-moorline-model"] == "vllm/support@1"
    assert float(told.headers["x-moorline-cost-usd"]) == pytest.approx(3e-3)


async def test_a_small_budget_is_enough_for_an_adapter_however_dear_others_are(
    tmp_path: Path,
) -> None:
    dear = """
    [providers.dear]
    kind = "simulated"
    models = [{ name = "dear", output_usd_per_million = 1_000_000 }]
    """
    async with asked(tmp_path, dear) as here:
        here.add("support")
        key = here.key("acme", budget_usd=1.0)
        assert await here.answer("support", key) == "support@1, 1"
        beside = await here.answer("auto", key, extra_body={"adapter_id": "support"})
        assert beside == "support@1, 2"


async def test_metrics_count_adapters_as_their_base(here: Asked) -> None:
    here.add("support")
    await here.answer("support")
    async with here.http() as http:
        page = (await http.get("/metrics")).text
    assert 'moorline_requests_total{model="vllm/tiny",door="chat",status="200"' in page


async def test_metrics_that_everybody_may_read_name_no_teams_adapter(tmp_path: Path) -> None:
    async with asked(tmp_path, "[metrics]\nopen = true\n") as here:
        here.add("secret", "acme")
        for model in ("secret", "tiny"):
            await here.answer(model, here.key("acme"))
        async with here.http() as http:
            page = (await http.get("/metrics")).text
    assert 'moorline_breaker_state{model="vllm/tiny"' in page
    assert 'moorline_upstream_calls_total{model="vllm/tiny",outcome="ok"} 2' in page
    assert "secret" not in page


async def test_a_quota_is_the_adapters(here: Asked) -> None:
    from routing.types import Limits

    here.add("support", quota=Limits(requests_per_minute=1))
    await here.answer("support")
    error = await refused(here, "support", extra_body={"moorline": {"timeout": 0.05}})
    assert error.status_code in (503, 504)
    assert (await here.answer("tiny")).startswith("tiny")


async def test_models_are_listed_with_what_they_change(here: Asked) -> None:
    made = here.add("support", "acme")
    async with here.http(here.key("acme")) as http:
        listed = (await http.get("/v1/models")).json()["data"]
        one = (await http.get("/v1/models/support@1")).json()
    assert listed[-1] == {
        "id": "support",
        "object": "model",
        "created": int(made.added_at),
        "owned_by": "acme",
        "root": f"sha256:{made.facts.digest}",
        "parent": "vllm/tiny",
    }
    assert one == {**listed[-1], "id": "support@1"}
    async with here.http(here.key("globex")) as http:
        assert "support" not in (await http.get("/v1/models")).text
        assert (await http.get("/v1/models/support")).status_code == 404


async def test_a_removed_adapter_is_unknown_at_once(here: Asked) -> None:
    here.add("support")
    await here.answer("support")
    here.store.remove("", "support")
    here.gateway.adapters.refresh()
    assert (await refused(here, "support")).status_code == 404


@pytest.mark.parametrize("name", ["adapter:", "adapter:../x", "adapter:a@0"])
async def test_a_name_in_the_configuration_has_to_be_one(tmp_path: Path, name: str) -> None:
    config = parse(f'data = "{tmp_path}"\n[models.help]\nuse = ["{name}"]')
    with pytest.raises(ConfigError, match="cannot be"):
        async with open_router(config):
            pass
