"""Requests as their caller's variant has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from context.prompts.catalogue import opened
from gateway.build import catalogue
from gateway.config import ConfigError, parse
from gateway.experiments import Experiments
from gateway.fitting import fitting
from gateway.routes import Router
from gateway.tracing.trace import Span
from gateway.types import Ask, Caller

CONFIG = """
[providers.us]
kind = "simulated"
region = "US"
[providers.eu]
kind = "simulated"
region = "EU"
[experiments.warm]
when = "model = 'auto' and task != 'code'"
[experiments.warm.variants]
cool = { share = 0.5, parameters = { temperature = 0 } }
hot = { share = 0.5, model = "us/simulated", strategy = "decompose", top_k = 3, rerank = false }
"""
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
CALLERS = [Caller(f"k_{number}", "someone") for number in range(40)]
ASK = Ask("auto", ({"role": "user", "content": "Why?"},), "Why?", {"temperature": 1})


def experiments(more: str = "", config: str = CONFIG) -> Experiments:
    whole = parse(config + more)
    fits = fitting(whole.all_providers, lambda name: None)
    return Experiments(whole.experiments, Router(catalogue(whole), whole.routing, fits), opened())


def assigned(caller: Caller, ask: Ask = ASK, of: Experiments | None = None) -> Ask:
    return (of or experiments()).assigned(caller, ask, Span("experiment", 0))[0]


def test_each_caller_has_what_his_variant_sets() -> None:
    seen = [assigned(caller) for caller in CALLERS]
    (cool,) = {(a.model, a.params["temperature"]) for a in seen if a.experiment == "warm/cool"}
    assert cool == ("auto", 0)
    (hot,) = {
        (a.model, a.tried, a.top_k, a.rerank, a.params["temperature"])
        for a in seen
        if a.experiment == "warm/hot"
    }
    assert hot == ("us/simulated", "decompose", 3, False, 1)


def test_who_was_drawn_is_known_by_a_pseudonym() -> None:
    span = Span("experiment", 0)
    _, drawn = experiments().assigned(CALLERS[0], ASK, span)
    assert drawn
    assert drawn.label in ("warm/cool", "warm/hot")
    assert CALLERS[0].key not in drawn.unit
    assert span.attributes == {"experiment": "warm", "variant": drawn.variant}


def test_the_end_user_is_drawn_where_he_is_named_and_belongs_to_his_key() -> None:
    def unit(caller: Caller, user: str | None, of: Experiments) -> str:
        ask = replace(ASK, params={"user": user} if user else {})
        _, drawn = of.assigned(caller, ask, Span("experiment", 0))
        assert drawn
        return drawn.unit

    one, other = CALLERS[:2]
    by_user = experiments()
    assert unit(one, "ann", by_user) != unit(one, "bob", by_user)
    assert unit(one, "ann", by_user) != unit(other, "ann", by_user)
    by_key = experiments(config=CONFIG.replace("when = ", 'by = "key"\nwhen = '))
    assert unit(one, "ann", by_key) == unit(one, "bob", by_key) == unit(one, None, by_key)


@pytest.mark.parametrize(
    "ask",
    [
        replace(ASK, model="eu/simulated"),
        replace(ASK, question="Refactor this function", messages=ASK.messages),
    ],
)
def test_a_request_out_of_scope_stays_as_it_is(ask: Ask) -> None:
    assert assigned(CALLERS[0], ask) == ask


@pytest.mark.parametrize(
    "barred", [{"models": ("auto", "eu/simulated")}, {"region": "EU"}], ids=["models", "region"]
)
def test_who_may_not_ask_a_variants_model_takes_no_part_in_any(barred: dict[str, Any]) -> None:
    assert {assigned(replace(each, **barred)).experiment for each in CALLERS} == {""}


@pytest.mark.parametrize(
    "beyond",
    [
        {"n": 2},
        {"params": {"tools": [{"type": "function"}]}},
        {"long_document": "auto"},
        {"messages": ({"role": "user", "content": [IMAGE]},)},
        {"messages": ({"role": "user", "content": "long " * 4_000},)},
    ],
    ids=["n", "tools", "long", "image", "window"],
)
def test_a_request_that_one_variant_cannot_serve_takes_no_part(beyond: dict[str, Any]) -> None:
    small = 'models = [{ name = "simulated", window = 4000, lacks = ["vision"] }]'
    where = 'region = "US"\n'
    running = experiments(config=CONFIG.replace(where, where + small + "\n"))
    assert {assigned(each, of=running).experiment for each in CALLERS} == {"warm/cool", "warm/hot"}
    asked = replace(ASK, **beyond)
    assert {assigned(each, asked, running).experiment for each in CALLERS} == {""}


def test_a_variant_does_not_ask_the_reranker_that_a_request_leaves_out() -> None:
    unranked = replace(ASK, rerank=False)
    assert {assigned(each, unranked).rerank for each in CALLERS} == {False}


def test_a_variants_strategy_is_the_routes_and_no_wish_of_the_request() -> None:
    wish = replace(ASK, strategy="best_of_n")
    hot = next(a for a in (assigned(c, wish) for c in CALLERS) if a.experiment == "warm/hot")
    assert (hot.strategy, hot.tried) == (None, "decompose")
    whole = parse(CONFIG)
    house = Router(catalogue(whole), whole.routing)
    assert house.plan(CALLERS[0], hot, False, Span("route", 0)).strategy == "decompose"


def test_a_request_takes_part_in_the_first_experiment_that_is_open_to_it() -> None:
    later = """
[experiments.everybody.variants]
a = { share = 0.5 }
b = { share = 0.5, prompt = "strict@v1", grounding = "strict" }
"""
    both = experiments(later)
    assert assigned(CALLERS[0], of=both).experiment.startswith("warm/")
    code = replace(ASK, question="Refactor this function")
    seen = [assigned(caller, code, both) for caller in CALLERS]
    found = {(each.experiment, each.prompt, each.grounding) for each in seen}
    assert found == {("everybody/a", "", None), ("everybody/b", "strict@v1", "strict")}


@pytest.mark.parametrize(
    ("sets", "why"),
    [
        ('model = "gone"', "`experiments.x`: no model 'gone'; there are auto"),
        ('prompt = "strict@v99"', "`experiments.x`: There is no strict@v99"),
        ('prompt = "hyde"', "`experiments.x`: 'hyde' is none of strict and open"),
    ],
)
def test_what_there_is_not_is_refused_at_the_start(sets: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        experiments(
            f"\n[experiments.x.variants]\na = {{ share = 0.5 }}\nb = {{ share = 0.5, {sets} }}"
        )
