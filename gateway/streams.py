"""An answer's events on their way to the client: judged, kept, and settled exactly once.

One generator does all of it, `told`: what a stage wants is hung on the answer, so that a stage
that wants nothing costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import orjson

from gateway.errors import ProviderError
from gateway.providers.completions import Garbled, Reported, Seen, loaded
from gateway.types import Completion, Delta, Done, Event, Events, Verbatim
from gateway.withholding import Withheld, joined, without


@dataclass(slots=True)
class Choice:
    """One choice of an answer, collected."""

    text: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    finish: str | None = None


class Collected:
    """A whole answer, or as much as has been told: put together only when it is asked for."""

    __slots__ = ("_choices", "_pieces", "completion", "done")

    def __init__(self) -> None:
        self.done: Done | None = None
        self.completion: Completion | None = None  # where it came as one
        self._pieces: list[Delta | list[bytes]] = []  # what came verbatim in a row as one
        self._choices: dict[int, Choice] = {}

    def add(self, event: Event) -> None:
        """One event more."""
        if isinstance(event, Verbatim):
            last = self._pieces[-1] if self._pieces else None
            if isinstance(last, list):
                last.append(event.data)
            else:
                self._pieces.append([event.data])
        elif isinstance(event, Delta):
            self._pieces.append(event)
        elif isinstance(event, Done):
            self.done = event
        elif isinstance(event, Completion):
            self.completion = event

    @property
    def choices(self) -> dict[int, Choice]:
        """Every choice by its index. Raises ProviderError where a chunk that was passed on
        verbatim is none."""
        if self.completion and not self._choices:
            for delta in deltas_of(self.completion):
                self._add(delta)
        read: list[Delta] = []  # all of them first, for it may fail in the middle
        for piece in self._pieces:
            read += chunks_of(b"".join(piece)) if isinstance(piece, list) else (piece,)
        self._pieces.clear()
        for delta in read:
            self._add(delta)
        return self._choices

    @property
    def text(self) -> str:
        """The first choice's text."""
        if self.completion:
            return content_of(self.completion.body["choices"][0])
        told = self._choices[0].text if 0 in self._choices else ""
        for piece in self._pieces:
            if isinstance(piece, list):
                told += text_of(b"".join(piece))
            elif piece.choice == 0:
                told += piece.text
        return told

    def _add(self, event: Delta) -> None:
        choice = self._choices.get(event.choice)
        if choice is None:
            choice = self._choices[event.choice] = Choice()
        choice.text += event.text
        if event.finish:
            choice.finish = event.finish
        if event.fields:
            _merge(choice.fields, event.fields)
        if event.extra:
            _merge(choice.extra, event.extra)


_STRING = rb'"([^"\\]*(?:\\.[^"\\]*)*)"'
_CONTENT = re.compile(rb'"content": ?' + _STRING)
_ONLY_TEXT = re.compile(
    rb'"choices":\[\{"index":0,"delta":\{"content":' + _STRING + rb'\}(?:,"\w+":null)*\}\]'
)


def text_of(chunks: bytes) -> str:
    """What the chunks of one choice say. Reads the one field without parsing the rest: a quote
    inside a JSON string is escaped, so that what looks like the field is the field."""
    return _unescaped(b"".join(_CONTENT.findall(chunks)))


def chunks_of(data: bytes) -> Iterator[Delta]:
    """Server-sent events of OpenAI's chunks as pieces; such that are text alone as one. Raises
    ProviderError."""
    first = data.find(b"\n\n") + 2
    opening, rest = data[:first], data[first:]  # the first one often tells the role
    texts = _ONLY_TEXT.findall(rest)
    alike = bool(texts) and len(texts) == rest.count(b"\n\n")
    for line in (opening if alike else data).split(b"\n"):
        if line.startswith(b"data: "):
            yield from _read(line[6:])
    if alike:
        yield Delta(_unescaped(b"".join(texts)))


def _read(chunk: bytes) -> list[Delta]:
    """One chunk's pieces; it was passed on by its looks, and may turn out to be none."""
    try:
        return Seen().add(loaded(chunk))
    except (Garbled, Reported) as error:
        raise ProviderError(f"The answer has a chunk that is of no use: {error}.") from None


def _unescaped(said: bytes) -> str:
    """What stands between the quotes of JSON strings, joined."""
    if b"\\" not in said:
        return said.decode("utf-8", "replace")
    try:
        text: str = orjson.loads(b'"%b"' % said)
    except orjson.JSONDecodeError:
        return said.decode("utf-8", "replace")
    return text


def deltas_of(completion: Completion) -> Iterator[Delta]:
    """A completion's choices, each as one piece."""
    for choice in completion.body["choices"]:
        fields = {k: v for k, v in choice["message"].items() if k != "content"}
        extra = {k: v for k, v in choice.items() if k not in _OF_A_CHOICE and v is not None}
        text, finish = content_of(choice), choice.get("finish_reason")
        yield Delta(text, choice.get("index", 0), fields, extra, finish)


_OF_A_CHOICE = frozenset({"index", "message", "finish_reason"})


def content_of(choice: Mapping[str, Any]) -> str:
    """The text of a completion's choice."""
    content = choice["message"].get("content")
    return content if isinstance(content, str) else ""


class Judged(Protocol):
    """A choice's text that is being told: pieces go in, judged pieces come out."""

    def feed(self, piece: str) -> str: ...

    def finish(self) -> str: ...


Ending: TypeAlias = Callable[[Collected, Done], Awaitable[Done]]
"""What a stage does with a whole and clean answer before its end is told; returns the end."""

Settle: TypeAlias = Callable[[Collected, BaseException | None], Awaitable[Done]]
"""Told what was delivered and why it ended early, if it did; returns the end. Called once."""


class Told(AsyncGenerator[Event, None]):
    """Events that are all there already, as a stream."""

    __slots__ = ("_at", "events")

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self._at = 0

    async def asend(self, value: None) -> Event:
        if self._at >= len(self.events):
            raise StopAsyncIteration
        self._at += 1
        return self.events[self._at - 1]

    async def athrow(self, kind: Any, value: Any = None, traceback: Any = None) -> Event:
        self._at = len(self.events)
        raise kind

    async def aclose(self) -> None:
        self._at = len(self.events)


def replay(deltas: list[Delta], done: Done) -> Told:
    """An answer given before, or made here, as the events of a new one."""
    return Told([*deltas, done])


def retold(whole: Collected) -> Told:
    """A collected answer as events again: a piece a choice."""
    deltas = [
        Delta(choice.text, index, choice.fields, choice.extra, choice.finish)
        for index, choice in sorted(whole.choices.items())
    ]
    return replay(deltas, whole.done or Done())


async def collect(events: Events) -> Collected:
    """The whole answer; raises what the stream raises."""
    if isinstance(events, Whole):
        return await events.collected()
    whole = Collected()
    async with aclosing(events):
        async for event in events:
            whole.add(event)
    if whole.done is None:
        raise ProviderError("The answer ended before it was complete.")
    return whole


async def told(
    events: Events,
    judge: Callable[[], Judged] | None = None,
    endings: Sequence[Ending] = (),
    settle: Settle | None = None,
) -> Events:
    """The events as they are to be told: each choice's text through a judge of its own, and at a
    clean end the endings in their order. `settle` is called exactly once, however it ends: told
    whole, cut, or left by the client.
    """
    whole = Collected()
    judging = _Judging(judge) if judge else None
    failure: BaseException | None = GeneratorExit()
    done: Done | None = None
    try:
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Done):
                    done = event
                    break
                for piece in judging.pieces(event) if judging else (event,):
                    whole.add(piece)
                    yield piece
        for piece in judging.rest() if judging and done else ():
            whole.add(piece)
            yield piece
        done = await _ended(whole, done, endings, judging)
        failure = None
    except BaseException as error:
        failure = error
        raise
    finally:
        if settle:
            done = await settle(whole, failure)
    assert done is not None
    yield done


class Whole(Told):
    """What `told` makes of an answer that is all there and that nobody streams, without a
    generator: this is the way of most requests."""

    __slots__ = ("_endings", "_judge", "_settle", "_told")

    def __init__(
        self,
        events: list[Event],
        judge: Callable[[], Judged] | None,
        endings: Sequence[Ending],
        settle: Settle,
    ) -> None:
        super().__init__(events)
        self._judge = judge
        self._endings = endings
        self._settle = settle
        self._told = False

    async def asend(self, value: None) -> Event:
        if not self._told:
            await self.collected()
        return await super().asend(value)

    async def collected(self) -> Collected:
        """Judged, ended and settled. Once."""
        whole, pieces, self._told = Collected(), list[Event](), True
        judging = _Judging(self._judge) if self._judge else None
        failure: BaseException | None = GeneratorExit()
        done: Done | None = None
        try:
            for event in self.events:
                if isinstance(event, Done):
                    done = event
                    break
                pieces += judging.pieces(event) if judging else (event,)
            if judging:
                pieces += judging.rest()
            for piece in pieces:
                whole.add(piece)
            done = await _ended(whole, done, self._endings, judging)
            failure = None
        except BaseException as error:
            failure = error
            raise
        finally:
            whole.done = await self._settle(whole, failure)
        self.events = [*pieces, whole.done]
        return whole


async def _ended(
    whole: Collected, done: Done | None, endings: Sequence[Ending], judging: _Judging | None
) -> Done:
    if done is None:
        raise ProviderError("The answer ended before it was complete.")
    whole.done = done
    for ending in endings:
        whole.done = await ending(whole, whole.done)
    if judging:
        whole.done.withheld = judging.dropped
    return whole.done


class _Judging:
    """Pieces through the judge of their choice, which is emptied before the choice ends."""

    __slots__ = ("_choices", "_dropped", "_judge")

    def __init__(self, judge: Callable[[], Judged]) -> None:
        self._judge = judge
        self._choices: dict[int, tuple[Judged, Withheld]] = {}
        self._dropped: set[str] = set()

    @property
    def dropped(self) -> tuple[str, ...]:
        """What told words that were judged away."""
        return tuple(sorted(self._dropped.union(*(w.dropped for _, w in self._choices.values()))))

    def pieces(self, event: Event) -> Iterator[Event]:
        if isinstance(event, Delta):
            if (piece := self._of_choice(event)) is not None:
                yield piece
        elif isinstance(event, Verbatim):
            for delta in chunks_of(event.data):
                if (piece := self._of_choice(delta)) is not None:
                    yield piece
        elif isinstance(event, Completion):
            for choice in event.body["choices"]:
                if text := content_of(choice):
                    judge = self._judge()
                    told = choice["message"]["content"] = judge.feed(text) + judge.finish()
                    if told != text:
                        self._dropped.update(without(choice))
            yield event
        else:
            yield event

    def rest(self) -> Iterator[Delta]:
        """What is still held back at the end."""
        for choice, (judge, withheld) in self._choices.items():
            text = judge.finish()
            extra = withheld.told(text, last=True)
            if text or extra:
                yield Delta(text, choice, extra=extra)

    def _of_choice(self, event: Delta) -> Delta | None:
        known = self._choices.get(event.choice)
        if known is None:
            known = self._choices[event.choice] = self._judge(), Withheld()
        judge, withheld = known
        extra = withheld.given(event.text, event.extra)
        text = judge.feed(event.text) if event.text else ""
        # What was said before a tool is called comes before the call.
        last = bool(event.finish) or "tool_calls" in event.fields
        if last:
            text += judge.finish()
        if told := withheld.told(text, last=last):
            extra = joined(extra, told)
        if text or event.fields or extra or event.finish:
            return Delta(text, event.choice, event.fields, extra, event.finish)
        return None


def _merge(into: dict[str, Any], new: Any) -> None:
    """Join the pieces of a choice's fields as the wire's clients do.

    Strings are joined, lists extended, entries of a list that carry an `index` (tool calls)
    merged with their like; anything else is replaced.
    """
    for key, value in new.items():
        old = into.get(key)
        if isinstance(old, str) and isinstance(value, str) and key not in _WHOLE:
            into[key] = old + value
        elif isinstance(old, dict) and isinstance(value, dict):
            into[key] = dict(old)
            _merge(into[key], value)
        elif isinstance(old, list) and isinstance(value, list):
            into[key] = _merged_lists(old, value)
        elif value is not None or key not in into:
            into[key] = _merged_lists([], value) if isinstance(value, list) else value


# Sent whole, and by some providers again with every piece.
_WHOLE = frozenset({"role", "id", "type", "name"})


def _merged_lists(old: list[Any], new: list[Any]) -> list[Any]:
    merged = list(old)
    for item in new:
        index = item.get("index") if isinstance(item, dict) else None
        places = [i for i, each in enumerate(merged) if isinstance(each, dict)]
        same = (i for i in places if index is not None and merged[i].get("index") == index)
        like = next(same, None)
        if like is None:
            merged.append(dict(item) if isinstance(item, dict) else item)
        else:
            merged[like] = dict(merged[like])
            _merge(merged[like], item)
    return merged
