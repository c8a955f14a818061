"""The experiments' section of the configuration: what is compared, for whom, by what."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, StringConstraints, field_validator, model_validator

from retrieval.config import Section
from routing.rules import SIGNALS, condition, names
from routing.types import Strategy

Metric: TypeAlias = Literal["faithfulness", "cost", "latency", "errors"]
Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,40}$")]
EARLY = SIGNALS.keys() - {"p_cheap", "grounded"}
"""The signals that are there before anything is searched or embedded."""


class Variant(Section):
    """What is other for whoever is drawn for it; a variant that sets nothing is what all others
    have. Each thing that it sets takes the place of what the request says."""

    share: float = Field(gt=0, le=1, description="Of the callers.")
    model: str | None = Field(default=None, description="A model, an alias, or `auto`.")
    prompt: str | None = Field(
        default=None, description="Version of a prompt: `strict@v2`, where that grounding is on."
    )
    strategy: Strategy | None = Field(default=None, description="How answers are made.")
    grounding: Literal["strict", "open", "off"] | None = Field(
        default=None, description="How firmly they stand on documents."
    )
    top_k: int | None = Field(default=None, ge=1, le=50, description="Passages to read.")
    rerank: bool = Field(default=True, description="Whether the configured reranker is asked.")
    parameters: dict[str, Any] = Field(
        default={}, description="Of the request: `{ temperature = 0.2 }`."
    )


class Experiment(Section):
    """Callers are drawn for a variant by a hash of who they are, so each stays with his own. A
    request takes part in the first experiment that is open to it."""

    variants: dict[Name, Variant] = Field(
        min_length=2, description="By name; the first is what the others are compared with."
    )
    when: str = Field(
        default="",
        description="Only these requests, as in a rule; of the signals "
        f"{', '.join(name for name in SIGNALS if name in EARLY)}.",
    )
    by: Literal["user", "key"] = Field(
        default="user",
        description="Who is drawn: the end user, where the request names one as `user`, else the "
        "key; or always the key.",
    )
    decides: Metric = Field(
        default="faithfulness", description="The figure that says when it is over."
    )

    @field_validator("when")
    @classmethod
    def _is_an_early_condition(cls, when: str) -> str:
        if late := names(condition(when)) - EARLY:
            raise ValueError(f"{min(late)!r} is not known yet when callers are drawn")
        return when

    @model_validator(mode="after")
    def _shares_are_of_one_whole(self) -> Self:
        if sum(variant.share for variant in self.variants.values()) > 1 + 1e-9:
            raise ValueError("the shares of its variants are more than 1 together")
        return self
