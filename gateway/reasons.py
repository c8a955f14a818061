"""Why a request goes where it goes: the router's own decision, with all that it was made by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import GatewayError
from gateway.routes import Router, told
from gateway.tracing.trace import Span
from gateway.types import Ask, Caller
from retrieval.types import Query
from routing.choice import Choice
from routing.config import RoutingConfig
from routing.policy import Route
from routing.rules import SIGNALS


@dataclass(frozen=True, slots=True)
class Tried:
    """A rule, and whether it holds."""

    name: str
    when: str
    held: bool


@dataclass(frozen=True, slots=True)
class Reasons:
    """All of it. Where nothing may be asked, `refused` says so and the rest is empty."""

    model: str
    signals: Mapping[str, Any]
    rules: tuple[Tried, ...]
    reason: str = ""
    why: str = ""  # the first is first
    candidates: tuple[Mapping[str, Any], ...] = ()  # in their order, with what is expected of them
    targets: tuple[str, ...] = ()  # in the order of trying, the last resort included
    excluded: Mapping[str, str] | None = None  # and why each was
    refused: str = ""


def reasons(
    router: Router, caller: Caller, ask: Ask, grounded: bool, query: Query | None = None
) -> Reasons:
    """What would be done with a request, and why."""
    span = Span("route", 0)
    try:
        route = router.route(caller, ask, grounded, span, query)
    except GatewayError as error:
        signals, rules = _seen(router, span)
        return Reasons(ask.model, signals, rules, refused=error.message)
    signals, rules = _seen(router, span)
    outlook = router.outlook(ask)
    weighed = [router.policy.weighed(choice, outlook) for choice in route.choices]
    return Reasons(
        model=ask.model,
        signals=signals,
        rules=rules,
        reason=route.plan.reason,
        why=_why(router.config, route, weighed, signals),
        candidates=tuple(told(choice) | {"targets": _targets(choice)} for choice in weighed),
        targets=tuple(target.name for target in route.plan.targets),
        excluded={each.target.name: each.why for each in route.excluded},
    )


def _seen(router: Router, span: Span) -> tuple[Mapping[str, Any], tuple[Tried, ...]]:
    """What the router looked at, and what that made of each rule."""
    signals = {name: span.attributes[name] for name in SIGNALS if name in span.attributes}
    if not signals:
        return {}, ()  # a model was named, or one figure is to decide
    held = router.policy.held(signals)
    return signals, tuple(Tried(rule.name, rule.when, holds) for rule, holds in held)


def _targets(choice: Choice) -> list[str]:
    return [target.name for group in choice.groups for target in group.targets]


def _why(
    config: RoutingConfig, route: Route, weighed: list[Choice], signals: Mapping[str, Any]
) -> str:
    reason = route.plan.reason
    if not weighed:
        return "only the last resort may be asked"
    match reason.removeprefix("cascade:").partition(":"):
        case ("named", _, _):
            return "it was named"
        case ("auto", _, by):
            figure = {
                "cheap": "its expected cost is the least",
                "fast": "its expected latency is the least",
                "best": "its declared quality is the highest",
            }
            asked = [choice for choice in weighed if not choice.built_in]
            return f"{figure[by]} of {len(asked)}" if asked else "nothing else may be asked"
        case ("cheap" | "strong", _, _):
            return _judged(config, reason.removeprefix("cascade:"), signals)
    weights = config.weights.model_dump(exclude_defaults=True)
    if weights and len(weighed) > 1:
        weighing = ", ".join(f"{name} × {weight:g}" for name, weight in weights.items())
        return f"it is the best by {weighing}"
    return "it is the first that may be asked, in the configuration's order"


def _judged(config: RoutingConfig, reason: str, signals: Mapping[str, Any]) -> str:
    if "p_cheap" not in signals:
        return f"the question's words are those of a {signals['complexity']} one"
    wanted = (
        f"strong_share = {config.strong_share:g}"
        if config.strong_share is not None
        else f"quality_floor = {config.quality_floor:g}"
    )
    enough = "enough" if reason == "cheap" else "not enough"
    return f"the cheap model will do with p = {signals['p_cheap']:.2f}: {enough} for {wanted}"
