"""What guards say about a request, and about the passages found, turned into what happens.

A request is screened before anything else reads it, so that neither cache nor index nor model sees
what was redacted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.errors import Refused
from gateway.messages import question_of, size_of
from gateway.tracing.trace import Span
from gateway.types import Ask
from guardrails.chain import screened
from guardrails.config import GuardrailsConfig
from guardrails.injection import InjectionGuard
from guardrails.pii import PiiGuard
from guardrails.types import Finding
from retrieval.types import Hit

# What must not leave is looked for in every turn; attacks only in those that the operator of the
# application has not written.
EVERYBODY = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
FROM_OUTSIDE = EVERYBODY - {"system", "developer"}

LONG = 20_000  # characters, from which on reading them would hold up the event loop


@dataclass(frozen=True, slots=True)
class Screened:
    """Passages that may be read, and the ids of those that the model is warned of."""

    hits: tuple[Hit, ...]
    flagged: frozenset[str] = frozenset()
    fenced: bool = False  # whether these are to be marked word by word
    sought: bool = True  # whether the documents were searched at all


NOTHING = Screened((), sought=False)


class Screen:
    """The configured guards over what comes in."""

    def __init__(self, config: GuardrailsConfig) -> None:
        self._config = config
        self._pii = PiiGuard(config.pii)
        self._injection = InjectionGuard(config.injection)
        allows = all(action == "allow" for _, action in config.pii)
        self._off = allows and config.injection.action == "off"

    async def request(self, ask: Ask, span: Span) -> Ask:
        """The request without what must not go on. Raises Refused."""
        if self._off:
            return ask
        if size_of(ask.messages) > LONG:
            return await asyncio.to_thread(self._request, ask, span)
        return self._request(ask, span)

    def _request(self, ask: Ask, span: Span) -> Ask:
        clean = screened(ask.messages, self._pii, EVERYBODY)
        heard = screened(clean.messages, self._injection, FROM_OUTSIDE)
        if findings := [*clean.findings, *heard.findings]:
            span.set(findings=[_told(finding) for finding in findings])
        if blocked_by := clean.blocked_by or heard.blocked_by:
            raise Refused(f"The request was blocked by {blocked_by}.", param="messages")
        if all(a is b for a, b in zip(clean.messages, ask.messages, strict=True)):
            return ask
        return replace(ask, messages=clean.messages, question=question_of(clean.messages))

    def redacted(self, text: str) -> str:
        """The text as a model would read it."""
        return self._pii(text).text

    async def texts(self, texts: Sequence[str], span: Span) -> Sequence[str]:
        """Texts that are to be embedded elsewhere, without what must not go on. Raises Refused."""
        said = tuple({"role": "user", "content": text} for text in texts)
        if size_of(said) > LONG:
            clean = await asyncio.to_thread(screened, said, self._pii, EVERYBODY)
        else:
            clean = screened(said, self._pii, EVERYBODY)
        if clean.findings:
            span.set(findings=[_told(finding) for finding in clean.findings])
        if clean.blocked_by:
            raise Refused(f"The request was blocked by {clean.blocked_by}.", param="input")
        return [message["content"] for message in clean.messages]

    def passages(self, hits: Sequence[Hit] | None, collection: str, span: Span) -> Screened:
        """What was found, without or with a flag on the passages that give the model orders.

        They were scanned when they were ingested; here only the verdict is read."""
        if hits is None:
            return NOTHING
        policy = self._config.injection.policy(collection)
        speaking = [hit.passage for hit in hits if hit.passage.flags]
        if policy == "off" or not speaking:
            return Screened(tuple(hits))
        found = {f"{p.document}#{p.ordinal}": list(p.flags) for p in speaking}
        span.set(policy=policy, flagged=found)
        flagged = frozenset(passage.id for passage in speaking)
        if policy == "drop":
            return Screened(tuple(hit for hit in hits if hit.passage.id not in flagged))
        return Screened(tuple(hits), flagged, fenced=policy == "fence")


def _told(finding: Finding) -> dict[str, object]:
    """What was seen, without the text itself."""
    return {"guard": finding.guard, "label": finding.label, "score": round(finding.score, 2)}
