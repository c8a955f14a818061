"""Which model answers: the folder `routing` decides, this module finds out what it decides by, and
says in HTTP why nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, get_args

from gateway.adapters.names import BadName, reference
from gateway.adapters.targets import AdapterTargets
from gateway.config import ConfigError
from gateway.deployments import Deployments
from gateway.errors import (
    IN_PARTS,
    Forbidden,
    GatewayError,
    InvalidRequest,
    PromptTooLong,
    UnknownModel,
)
from gateway.fitting import NOTHING_TO_FIT, Fitting
from gateway.providers.capabilities import needs
from gateway.providers.prices import Prices
from gateway.sizes import USUAL_ANSWER, most_tokens_of_answer, tokens_of
from gateway.tracing.trace import Span
from gateway.types import Ask, Caller, Usage
from retrieval.language import language
from retrieval.types import Query, Scalar, Vector
from routing.catalogue import ADAPTER, AUTO, AUTO_BY, Catalogue, NoSuchModel
from routing.choice import Choice, Expected, Outlook
from routing.config import RoutingConfig, Task
from routing.constraints import Constraint, Excluded, Needs, NothingFits
from routing.features import complexity_by_words, task_by_words
from routing.policy import Enough, Policy, Route
from routing.rules import Signals
from routing.types import Plan, Target

MOST_NAMED = 1000  # plans that are remembered


class Predictor(Protocol):
    """Reads a question and its one embedding."""

    def cheap_will_do(self, question: str, vector: Vector) -> float:
        """The probability that the cheap model will do."""
        ...


class Classifier(Protocol):
    """The same, for what is asked for."""

    def task(self, question: str, vector: Vector) -> Task:
        """What the request is for."""
        ...


@dataclass(frozen=True, slots=True)
class Learned:
    """The trained models that are asked for signals; none where no rule wants theirs."""

    predictor: Predictor | None = None
    enough: Enough | None = None  # how high its probability has to be
    classifier: Classifier | None = None


NOTHING_LEARNED = Learned()


class Router:
    """Plans a request's route."""

    def __init__(
        self,
        catalogue: Catalogue,
        config: RoutingConfig,
        fitting: Fitting = NOTHING_TO_FIT,
        prices: Prices | None = None,
        deployments: Deployments | None = None,
        learned: Learned = NOTHING_LEARNED,
        adapters: AdapterTargets | None = None,
    ) -> None:
        """Raises ConfigError for a model that is not configured."""
        self.catalogue = catalogue
        self.adapters = adapters
        self.policy = Policy(catalogue, config, learned.enough)
        self._learned = learned
        self.config = config
        self._fitting = fitting
        self._prices = prices or Prices({})
        self._deployments = deployments or Deployments()
        self._named: dict[tuple[str, ...], Plan] = {}
        """Plans for models that were named, by name, regions, and what the caller may use."""
        self._led: dict[str, tuple[str, ...]] = {}
        """The adapters that names of the configuration lead to."""
        self._names = frozenset(catalogue.names()) | {t.model for t in catalogue.targets.values()}
        for name in (*catalogue.aliases, *config.named):
            _check(catalogue, name)

    async def warm(self) -> None:
        """Load what rules ask for, so that no request waits for it."""
        if "language" in self.policy.asked:
            await asyncio.to_thread(language, "warm up")

    def embeds(self, ask: Ask) -> bool:
        """Whether the question's embedding is asked for."""
        return ask.model == AUTO and self._learned != NOTHING_LEARNED

    def adapted(self, caller: Caller, ask: Ask) -> Ask:
        """The request with the adapters that it may lead to, as their names stand at this moment:
        whatever is decided or kept for it later goes by these. Raises UnknownModel, and
        InvalidRequest for an adapter of another model than is named beside it."""
        model = self._beside(caller, ask) if ask.adapter else ask.model
        if model not in self._names and self._adapter(caller, model):
            model = ADAPTER + model
        led = self._led.get(model)
        if led is None:
            led = self._led_to(model)
            if model in self._names:  # others are as many as clients make up
                self._led[model] = led
        found = {name: target for name in led if (target := self._adapter(caller, name))}
        if not (found or ask.adapter):
            return ask
        return replace(ask, model=model, adapter="", adapters=found)

    def named_adapter(self, caller: Caller, name: str) -> Target | None:
        """The adapter that a caller may ask for by a name."""
        may = name not in self._names and Needs(caller.models).lists(name)
        return self._adapter(caller, name) if may else None

    def plan(
        self, caller: Caller, ask: Ask, grounded: bool, span: Span, query: Query | None = None
    ) -> Plan:
        """The targets in the order of trying. Raises UnknownModel; Forbidden, InvalidRequest or
        PromptTooLong where none of them may be asked."""
        regions = self.regions(caller, ask.region)
        key = (ask.model, *regions, "", *caller.models)
        if ask.adapters:
            meant = (f"{name}={target.name}" for name, target in ask.adapters.items())
            key = (*key, "", *meant)
        plan = self._named.get(key)
        if plan is None:
            route = self.route(caller, ask, grounded, span, query)
            plan = route.plan
            if not automatic(ask):
                if len(self._named) == MOST_NAMED:  # a request may ask for any region
                    self._named.clear()
                self._named[key] = plan
        if ask.tried:
            plan = plan.tried(ask.tried)
        span.set(reason=plan.reason, targets=[target.name for target in plan.targets])
        return plan

    def route(
        self, caller: Caller, ask: Ask, grounded: bool, span: Span, query: Query | None = None
    ) -> Route:
        """The same with how it came about, which is noted in the span. Raises what `plan` does."""
        signals: Signals = {}
        wanted = Needs(caller.models, self.regions(caller, ask.region), adapters=ask.adapters or {})
        # A model that was named is respected: what the request looks like does not matter.
        if automatic(ask):
            wanted = self.wanted(caller, ask)
            if ask.model == AUTO:
                signals = self.signals(caller, ask, grounded, self.policy.asked)
                if query:
                    signals = {**signals, **self._told(query)}
                span.set(**signals)
        try:
            route = self.policy.route(ask.model, signals, wanted, self.outlook(ask))
        except NoSuchModel:
            raise _unknown(ask.model.removeprefix(ADAPTER)) from None
        except NothingFits as error:
            raise self._refused(caller, ask, error.excluded) from None
        if route.excluded:
            span.set(excluded={each.target.name: each.why for each in route.excluded})
        if any(choice.expected != Expected() for choice in route.choices):
            span.set(candidates=[told(choice) for choice in route.choices])
        return route

    def wanted(self, caller: Caller, ask: Ask) -> Needs:
        """All that a request cannot do without."""
        # A long document is read in parts that are cut to whichever window there is.
        tokens = 0 if ask.long_document else tokens_of(ask.messages)
        regions, lacking = self.regions(caller, ask.region), self._fitting.lacking(ask)
        answer, adapters = most_tokens_of_answer(ask), ask.adapters or {}
        return Needs(caller.models, regions, tokens, answer, lacking, adapters)

    def outlook(self, ask: Ask) -> Outlook:
        """What is expected of an answer to a request: its price by the input's estimated tokens
        and a usual answer, its latency as it was measured, or else declared."""
        tokens = tokens_of(ask.messages)
        usage = Usage(tokens, min(most_tokens_of_answer(ask) or USUAL_ANSWER, USUAL_ANSWER) * ask.n)

        def expected(target: Target) -> Expected:
            known = self._prices.known(target.name)
            cost = self._prices.cost(target.name, usage) if known else None
            measured = self._deployments.latency(target, ask.stream)
            latency = target.latency if measured is None else measured
            return Expected(cost, latency, target.quality)

        return expected

    def regions(self, caller: Caller, asked: str = "") -> tuple[str, ...]:
        """Where a request has to be answered; the caller's, the team's and the one that it asks for
        itself all hold."""
        if not (caller.region or asked or self.config.regions):
            return ()
        wanted = (caller.region, self.config.regions.get(caller.team), asked)
        return tuple(dict.fromkeys(each.casefold() for each in wanted if each))

    def signals(
        self, caller: Caller, ask: Ask, grounded: bool | None, asked: Collection[str]
    ) -> Signals:
        """What rules may ask about; what takes a while only where it is `asked`."""
        tokens = tokens_of(ask.messages)
        signals: dict[str, Scalar | tuple[str, ...]] = {}
        if "task" in asked:
            signals["task"] = task_by_words(ask.question)
        if "complexity" in asked:
            signals["complexity"] = complexity_by_words(ask.question)
        signals |= {
            "tokens": tokens,
            "team": caller.team,
            "key": caller.key,
            "region": self.regions(caller, ask.region),
            "model": ask.model,
        }
        if grounded is not None:
            signals["grounded"] = grounded
        if "language" in asked:
            signals["language"] = language(ask.question)
        if "images" in asked or "tools" in asked:
            needed = needs(ask.params, ask.messages)
            signals |= {"images": "vision" in needed, "tools": "tools" in needed}
        return signals

    def _adapter(self, caller: Caller, name: str) -> Target | None:
        return self.adapters.of(caller.team, name) if self.adapters else None

    def _led_to(self, model: str) -> tuple[str, ...]:
        """The adapters that a name may lead to, those of the last resort included."""
        config, catalogue = self.config, self.catalogue
        names: Collection[str] = (model, *config.last_resort)
        if model == AUTO or model in AUTO_BY:
            names = (*config.named, *catalogue.aliases)
        try:
            found = [each for name in names for each in catalogue.adapters(name)]
        except NoSuchModel:
            return ()
        return tuple(dict.fromkeys(found))

    def _beside(self, caller: Caller, ask: Ask) -> str:
        """An adapter that is asked for beside a model, which has to be the one that it changes."""
        adapter = self._adapter(caller, ask.adapter)
        if adapter is None or not Needs(caller.models).lists(ask.adapter):
            raise _unknown(ask.adapter, "adapter_id")
        if not automatic(ask):
            try:
                of_model = {target.name for target in self.catalogue.resolve(ask.model)}
            except NoSuchModel:
                raise _unknown(ask.model) from None
            if adapter.adapts not in of_model:
                raise InvalidRequest(
                    f"'{ask.adapter}' is no adapter of the model '{ask.model}'.", param="adapter_id"
                )
        return ADAPTER + ask.adapter

    def _told(self, query: Query) -> dict[str, Scalar]:
        """What the trained models say, as far as a rule asks for it."""
        signals: dict[str, Scalar] = {}
        if classifier := self._learned.classifier:
            signals["task"] = classifier.task(query.text, query.vector)
        if predictor := self._learned.predictor:
            p_cheap = predictor.cheap_will_do(query.text, query.vector)
            signals["p_cheap"] = round(p_cheap, 4)
        return signals

    def _refused(self, caller: Caller, ask: Ask, excluded: Sequence[Excluded]) -> GatewayError:
        """Told by what stood in the way of whoever came furthest."""
        furthest = max((each.constraint for each in excluded), key=_ORDER.index)
        what = f"No model can be asked for '{ask.model}': {self._reasons(caller, excluded)}."
        match furthest:
            case "region" if caller.region or self.config.regions.get(caller.team):
                return Forbidden(what, param="model")
            case "region":
                return InvalidRequest(what, param="moorline.region" if ask.region else "model")
            case "window":
                return PromptTooLong(f"{what} {IN_PARTS}", param="messages")
        return InvalidRequest(what, param="model")

    def _reasons(self, caller: Caller, excluded: Sequence[Excluded]) -> str:
        """By name only where the caller may know of the model."""
        shown = [
            f"{each.target.name} {each.why}"
            for each in excluded
            if Needs(caller.models).names(each.target)
        ]
        return "; ".join(shown) or _SUMMED[max((e.constraint for e in excluded), key=_ORDER.index)]


_ORDER: Sequence[Constraint] = get_args(Constraint)
_SUMMED: dict[Constraint, str] = {
    "region": "none runs where the answer has to be made",
    "ability": "none can do all that is asked for",
    "window": "no window is large enough for the input and the answer",
}


def automatic(ask: Ask) -> bool:
    """Whether the model is ours to choose."""
    return ask.model == AUTO or ask.model in AUTO_BY


def told(choice: Choice) -> dict[str, Any]:
    """A candidate with what is expected of it, for traces."""
    seen = choice.expected
    figures = {"cost_usd": seen.cost, "latency_s": seen.latency, "quality": seen.quality}
    return {"model": choice.name} | {k: round(v, 6) for k, v in figures.items() if v is not None}


def _unknown(model: str, param: str = "model") -> UnknownModel:
    why = "does not exist or is not allowed for this key."
    return UnknownModel(f"The model '{model}' {why}", param=param)


def _check(catalogue: Catalogue, name: str) -> None:
    try:
        for adapter in catalogue.adapters(name):
            reference(adapter)
    except BadName as error:
        raise ConfigError(f"`{ADAPTER}…` in `models` or `routing`: {error}") from None
    except NoSuchModel:
        known = ", ".join(catalogue.models())
        raise ConfigError(f"`routing`: no model {name!r}; there are {known}.") from None
