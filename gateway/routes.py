"""Which model answers: the folder `routing` decides, this module asks it and says it in HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.errors import UnknownModel
from gateway.tracing.trace import Span
from gateway.types import Ask, Caller
from routing.config import RoutingConfig
from routing.features import Features, features
from routing.plan import AUTO, Catalogue, NoSuchModel, plan
from routing.types import Plan

CHARACTERS_PER_TOKEN = 4  # near enough to tell a long input from a short one


@dataclass(frozen=True, slots=True)
class Router:
    """Plans a request's route."""

    catalogue: Catalogue
    config: RoutingConfig
    named: dict[tuple[str, tuple[str, ...]], Plan] = field(default_factory=dict)
    """Plans for models that were named, by name and by what the caller may use."""

    def plan(self, caller: Caller, ask: Ask, grounded: bool, span: Span) -> Plan:
        """The targets in the order of trying. Raises UnknownModel."""
        chosen = self.named.get((ask.model, caller.models)) or self._plan(
            caller, ask, grounded, span
        )
        span.set(reason=chosen.reason, targets=[target.name for target in chosen.targets])
        return chosen

    def _plan(self, caller: Caller, ask: Ask, grounded: bool, span: Span) -> Plan:
        # A model that was named is respected, so only `auto` is looked into.
        seen = self._features(ask, grounded, span) if ask.model == AUTO else None
        try:
            chosen = plan(ask.model, seen, self.catalogue, self.config, caller.models)
        except NoSuchModel:
            raise UnknownModel(
                f"The model '{ask.model}' does not exist or is not allowed for this key.",
                param="model",
            ) from None
        if seen is None:
            self.named[ask.model, caller.models] = chosen
        return chosen

    def _features(self, ask: Ask, grounded: bool, span: Span) -> Features:
        length = sum(len(m["content"]) for m in ask.messages if isinstance(m.get("content"), str))
        seen = features(ask.question, grounded=grounded, tokens=length // CHARACTERS_PER_TOKEN)
        span.set(task=seen.task, complexity=seen.complexity)
        return seen
