"""Which model answers, as the door's client sees it, and what stands in the trace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.backends import learned
from gateway.build import catalogue
from gateway.config import Config, ConfigError, parse
from gateway.deployments import Deployments
from gateway.errors import Forbidden, GatewayError, InvalidRequest, PromptTooLong, UnknownModel
from gateway.fitting import fitting
from gateway.providers.prices import Prices
from gateway.routes import MOST_NAMED, NOTHING_LEARNED, Learned, Router
from gateway.tracing.trace import Span
from gateway.types import Ask, Caller
from retrieval.config import MiniLMEncoder
from retrieval.encoders.minilm import MiniLM
from retrieval.types import Query, Vector
from routing.config import Task
from routing.types import Target

CONFIG = """
[providers.us]
kind = "simulated"
region = "US"
models = [
  { name = "small", window = 4000, input_usd_per_million = 1, latency = 2 },
  { name = "large", input_usd_per_million = 9, latency = 1, quality = 0.9 },
]
[providers.eu]
kind = "simulated"
region = "EU"
models = [{ name = "small", lacks = ["vision"], input_usd_per_million = 2, latency = 3 }]
[routing]
regions = { legal = "EU" }
"""
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


def router(
    more: str = "", deployments: Deployments | None = None, models: Learned = NOTHING_LEARNED
) -> Router:
    config: Config = parse(CONFIG + more)
    prices = Prices(config.all_providers)
    fits = fitting(config.all_providers, lambda name: None)
    return Router(catalogue(config), config.routing, fits, prices, deployments, models)


def ask(model: str = "auto:cheap", content: Any = "Why?", **fields: Any) -> Ask:
    question = content if isinstance(content, str) else "Why?"
    return Ask(model, ({"role": "user", "content": content},), question, **fields)


def caller(**fields: Any) -> Caller:
    return Caller("k_1", "someone", **fields)


def names(asked: Ask, by: Caller, house: Router | None = None) -> list[str]:
    plan = (house or router()).plan(by, asked, False, Span("route", 0))
    return [target.name for target in plan.targets]


def refused(asked: Ask, by: Caller) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        names(asked, by)
    return caught.value


@pytest.mark.parametrize(
    ("model", "first"),
    [("auto:cheap", "us/small"), ("auto:fast", "us/large"), ("auto:best", "us/large")],
)
def test_a_choice_by_one_figure(model: str, first: str) -> None:
    assert names(ask(model), caller())[0] == first


def test_a_latency_that_was_measured_comes_before_what_is_declared() -> None:
    deployments = Deployments(now=lambda: 0.0)
    slow = Target("us", "large", 32_768, 4096)
    deployments.of(slow).latency[False].add(9.0, 0.0)
    assert names(ask("auto:fast"), caller(), router("", deployments))[0] == "us/small"


def test_the_teams_region_binds_a_model_that_was_named() -> None:
    legal = caller(team="legal")
    assert names(ask(), legal) == ["eu/small", "extractive/extractive"]
    assert isinstance(refused(ask("us/large"), legal), Forbidden)


def test_a_key_and_a_request_may_narrow_the_region_and_never_widen_it() -> None:
    here = caller(region="EU")
    assert names(ask(region="eu"), here)[0] == "eu/small"
    error = refused(ask("us/large", region="US"), here)
    assert isinstance(error, Forbidden)
    error = refused(ask("us/large", region="EU"), caller())
    assert (type(error), error.param) == (InvalidRequest, "moorline.region")
    assert "us/large runs in US, not in eu" in error.message


def test_a_plan_for_one_region_is_not_another_regions() -> None:
    house = router()
    assert names(ask("small"), caller(), house) == ["us/small", "eu/small"]
    assert names(ask("small"), caller(region="EU"), house) == ["eu/small"]
    assert names(ask("small"), caller(region="US"), house) == ["us/small"]


def test_plans_are_remembered_for_no_end_of_regions() -> None:
    house = router("[models.quoting]\nuse = ['extractive/extractive']\n")
    for number in range(MOST_NAMED + 10):
        names(ask("quoting", region=f"r{number}"), caller(), house)
    assert len(house._named) <= MOST_NAMED


def test_only_what_a_rule_asks_for_is_looked_at() -> None:
    def seen(more: str) -> dict[str, Any]:
        span = Span("route", 0)
        router(more).plan(caller(), ask("auto"), False, span)
        return span.attributes

    assert {"task", "complexity"}.isdisjoint(seen(""))
    rule = "[[routing.rules]]\nname = 'r'\nwhen = \"task = 'code'\"\nuse = ['us/small']\n"
    assert "task" in seen(rule)
    assert "complexity" not in seen(rule)


def test_images_go_to_who_can_see() -> None:
    mine = caller(models=("us/large", "eu/small"))
    assert names(ask(content=[IMAGE]), mine) == ["us/large"]
    error = refused(ask(content=[IMAGE]), caller(models=("eu/small",)))
    assert (type(error), error.param) == (InvalidRequest, "model")
    assert "eu/small lacks vision" in error.message


def test_an_input_that_no_window_holds_is_refused_with_who_was_left_out_and_why() -> None:
    error = refused(ask(content="word " * 4_000), caller(models=("us/small",)))
    assert isinstance(error, PromptTooLong)
    assert "us/small its window of 4000 tokens is too small for about 5000" in error.message


def test_who_may_not_see_a_model_is_not_told_of_it() -> None:
    assert isinstance(refused(ask("us/large"), caller(models=("us/small",))), UnknownModel)
    error = refused(ask(content=[IMAGE]), caller(models=("eu/small",)))
    assert "us/" not in error.message
    error = refused(ask("auto:cheap", [IMAGE], region="EU"), caller(models=("auto:cheap",)))
    assert "eu/" not in error.message
    assert "us/" not in error.message
    assert "none can do all that is asked for" in error.message


def test_the_span_says_by_what_was_chosen_and_who_was_left_out() -> None:
    span = Span("route", 0)
    router().plan(caller(region="EU"), ask(), False, span)
    assert span.attributes["excluded"] == {
        "us/small": "runs in US, not in eu",
        "us/large": "runs in US, not in eu",
    }
    first = span.attributes["candidates"][0]
    assert (first["model"], first["latency_s"]) == ("eu/small", 3)


@pytest.mark.parametrize(
    ("when", "asked", "by"),
    [
        ("images = true", ask("auto", [IMAGE]), caller()),
        ("tools = true", ask("auto", params={"tools": [{"type": "function"}]}), caller()),
        ("team = 'red' and key = 'k_1'", ask("auto"), caller(team="red")),
        ("region = 'eu'", ask("auto"), caller(region="EU")),
        ("language = 'de'", ask("auto", "Wie lange darf ich die Ware behalten?"), caller()),
    ],
)
def test_a_rule_may_ask_for_any_signal(when: str, asked: Ask, by: Caller) -> None:
    rule = f'[[routing.rules]]\nname = "r"\nwhen = "{when}"\nuse = ["us/large", "extractive"]'
    span = Span("route", 0)
    assert router(rule).plan(by, asked, False, span).reason == "rule:r"
    neither = router(rule).plan(caller(team="blue"), replace(ask("auto"), question=""), False, span)
    assert neither.reason == "default"


def test_a_rule_that_names_an_unknown_model_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match="no model 'gone'; there are us/small"):
        router('[[routing.rules]]\nname = "r"\nuse = ["gone"]')


class Mathematician:
    """To whom everything is mathematics."""

    def task(self, question: str, vector: Vector) -> Task:
        return "mathematics"


TASKS = """
[routing.tasks.mathematics]
use = ["us/large"]
"""


def test_a_trained_model_tells_the_task_where_there_is_an_embedding() -> None:
    house = router(TASKS, models=Learned(classifier=Mathematician()))
    asked, seen = ask("auto", "How many are left?"), Span("route", 0)
    query = Query(asked.question, np.ones(384, dtype=np.float32))
    assert house.embeds(asked)
    plan = house.plan(caller(), asked, False, seen, query)
    assert (plan.reason, seen.attributes["task"]) == ("task:mathematics", "mathematics")
    assert house.plan(caller(), asked, False, Span("route", 0)).reason == "default"


def test_no_embedding_is_asked_for_where_nothing_reads_it() -> None:
    assert not router(TASKS).embeds(ask("auto"))
    assert not router(TASKS, models=Learned(classifier=Mathematician())).embeds(ask("auto:best"))


class Unlike:
    """An encoder that no packaged model was fitted to."""

    name = "another"


@pytest.mark.anyio
async def test_trained_models_are_loaded_as_far_as_a_rule_asks_for_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    encoder = MiniLM(MiniLMEncoder(), Path())  # opens nothing before its first use
    assert await learned(parse(CONFIG), encoder) == NOTHING_LEARNED
    found = await learned(parse(CONFIG + TASKS), encoder)
    assert found.classifier
    assert not found.predictor
    other: Any = Unlike()
    assert await learned(parse(CONFIG + TASKS), other) == NOTHING_LEARNED
    assert "`moorline train tasks` makes another one" in caplog.text


@pytest.mark.anyio
async def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    config = parse(CONFIG + f'task_model = "{tmp_path}"\n' + TASKS)
    with pytest.raises(ConfigError, match=r"routing\.task_model.*no model of tasks"):
        await learned(config, MiniLM(MiniLMEncoder(), tmp_path))
