"""Filters over metadata: what people and clients write, as one small tree of conditions.

There are three ways to write one, and all mean the same:

    text      region = "EU" and year >= 2024 and not (status in ("draft", "old") or url exists)
    mapping   {"region": "EU", "year": {"gte": 2024}}
    OpenAI's  {"type": "and", "filters": [{"type": "eq", "key": "region", "value": "EU"}, …]}

A field that holds a list meets a condition when one of its values does; a field that is not there
meets none, and so meets every `not`. It does not know how an index applies a condition.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from retrieval.types import BadFilter, Scalar, Where

_DEPTH = 32
"""How deep conditions may be nested: nobody's are, and a stack has an end."""
_MOST = 2_000  # values and conditions, of a filter that is an object
_LONGEST = 20_000
"""Characters of a filter's text."""

Side: TypeAlias = Literal["gte", "gt", "lte", "lt"]


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field is, or holds, one of these."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Within:
    """The field is a number within all these bounds."""

    field: str
    bounds: tuple[tuple[Side, float], ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there, and not an empty list."""

    field: str


@dataclass(frozen=True, slots=True)
class Every:
    """All of these hold; of none: always."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of these holds; of none: never."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """This does not hold."""

    condition: Condition


Condition: TypeAlias = "OneOf | Within | Exists | Every | Some | Not"

ALWAYS, NEVER = Every(()), Some(())


def condition(where: Where | None) -> Condition:
    """The condition that is meant. Raises BadFilter, which says where and what was expected."""
    match where:
        case None:
            return ALWAYS
        case str():
            return _Text(where).condition() if where.strip() else ALWAYS
        case Mapping():
            _bounded(where)
            return _openai(where, 0) if _is_openai(where) else _mapping(where)
        case OneOf() | Within() | Exists() | Every() | Some() | Not():
            return where
    raise BadFilter("A filter is text or an object.")


def _bounded(where: Mapping[Any, Any]) -> None:
    """Raises BadFilter where there is too much to be compared with every passage."""
    ahead: list[Any] = [where]
    seen = 0
    while ahead:
        one = ahead.pop()
        if isinstance(one, Mapping):
            ahead.extend(one.values())
        elif isinstance(one, list | tuple):
            ahead.extend(one)
        seen += 1
        if seen + len(ahead) > _MOST:
            raise BadFilter(f"A filter has at most {_MOST:,} values and conditions.")


def moment(text: str, *, end: bool = False) -> float | None:
    """Seconds since 1970 of a date or a time; None where it is neither.

    Without a zone it is UTC. The `end` of a day without a time is its last second's end."""
    if not _DATE.fullmatch(text):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return seconds + 86_400 if end and len(text) == len("2024-01-01") else seconds


def simplified(given: Condition) -> Condition:
    """The same without what always or never holds; NEVER is the only thing that never does."""
    match given:
        case OneOf(_, ()):
            return NEVER
        case Not(inner):
            return _negated(simplified(inner))
        case Every(parts):
            left = [one for one in map(simplified, parts) if one != ALWAYS]
            if NEVER in left:
                return NEVER
            return left[0] if len(left) == 1 else Every(tuple(left))
        case Some(parts):
            left = [one for one in map(simplified, parts) if one != NEVER]
            if ALWAYS in left:
                return ALWAYS
            return left[0] if len(left) == 1 else Some(tuple(left))
    return given


def _negated(given: Condition) -> Condition:
    if given == ALWAYS:
        return NEVER
    return ALWAYS if given == NEVER else Not(given)


# As a mapping ------------------------------------------------------------------------------------

_SIDES: Mapping[str, Side] = {"gte": "gte", "gt": "gt", "lte": "lte", "lt": "lt"}


def _mapping(where: Mapping[Any, Any]) -> Condition:
    return Every(tuple(_wanted(_named(field), wanted) for field, wanted in where.items()))


def _wanted(field: str, wanted: Any) -> Condition:
    if isinstance(wanted, Mapping):
        return Within(field, _bounds(field, wanted))
    if isinstance(wanted, str | int | float):
        return OneOf(field, (_value(field, wanted),))
    if not isinstance(wanted, Sequence):
        raise BadFilter(f"The filter on {field!r} is neither a value, a list nor a range.")
    return OneOf(field, tuple(_value(field, value) for value in wanted))


def _bounds(field: str, wanted: Mapping[Any, Any]) -> tuple[tuple[Side, float], ...]:
    if not wanted or not set(wanted) <= set(_SIDES):
        raise BadFilter(f"The filter on {field!r} is a range; its keys are gte, gt, lte and lt.")
    return tuple((_SIDES[side], _bound(field, bound)) for side, bound in wanted.items())


def _bound(field: str, bound: Any) -> float:
    at = moment(bound) if isinstance(bound, str) else None
    if at is not None:
        return at
    if isinstance(bound, bool) or not isinstance(bound, int | float):
        raise BadFilter(
            f"The filter on {field!r} has the bound {bound!r}; a number or a date is needed."
        )
    return _finite(field, bound)


def _value(field: str, value: Any) -> Scalar:
    if isinstance(value, str | bool):
        return value
    if not isinstance(value, int | float):
        raise BadFilter(f"The filter on {field!r} holds {value!r}; text or a number is needed.")
    return _finite(field, value)


def _finite(field: str, number: float) -> float:
    try:
        if math.isfinite(float(number)):
            return float(number)
    except OverflowError:
        pass  # as little a number for an index as an infinite one
    raise BadFilter(f"The filter on {field!r} has a number that is beyond all bounds.")


def _named(field: Any) -> str:
    if not isinstance(field, str) or not field or '"' in field or "\\" in field:
        raise BadFilter(f"The filter names the field {field!r}, which cannot exist.")
    return field


# As OpenAI's vector stores write it --------------------------------------------------------------

_COMPARED = frozenset({"type", "key", "value"})
_COMPOUND = frozenset({"type", "filters"})


def _is_openai(where: Mapping[Any, Any]) -> bool:
    return isinstance(where.get("type"), str) and set(where) in (_COMPARED, _COMPOUND)


def _openai(where: Any, depth: int) -> Condition:
    _check_depth(depth)
    if not isinstance(where, Mapping) or not _is_openai(where):
        raise BadFilter(
            f"{where!r} is no filter: it needs `type`, and `key` and `value`, or `filters`."
        )
    kind = where["type"]
    if "filters" in where:
        if kind not in ("and", "or") or not isinstance(where["filters"], list):
            raise BadFilter(f"The filter of type {kind!r} holds filters; that is for and and or.")
        parts = tuple(_openai(part, depth + 1) for part in where["filters"])
        return Every(parts) if kind == "and" else Some(parts)
    field, value = _named(where["key"]), where["value"]
    match kind:
        case "eq" | "ne":
            same = OneOf(field, (_value(field, value),))
            return same if kind == "eq" else Not(same)
        case "in" | "nin" if isinstance(value, list):
            held = OneOf(field, tuple(_value(field, one) for one in value))
            return held if kind == "in" else Not(held)
        case "in" | "nin":
            raise BadFilter(f"The filter on {field!r} of type {kind!r} needs a list.")
        case "gt" | "gte" | "lt" | "lte":
            return Within(field, ((_SIDES[kind], _bound(field, value)),))
    raise BadFilter(
        f"The filter on {field!r} has the type {kind!r}; there are eq, ne, gt, gte, lt, lte, in, "
        "nin, and, or."
    )


def _check_depth(depth: int) -> None:
    if depth > _DEPTH:
        raise BadFilter(f"The filter is nested more than {_DEPTH} deep.")


# As text -----------------------------------------------------------------------------------------

_DATE = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:?\d\d)?)?"
)
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<date>\d{4}-\d\d-\d\d(?:[Tt]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:?\d\d)?)?(?![\w.-]))
    | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.-]))
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<word>[^\W\d][\w.-]*)
    | (?P<sign>==|!=|<>|>=|<=|[=<>(),\[\]])
    | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_KEYWORDS = frozenset({"and", "or", "not", "in", "contains", "exists", "true", "false"})
_ORDERED: Mapping[str, Side] = {">=": "gte", ">": "gt", "<=": "lte", "<": "lt"}
_A_VALUE = "a value (text in quotes, a number, a date, true or false)"
_AN_OPERATOR = "=, !=, <, <=, >, >=, in, not in, contains or exists"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # date, number, text, word, keyword, sign, end
    text: str  # a keyword's in lower case
    start: int


class _Text:
    """A filter's text, read from left to right."""

    def __init__(self, text: str) -> None:
        if len(text) > _LONGEST:
            raise BadFilter(f"The filter is longer than {_LONGEST} characters.")
        self._text = text
        self._at = 0
        self._next = self._token()

    def condition(self) -> Condition:
        whole = self._either(0)
        if self._next.kind != "end":
            raise self._expected("`and`, `or` or the end")
        return whole

    def _either(self, depth: int) -> Condition:
        return self._joined("or", Some, self._all, depth)

    def _all(self, depth: int) -> Condition:
        return self._joined("and", Every, self._one, depth)

    def _joined(
        self,
        word: str,
        join: Callable[[tuple[Condition, ...]], Condition],
        part: Callable[[int], Condition],
        depth: int,
    ) -> Condition:
        parts = [part(depth)]
        while self._took(word):
            parts.append(part(depth))
        return parts[0] if len(parts) == 1 else join(tuple(parts))

    def _one(self, depth: int) -> Condition:
        _check_depth(depth)
        if self._took("not"):
            return Not(self._one(depth + 1))
        if self._took("("):
            inner = self._either(depth + 1)
            if not self._took(")"):
                raise self._expected("`and`, `or` or a closing parenthesis")
            return inner
        return self._comparison(self._field())

    def _field(self) -> str:
        token = self._next
        if token.kind not in ("word", "text"):
            raise self._expected("a field's name, `not` or an opening parenthesis")
        self._step()
        return _named(token.text if token.kind == "word" else _unquoted(token.text))

    def _comparison(self, field: str) -> Condition:
        operator = self._next
        match operator.text:
            case "=" | "==":
                return OneOf(field, (self._step()._value(),))
            case "!=" | "<>":
                return Not(OneOf(field, (self._step()._value(),)))
            case ">=" | ">" | "<=" | "<":
                return Within(field, ((_ORDERED[operator.text], self._step()._bound()),))
            case "in":
                return OneOf(field, self._step()._list())
            case "contains":
                return OneOf(field, (self._step()._value(),))
            case "exists":
                self._step()
                return Exists(field)
            case "not":
                return Not(self._step()._negatable(field))
        raise self._expected(_AN_OPERATOR)

    def _negatable(self, field: str) -> Condition:
        if self._next.text not in ("in", "contains", "exists"):
            raise self._expected("in, contains or exists")
        return self._comparison(field)

    def _list(self) -> tuple[Scalar, ...]:
        closing = {"(": ")", "[": "]"}.get(self._next.text)
        if closing is None:
            raise self._expected("a list in parentheses")
        self._step()
        values: list[Scalar] = []
        while not self._took(closing):
            if values and not self._took(","):
                raise self._expected(f"a comma or `{closing}`")
            values.append(self._value())
        return tuple(values)

    def _bound(self) -> float:
        if self._next.kind not in ("number", "date"):
            raise self._expected("a number or a date, without quotes")
        return float(self._value())

    def _value(self) -> Scalar:
        token = self._next
        match token.kind:
            case "text":
                value: Scalar = _unquoted(token.text)
            case "number":
                value = float(token.text)
                if not math.isfinite(value):
                    raise self._expected("a number within all bounds")
            case "date":
                at = moment(token.text)
                if at is None:
                    raise self._expected("a date that there is")
                value = at
            case "keyword" if token.text in ("true", "false"):
                value = token.text == "true"
            case _:
                raise self._expected(_A_VALUE)
        self._step()
        return value

    def _took(self, text: str) -> bool:
        if self._next.kind not in ("keyword", "sign") or self._next.text != text:
            return False
        self._step()
        return True

    def _step(self) -> _Text:
        self._next = self._token()
        return self

    def _token(self) -> _Token:
        found = _TOKEN.match(self._text, self._at)
        if found is None or found.lastgroup is None:
            start = self._at + len(self._text[self._at :]) - len(self._text[self._at :].lstrip())
            quoted = self._text[start] in "\"'"
            raise self._bad(start, "a closing quote" if quoted else "a field, a sign or a value")
        self._at = found.end()
        kind, text = found.lastgroup, found[found.lastgroup]
        if kind == "word" and text.lower() in _KEYWORDS:
            kind, text = "keyword", text.lower()
        return _Token(kind, text, found.start(found.lastgroup))

    def _expected(self, what: str) -> BadFilter:
        return self._bad(self._next.start, what)

    def _bad(self, start: int, what: str) -> BadFilter:
        rest = self._text[start : start + 24]
        near = f"near {rest!r}" if rest.strip() else "at its end"
        return BadFilter(f"The filter at character {start + 1}, {near}: expected {what}.")


def _unquoted(text: str) -> str:
    return _ESCAPED.sub(r"\1", text[1:-1])
