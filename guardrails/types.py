"""What guards return: facts, never a status code."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a guard saw: `text[start:end]` of what it was given."""

    guard: str  # "pii", "injection", …
    label: str  # "email", "credit_card", "instruction_override", …
    start: int
    end: int
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """A text judged: perhaps cleaned, perhaps blocked, with the reasons."""

    text: str
    blocked_by: str | None = None
    findings: tuple[Finding, ...] = field(default=())
