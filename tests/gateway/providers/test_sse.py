"""Server-sent events: the same events however their bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.providers.wire.sse import EventParser, EventTooLarge


def events(*pieces: bytes) -> list[bytes]:
    parser = EventParser()
    found = [event for piece in pieces for event in parser.feed(piece)]
    return found + parser.finish()


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\r\n\n", [b"a"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data\ndata: b\n\n", [b"\nb"]),
        (b": a comment\n\ndata: a\n\n", [b"a"]),
        (b"event: message\nid: 1\nretry: 5\ndata: a\n\n", [b"a"]),
        (b"\n\n\ndata: a\n\n\n\n", [b"a"]),
        (b"datum: a\n\n", []),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"data: a\n\ndata: [DONE]", [b"a", b"[DONE]"]),
        (b"data: a\n\ndata: b\n", [b"a", b"b"]),
        (b"", []),
        ("data: Übergrößenträger 🚢\n\n".encode(), ["Übergrößenträger 🚢".encode()]),
        ("data: a\u2028b\x0bc\x85d\n\n".encode(), ["a\u2028b\x0bc\x85d".encode()]),
    ],
)
def test_what_is_said(stream: bytes, expected: list[bytes]) -> None:
    assert events(stream) == expected


LINES = st.sampled_from(
    [
        b"data: x",
        b"data: \xf0\x9f\x9a\xa2",
        b"data:",
        b"data",
        b": c",
        b"event: e",
        b"",
        b"d",
        b"\xef",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
STREAMS = st.lists(st.tuples(LINES, ENDS), max_size=12).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


@settings(database=None, deadline=None, max_examples=300)
@given(STREAMS, st.data())
def test_any_cut_of_the_bytes_gives_the_same_events(stream: bytes, data: st.DataObject) -> None:
    places = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    bounds = [0, *places, len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(bounds)]
    assert events(*pieces) == events(stream)


def test_byte_by_byte() -> None:
    stream = 'data: {"a": "ü"}\r\n\r\n: c\r\rdata: b\ndata: c\n\n'.encode()
    assert events(*(stream[i : i + 1] for i in range(len(stream)))) == events(stream)


@pytest.mark.parametrize(
    "piece",
    [b"x" * 100, b"data: " + b"x" * 100 + b"\n", b"data: x\n", b"data\n"],
    ids=["a line without an end", "long lines", "an event without an end", "empty lines"],
)
def test_an_endless_event_is_not_kept(piece: bytes) -> None:
    parser = EventParser(limit=10_000)

    def feed() -> None:
        for _ in range(20_000):
            parser.feed(piece)

    with pytest.raises(EventTooLarge):
        feed()


def test_many_small_events_are_no_large_one() -> None:
    parser = EventParser(limit=100)
    for _ in range(1000):
        assert parser.feed(b"data: xxxxxxxxx\n\n") == [b"xxxxxxxxx"]
