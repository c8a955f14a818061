"""What guards say about a request, and about the passages found, turned into what happens.

A request is screened before anything else reads it, so that neither cache nor index nor model sees
what was redacted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.errors import Refused
from gateway.messages import question_of
from gateway.tracing.trace import Span
from gateway.types import Ask
from guardrails.chain import chain, screened
from guardrails.config import GuardrailsConfig
from guardrails.injection import InjectionGuard, screen_passage
from guardrails.pii import PiiGuard
from guardrails.types import Finding
from retrieval.types import Hit

# The operator's own words (system) are not searched for attacks, but for what must not leave.
FROM_OUTSIDE = frozenset({"user", "tool", "function"})


@dataclass(frozen=True, slots=True)
class Screened:
    """Passages that may be read, and the ids of those that the model is warned of."""

    hits: tuple[Hit, ...]
    flagged: frozenset[str] = frozenset()


NOTHING = Screened(())


class Screen:
    """The configured guards over what comes in."""

    def __init__(self, config: GuardrailsConfig) -> None:
        self._config = config
        self._guard = chain(PiiGuard(config.pii), InjectionGuard(config.injection))

    def request(self, ask: Ask, span: Span) -> Ask:
        """The request without what must not go on. Raises Refused."""
        screen = screened(ask.messages, self._guard, FROM_OUTSIDE)
        if screen.findings:
            span.set(findings=[_told(finding) for finding in screen.findings])
        if screen.blocked_by:
            raise Refused(f"The request was blocked by {screen.blocked_by}.", param="messages")
        if all(a is b for a, b in zip(screen.messages, ask.messages, strict=True)):
            return ask
        return replace(ask, messages=screen.messages, question=question_of(screen.messages))

    def passages(self, hits: Sequence[Hit], span: Span) -> Screened:
        """What was found, without or with a flag on the passages that give the model orders."""
        policy = self._config.injection.passages
        if policy == "off":
            return Screened(tuple(hits))
        speaking = [hit.passage for hit in hits if screen_passage(hit.passage.text).findings]
        flagged = frozenset(passage.id for passage in speaking)
        if flagged:
            span.set(policy=policy, flagged=[f"{p.document}#{p.ordinal}" for p in speaking])
        kept = tuple(h for h in hits if policy == "flag" or h.passage.id not in flagged)
        return Screened(kept, flagged)


def _told(finding: Finding) -> dict[str, object]:
    """What was seen, without the text itself."""
    return {"guard": finding.guard, "label": finding.label, "score": round(finding.score, 2)}
