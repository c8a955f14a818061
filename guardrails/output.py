"""What an answer must not give away: secrets, and the instructions behind it.

Judges finished stretches of text; whoever streams an answer decides how much it holds back.
Citations are no business of this module: whoever writes the markers checks them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from guardrails.config import OutputConfig
from guardrails.pii import without
from guardrails.secrets import secrets
from guardrails.types import Finding, Verdict

_WORD = re.compile(r"\w+")
_RUN = 12
"""So many words of the instructions in a row are no coincidence."""


class OutputGuard:
    """Redacts secrets and verbatim stretches of the instructions that one answer was given."""

    def __init__(self, config: OutputConfig, instructions: str = "") -> None:
        self.redacted = False  # whether it has taken anything out
        self._config = config
        watched = instructions if config.instructions == "redact" else ""
        self._runs = frozenset(run for run, _, _ in _runs(watched))

    def __call__(self, text: str) -> Verdict:
        findings = secrets(text) if self._config.secrets == "redact" else []
        if self._runs:
            findings = _apart([*findings, *self._recited(text)])
        if not findings:
            return Verdict(text)
        self.redacted = True
        return Verdict(without(text, findings), None, tuple(findings))

    def _recited(self, text: str) -> list[Finding]:
        """Stretches that the instructions have word for word."""
        found: list[Finding] = []
        for run, start, end in _runs(text):
            if run not in self._runs:
                continue
            if found and start <= found[-1].end:
                start = found.pop().start
            found.append(Finding("output", "instructions", start, end))
        return found


def _runs(text: str) -> Iterable[tuple[tuple[str, ...], int, int]]:
    """Every run of words, with its place."""
    words = [(match.group().lower(), *match.span()) for match in _WORD.finditer(text)]
    for at in range(len(words) - _RUN + 1):
        run = words[at : at + _RUN]
        yield tuple(word for word, _, _ in run), run[0][1], run[-1][2]


def _apart(findings: list[Finding]) -> list[Finding]:
    """In order; where two overlap, both as one."""
    kept: list[Finding] = []
    for finding in sorted(findings, key=lambda each: each.start):
        if kept and finding.start < kept[-1].end:
            first = kept.pop()
            end = max(first.end, finding.end)
            finding = Finding(first.guard, first.label, first.start, end)
        kept.append(finding)
    return kept
