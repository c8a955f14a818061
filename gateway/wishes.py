"""What a request says of answers that were given before: two headers, read into one value.

`Cache-Control` is read as RFC 9111 says; `x-moorline-cache` says what it has no word for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf

from gateway.errors import InvalidRequest

HEADER = "x-moorline-cache"
_HEADER = HEADER.encode()


@dataclass(frozen=True, slots=True)
class Wishes:
    """The usual request may be given an earlier answer, and its own is kept for others."""

    read: bool = True
    keep: bool = True
    only: bool = False  # an earlier answer or none
    hot: bool = False  # also where a request wants variety: it is warm, or asks for many choices
    max_age: float = inf  # seconds


USUAL = Wishes()
_OURS = {
    "on": replace(USUAL, hot=True),
    "off": Wishes(read=False, keep=False),
    "refresh": Wishes(read=False),
    "only": Wishes(only=True, hot=True),
}


def wishes_of(headers: Mapping[bytes, bytes]) -> Wishes:
    """What these headers say together: whatever one of them forbids is forbidden. Raises
    InvalidRequest."""
    ours, general = headers.get(_HEADER), headers.get(b"cache-control")
    return _wishes(ours or b"", general or b"") if ours or general else USUAL


@lru_cache(maxsize=256)  # a client says the same with every request
def _wishes(ours: bytes, general: bytes) -> Wishes:
    wishes = USUAL
    if ours:
        named = _OURS.get(ours.decode("latin-1").strip().lower())
        if named is None:
            known = ", ".join(_OURS)
            raise InvalidRequest(f"The header {HEADER} is one of {known}.", param=HEADER)
        wishes = named
    return _narrowed(wishes, general.decode("latin-1").lower())


def _narrowed(wishes: Wishes, cache_control: str) -> Wishes:
    for each in cache_control.split(","):
        name, _, value = each.strip().partition("=")
        match name:
            case "no-store":  # what is stored already may be read
                wishes = replace(wishes, keep=False)
            case "no-cache":
                wishes = replace(wishes, read=False)
            case "only-if-cached":
                wishes = replace(wishes, only=True)
            case "max-age":
                wishes = replace(wishes, max_age=min(wishes.max_age, _seconds(value)))
    return wishes


def _seconds(value: str) -> float:
    """What is no number of seconds lets nothing be fresh."""
    digits = value.strip().strip('"')
    return float(digits) if digits.isascii() and digits.isdigit() else 0.0
