"""Which targets, in what order."""

from __future__ import annotations

import pytest

from routing.config import ModelAlias, RoutingConfig, Rule
from routing.features import Features, features
from routing.plan import Catalogue, NoSuchModel, plan
from routing.types import Plan, Target

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
