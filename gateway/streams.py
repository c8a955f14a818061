"""Wrappers over an answer's events. Each adds one concern and closes what it wraps."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import ProviderError
from gateway.types import Delta, Done, Event, Events


@dataclass(slots=True)
class Choice:
    """One choice of an answer, collected."""

    text: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    finish: str | None = None


@dataclass(slots=True)
class Collected:
    """A whole answer."""

    choices: dict[int, Choice] = field(default_factory=dict)
    done: Done | None = None

    def add(self, event: Event) -> None:
        if isinstance(event, Done):
            self.done = event
            return
        choice = self.choices.setdefault(event.choice, Choice())
        choice.text += event.text
        choice.finish = event.finish or choice.finish
        _merge(choice.fields, event.fields)
        _merge(choice.extra, event.extra)

    @property
    def text(self) -> str:
        """The first choice's text."""
        return self.choices[0].text if 0 in self.choices else ""


async def collect(events: Events) -> Collected:
    """The whole answer; raises what the stream raises."""
    whole = Collected()
    async with aclosing(events):
        async for event in events:
            whole.add(event)
    if whole.done is None:
        raise ProviderError("The answer ended before it was complete.")
    return whole


async def replay(deltas: list[Delta], done: Done) -> AsyncGenerator[Event, None]:
    """An answer given before, or made here, as the events of a new one."""
    for delta in deltas:
        yield delta
    yield done


async def kept(
    events: Events, keep: Callable[[Collected], Awaitable[None]]
) -> AsyncGenerator[Event, None]:
    """Hand a whole and clean answer to `keep` before its end is told; a cut one never."""
    whole = Collected()
    async with aclosing(events):
        async for event in events:
            whole.add(event)
            if isinstance(event, Done):
                await keep(whole)
            yield event


async def metered(
    events: Events, settle: Callable[[Collected, BaseException | None], Awaitable[Done]]
) -> AsyncGenerator[Event, None]:
    """Settle exactly once, however the stream ends: told whole, cut, or left by the client.

    `settle` is told what was delivered and why it ended early, if it did; it returns the end.
    """
    whole = Collected()
    failure: BaseException | None = GeneratorExit()
    try:
        async with aclosing(events):
            async for event in events:
                whole.add(event)
                if isinstance(event, Done):
                    break
                yield event
        failure = None if whole.done else ProviderError("The answer ended before it was complete.")
    except BaseException as error:
        failure = error
        raise
    finally:
        done = await settle(whole, failure)
    if failure:
        raise failure
    yield done


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
