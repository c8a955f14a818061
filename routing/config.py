"""Routing's section of the configuration: what `auto` means."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from retrieval.config import Section

Task = Literal[
    "code", "mathematics", "summary", "extraction", "creative", "conversation", "question"
]
Complexity = Literal["simple", "complex"]


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
