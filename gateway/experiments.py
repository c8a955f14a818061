"""Requests as the variant has them that their caller was drawn for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from context.prompts.catalogue import Prompts
from context.prompts.template import BadPrompt
from gateway.config import ConfigError
from gateway.errors import GatewayError
from gateway.routes import Router, automatic
from gateway.tracing.trace import Span
from gateway.types import Ask, Caller
from retrieval.filters import Condition
from routing.catalogue import ADAPTER, AUTO, AUTO_BY, NoSuchModel
from routing.constraints import Needs
from routing.experiments.config import Experiment, Variant
from routing.experiments.drawing import Drawn, drawn
from routing.rules import condition, holds, names

GROUNDED = ("strict", "open")
"""The prompts of which a variant may have a version of its own."""


@dataclass(frozen=True, slots=True)
class _Running:
    name: str
    experiment: Experiment
    when: Condition
    shares: Mapping[str, float]


class Experiments:
    """All that are configured."""

    def __init__(
        self, experiments: Mapping[str, Experiment], router: Router, prompts: Prompts
    ) -> None:
        """Raises ConfigError for a model or a prompt that there is not."""
        self._router = router
        self._running = [_running(name, each) for name, each in experiments.items()]
        self._asked = frozenset[str]().union(*(names(each.when) for each in self._running))
        for each in self._running:
            self._check(each, prompts)

    def assigned(self, caller: Caller, ask: Ask, span: Span) -> tuple[Ask, Drawn | None]:
        """The request as its variant has it, and which that is."""
        signals = self._router.signals(caller, ask, None, self._asked)
        for each in self._running:
            if not (holds(each.when, signals) and self._may(each, caller, ask)):
                continue
            who = _who(each.experiment, caller, ask)
            if (found := drawn(each.name, who, each.shares)) is None:
                return ask, None
            span.set(experiment=found.experiment, variant=found.variant)
            variant = each.experiment.variants[found.variant]
            return _changed(ask, variant, found.label), found
        return ask, None

    def _may(self, running: _Running, caller: Caller, ask: Ask) -> bool:
        """Whether each variant alike can serve a request of this caller's. What one cannot serve
        takes no part in any, or the variants would have different callers."""
        variants = running.experiment.variants.values()
        if any(_breaks(each, ask) for each in variants):
            return False
        return all(self._serves(each, caller, ask) for each in variants if each.model)

    def _serves(self, variant: Variant, caller: Caller, ask: Ask) -> bool:
        router = self._router
        changed = router.adapted(caller, _changed(ask, variant, ""))
        if automatic(changed):
            try:
                router.route(caller, changed, False, Span("route", 0))
            except GatewayError:
                return False
            return True
        if not _listed(changed.model, caller):
            return False
        needs = replace(router.wanted(caller, changed), allowed=())
        meant = map(needs.filled, router.catalogue.resolve(changed.model))
        return all(target and not needs.excluded(target) for target in meant)

    def _check(self, running: _Running, prompts: Prompts) -> None:
        where = f"`experiments.{running.name}`"
        for variant in running.experiment.variants.values():
            try:
                if variant.model and variant.model not in (AUTO, *AUTO_BY):
                    self._router.catalogue.groups(variant.model)
                if variant.prompt and prompts.named(variant.prompt).name not in GROUNDED:
                    raise BadPrompt(f"{variant.prompt!r} is none of {' and '.join(GROUNDED)}.")
            except NoSuchModel:
                known = ", ".join(self._router.catalogue.names())
                why = f"no model {variant.model!r}; there are {known}."
                raise ConfigError(f"{where}: {why}") from None
            except BadPrompt as error:
                raise ConfigError(f"{where}: {error}") from None


def _running(name: str, experiment: Experiment) -> _Running:
    variants = experiment.variants
    return _Running(
        name,
        experiment,
        condition(experiment.when),
        {variant: each.share for variant, each in variants.items()},
    )


def _breaks(variant: Variant, ask: Ask) -> bool:
    """Whether what a variant sets does not go with a request."""
    if ask.adapter and variant.model:  # an adapter is one of the model that it is named beside
        return True
    if ask.long_document:
        return bool(variant.strategy or variant.grounding)
    return variant.strategy is not None and not ask.in_words


def _listed(model: str, caller: Caller) -> bool:
    """Whether the caller's key names a model, or an adapter."""
    if model.startswith(ADAPTER):
        return Needs(caller.models).lists(model.removeprefix(ADAPTER))
    return not caller.models or model in caller.models


def _who(experiment: Experiment, caller: Caller, ask: Ask) -> str:
    """A user's name means something to one key only."""
    user = ask.params.get("user") if experiment.by == "user" else None
    return f"{caller.key}\0{user}" if user else caller.key


def _changed(ask: Ask, variant: Variant, label: str) -> Ask:
    return replace(
        ask,
        experiment=label,
        model=variant.model or ask.model,
        prompt=variant.prompt or ask.prompt,
        strategy=None if variant.strategy else ask.strategy,
        tried=variant.strategy,
        grounding=variant.grounding or ask.grounding,
        top_k=variant.top_k or ask.top_k,
        rerank=ask.rerank and variant.rerank,
        params={**ask.params, **variant.parameters} if variant.parameters else ask.params,
    )
