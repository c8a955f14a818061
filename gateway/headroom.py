"""What a provider says of its rate limits in the headers of its answers, and until when it holds.

OpenAI, Azure, Groq, Together, Mistral and Anthropic name them alike but not the same:
`x-ratelimit-remaining-requests`, `x-ratelimit-reset-tokens`, `anthropic-ratelimit-tokens-remaining`
… A reset is a duration ("6m0s", "120ms"), a number of seconds, or a date.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from gateway.providers.base import Header

UNSAID = 5.0  # seconds for which "nothing is left" is believed, where no reset is told
LONGEST = 3600.0  # seconds: a limit of a day is asked again every hour
SOON = 0.002  # seconds: timers fire a moment early, and who has waited must not be refused for that
EPOCH = 1e9  # a larger number is a date

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)(ms|[dhms]))")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class Room:
    """What is left of one limit."""

    __slots__ = ("left", "until")

    def __init__(self) -> None:
        self.left = -1.0  # not known
        self.until = 0.0

    def wait(self, amount: float, now: float) -> float:
        """Seconds until this much fits."""
        if self.left < 0 or amount <= self.left or now >= self.until:
            return 0.0
        return self.until - now


class Headroom:
    """A deployment's, as its provider told it last."""

    __slots__ = ("known", "paused_until", "requests", "tokens")

    def __init__(self) -> None:
        self.known = False  # whether anything was ever said
        self.requests = Room()
        self.tokens = Room()
        self.paused_until = 0.0

    def pause(self, seconds: float, now: float) -> None:
        """It was said to wait: Retry-After."""
        self.known = True
        self.paused_until = max(self.paused_until, now + min(seconds, LONGEST))

    def wait(self, tokens: float, now: float) -> float:
        """Seconds until another request fits; 0 where it fits now."""
        wait = max(
            self.paused_until - now,
            self.requests.wait(1.0, now),
            self.tokens.wait(max(tokens, 1.0), now),
        )
        return wait if wait > SOON else 0.0

    def take(self, tokens: float) -> None:
        """A request is sent; what is left is less until the next answer tells."""
        self.requests.left = max(self.requests.left - 1.0, -1.0 if self.requests.left < 0 else 0.0)
        if self.tokens.left >= 0:
            self.tokens.left = max(self.tokens.left - tokens, 0.0)

    def read(self, headers: Iterable[Header], now: float, today: float) -> None:
        """Take in what an answer's headers say. `today` is the wall clock, for dates."""
        said: dict[tuple[str, bool], float] = {}
        for raw, value in headers:
            name = raw.lower()
            if b"limit-" in name and (meant := _meaning(name.decode("latin-1"))):
                number = _parsed(value.decode("latin-1").strip(), today, date=meant[1])
                if number is not None and number >= 0:  # some say -1 where they do not know
                    # Of several limits of a kind the one that is nearer.
                    said[meant] = min(said.get(meant, number), number)
        for kind, room in (("requests", self.requests), ("tokens", self.tokens)):
            if (left := said.get((kind, False))) is not None:
                self.known = True
                room.left = left
                room.until = now + min(said.get((kind, True), UNSAID), LONGEST)


def _meaning(name: str) -> tuple[str, bool] | None:
    """Of what it speaks, requests or tokens, and whether of the reset; None where of neither."""
    reset = "reset" in name
    if not (reset or "remaining" in name):
        return None
    kind = "tokens" if "token" in name else "requests"
    return kind, reset


def _parsed(text: str, today: float, *, date: bool) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return _duration(text, today) if date else None
    return max(number - today, 0.0) if date and number > EPOCH else number


def _duration(text: str, today: float) -> float | None:
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    try:
        return max(datetime.fromisoformat(text).timestamp() - today, 0.0)
    except ValueError:
        return None
