"""One request's trace: a span a stage, in the order in which they began.

A trace knows no sink and does no I/O; what it holds is written after the response. Content that
a caller or a document wrote goes in only after redaction.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar

from gateway.tracing.parent import Parent
from gateway.wishes import USUAL

T = TypeVar("T")


@dataclass(slots=True)
class Span:
    """A stage: offsets from the trace's start in nanoseconds, and what was seen. It ends with its
    `with`, in which an exception is recorded by name."""

    name: str
    start: int
    end: int = 0
    error: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    _origin: int = field(default=0, repr=False, compare=False)  # of the offsets; never written

    def __enter__(self) -> Span:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end = time.perf_counter_ns() - self._origin
        if error is not None:
            self.error = f"{type(error).__name__}: {error}"

    def set(self, **attributes: Any) -> None:
        self.attributes.update(attributes)


_random = random.Random()  # seeded by the system


class Trace:
    """Collects the spans of one request."""

    __slots__ = (
        *("_origin", "attributes", "deadline", "id", "parent", "spans", "started_at", "wishes"),
    )

    def __init__(self, trace_id: str | None = None) -> None:
        # A W3C trace id, 32 hexadecimal digits. Unique is enough, and asking the system for
        # randomness lets go of the interpreter, which a busy thread then keeps for a while.
        self.id = trace_id or f"{_random.getrandbits(128):032x}"
        self.parent: Parent | None = None  # of a trace that began elsewhere
        self.deadline: float | None = None  # seconds that the caller gives the whole
        self.wishes = USUAL  # what the caller says of answers that were given before
        self.started_at = time.time()  # seconds since the epoch
        self._origin = time.perf_counter_ns()
        self.spans: list[Span] = []
        self.attributes: dict[str, Any] = {}

    def beside(self) -> Trace:
        """One for another request that came with this one."""
        other = Trace()
        other.parent, other.deadline, other.wishes = self.parent, self.deadline, self.wishes
        return other

    @property
    def elapsed(self) -> int:
        """Nanoseconds since the trace began."""
        return time.perf_counter_ns() - self._origin

    def span(self, name: str) -> Span:
        """A stage that begins now, for a `with`; or its end is set by whoever holds it (a stream
        outlives the call)."""
        span = Span(name, time.perf_counter_ns() - self._origin, 0, None, {}, self._origin)
        self.spans.append(span)
        return span

    async def step(self, name: str, work: Awaitable[T]) -> T:
        """A stage that is one awaitable."""
        with self.span(name):
            return await work
