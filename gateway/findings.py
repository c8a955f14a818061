"""What pydantic finds wrong, said by the keys that were written.

Where a value may have several forms, pydantic tells for each of them why it is not that one, and
puts the form's name into the path. Whoever wrote the value knows no such names, and wants to hear
of the form that comes nearest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

Key = str | int


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `form` is which form of a value was tried, and `of` which value."""

    path: tuple[Key, ...]
    message: str
    kind: str  # pydantic's name for it
    of: tuple[Key, ...] = ()
    form: str = ""

    @property
    def key(self) -> str:
        return ".".join(map(str, self.path))


def findings(error: ValidationError, given: Any) -> list[Finding]:
    """In pydantic's order; of a value's several forms only what is said of the nearest one."""
    told = error.errors(include_url=False, include_input=False, include_context=False)
    found = [_finding(each["loc"], each["msg"], each["type"], given) for each in told]
    return [each for each in found if each is _nearest(each, found)]


def _nearest(one: Finding, found: list[Finding]) -> Finding:
    same = [each for each in found if each.form and each.of == one.of]
    if not one.form or all(each.form == one.form for each in same):
        return one
    return max(same, key=lambda each: (len(each.path), not each.kind.endswith("_type")))


def _finding(places: tuple[Key, ...], message: str, kind: str, given: Any) -> Finding:
    path: list[Key] = []
    of: tuple[Key, ...] = ()
    form = ""
    for depth, place in enumerate(places, 1):
        if _holds(given, place):
            given = given[place]
            path.append(place)
        elif kind == "missing" and depth == len(places):
            path.append(place)
        elif not form:
            of, form = tuple(path), str(place)
    return Finding(tuple(path), message.removeprefix("Value error, "), kind, of, form)


def _holds(given: Any, place: Key) -> bool:
    if isinstance(given, Mapping):
        return place in given
    return isinstance(given, list) and isinstance(place, int) and place < len(given)
