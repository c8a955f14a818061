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


class RetryConfig(Section):
    """What failed and may pass is tried again, each time after a longer wait."""

    retries: int = Field(
        default=3, ge=0, le=10, description="Waits and new tries when nothing else is left."
    )
    retries_before_fallback: int = Field(
        default=1, ge=0, le=10, description="Waits and new tries where a fallback is left."
    )
    first_wait: float = Field(
        default=1, ge=0, description="Seconds before the first retry; doubles, with jitter."
    )
    longest_wait: float = Field(
        default=10, ge=0, description="A provider that asks for more is passed over."
    )
    retry_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="At most this share of a model's calls may be retries, so that an outage is "
        "not made worse;",
    )
    retries_per_second: float = Field(
        default=1, ge=0, description="besides it, so many a second, for where calls are few."
    )


class BreakerConfig(Section):
    """A deployment that keeps failing is not asked for a while, then by a few probes first."""

    failures: int = Field(default=5, ge=1, description="In a row, after which it opens.")
    error_rate: float = Field(
        default=0.5, gt=0, le=1, description="Share of failed calls at which it opens."
    )
    slow_seconds: float = Field(
        default=30, gt=0, description="A stream that begins later is a slow call."
    )
    slow_rate: float = Field(
        default=0.8, gt=0, le=1, description="Share of slow calls at which it opens."
    )
    minimum_calls: int = Field(
        default=20, ge=1, description="Calls within the window before a share is believed."
    )
    window: float = Field(default=60, gt=0, description="Seconds that are looked back.")
    open_seconds: float = Field(
        default=5, gt=0, description="How long it stays open; doubles when the probes fail."
    )
    longest_open: float = Field(default=300, gt=0, description="The most that this grows to.")
    probes: int = Field(
        default=2, ge=1, description="Calls let through at once when half open; so many close it."
    )


class HedgeConfig(Section):
    """A second deployment of a model is asked where the first takes unusually long; the first
    answer to begin is told and the other one closed. It costs tokens to save time."""

    enabled: bool = Field(default=False, description="Whether to.")
    quantile: float = Field(
        default=0.95, gt=0, lt=1, description="Share of its answers that began in less time."
    )
    minimum: float = Field(
        default=1, ge=0, description="Seconds before which nobody else is asked."
    )
    max_share: float = Field(
        default=0.05, gt=0, le=1, description="At most this share of the requests is asked twice."
    )


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
