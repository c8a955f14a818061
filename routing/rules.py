"""What a rule says of a request: conditions over signals, in the language of filters.

    when = "task = 'code' and p_cheap < 0.6 and tokens > 8000"

A signal that is not known meets no condition, and so every `not`. Which signals a request has is
found out by whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from retrieval.filters import Condition, Every, Exists, Not, OneOf, Side, Some, Within
from retrieval.filters import condition as parsed
from retrieval.types import BadFilter, Scalar

Signals: TypeAlias = Mapping[str, Scalar | tuple[str, ...]]

SIGNALS: Mapping[str, str] = {
    "task": "code, mathematics, summary, extraction, creative, conversation or question",
    "complexity": "simple or complex, by the question's words",
    "p_cheap": "probability that the cheap model will do",
    "tokens": "of the whole input, estimated",
    "language": "of the question, as two letters",
    "images": "whether there is one in the messages",
    "tools": "whether the model may call any",
    "grounded": "whether documents are searched",
    "team": "of the key",
    "key": "the key's public id",
    "region": "in which the answer has to be made",
    "model": "as the request names it",
}
"""What a rule may ask about."""


def condition(when: str) -> Condition:
    """What is meant by a text. Raises ValueError that says where it is wrong."""
    try:
        meant = parsed(when)
    except BadFilter as error:
        raise ValueError(str(error)) from error
    if unknown := names(meant) - SIGNALS.keys():
        known = ", ".join(SIGNALS)
        raise ValueError(f"there is no signal {min(unknown)!r}; there are {known}")
    return meant


def names(given: Condition) -> frozenset[str]:
    """The signals that a condition asks about."""
    match given:
        case Every(parts) | Some(parts):
            return frozenset[str]().union(*map(names, parts))
        case Not(inner):
            return names(inner)
    return frozenset({given.field})


def holds(given: Condition, signals: Signals) -> bool:
    """Whether a condition is met."""
    match given:
        case Every(parts):
            return all(holds(part, signals) for part in parts)
        case Some(parts):
            return any(holds(part, signals) for part in parts)
        case Not(inner):
            return not holds(inner, signals)
        case Exists(field):
            return signals.get(field, ()) != ()
        case OneOf(field, wanted):
            return any(_same(value, each) for value in _values(signals, field) for each in wanted)
        case Within(field, bounds):
            return any(_within(value, bounds) for value in _values(signals, field))


def _values(signals: Signals, field: str) -> tuple[Scalar, ...]:
    value = signals.get(field, ())
    return value if isinstance(value, tuple) else (value,)


def _same(value: Scalar, wanted: Scalar) -> bool:
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _within(value: Scalar, bounds: tuple[tuple[Side, float], ...]) -> bool:
    if isinstance(value, str | bool):
        return False
    return all(_bounded(value, side, bound) for side, bound in bounds)


def _bounded(value: float, side: Side, bound: float) -> bool:
    match side:
        case "gte":
            return value >= bound
        case "gt":
            return value > bound
        case "lte":
            return value <= bound
        case "lt":
            return value < bound
