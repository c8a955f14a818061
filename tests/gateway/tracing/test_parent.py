"""W3C's traceparent header."""

from __future__ import annotations

import pytest

from gateway.tracing.parent import Parent, parent_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize("header", [f"00-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-00-later"])
def test_a_valid_header_names_the_span_above(header: str) -> None:
    assert parent_of(header.encode()) == Parent(int(TRACE, 16), int(SPAN, 16))


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE[:-1]}-{SPAN}-01",
    ],
)
def test_what_is_not_valid_is_as_if_it_were_not_there(header: str) -> None:
    assert parent_of(header.encode()) is None
