"""Charts as geometry: series of figures become rectangles, paths and ticks. No markup, no clock.

x is counted in steps of the time axis, which the browser stretches to the width it has; y is in
pixels from the top. The macro `chart` in templates/parts.html draws what is worked out here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.dashboard.figures import span

HEIGHT = 136  # pixels of the plot
TOP = 8  # of them kept free above the highest value, for half a stroke and half a label
INTERVALS = 4  # of the y axis, at most
_HOUR, _DAY = 3600, 86_400
_TICKS = (
    *(60, 300, 600, 900, 1800, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(days * _DAY for days in (1, 2, 5, 10, 15, 30, 90, 180, 365)),
)
LABELS = 8  # on the time axis, at most: so many fit on a telephone

Values = tuple[float | None, ...]
Format = Callable[[float | None], str]


@dataclass(frozen=True, slots=True)
class Series:
    """One figure per step, None where there is none. `tone` is a colour's name in the style."""

    name: str
    tone: str
    values: Values


@dataclass(frozen=True, slots=True)
class Axis:
    """The time axis: when each step begins, and for how many seconds it lasts."""

    starts: tuple[float, ...]
    step: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis: pixels on the y axis, percent on the x axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    tone: str


@dataclass(frozen=True, slots=True)
class Line:
    path: str
    dots: str  # figures with no neighbour to be joined to
    tone: str


@dataclass(frozen=True, slots=True)
class Column:
    """One step as the pointer finds it."""

    x: float
    start: float
    end: float
    note: str


@dataclass(frozen=True, slots=True)
class Chart:
    """All that is drawn."""

    title: str
    summary: str  # for who cannot see it
    series: tuple[Series, ...]
    steps: int
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    columns: tuple[Column, ...]
    bars: tuple[Bar, ...] = ()
    lines: tuple[Line, ...] = ()
    height: int = HEIGHT

    @property
    def empty(self) -> bool:
        return not any(value for each in self.series for value in each.values)


def stacked(title: str, axis: Axis, series: Sequence[Series], write: Format) -> Chart:
    """Bars, the first series at the bottom."""
    sums = [sum(value or 0 for value in step) for step in _by_step(axis, series)]
    scale = nice_scale(max(sums, default=0))
    bars: list[Bar] = []
    for x, values in enumerate(_by_step(axis, series)):
        bottom = float(HEIGHT)
        for each, value in zip(series, values, strict=True):
            if not value:
                continue
            # One error among a thousand answers must still be seen.
            height = round(max(value / scale[-1] * (HEIGHT - TOP), 2), 2)
            bottom = round(bottom - height, 2)
            bars.append(Bar(round(x + 0.12, 2), bottom, 0.76, height, each.tone))
    return _chart(title, axis, series, scale, write, write, bars=tuple(bars))


def lines(
    title: str,
    axis: Axis,
    series: Sequence[Series],
    write: Format,
    mark: Format | None = None,
    top: float | None = None,
) -> Chart:
    """One line a series, broken where there are no figures. `top` fixes the scale, `mark` writes
    its figures."""
    highest = max((v for each in series for v in each.values if v is not None), default=0)
    scale = nice_scale(highest if top is None else top)
    drawn = tuple(line(each, scale[-1]) for each in series)
    return _chart(title, axis, series, scale, mark or write, write, lines=drawn)


def line(series: Series, top: float) -> Line:
    """SVG path data. A dot is a line of no length with round ends."""
    joined: list[str] = []
    dots: list[str] = []
    values = (None, *series.values, None)
    for x, (before, value, after) in enumerate(zip(values, values[1:], values[2:], strict=False)):
        if value is None:
            continue
        place = f"{x + 0.5:g} {_y(value, top):g}"
        if before is not None:
            joined.append(f"L{place}")
        elif after is not None:
            joined.append(f"M{place}")
        else:
            dots.append(f"M{place}h0")
    return Line("".join(joined), "".join(dots), series.tone)


def nice_scale(highest: float, intervals: int = INTERVALS) -> list[float]:
    """Round figures from 0 up to at least `highest`, few enough to read."""
    rough = highest / intervals
    if rough <= 0 or not math.isfinite(highest):
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(rough))
    # A hair of slack, or 0.3 / 0.1 asks for a fourth interval.
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))
    needed = max(1, min(intervals, math.ceil(highest / step - 1e-9)))
    return [step * i for i in range(needed + 1)]


def time_ticks(axis: Axis) -> tuple[Tick, ...]:
    """Labels at round moments, in UTC."""
    if not axis.starts:
        return ()
    first, whole = axis.starts[0], axis.step * len(axis.starts)
    every = next((t for t in _TICKS if t >= axis.step and whole / t <= LABELS), _TICKS[-1])
    style = "%H:%M" if every < _DAY else "%b %d"
    ticks: list[Tick] = []
    at = math.ceil(first / every) * every
    while at < first + whole:
        percent = round((at - first) / whole * 100, 2)
        # A label too near an end would be cut.
        if 3 <= percent <= 97:
            ticks.append(Tick(percent, time.strftime(style, time.gmtime(at))))
        at += every
    return tuple(ticks)


def _chart(
    title: str,
    axis: Axis,
    series: Sequence[Series],
    scale: Sequence[float],
    mark: Format,
    write: Format,
    bars: tuple[Bar, ...] = (),
    lines: tuple[Line, ...] = (),
) -> Chart:
    return Chart(
        title=title,
        summary=_summary(title, axis, series, write),
        series=tuple(series),
        steps=len(axis.starts),
        y_ticks=tuple(Tick(_y(value, scale[-1]), mark(value)) for value in scale),
        x_ticks=time_ticks(axis),
        columns=_columns(axis, series, write),
        bars=bars,
        lines=lines,
    )


def _columns(axis: Axis, series: Sequence[Series], write: Format) -> tuple[Column, ...]:
    columns: list[Column] = []
    for x, values in enumerate(_by_step(axis, series)):
        start, end = axis.starts[x], axis.starts[x] + axis.step
        figures = (f"{s.name}: {write(value)}" for s, value in zip(series, values, strict=True))
        columns.append(Column(x, start, end, "\n".join((span(start, end), *figures))))
    return tuple(columns)


def _by_step(axis: Axis, series: Sequence[Series]) -> list[tuple[float | None, ...]]:
    return [tuple(each.values[x] for each in series) for x in range(len(axis.starts))]


def _summary(title: str, axis: Axis, series: Sequence[Series], write: Format) -> str:
    parts = [f"{title} in {len(axis.starts)} steps"]
    for each in series:
        values = [value for value in each.values if value is not None]
        if values:
            parts.append(f"{each.name} between {write(min(values))} and {write(max(values))}")
    return "; ".join(parts) + ". The figures are in the table below."


def _y(value: float, top: float) -> float:
    """Pixels from the top."""
    return round(HEIGHT - value / top * (HEIGHT - TOP), 2)
