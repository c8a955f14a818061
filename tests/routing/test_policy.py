"""Which targets, in what order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.catalogue import Catalogue, NoSuchModel
from routing.choice import Expected
from routing.config import Deployment, ModelAlias, RoutingConfig
from routing.constraints import Needs, NothingFits
from routing.policy import Enough, Policy, Route
from routing.rules import Signals
from routing.types import Group, Plan, Target

MINI = Target("cloud", "mini", 8_000, 1_000)
LARGE = Target("cloud", "large", 128_000, 4_000)
LOCAL = Target("gpu", "mini", 4_000, 500)
CATALOGUE = Catalogue(
    {t.name: t for t in (MINI, LARGE, LOCAL)},
    {
        "support": ModelAlias(use=("gpu/mini", "cloud/large")),
        "best": ModelAlias(use=("support", "cloud/mini")),
    },
)
PLAIN: Signals = {"task": "question", "complexity": "simple", "grounded": True, "tokens": 20}
COSTS = {"cloud/mini": 0.1, "cloud/large": 5.0, "gpu/mini": 0.2}
SECONDS = {"cloud/mini": 2.0, "cloud/large": 3.0, "gpu/mini": 1.0}


def outlook(target: Target) -> Expected:
    return Expected(COSTS[target.name], SECONDS[target.name], target.quality)


def routed(
    model: str,
    signals: Signals | None = None,
    needs: Needs | None = None,
    catalogue: Catalogue = CATALOGUE,
    enough: Enough | None = None,
    **config: Any,
) -> Route:
    policy = Policy(catalogue, RoutingConfig.model_validate(config), enough)
    return policy.route(model, {**PLAIN, **(signals or {})}, needs or Needs(), outlook)


def chosen(model: str, signals: Signals | None = None, **config: Any) -> Plan:
    return routed(model, signals, **config).plan


@pytest.mark.parametrize(
    ("model", "targets"),
    [
        ("support", (LOCAL, LARGE)),
        ("best", (LOCAL, LARGE, MINI)),  # an alias of an alias, nothing twice
        ("cloud/large", (LARGE,)),
        ("mini", (MINI, LOCAL)),  # a bare name: whoever serves it, as configured
        ("auto", (MINI, LOCAL)),  # no rules: the first model of each provider
    ],
)
def test_names_resolve_to_targets_in_order(model: str, targets: tuple[Target, ...]) -> None:
    assert chosen(model).targets == targets


def test_deployments_of_one_model_are_one_group_and_fallbacks_come_below() -> None:
    alias = ModelAlias(
        use=("gpu/mini", Deployment(to="cloud/mini", weight=3)),
        balance="weighted",
        fallbacks=("cloud/large", "gpu/mini"),
    )
    catalogue = Catalogue(CATALOGUE.targets, {"mini-pool": alias})
    both, below = routed("mini-pool", catalogue=catalogue).plan.groups
    assert both == Group("mini-pool", (LOCAL, MINI), "weighted", (1.0, 3.0))
    assert below == Group("cloud/large", (LARGE,))  # gpu/mini has had its turn


def test_a_group_shrinks_to_what_a_key_may_use() -> None:
    alias = ModelAlias(use=(Deployment(to="gpu/mini", weight=2), "cloud/mini"), balance="weighted")
    catalogue = Catalogue(CATALOGUE.targets, {"pool": alias})
    mine = Needs(allowed=("gpu/mini",))
    (group,) = routed("auto", needs=mine, catalogue=catalogue, default=["pool"]).plan.groups
    assert (group.targets, group.weights) == ((LOCAL,), (2.0,))
    whole = routed("pool", needs=Needs(allowed=("pool",)), catalogue=catalogue)
    assert whole.plan.targets == (LOCAL, MINI)


def test_what_is_left_after_a_target_is_its_group_and_those_below() -> None:
    pool = Group("pool", (LOCAL, MINI), "weighted", (1.0, 3.0))
    whole = Plan((pool, Group("cloud/large", (LARGE,))), "named")
    assert whole.after(LOCAL).groups == (
        Group("pool", (MINI,), "weighted", (3.0,)),
        whole.groups[1],
    )
    assert whole.after(LARGE).targets == ()


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(NoSuchModel):
        chosen("gpt-9")


TIERS: dict[str, Any] = {"cheap": ["gpu/mini"], "strong": ["cloud/large"]}
HARD = {"name": "hard", "when": "complexity = 'complex'", "use": ["cloud/large"]}
DOCUMENTS = {"name": "documents", "when": "grounded = true", "use": ["gpu/mini"]}


def test_the_first_rule_that_holds_decides() -> None:
    easy = chosen("auto", rules=[HARD, DOCUMENTS])
    hard = chosen("auto", {"complexity": "complex"}, rules=[HARD, DOCUMENTS])
    assert (easy.reason, easy.targets) == ("rule:documents", (LOCAL,))
    assert (hard.reason, hard.targets) == ("rule:hard", (LARGE,))


def test_a_rule_none_of_whose_models_may_be_asked_is_passed_over() -> None:
    mine = Needs(allowed=("gpu/mini",))
    route = routed("auto", {"complexity": "complex"}, mine, rules=[HARD, DOCUMENTS])
    assert (route.plan.reason, route.plan.targets) == ("rule:documents", (LOCAL,))
    assert [each.constraint for each in route.excluded] == ["allowed"]


def test_the_region_of_a_rule_holds_for_what_is_tried_instead() -> None:
    at_home = {**HARD, "region": "EU"}
    hard: Signals = {"complexity": "complex"}
    route = routed("auto", hard, catalogue=PLACED, rules=[at_home], default=["us/mini", "eu/mini"])
    assert [target.name for target in route.plan.targets] == ["eu/mini"]
    assert route.plan.within == ("EU",)
    with pytest.raises(NothingFits, match="us/mini runs in US, not in EU"):
        routed("auto", hard, catalogue=PLACED, rules=[at_home], default=["us/mini"])


def test_a_task_has_a_model_of_its_own_where_no_rule_holds() -> None:
    tasks = {"code": {"use": ["cloud/large"]}}
    code = chosen("auto", {"task": "code"}, tasks=tasks)
    assert (code.reason, code.targets) == ("task:code", (LARGE,))
    assert chosen("auto", tasks=tasks).reason == "default"


@pytest.mark.parametrize(
    ("p_cheap", "reason", "first"),
    [(0.8, "cheap", LOCAL), (0.7, "cheap", LOCAL), (0.6, "strong", LARGE)],
)
def test_the_cheap_model_is_asked_where_it_will_probably_do(
    p_cheap: float, reason: str, first: Target
) -> None:
    route = routed("auto", {"p_cheap": p_cheap}, enough=lambda p: p >= 0.7, **TIERS)
    assert (route.plan.reason, route.plan.targets[0]) == (reason, first)
    assert len(route.plan.targets) == 2  # the other one is the fallback


def test_words_tell_a_hard_question_where_no_probability_is_known() -> None:
    assert chosen("auto", {"complexity": "complex"}, **TIERS).reason == "strong"
    assert chosen("auto", **TIERS).reason == "cheap"


def test_a_rule_and_a_task_say_how_the_answer_is_made() -> None:
    rules = [{**HARD, "strategy": "self_consistency"}]
    own = {"use": ["best"], "strategy": "chain_of_thought", "prompt": "sums"}
    tasks = {"mathematics": own}
    hard = chosen("auto", {"complexity": "complex"}, rules=rules, tasks=tasks)
    assert hard.strategy == "self_consistency"
    assert hard.after(hard.targets[0]).strategy == "self_consistency"
    counted = chosen("auto", {"task": "mathematics"}, rules=rules, tasks=tasks)
    assert (counted.strategy, counted.prompt) == ("chain_of_thought", "sums")
    assert hard.prompt is None
    assert chosen("auto", rules=rules, tasks=tasks).strategy is None


def steps(plan: Plan) -> list[list[str]]:
    """What is asked first, then where that is doubtful, and so on."""
    names = [target.name for target in plan.targets]
    return [names, *(steps(plan.stronger) if plan.stronger else [])]


def test_in_a_cascade_the_strong_model_is_above_the_cheap_one() -> None:
    plan = chosen("auto", cascade={"enabled": True}, last_resort=["cloud/mini"], **TIERS)
    assert plan.reason == "cascade:cheap"
    last = "cloud/mini"
    assert steps(plan) == [["gpu/mini", "cloud/large", last], ["cloud/large", last]]
    hard = chosen("auto", {"complexity": "complex"}, cascade={"enabled": True}, **TIERS)
    assert (hard.reason, hard.stronger) == ("strong", None)


def test_a_rule_may_cascade_through_all_that_it_uses() -> None:
    rule = {**DOCUMENTS, "use": ["cloud/mini", "gpu/mini", "cloud/large"], "cascade": True}
    plan = chosen("auto", rules=[rule])
    assert plan.reason == "cascade:rule:documents"
    assert [len(names) for names in steps(plan)] == [3, 2, 1]


def test_what_is_left_of_a_cascade_for_one_model_is_none() -> None:
    rule = {**DOCUMENTS, "use": ["gpu/mini", "cloud/large"], "cascade": True}
    plan = routed("auto", needs=Needs(allowed=("cloud/large",)), rules=[rule]).plan
    assert (plan.reason, plan.stronger) == ("rule:documents", None)


def test_the_last_resort_comes_last_and_once() -> None:
    assert chosen("cloud/large", last_resort=["gpu/mini", "cloud/large"]).targets == (LARGE, LOCAL)


def test_a_key_that_may_not_use_a_model_does_not_see_it() -> None:
    mine = Needs(allowed=("gpu/mini",))
    assert routed("auto", needs=mine).plan.targets == (LOCAL,)
    with pytest.raises(NoSuchModel):
        routed("cloud/large", needs=mine)


ALIAS = Needs(allowed=("support",))


def test_an_alias_that_is_allowed_leads_to_its_models_and_no_further() -> None:
    assert routed("support", needs=ALIAS, last_resort=["cloud/mini"]).plan.targets == (LOCAL, LARGE)
    cheap = routed("auto:cheap", needs=Needs(allowed=("support", "auto:fast"))).plan
    assert cheap.targets == (LOCAL, LARGE)
    whole = routed("auto:cheap", needs=Needs(allowed=("auto:cheap",))).plan
    assert whole.targets == (MINI, LOCAL, LARGE)


def test_a_rule_that_uses_an_allowed_alias_serves_auto() -> None:
    plan = routed("auto", needs=ALIAS, rules=[{**DOCUMENTS, "use": ["support"]}]).plan
    assert (plan.reason, plan.targets) == ("rule:documents", (LOCAL, LARGE))


def test_what_stands_behind_an_allowed_alias_has_no_name_for_the_key() -> None:
    with pytest.raises(NoSuchModel):
        routed("cloud/large", needs=ALIAS)
    assert routed("support", needs=ALIAS).plan.secret
    assert not routed("mini", needs=Needs(allowed=("mini",))).plan.secret
    assert not routed("support").plan.secret


def test_auto_that_is_allowed_leads_wherever_its_rules_lead() -> None:
    needs = Needs(allowed=("auto",))
    plan = routed("auto", needs=needs, rules=[DOCUMENTS], last_resort=["cloud/large"]).plan
    assert plan.targets == (LOCAL, LARGE)
    with pytest.raises(NoSuchModel):
        routed("support", needs=needs)


def test_the_window_of_a_plan_is_the_smallest() -> None:
    both = chosen("support")
    assert (both.window, both.max_output) == (4_000, 500)


JUDGED = Catalogue(
    {
        t.name: t
        for t in (
            replace(LARGE, quality=0.9),
            replace(MINI, quality=0.5),
            LOCAL,
            Target("extractive", "extractive", 32_000, 500, built_in=True),
        )
    }
)
COSTS["extractive/extractive"] = SECONDS["extractive/extractive"] = 0.0


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("auto:cheap", ["cloud/mini", "gpu/mini", "cloud/large"]),
        ("auto:fast", ["gpu/mini", "cloud/mini", "cloud/large"]),
        ("auto:best", ["cloud/large", "cloud/mini", "gpu/mini"]),  # what is not declared is last
    ],
)
def test_one_figure_orders_all_models_and_what_only_quotes_comes_last(
    name: str, order: list[str]
) -> None:
    plan = routed(name, catalogue=JUDGED).plan
    assert plan.reason == name
    assert [target.name for target in plan.targets] == [*order, "extractive/extractive"]


def test_deployments_of_one_model_are_weighed_as_one() -> None:
    alias = ModelAlias(use=("gpu/mini", "cloud/mini"), balance="latency", quality=1.0)
    catalogue = Catalogue(JUDGED.targets, {"pool": alias})
    first, *_ = routed("auto:best", catalogue=catalogue).plan.groups
    assert first == Group("pool", (LOCAL, replace(MINI, quality=0.5)), "latency", (1.0, 1.0))


@pytest.mark.parametrize(
    ("weights", "first"),
    [
        ({}, "gpu/mini"),  # as they are written
        ({"cost": 1}, "cloud/mini"),
        ({"cost": 1, "quality": 3}, "cloud/large"),
        ({"latency": 1, "cost": 0.1}, "gpu/mini"),
    ],
)
def test_weights_order_what_a_rule_leaves(weights: dict[str, float], first: str) -> None:
    names = ["gpu/mini", "cloud/large", "cloud/mini"]
    route = routed("auto", catalogue=JUDGED, default=names, weights=weights)
    assert route.choices[0].name == first


PLACED = Catalogue(
    {
        t.name: t
        for t in (
            Target("eu", "mini", 8_000, 1_000, region="EU"),
            Target("eu-west", "large", 8_000, 1_000, region="EU-west"),
            Target("us", "mini", 8_000, 1_000, region="US"),
            Target("somewhere", "mini", 8_000, 1_000),
            Target("extractive", "extractive", 32_000, 500, built_in=True),
            replace(LARGE, region="US"),
        )
    }
)
COSTS |= dict.fromkeys(PLACED.targets.keys() - COSTS.keys(), 1.0)
SECONDS |= dict.fromkeys(PLACED.targets.keys() - SECONDS.keys(), 1.0)


def test_what_has_to_be_answered_in_a_region_is_asked_nowhere_else() -> None:
    plan = routed("auto:cheap", needs=Needs(regions=("eu",)), catalogue=PLACED).plan
    assert [target.provider for target in plan.targets] == ["eu", "eu-west", "extractive"]


def test_a_model_that_was_named_is_held_to_the_region_too() -> None:
    with pytest.raises(NothingFits, match="its region is not known, not in eu"):
        routed("somewhere/mini", needs=Needs(regions=("eu",)), catalogue=PLACED)


def test_a_long_input_goes_to_a_model_with_the_window() -> None:
    route = routed("auto:cheap", needs=Needs(tokens=7_500))
    assert route.plan.targets == (LARGE,)
    assert {each.constraint for each in route.excluded} == {"window"}


def test_a_bound_that_the_request_sets_has_to_fit_too() -> None:
    assert routed("auto:cheap", needs=Needs(tokens=100, answer=7_950)).plan.targets == (LARGE,)


def test_a_model_that_lacks_what_is_needed_is_not_asked() -> None:
    needs = Needs(lacking=lambda target: {"vision"} if target == MINI else set())
    assert MINI not in routed("auto:cheap", needs=needs).plan.targets


# Whatever rules and weights say ------------------------------------------------------------------

NAMES = ["a/one", "a/two", "b/one", "b/two", "c/one", "extractive/extractive"]
targets = st.fixed_dictionaries(
    {
        name: st.builds(
            Target,
            st.just(name.partition("/")[0]),
            st.just(name.partition("/")[2]),
            st.sampled_from([2_000, 8_000, 100_000]),
            st.sampled_from([500, 4_000]),
            st.sampled_from(["", "EU", "EU-west", "US"]),
            quality=st.none() | st.floats(0, 1),
            built_in=st.just(name.startswith("extractive")),
        )
        for name in NAMES
    }
)
conditions = st.sampled_from(
    ["", "task = 'code'", "not region exists", "tokens > 5000 or p_cheap < 0.5", "team in ('x')"]
)
some = st.lists(st.sampled_from([*NAMES, "alias", "pool"]), min_size=1, max_size=3)
rules = st.builds(
    lambda when, use, region: {"name": "r", "when": when, "use": use, "region": region},
    conditions,
    some,
    st.sampled_from(["", "EU"]),
)
weights = st.fixed_dictionaries(
    {name: st.sampled_from([0, 0.5, 2]) for name in ("cost", "latency", "quality")}
)
needed = st.builds(
    Needs,
    allowed=st.lists(st.sampled_from([*NAMES, "auto", "alias"]), max_size=3).map(tuple),
    regions=st.lists(st.sampled_from(["eu", "us"]), max_size=1).map(tuple),
    tokens=st.sampled_from([0, 1_000, 7_000, 50_000]),
    answer=st.sampled_from([None, 100, 5_000]),
    lacking=st.sampled_from([None, lambda target: {"tools"} if target.provider == "b" else ()]),
)
signals = st.fixed_dictionaries(
    {},
    optional={
        "task": st.sampled_from(["code", "question"]),
        "p_cheap": st.floats(0, 1),
        "tokens": st.integers(0, 9_000),
        "region": st.just(("eu",)),
    },
)


@given(
    targets,
    st.lists(rules, max_size=3),
    weights,
    needed,
    signals,
    st.sampled_from(["auto", "auto:cheap", "auto:best", "auto:fast", "alias", "pool", "a/one"]),
    st.booleans(),
)
def test_no_rule_and_no_weight_leads_past_a_hard_constraint(
    targets: dict[str, Target],
    rules: list[dict[str, object]],
    weights: dict[str, float],
    needs: Needs,
    signals: Signals,
    model: str,
    tiers: bool,
) -> None:
    aliases = {
        "alias": ModelAlias(use=("a/one", "b/two"), fallbacks=("c/one",)),
        "pool": ModelAlias(use=("a/two", "b/one"), balance="cheapest", quality=0.7),
    }
    config = {"rules": rules, "weights": weights, "last_resort": ["extractive/extractive"]}
    if tiers:
        config |= {"cheap": ["pool"], "strong": ["alias"]}
    policy = Policy(Catalogue(targets, aliases), RoutingConfig.model_validate(config))
    try:
        plan = policy.route(model, signals, needs, lambda t: Expected(1.0, None, t.quality)).plan
    except (NoSuchModel, NothingFits):
        return
    reached = {
        "auto": {name for name in NAMES if model == "auto"},
        "alias": {"a/one", "b/two", "c/one"},
    }
    extra = set[str]().union(*(reached.get(name, set()) for name in needs.allowed))
    may = replace(needs, allowed=(*needs.allowed, *extra))
    assert [target.name for target in plan.targets if may.excluded(target)] == []
    assert len(set(plan.targets)) == len(plan.targets)
