"""Guards in a row: same-shaped functions from a text to a verdict, their verdicts made one.

Knows no guard by name and no chat format beyond where a message keeps its text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from guardrails.types import Finding, Verdict

Guard: TypeAlias = Callable[[str], Verdict]


def chain(*guards: Guard) -> Guard:
    """One guard out of several. Each reads what the one before it left; a block ends the row.

    A finding's place is in the text that its guard was given.
    """

    def guard(text: str) -> Verdict:
        findings: tuple[Finding, ...] = ()
        for each in guards:
            verdict = each(text)
            text = verdict.text
            findings += verdict.findings
            if verdict.blocked_by:
                return Verdict(text, verdict.blocked_by, findings)
        return Verdict(text, None, findings)

    return guard


@dataclass(frozen=True, slots=True)
class Screened:
    """Messages after a guard: the same objects where it changed nothing."""

    messages: tuple[Mapping[str, Any], ...]
    blocked_by: str | None
    findings: tuple[Finding, ...]


def screened(
    messages: Sequence[Mapping[str, Any]], guard: Guard, roles: Collection[str]
) -> Screened:
    """Every text of the messages with these roles, through the guard."""
    cleaned: list[Mapping[str, Any]] = []
    findings: tuple[Finding, ...] = ()
    blocked_by: str | None = None
    for message in messages:
        if message.get("role") in roles:
            message, verdict = _screened(message, guard)
            findings += verdict.findings
            blocked_by = blocked_by or verdict.blocked_by
        cleaned.append(message)
    return Screened(tuple(cleaned), blocked_by, findings)


def _screened(message: Mapping[str, Any], guard: Guard) -> tuple[Mapping[str, Any], Verdict]:
    content = message.get("content")
    if isinstance(content, str):
        verdict = guard(content)
        return (
            message if verdict.text == content else {**message, "content": verdict.text}
        ), verdict
    if not isinstance(content, list):
        return message, Verdict("")
    parts = []
    findings: tuple[Finding, ...] = ()
    blocked_by: str | None = None
    for part in content:
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            verdict = guard(part["text"])
            part = part if verdict.text == part["text"] else {**part, "text": verdict.text}
            findings += verdict.findings
            blocked_by = blocked_by or verdict.blocked_by
        parts.append(part)
    whole = Verdict("", blocked_by, findings)
    return (message if parts == content else {**message, "content": parts}), whole
