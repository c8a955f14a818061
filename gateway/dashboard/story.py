"""One trace as its page tells it: what was asked, found, sent and said.

Spans are read leniently, since a rejected request has few of them, retention takes them away, and
a ledger may hold traces of an older version: what is missing or misshapen is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.dashboard.waterfall import Waterfall, waterfall
from gateway.ledger.types import Recorded, Request
from gateway.tracing.trace import Span

_MARKER = re.compile(r"\[(\d{1,4})\]")
# Shown in sections of their own.
_ELSEWHERE = {"retrieve": "passages", "pack": "prompt", "degrade": "tried"}


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage that was found."""

    number: int | None  # as the prompt has it; None: found, but not sent
    document: str
    title: str
    section: str
    page: Any
    score: Any
    dense: Any
    sparse: Any
    text: str | None  # None where content is not kept
    cited: bool


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of the answer; `source` is the number of the passage that it is a marker of."""

    text: str
    source: int | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """A message of the prompt."""

    role: str
    content: Any  # text, or whatever else a message holds


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the prompt. `left` and `width` are percent of the whole."""

    name: str
    tokens: int
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Attempt:
    model: str
    ms: Any
    error: str | None


@dataclass(frozen=True, slots=True)
class Rung:
    """A step that could have stood in for the models, and why it did not; None: it did."""

    step: str
    why: str | None


@dataclass(frozen=True, slots=True)
class Story:
    """All that the page shows."""

    request: Request
    waterfall: Waterfall
    question: str
    answer: tuple[Said, ...]
    passages: tuple[Passage, ...]
    prompt: tuple[Turn, ...]
    parts: tuple[Part, ...]
    attempts: tuple[Attempt, ...]
    ladder: tuple[Rung, ...]
    routing: Mapping[str, Any]  # why this model
    too_long: int | None  # bytes of a trace that was too long to keep whole


def story(recorded: Recorded) -> Story:
    request, spans = recorded.request, recorded.spans
    answer = _text(recorded.attributes.get("answer"))
    found = _passages(_attribute(spans, "retrieve", "passages"), answer)
    too_long = recorded.attributes.get("too_long")
    return Story(
        request=request,
        waterfall=waterfall(_without_sections(spans), request.latency_ms, request.ttft_ms),
        question=_text(recorded.attributes.get("question")) or request.question,
        answer=said(answer, {each.number for each in found if each.number}),
        passages=found,
        prompt=_turns(_attribute(spans, "pack", "prompt")),
        parts=parts(_attribute(spans, "pack", "tokens")),
        attempts=_attempts(
            _attribute(spans, "dispatch", "attempts") or _attribute(spans, "embed", "attempts")
        ),
        ladder=_ladder(_attribute(spans, "degrade", "tried"), request.degraded),
        routing=next((s.attributes for s in spans if s.name == "route"), {}),
        too_long=too_long if isinstance(too_long, int) else None,
    )


def said(answer: str, numbers: set[int]) -> tuple[Said, ...]:
    """The answer cut at its markers; a marker that points to nothing stays text."""
    pieces: list[Said] = []
    done = 0
    for marker in _MARKER.finditer(answer):
        number = int(marker[1])
        if number not in numbers:
            continue
        if marker.start() > done:
            pieces.append(Said(answer[done : marker.start()]))
        pieces.append(Said(marker[0], number))
        done = marker.end()
    if done < len(answer):
        pieces.append(Said(answer[done:]))
    return tuple(pieces)


def parts(tokens: Any) -> tuple[Part, ...]:
    """How the tokens of prompt and answer are shared out, side by side."""
    if not isinstance(tokens, Mapping):
        return ()
    counted = {
        str(name): number
        for name, number in tokens.items()
        if name not in ("total", "window") and isinstance(number, int) and number > 0
    }
    whole = sum(counted.values())
    placed: list[Part] = []
    before = 0
    for name, number in counted.items():
        left, width = before / whole * 100, number / whole * 100
        placed.append(Part(name, number, round(left, 2), round(width, 2)))
        before += number
    return tuple(placed)


def _passages(found: Any, answer: str) -> tuple[Passage, ...]:
    cited = {int(number) for number in _MARKER.findall(answer)}
    passages: list[Passage] = []
    for place, each in enumerate(_mappings(found), 1):
        given = each.get("n", place)
        number = given if isinstance(given, int) else None
        text = each.get("text")
        passages.append(
            Passage(
                number=number,
                document=_text(each.get("document")),
                title=_text(each.get("title")),
                section=_text(each.get("section")),
                page=each.get("page"),
                score=each.get("score"),
                dense=each.get("dense"),
                sparse=each.get("sparse"),
                text=None if text is None else _text(text),
                cited=bool(each["cited"]) if "cited" in each else number in cited,
            )
        )
    return tuple(passages)


def _turns(messages: Any) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    for message in _mappings(messages):
        rest = {name: v for name, v in message.items() if name not in ("role", "content")}
        content = message.get("content")
        # Tool calls and names are part of what was sent, too.
        shown = content if not rest else {"content": content, **rest} if content else rest
        turns.append(Turn(_text(message.get("role")) or "message", shown))
    return tuple(turns)


def _attempts(attempts: Any) -> tuple[Attempt, ...]:
    return tuple(
        Attempt(
            _text(each.get("model")),
            each.get("ms"),
            _text(each["error"]) if each.get("error") else None,
        )
        for each in _mappings(attempts)
    )


def _ladder(tried: Any, taken: str) -> tuple[Rung, ...]:
    """The way down. What the models said is shown with the attempts."""
    below = [each for each in _mappings(tried) if each.get("step") != "models"]
    rungs = [Rung(_text(each.get("step")), _text(each.get("why"))) for each in below]
    return (*rungs, Rung(taken, None)) if tried and taken else tuple(rungs)


def _without_sections(spans: Sequence[Span]) -> list[Span]:
    """The spans with a word in place of what the page shows elsewhere."""
    return [replace(span, attributes=dict(_shortened(span))) for span in spans]


def _shortened(span: Span) -> Iterator[tuple[str, Any]]:
    for name, value in span.attributes.items():
        if name == _ELSEWHERE.get(span.name) and isinstance(value, list):
            yield name, f"{len(value)}, see below"
        else:
            yield name, value


def _attribute(spans: Sequence[Span], span: str, name: str) -> Any:
    attributes = (s.attributes for s in spans if s.name == span)
    return next((each[name] for each in attributes if name in each), None)


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return "" if value is None else str(value)
