"""Which targets, in what order."""

from __future__ import annotations

import pytest

from routing.config import Deployment, ModelAlias, RoutingConfig, Rule
from routing.features import Features, features
from routing.plan import Catalogue, NoSuchModel, plan
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
PLAIN = Features("question", "simple", grounded=True, tokens=20)


def chosen(model: str, seen: Features = PLAIN, **config: object) -> Plan:
    return plan(model, seen, CATALOGUE, RoutingConfig.model_validate(config))


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
    both, below = plan("mini-pool", PLAIN, catalogue, RoutingConfig()).groups
    assert both == Group("mini-pool", (LOCAL, MINI), "weighted", (1.0, 3.0))
    assert below == Group("cloud/large", (LARGE,))  # gpu/mini has had its turn


def test_a_group_shrinks_to_what_a_key_may_use() -> None:
    alias = ModelAlias(use=(Deployment(to="gpu/mini", weight=2), "cloud/mini"), balance="weighted")
    catalogue = Catalogue(CATALOGUE.targets, {"pool": alias})
    (group,) = plan(
        "auto", PLAIN, catalogue, RoutingConfig(default=("pool",)), ("gpu/mini",)
    ).groups
    assert (group.targets, group.weights) == ((LOCAL,), (2.0,))
    whole = plan("pool", PLAIN, catalogue, RoutingConfig(), allowed=("pool",))
    assert whole.targets == (LOCAL, MINI)


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


def test_the_first_rule_that_holds_decides() -> None:
    rules = [
        Rule(name="hard", complexity="complex", use=("cloud/large",)),
        Rule(name="documents", grounded=True, use=("gpu/mini",)),
    ]
    easy = chosen("auto", rules=rules)
    hard = chosen("auto", Features("question", "complex", True, 20), rules=rules)
    assert (easy.reason, easy.targets) == ("rule:documents", (LOCAL,))
    assert (hard.reason, hard.targets) == ("rule:hard", (LARGE,))


def test_a_rule_may_ask_for_task_and_length() -> None:
    rules = [Rule(name="long code", tasks=("code",), min_tokens=1000, use=("cloud/large",))]
    assert chosen("auto", Features("code", "simple", False, 999), rules=rules).reason == "default"
    assert chosen("auto", Features("code", "simple", False, 1000), rules=rules).targets == (LARGE,)


def test_the_last_resort_comes_last_and_once() -> None:
    assert chosen("cloud/large", last_resort=["gpu/mini", "cloud/large"]).targets == (LARGE, LOCAL)


def test_a_key_that_may_not_use_a_model_does_not_see_it() -> None:
    config = RoutingConfig()
    assert plan("auto", PLAIN, CATALOGUE, config, allowed=("gpu/mini",)).targets == (LOCAL,)
    with pytest.raises(NoSuchModel):
        plan("cloud/large", PLAIN, CATALOGUE, config, allowed=("gpu/mini",))


def test_the_window_of_a_plan_is_the_smallest() -> None:
    both = chosen("support")
    assert (both.window, both.max_output) == (4_000, 500)


@pytest.mark.parametrize(
    ("question", "task"),
    [
        ("Refactor this function to use a generator", "code"),
        ("```py\nprint(1)\n``` what does it print?", "code"),
        ("What is the derivative of x^2?", "mathematics"),
        ("Summarize the returns policy", "summary"),
        ("List all part numbers as JSON", "extraction"),
        ("Write a haiku about anchors", "creative"),
        ("hello there", "conversation"),
        ("How long may I return goods in the EU?", "question"),
    ],
)
def test_tasks_are_told_apart(question: str, task: str) -> None:
    assert features(question, grounded=True, tokens=10).task == task


@pytest.mark.parametrize(
    ("question", "complexity"),
    [
        ("What is the return window?", "simple"),
        ("Compare the EU and US returns policies and explain how they differ", "complex"),
        (" ".join(["word"] * 80), "complex"),
    ],
)
def test_complexity_is_told_apart(question: str, complexity: str) -> None:
    assert features(question, grounded=True, tokens=10).complexity == complexity
