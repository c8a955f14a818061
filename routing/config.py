"""Routing's sections of the configuration: aliases for models, and what `auto` means."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from retrieval.config import Section
from routing.rules import SIGNALS, condition
from routing.types import Balance, Strategy

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
        description="`provider/model`, or `adapter:NAME` for what whoever asks has under that "
        "name: in order of trying; with `balance`, the deployments of one model. "
        '`{to = "…", weight = 3}` says more.',
    )
    balance: Balance | None = Field(
        default=None,
        description="How one of `use` is chosen: by expected latency, by requests under way, by "
        "weight, or by price. None tries them in order.",
    )
    fallbacks: tuple[str, ...] = Field(
        default=(), description="Further aliases or models, tried in order when all of `use` fail."
    )
    quality: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="How good its answers are, where it is chosen among several; else that of the "
        "best of its models.",
    )

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """`use`, each entry written out."""
        return tuple(Deployment(to=each) if isinstance(each, str) else each for each in self.use)


class Rule(Section):
    """The first rule that holds, and one of whose models may be asked, decides."""

    name: str = Field(description="Shown in traces as the reason.")
    when: str = Field(
        default="",
        description="What must hold, in the language of filters: `task = 'code' and tokens > "
        f"8000`; always, where empty. The signals are {', '.join(SIGNALS)}.",
    )
    use: tuple[str, ...] = Field(min_length=1, description="Models in the order of trying.")
    region: str = Field(
        default="", description="Where the answer has to be made, also by what else is tried."
    )
    strategy: Strategy | None = Field(
        default=None, description="How it is made, where the request does not say."
    )
    prompt: str | None = Field(
        default=None,
        description="Name of a prompt without variables, which is told before the client's "
        "instructions: `code`, `extraction`, `summary`, or one of yours.",
    )
    cascade: bool = Field(
        default=False,
        description="Whether the next of `use` is asked where an answer is doubtful (see "
        "routing.cascade).",
    )

    @field_validator("when")
    @classmethod
    def _is_a_condition(cls, when: str) -> str:
        condition(when)
        return when


class CascadeConfig(Section):
    """A question that goes to `cheap` is answered by `strong` where the cheap answer is doubtful:
    it refuses, finds nothing in the documents, has not the form that was asked for, or is below one
    of the figures. The cheap answer is held until it is judged, also where it is streamed."""

    enabled: bool = Field(
        default=False, description="Whether to; a rule or a task may do so for its own `use`."
    )
    min_words: int = Field(default=1, ge=1, description="A shorter answer is doubtful.")
    min_faithfulness: float = Field(
        default=0.5, ge=0, le=1, description="Share of its claims that the sources have to support."
    )
    min_confidence: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Geometric mean of its tokens' probabilities, where the provider tells them; "
        "`logprobs` is then asked for, and who lacks it does not stand in for the cheap model.",
    )


class TaskRoute(Section):
    """What a task has of its own, where no rule holds."""

    use: tuple[str, ...] = Field(min_length=1, description="Models in the order of trying.")
    strategy: Strategy | None = Field(
        default=None, description="How it is made, where the request does not say."
    )
    prompt: str | None = Field(
        default=None,
        description="Name of a prompt without variables, which is told before the client's "
        "instructions: `code`, `extraction`, `summary`, or one of yours.",
    )
    cascade: bool = Field(
        default=False,
        description="Whether the next of `use` is asked where an answer is doubtful (see "
        "routing.cascade).",
    )


class WeightsConfig(Section):
    """How much each counts where several models are left: the sum decides what is tried first.
    A cost and a latency are taken as shares of the candidates' highest; a quality that nobody
    declared is 0.5."""

    cost: float = Field(default=0, ge=0, description="Of the expected cost.")
    latency: float = Field(default=0, ge=0, description="Of the expected latency.")
    quality: float = Field(default=0, ge=0, description="Of the declared quality.")


class RoutingConfig(Section):
    """How `auto` chooses among the configured models: rules, then tasks, then `cheap` and `strong`,
    then `default`."""

    rules: tuple[Rule, ...] = Field(default=(), description="Tried in order.")
    tasks: dict[Task, TaskRoute] = Field(default={}, description="Where no rule holds, by task.")
    cheap: tuple[str, ...] = Field(
        default=(), description="Models for questions that these will do for; `strong` otherwise."
    )
    strong: tuple[str, ...] = Field(default=(), description="Models for all other questions.")
    quality_floor: float = Field(
        default=0.95,
        gt=0,
        le=1,
        description="Share of the strong model's quality that is to be kept; the cheap one is "
        "asked as often as that allows.",
    )
    strong_share: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Instead of it: the share of questions that the strong model is asked.",
    )
    complexity: Path | None = Field(
        default=None,
        description="Folder of a model that `moorline train router` has made, for `p_cheap`; the "
        "packaged one where empty.",
    )
    task_model: Path | None = Field(
        default=None,
        description="Folder of a model that `moorline train tasks` has made, for `task`; the "
        "packaged one where empty.",
    )
    weights: WeightsConfig = Field(
        default=WeightsConfig(),
        description="What is tried first where a rule, a task or the default names several; in "
        "their order where all are 0.",
    )
    cascade: CascadeConfig = Field(
        default=CascadeConfig(), description="Cheap first, stronger where that is doubtful."
    )
    regions: dict[str, str] = Field(
        default={}, description="Where a team's requests have to be answered: team = region."
    )
    default: tuple[str, ...] = Field(
        default=(),
        description="Used when no rule holds; empty is every configured provider's first model, "
        "or `extractive` where none is configured.",
    )
    last_resort: tuple[str, ...] = Field(
        default=(), description="Appended to every plan: tried when all else has failed."
    )

    @model_validator(mode="after")
    def _cheap_and_strong_belong_together(self) -> Self:
        if bool(self.cheap) != bool(self.strong):
            raise ValueError("`cheap` and `strong` are set together")
        return self

    @property
    def prompts(self) -> tuple[str, ...]:
        """Every prompt that is named in it."""
        routes: list[Rule | TaskRoute] = [*self.rules, *self.tasks.values()]
        return tuple(each.prompt for each in routes if each.prompt)

    @property
    def named(self) -> tuple[str, ...]:
        """Every model that is named in it."""
        of_rules = chain.from_iterable(rule.use for rule in self.rules)
        of_tasks = chain.from_iterable(task.use for task in self.tasks.values())
        others = (*self.cheap, *self.strong, *self.default, *self.last_resort)
        return (*of_rules, *of_tasks, *others)
