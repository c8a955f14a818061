"""Routing's sections of the configuration: aliases for models, and what `auto` means."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from retrieval.config import Section
from routing.types import Balance

Task = Literal[
    "code", "mathematics", "summary", "extraction", "creative", "conversation", "question"
]
Complexity = Literal["simple", "complex"]


class Deployment(Section):
    """One of the places where a model runs."""

    to: str = Field(description="`provider/model`, or an alias, all of whose targets are meant.")
    weight: float = Field(default=1, gt=0, description="Share of the requests, when weighted.")


class ModelAlias(Section):
    """A name of your own for one or more models."""

    use: tuple[str | Deployment, ...] = Field(
        min_length=1,
        description="`provider/model`: in order of trying; with `balance`, the deployments of one "
        'model. `{to = "…", weight = 3}` says more.',
    )
    balance: Balance | None = Field(
        default=None,
        description="How one of `use` is chosen: by expected latency, by requests under way, by "
        "weight, or by price. None tries them in order.",
    )
    fallbacks: tuple[str, ...] = Field(
        default=(), description="Further aliases or models, tried in order when all of `use` fail."
    )

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """`use`, each entry written out."""
        return tuple(Deployment(to=each) if isinstance(each, str) else each for each in self.use)


class Rule(Section):
    """All conditions that are set must hold; the first rule that holds decides."""

    name: str = Field(description="Shown in traces as the reason.")
    tasks: tuple[Task, ...] = Field(default=(), description="Any of these tasks; empty is all.")
    complexity: Complexity | None = Field(default=None, description="simple or complex.")
    grounded: bool | None = Field(default=None, description="Whether documents are searched.")
    min_tokens: int | None = Field(default=None, ge=0, description="At least this long an input.")
    use: tuple[str, ...] = Field(min_length=1, description="Models in the order of trying.")


class RoutingConfig(Section):
    """How `auto` chooses among the configured models."""

    rules: tuple[Rule, ...] = Field(default=(), description="Tried in order.")
    default: tuple[str, ...] = Field(
        default=(),
        description="Used when no rule holds; empty is every configured provider's first model, "
        "or `extractive` where none is configured.",
    )
    last_resort: tuple[str, ...] = Field(
        default=(), description="Appended to every plan: tried when all else has failed."
    )
