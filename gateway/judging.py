"""Guards over an answer as it is told: markers put right, secrets held back, claims weighed.

Text is judged in finished stretches, a sentence where documents are cited and a word where not, so
an answer is held back by no more than that. Everything but text passes through untouched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from context.citations import Citing
from context.types import Prompt
from gateway.dispatch import Begun
from gateway.grounding import Standing, references
from gateway.streams import Collected, Ending, Judged
from gateway.tracing.trace import Span, Trace
from gateway.types import Answer, CacheState, Done, Reference
from gateway.withholding import OF_THE_PROMPT
from guardrails.chain import Guard
from guardrails.config import GuardrailsConfig
from guardrails.faithfulness import Evidence, faithfulness
from guardrails.output import OutputGuard
from guardrails.types import Verdict
from routing.types import Plan

SHORTEST_SECRET = 16  # characters; most pieces of a stream are shorter


class Judge:
    """The configured guards over what goes out."""

    def __init__(self, config: GuardrailsConfig) -> None:
        self._config = config.output

    def judged(
        self,
        begun: Begun,
        prompt: Prompt,
        grounds: Standing | None,
        plan: Plan,
        cache: CacheState,
        trace: Trace,
    ) -> Answer:
        """The begun answer with its guards, and what is known of it already."""
        known = Done(
            model=begun.target.name,
            route=plan.reason,
            cache=cache,
            collection=grounds.collection or None if grounds else None,
            grounding=grounds.mode if grounds else "off",
            sources=references(grounds, prompt),
            tokens=prompt.tokens,
            degraded="fallback" if begun.fallback else "",
            strategy=begun.strategy,
        )
        if grounds is None:
            guard = OutputGuard(self._config) if self._config.secrets == "redact" else None
            return Answer(
                begun.events,
                known,
                (lambda: Words(guard)) if guard else None,
                (_joined(known, guard),),
            )
        output = self._guard(prompt)
        claims = Claims(prompt, grounds.mode == "strict", output, begun.formed)
        return Answer(
            begun.events,
            known,
            claims.of_another_choice,
            (_joined(known, output), claims.ending(trace)),
        )

    def _guard(self, prompt: Prompt) -> OutputGuard:
        ours = (str(m.get("content")) for m in prompt.messages if m.get("role") == "system")
        return OutputGuard(self._config, "\n".join(ours))


def supported(text: str, prompt: Prompt) -> float | None:
    """The share of a text's claims that the prompt's passages support; None where it makes none,
    or there are none."""
    if not prompt.sources:
        return None
    claims = Claims(prompt, True, Verdict)
    judged = claims.of_another_choice()
    judged.feed(text)
    judged.finish()
    return claims.share()


@dataclass(slots=True)
class Words:
    """Text without sources: a word is held back until it is whole, since a secret is one word."""

    guard: Guard
    held: str = ""

    def feed(self, piece: str) -> str:
        text = self.held + piece
        cut = max(text.rfind(" "), text.rfind("\n")) + 1
        whole, self.held = text[:cut], text[cut:]
        return self._judged(whole)

    def finish(self) -> str:
        rest, self.held = self.held, ""
        return self._judged(rest)

    def _judged(self, text: str) -> str:
        return self.guard(text).text if len(text) >= SHORTEST_SECRET else text


@dataclass(slots=True)
class Sentences:
    """Text that cites: a sentence is held back until its markers can be put right."""

    citing: Citing
    guard: Guard

    def feed(self, piece: str) -> str:
        return self._judged(self.citing.feed(piece))

    def finish(self) -> str:
        return self._judged(self.citing.finish())

    def _judged(self, text: str) -> str:
        return self.guard(text).text if text else ""


@dataclass(slots=True)
class Formed:
    """JSON that cites: it is weighed like prose, but no marker is put into it or taken out."""

    citing: Citing
    words: Words

    def feed(self, piece: str) -> str:
        self.citing.feed(piece)
        return self.words.feed(piece)

    def finish(self) -> str:
        self.citing.finish()
        return self.words.finish()


@dataclass(slots=True)
class Claims:
    """What all choices of an answer claim, held against the passages that they were given."""

    prompt: Prompt
    strict: bool
    guard: Guard
    formed: bool = False
    choices: list[Citing] = field(default_factory=list)
    evidence: Evidence = field(init=False)

    def __post_init__(self) -> None:
        texts = {source.number: source.hit.passage.embedded for source in self.prompt.sources}
        self.evidence = Evidence(texts)

    def of_another_choice(self) -> Judged:
        numbers = [source.number for source in self.prompt.sources]
        if self.strict:
            citing = Citing(numbers, self.evidence.best, support=self.evidence.together)
        else:
            citing = Citing(numbers)
        self.choices.append(citing)
        if self.formed:
            return Formed(citing, Words(self.guard))
        return Sentences(citing, self.guard)

    def ending(self, trace: Trace) -> Ending:
        """The span `judge` runs beside the stream, since the judging is spread over it."""
        span = trace.span("judge")

        async def weighed(whole: Collected, done: Done) -> Done:
            done = self.weighed(done, span)
            span.end = trace.elapsed
            return done

        return weighed

    def weighed(self, done: Done, span: Span) -> Done:
        """The end of the answer, with what its claims came to."""
        claims = [claim for citing in self.choices for claim in citing.claims]
        cited = {number for citing in self.choices for number in citing.cited}
        share = self.share()
        span.set(
            claims=len(claims),
            faithfulness=share,
            unsupported=[claim.text for claim in claims if not claim.cited],
            dropped_markers=[number for citing in self.choices for number in citing.dropped],
        )
        return replace(
            done,
            grounded=bool(cited) if done.grounded is None else done.grounded,
            faithfulness=share,
            sources=_with_cited(done.sources, cited),
        )

    def share(self) -> float | None:
        """How many of all claims the passages support that they name."""
        claims = (claim for citing in self.choices for claim in citing.claims)
        return faithfulness(((claim.text, claim.cited) for claim in claims), self.evidence)


def faithfulness_of(prompt: Prompt, text: str) -> float | None:
    """The share of a whole answer's claims that the prompt's sources support; a claim without a
    marker is held against the source that supports it best. None where nothing is claimed."""
    evidence = Evidence({each.number: each.hit.passage.embedded for each in prompt.sources})
    numbers = [each.number for each in prompt.sources]
    citing = Citing(numbers, evidence.best, support=evidence.together)
    citing.feed(text)
    citing.finish()
    return faithfulness(((claim.text, claim.cited) for claim in citing.claims), evidence)


def _with_cited(sources: Sequence[Reference], cited: set[int]) -> tuple[Reference, ...]:
    return tuple(replace(source, cited=source.n in cited) for source in sources)


def _untold(fields: Mapping[str, Any], whole: Collected) -> Mapping[str, Any]:
    """An answer's top level without what tells the prompt."""
    if whole.completion:
        for name in OF_THE_PROMPT:
            whole.completion.body.pop(name, None)
    return {name: said for name, said in fields.items() if name not in OF_THE_PROMPT}


def _joined(known: Done, guard: OutputGuard | None) -> Ending:
    """At the end, what the provider says joined with what was known before."""

    async def joined(whole: Collected, done: Done) -> Done:
        known.usage, known.fields, known.grounded = done.usage, done.fields, done.grounded
        if known.grounding != "off":  # the prompt is not the client's alone
            known.fields = _untold(known.fields, whole)
        known.spent, known.continued = done.spent, done.continued
        known.redacted = guard is not None and guard.redacted
        return known

    return joined
