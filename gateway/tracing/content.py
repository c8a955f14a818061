"""What in a trace was written by a person or a document, and a trace without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.tracing.trace import Span

CONTENT = frozenset(
    {"answer", "content", "messages", "output", "prompt", "query", "question", "quote", "text"}
)
"""Attribute names whose values are content, at any depth."""


def without_content(value: Any) -> Any:
    """The same attributes without the texts: names, numbers and scores stay."""
    if isinstance(value, Mapping):
        return {name: without_content(v) for name, v in value.items() if name not in CONTENT}
    if isinstance(value, (list, tuple)):
        return [without_content(item) for item in value]
    return value


def bare(span: Span) -> Span:
    """A span without content. An error keeps its kind; its message may quote the request."""
    error = span.error.partition(":")[0] if span.error is not None else None
    return replace(span, error=error, attributes=without_content(span.attributes))
