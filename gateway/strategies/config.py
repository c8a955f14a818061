"""The strategies' section of the configuration: how many calls, how long, how hot."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from retrieval.config import Section
from routing.types import Strategy

Temperature = Annotated[float, Field(ge=0, le=2)]


class StrategiesConfig(Section):
    """Ways to an answer that take several calls, which a request asks for by `moorline.strategy`.
    Every call is paid for by the key that asks."""

    allowed: tuple[Strategy, ...] = Field(
        default=(
            *("chain_of_thought", "self_consistency", "draft_critique_revise", "decompose"),
            *("best_of_n", "escalating_temperature"),
        ),
        description="What a request may ask for.",
    )
    samples: int = Field(
        default=5, ge=2, le=20, description="Answers of self_consistency and of best_of_n."
    )
    temperature: Temperature = Field(
        default=0.7, description="Of samples, where the request sets no higher one."
    )
    temperatures: tuple[Temperature, ...] = Field(
        default=(0.0, 0.4, 0.8),
        min_length=1,
        max_length=10,
        description="Of escalating_temperature, in the order of trying.",
    )
    faithfulness: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="Share of its claims that the sources have to support, for it to stop there.",
    )
    parts: int = Field(
        default=4, ge=2, le=10, description="Questions that decompose takes one apart into."
    )
    notes_tokens: int = Field(
        default=1024,
        ge=64,
        description="Most tokens of a text on the way: notes, a critique, a part's answer.",
    )
    parallel: int = Field(default=4, ge=1, le=20, description="Calls of a request at once.")

    def calls(self, strategy: Strategy | None) -> int:
        """How many calls it takes at most."""
        match strategy:
            case None:
                return 1
            case "chain_of_thought":
                return 2
            case "draft_critique_revise":
                return 3
            case "decompose":
                return self.parts + 2
            case "self_consistency" | "best_of_n":
                return self.samples
            case "escalating_temperature":
                return len(self.temperatures)
