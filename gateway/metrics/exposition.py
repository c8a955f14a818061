"""Prometheus' text format: families of samples in, a page out. It knows no metric."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal, TypeAlias

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]
Labels: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: a number and what it belongs to. `suffix` goes behind the family's name."""

    value: float
    labels: Labels = ()
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """All samples of one metric."""

    name: str
    kind: Kind
    help: str
    samples: Sequence[Sample] = field(default=())


class Histogram:
    """How many observations fell into which bucket. Takes milliseconds, tells seconds."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds  # upper ones, in milliseconds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, ms: float) -> None:
        self._counts[bisect_left(self._bounds, ms)] += 1
        self._sum += ms

    def samples(self, labels: Labels = ()) -> Iterator[Sample]:
        """Its lines; none before the first observation."""
        *below, total = accumulate(self._counts)
        if not total:
            return
        for bound, count in zip(self._bounds, below, strict=True):
            yield Sample(count, (*labels, ("le", f"{bound / 1000:g}")), "_bucket")
        yield Sample(total, (*labels, ("le", "+Inf")), "_bucket")
        yield Sample(self._sum / 1000, labels, "_sum")
        yield Sample(total, labels, "_count")


def gauge(name: str, help: str, value: float, **labels: str) -> Family:  # noqa: A002, the word
    """A family of one number that goes up and down."""
    return Family(name, "gauge", help, (Sample(value, tuple(labels.items())),))


def counter(name: str, help: str, value: float) -> Family:  # noqa: A002, the format's word
    """A family of one number that only grows."""
    return Family(name, "counter", help, (Sample(value),))


def page(families: Iterable[Family]) -> str:
    """The families that have samples, as Prometheus reads them."""
    return "".join(line for family in families if family.samples for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.help}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for sample in family.samples:
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels)
        shown = f"{{{labels}}}" if labels else ""
        yield f"{family.name}{sample.suffix}{shown} {_number(sample.value)}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
