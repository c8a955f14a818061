"""Where a request stands in a trace that began elsewhere: W3C's `traceparent` header.

The request keeps an id of its own, since one trace may ask many times; exporters hang its spans
below the caller's.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_HEADER = re.compile(rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


class Parent(NamedTuple):
    """The caller's span, by numbers as OpenTelemetry has them."""

    trace: int
    span: int


def parent_of(header: bytes) -> Parent | None:
    """Nothing where the header is not valid: it is then as if there were none."""
    if found := _HEADER.fullmatch(header):
        parent = Parent(int(found[1], 16), int(found[2], 16))
        return parent if all(parent) else None
    return None
