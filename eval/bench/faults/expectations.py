"""What must be true of an answer, and of what its calls left behind. Each says what is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from eval.bench.faults.client import Seen
from eval.bench.faults.saying import PROMPT_TOKENS, Call, text_of, words
from eval.bench.faults.told import Told
from eval.bench.faults.upstream import STEADY, Attempt

UNAVAILABLE = frozenset(range(500, 600))
BUSY = UNAVAILABLE | {429}
SHAPE = frozenset({"message", "type", "param", "code"})
LEAVING = 1.0  # seconds in which a call ends that nobody waits for
ENDING = 10.0  # seconds in which every connection of an answered request is done with


@dataclass(frozen=True, slots=True)
class Witness:
    """All that is known of one request."""

    request: str  # its id
    stream: bool
    seen: Seen
    told: Told
    attempts: Sequence[Attempt]

    @property
    def text(self) -> str:
        """The right answer."""
        return text_of(self.request)

    @property
    def faulty(self) -> list[Attempt]:
        """The calls of the model that misbehaves."""
        return [each for each in self.attempts if not each.model.endswith(STEADY)]


class Check(Protocol):
    """One thing that must be true."""

    def __call__(self, witness: Witness) -> Iterator[str]: ...


@dataclass(frozen=True, slots=True)
class Whole:
    """The right answer, all of it, once."""

    counted: bool = True  # usage must be that of the one call which was answered

    def __call__(self, witness: Witness) -> Iterator[str]:
        yield from _well_formed(witness)
        seen, told = witness.seen, witness.told
        if seen.status != 200:
            yield "not answered"
            return
        if told.error:
            yield f"an error: {told.error.get('message')}"
        if told.text != witness.text:
            yield f"another text: {told.text[:60]!r}"
        if told.finished != 1:
            yield f"finish_reason {told.finished} times"
        if witness.stream and told.done != 1:
            yield f"[DONE] {told.done} times"
        if self.counted and told.usage:
            yield from _counted(witness)


@dataclass(frozen=True, slots=True)
class Fails:
    """An honest error before anything was told, in OpenAI's shape."""

    statuses: frozenset[int] = UNAVAILABLE
    heals: bool = True  # another model may answer instead
    retry_after: float = 0.0  # seconds that the client has to be told to wait, at least

    def __call__(self, witness: Witness) -> Iterator[str]:
        yield from _well_formed(witness)
        seen, error = witness.seen, witness.told.error
        if seen.status not in self.statuses:
            yield f"status {seen.status or 'none'}"
        if witness.told.text:
            yield f"a text: {witness.told.text[:40]!r}"
        if error is None or not error.keys() >= SHAPE or not isinstance(error["message"], str):
            yield "no error in OpenAI's shape"
        elif "<" in error["message"]:
            yield "the upstream's markup in the message"
        if self.retry_after and _number(seen.headers.get("retry-after")) < self.retry_after:
            yield f"Retry-After {seen.headers.get('retry-after', 'missing')}"


@dataclass(frozen=True, slots=True)
class BreaksOff:
    """A beginning of the right answer, an error event, no `[DONE]`, and HTTP's own end."""

    more: bool = False  # the upstream says more than the right answer

    def __call__(self, witness: Witness) -> Iterator[str]:
        yield from _well_formed(witness)
        told = witness.told
        if witness.seen.status != 200:
            yield f"status {witness.seen.status or 'none'}"
        if told.error is None:
            yield "no error event"
        if told.done:
            yield "[DONE]"
        if told.finished:
            yield "a finish_reason"
        if not told.text:
            yield "nothing of what came"
        elif not self.more and not witness.text.startswith(told.text):
            yield f"another text: {told.text[:60]!r}"


@dataclass(frozen=True, slots=True)
class Either:
    """Whichever of several ways is taken."""

    ways: tuple[Check, ...]

    def __call__(self, witness: Witness) -> Iterator[str]:
        told = [list(way(witness)) for way in self.ways]
        if all(told):
            yield from min(told, key=len)


def left(witness: Witness) -> Iterator[str]:
    """The client closed the connection before the answer's end, as it was meant to."""
    if witness.seen.ending != "left":
        yield f"over before the client left: {witness.seen.ending}"


def hung_up(witness: Witness) -> Iterator[str]:
    """The calls for a client that left have ended within a second of it."""
    if not witness.attempts:
        yield "no call came"
    for attempt in witness.attempts:
        if attempt.over_at is None or attempt.over_at > witness.seen.left_at + LEAVING:
            yield f"the upstream call goes on {LEAVING:g} s after the client left"
            return


def called_once(witness: Witness) -> Iterator[str]:
    """What cannot succeed is not tried again."""
    if len(witness.faulty) != 1:
        yield f"{len(witness.faulty)} calls"


def called_again(witness: Witness) -> Iterator[str]:
    """What may succeed is."""
    if len(witness.attempts) < 2:
        yield "not tried again"


@dataclass(frozen=True, slots=True)
class Waited:
    """The second call comes no sooner than the first one's answer asked for."""

    seconds: float

    def __call__(self, witness: Witness) -> Iterator[str]:
        calls = witness.faulty
        if len(calls) > 1 and calls[1].at - calls[0].at < self.seconds - 0.01:
            yield f"tried again after {calls[1].at - calls[0].at:.2f} s"


def ended(witness: Witness) -> Iterator[str]:
    """No call is under way any more."""
    if any(attempt.over_at is None for attempt in witness.attempts):
        yield f"an upstream call goes on after {ENDING:g} s"


def discreet(witness: Witness) -> Iterator[str]:
    """The gateway's own credentials are not shown to the client."""
    shown = bytes(witness.seen.body) + repr(witness.seen.headers).encode()
    if any(attempt.secret and attempt.secret in shown for attempt in witness.attempts):
        yield "the upstream's key is shown"


def _well_formed(witness: Witness) -> Iterator[str]:
    seen = witness.seen
    match seen.ending:
        case "whole":
            pass
        case "late":
            yield "still not over when patience ended"
        case "cut":
            yield "the connection is cut"
        case "flood":
            yield "a flood is passed on"
        case _:
            yield f"connection {seen.ending}"
    if seen.wrong:
        yield f"not HTTP: {seen.wrong}"
    yield from witness.told.wrong
    if seen.status == 200 and witness.told.streamed != witness.stream:
        yield "streamed" if witness.told.streamed else "not streamed"


def _counted(witness: Witness) -> Iterator[str]:
    usage = witness.told.usage or {}
    charged = usage.get("prompt_tokens"), usage.get("completion_tokens")
    right = PROMPT_TOKENS, len(words(Call(witness.request)))
    if charged != right:
        yield f"usage {charged}, where one call had {right}"


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
