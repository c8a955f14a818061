"""A circuit breaker as plain state: time comes in as an argument, no I/O.

Closed, calls pass and are counted. After too many failures it opens, for longer each time it does
so again. Then it is half open: a few probes pass, and their success closes it.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from routing.config import BreakerConfig

State: TypeAlias = Literal["closed", "open", "half-open"]
Forced: TypeAlias = Literal["auto", "open", "closed"]

SLICES = 10  # of the window in which calls are counted
_, CALLS, FAILURES, SLOW = range(4)  # what a slice holds, after its own number


class Breaker:
    """One deployment's.

    Whoever gets an era from `enter` says how the call ended: `succeeded`, `failed`, or `left` when
    it was broken off by the caller. Each change of state begins a new era, and what was begun in
    an earlier one no longer counts.
    """

    __slots__ = (
        "_closed_at",
        "_config",
        "_in_a_row",
        "_passed",
        "_probing",
        "_window",
        "calm",
        "era",
        "forced",
        "state",
        "times",
        "until",
    )

    def __init__(self, config: BreakerConfig) -> None:
        self.state: State = "closed"
        self.forced: Forced = "auto"
        self.until = 0.0  # when an open one lets the first probe through
        self.times = 0  # that it opened in a row
        self.era = 0
        self.calm = True  # closed, and nobody forces it: what it is nearly always
        self._config = config
        self._in_a_row = 0  # failures
        self._probing = 0
        self._passed = 0  # probes
        self._closed_at = 0.0
        self._window = _Window(config.window)

    def configure(self, config: BreakerConfig) -> None:
        """Judge by these figures from now on."""
        if config != self._config:
            self._config = config
            self._window = _Window(config.window)

    def admits(self, now: float) -> bool:
        """Whether a call would pass."""
        if self.forced != "auto":
            return self.forced == "closed"
        if self.state == "closed":
            return True
        if self.state == "open":
            return now >= self.until
        return self._probing < self._config.probes

    def wait(self, now: float) -> float | None:
        """Seconds until a call may pass; None where nobody knows."""
        if self.forced == "open":
            return None
        return max(self.until - now, 0.0) if self.state == "open" else 0.0

    def enter(self, now: float) -> int | None:
        """Pass, or not. A probe takes a place, which has to be given back."""
        if self.calm:
            return self.era
        if not self.admits(now):
            return None
        if self.forced == "auto":
            if self.state == "open":
                self._turn("half-open")
            self._probing += 1
        return self.era

    def succeeded(self, era: int, now: float, slow: bool = False) -> bool:
        """A call that began to answer. Returns whether that changed anything for others."""
        if era != self.era:
            return False
        if self.state == "half-open":
            return self._probed(now, well=not slow)
        self._in_a_row = 0
        part = self._window.slice(now)
        part[CALLS] += 1
        if not slow:
            return False
        part[SLOW] += 1
        return self._judged(now)

    def failed(self, era: int, now: float) -> bool:
        """A call that did not. Returns whether that changed anything for others."""
        if era != self.era:
            return False
        if self.state == "half-open":
            return self._probed(now, well=False)
        self._in_a_row += 1
        part = self._window.slice(now)
        part[CALLS] += 1
        part[FAILURES] += 1
        return self._judged(now)

    def cut(self, era: int, now: float) -> bool:
        """An answer that had begun and broke off: its call is counted already."""
        if era != self.era or self.state != "closed":
            return False
        self._window.slice(now)[FAILURES] += 1
        return self._judged(now)

    def left(self, era: int) -> None:
        """The caller went away: nothing is known, and a probe gives its place back."""
        if era == self.era and self.state == "half-open":
            self._probing -= 1

    def force(self, forced: Forced) -> None:
        """Keep it open or closed whatever happens, or let it judge again, from the beginning."""
        self.forced = forced
        self._close(self._closed_at)
        self.times = 0

    def open_for(self, seconds: float, times: int, now: float) -> None:
        """Somebody else found that it does not answer."""
        if self.forced != "auto":
            return
        if self.state != "open":
            self._turn("open")
            self.until = now + seconds
        self.until = max(self.until, now + seconds)
        self.times = max(self.times, times)

    def close(self, now: float) -> None:
        """Somebody else found that it answers again."""
        if self.state != "closed" and self.forced == "auto":
            self._close(now)

    def _probed(self, now: float, *, well: bool) -> bool:
        if self.forced != "auto":
            return False
        self._probing -= 1
        if not well:
            self._open(now)
            return True
        self._passed += 1
        if self._passed < self._config.probes:
            return False
        self._close(now)
        return True

    def _judged(self, now: float) -> bool:
        if self.forced != "auto" or self.state != "closed":
            return False
        config = self._config
        calls, failures, slow = self._window.totals(now)
        enough = calls >= config.minimum_calls
        if (
            self._in_a_row >= config.failures
            or (enough and failures >= config.error_rate * calls)
            or (enough and slow >= config.slow_rate * calls)
        ):
            self._open(now)
            return True
        return False

    def _open(self, now: float) -> None:
        if self.state == "closed" and now - self._closed_at > self._config.window:
            self.times = 0  # it has been well for long enough
        self._turn("open")
        self.times += 1
        doubled = self._config.open_seconds * 2.0 ** min(self.times - 1, 30)
        self.until = now + min(doubled, self._config.longest_open)

    def _close(self, now: float) -> None:
        self._turn("closed")
        self._closed_at = now
        self._in_a_row = 0
        self._window = _Window(self._config.window)

    def _turn(self, state: State) -> None:
        self.state = state
        self.calm = state == "closed" and self.forced == "auto"
        self.era += 1
        self._probing = self._passed = 0


class _Window:
    """Calls, failures and slow calls of the last while, in slices that are forgotten one by one."""

    __slots__ = ("_slices", "_width")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / SLICES
        self._slices = [[-1, 0, 0, 0] for _ in range(SLICES)]

    def totals(self, now: float) -> tuple[int, int, int]:
        oldest = int(now / self._width) - SLICES
        parts = [part for part in self._slices if part[0] > oldest]
        calls, failures, slow = (sum(p[k] for p in parts) for k in (CALLS, FAILURES, SLOW))
        return calls, failures, slow

    def slice(self, now: float) -> list[int]:
        """That of this moment, to count in."""
        which = int(now / self._width)
        part = self._slices[which % SLICES]
        if part[0] != which:
            part[:] = [which, 0, 0, 0]
        return part
