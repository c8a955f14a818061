"""How figures are written for people: counts, money, durations, shares and moments (in UTC)."""

from __future__ import annotations

import json
import time
from typing import Any

NOTHING = "–"  # what stands where there is no figure
_UNITS = ((1e9, "B"), (1e6, "M"), (1e3, "k"))


def compact(value: float | None) -> str:
    """12,345 as `12.3k`; exact below ten thousand."""
    if value is None:
        return NOTHING
    if abs(value) < 10_000:
        return f"{value:,.0f}"
    size, unit = next(each for each in _UNITS if abs(value) >= each[0] * 0.9995)
    return f"{_short(value / size)}{unit}"


def exact(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


def money(usd: float | None) -> str:
    """Whole cents from a dollar on, two telling digits below."""
    if usd is None:
        return NOTHING
    if usd == 0:
        return "$0"
    if abs(usd) >= 10_000:
        return f"${compact(usd)}"
    if abs(usd) >= 0.995:
        return f"${usd:,.2f}"
    if abs(usd) < 1e-6:
        return "<$0.000001"
    digits = 2
    while abs(usd) < 10 ** (1 - digits) and digits < 7:
        digits += 1
    return f"${usd:.{digits}f}"


def duration(ms: float | None) -> str:
    """In the unit that leaves one to three digits before the point."""
    if ms is None:
        return NOTHING
    if ms < 0.9995:
        return f"{ms * 1000:.0f} µs"
    if ms < 999.5:
        return f"{_short(ms)} ms"
    if ms < 59_950:
        return f"{_short(ms / 1000)} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    if minutes < 60:
        return f"{minutes} m {seconds:02} s"
    return f"{minutes // 60} h {minutes % 60:02} m"


def mark(ms: float | None) -> str:
    """A round duration on an axis: `0`, `250 ms`, `2.5 s`."""
    if not ms:
        return "0"
    for size, unit in ((60_000, "m"), (1000, "s"), (1, "ms")):
        if ms >= size:
            return f"{ms / size:.3g} {unit}"
    return f"{ms * 1000:.3g} µs"


def percent(share: float | None) -> str:
    """Neither a rare error nor a rare success is rounded away."""
    if share is None:
        return NOTHING
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{share * 100:.1f}".removesuffix(".0") + "%"


def score(value: Any) -> str:
    """A score or similarity; text where it is no number."""
    if value is None:
        return NOTHING
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:.3f}"
    return str(value)


def moment(at: float) -> str:
    return time.strftime("%b %d %H:%M:%S", time.gmtime(at))


def iso(at: float) -> str:
    """For machines, and for who wants to know exactly."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def span(start: float, end: float) -> str:
    """`Nov 22 08:00–08:30`; the second date only where it differs."""
    first, last = time.gmtime(start), time.gmtime(end)
    same_day = first[:3] == last[:3]
    return f"{time.strftime('%b %d %H:%M', first)}–" + time.strftime(
        "%H:%M" if same_day else "%b %d %H:%M", last
    )


def pretty(value: Any) -> str:
    """Nested data as readable JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _short(value: float) -> str:
    """Three telling digits."""
    if value >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
