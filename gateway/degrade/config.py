"""The ladder's section of the configuration: which steps there are below the last model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from retrieval.config import Section

_BLANK = re.compile(r"\{(\w*)\}")

Rung: TypeAlias = Literal["cached", "extract", "canned", "hand-over"]


class CannedAnswer(Section):
    """An answer of yours to a topic, for when no model can give one."""

    topic: str = Field(min_length=1, description="Its name, as traces show it.")
    answer: str = Field(min_length=1, description="What is said, word for word.")
    keywords: tuple[str, ...] = Field(
        default=(), description="Words or phrases of such questions, whatever their endings."
    )
    examples: tuple[str, ...] = Field(
        default=(),
        description="Such questions, for those that are asked in other words; compared where a "
        "request is embedded anyway.",
    )
    default: bool = Field(default=False, description="Given where no topic fits.")

    @model_validator(mode="after")
    def _can_be_given(self) -> CannedAnswer:
        if not (self.keywords or self.examples or self.default):
            raise ValueError("give it keywords, examples, or default = true")
        if not all(any(c.isalnum() for c in each) for each in (*self.keywords, *self.examples)):
            raise ValueError("a keyword or an example has no word in it")
        return self


class HandOver(Section):
    """The last step: 503, and whom to turn to."""

    text: str = Field(
        default="{reason} Name {trace_id} when you ask about it.",
        description="The error's message. {trace_id}, {contact} and {reason}, which names models "
        "and what they said, are filled in.",
    )
    contact: str | None = Field(
        default=None, description="Whom to turn to: an address, a number, a desk."
    )
    retry_after: float = Field(
        default=30, gt=0, description="Seconds in Retry-After, where no provider named a time."
    )

    @field_validator("text")
    @classmethod
    def _can_be_filled_in(cls, text: str) -> str:
        if unknown := set(_BLANK.findall(text)) - {"trace_id", "contact", "reason"}:
            raise ValueError(
                f"it may hold {{trace_id}}, {{contact}} and {{reason}}, not {{{min(unknown)}}}"
            )
        return text

    def filled_in(self, **values: str) -> str:
        """The text for one request; a contact that it does not place follows it."""
        values["contact"] = self.contact or ""
        text = _BLANK.sub(lambda blank: values[blank[1]], self.text)
        if self.contact and "{contact}" not in self.text:
            text += f" Contact: {self.contact}"
        return text


class DegradeConfig(Section):
    """What is said when no model of the plan answers: the first step that has something to say.

    `cached` is an answer given before to the same request, though its time is over, or to one that
    is less similar than usual; `extract` quotes the passages that were found; `canned` is an answer
    of yours; `hand-over` is a 503 that says whom to turn to.
    """

    steps: tuple[Rung, ...] = Field(
        default=("cached", "extract", "canned", "hand-over"),
        description="Which there are, in the order of trying; none is a plain 503.",
    )
    stale_for: float = Field(
        default=86_400,
        ge=0,
        description="Seconds after its time in which an answer may still be given, and is kept.",
    )
    looser_threshold: float = Field(
        default=0.85,
        ge=0,
        le=1,
        description="Least cosine to the earlier question, which then only the rules judge; where "
        "the semantic cache is enabled.",
    )
    example_threshold: float = Field(
        default=0.6, ge=0, le=1, description="Least cosine to an example of a canned answer."
    )
    canned: tuple[CannedAnswer, ...] = Field(default=(), description="Your answers, by topic.")
    hand_over: HandOver = Field(default=HandOver(), description="The last step.")

    @property
    def keep_stale_for(self) -> float:
        """How long answers are kept after their time."""
        return self.stale_for if "cached" in self.steps else 0.0

    @field_validator("steps")
    @classmethod
    def _can_be_walked(cls, steps: Sequence[Rung]) -> Sequence[Rung]:
        if len(set(steps)) < len(steps):
            raise ValueError("a step is named twice")
        if "hand-over" in steps[:-1]:
            raise ValueError("hand-over ends the ladder: no step below it is ever reached")
        return steps

    @field_validator("canned")
    @classmethod
    def _one_default(cls, canned: Sequence[CannedAnswer]) -> Sequence[CannedAnswer]:
        if sum(each.default for each in canned) > 1:
            raise ValueError("only one answer can be the default")
        return canned
