"""What in a trace was written by a person or a document, and a trace without or redacted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


def redacted(value: Any, redact: Callable[[str], str], content: bool = False) -> Any:
    """The same attributes, every text that is content through `redact`, at any depth."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is str:
        return redact(value) if content else value
    if isinstance(value, (dict, Mapping)):
        told = {}
        for name, each in value.items():
            if type(each) in _PLAIN:  # most of them, and a call is what costs
                told[name] = each
            else:
                told[name] = redacted(each, redact, content or name in CONTENT)
        return told
    if isinstance(value, (list, tuple)):
        return [redacted(item, redact, content) for item in value]
    if isinstance(value, str):
        return redact(value) if content else value
    return value


_PLAIN = frozenset({int, float, bool, type(None)})


def bare(span: Span) -> Span:
    """A span without content. An error keeps its kind; its message may quote the request."""
    error = span.error.partition(":")[0] if span.error is not None else None
    return replace(span, error=error, attributes=without_content(span.attributes))
