"""Which model answers: the folder `routing` decides, this module asks it and says it in HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import UnknownModel
from gateway.tracing.trace import Span
from gateway.types import Ask, Caller
from routing.config import RoutingConfig
from routing.features import features
from routing.plan import Catalogue, NoSuchModel, plan
from routing.types import Plan

CHARACTERS_PER_TOKEN = 4  # near enough to tell a long input from a short one


@dataclass(frozen=True, slots=True)
class Router:
    """Plans a request's route."""

    catalogue: Catalogue
    config: RoutingConfig

    def plan(self, caller: Caller, ask: Ask, grounded: bool, span: Span) -> Plan:
        """The targets in the order of trying. Raises UnknownModel."""
        length = sum(len(m["content"]) for m in ask.messages if isinstance(m.get("content"), str))
        seen = features(ask.question, grounded=grounded, tokens=length // CHARACTERS_PER_TOKEN)
        try:
            chosen = plan(ask.model, seen, self.catalogue, self.config, caller.models)
        except NoSuchModel:
            raise UnknownModel(
                f"The model '{ask.model}' does not exist or is not allowed for this key.",
                param="model",
            ) from None
        span.set(
            reason=chosen.reason,
            targets=[target.name for target in chosen.targets],
            task=seen.task,
            complexity=seen.complexity,
        )
        return chosen
