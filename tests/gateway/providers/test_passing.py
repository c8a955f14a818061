"""A stream that is passed on says the same as one that is taken apart."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.completions import Garbled, Reported, Seen
from gateway.providers.passing import Apart, Passed
from gateway.providers.wire.sse import EventTooLarge
from gateway.streams import Collected
from gateway.types import Delta, Verbatim
from tests.effort import cpu_seconds

LIMIT = 100_000


def chunk(finish: str | None = None, **delta: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "up-1", "model": "m", "choices": [choice]}
    return b"data: " + orjson.dumps(body) + b"\n\n"


USAGE = b'data: {"id":"up-1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"


def fed(reader: Apart, stream: bytes, cuts: list[int]) -> Collected:
    whole = Collected()
    edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        reader.feed(stream[start:end])
        for piece in reader.taken():
            whole.add(piece)
    return whole


texts = st.lists(st.text(alphabet='ab "\\\n\u00fc\u2028🙂{}[]:,data', max_size=8), max_size=6)
cuts = st.lists(st.integers(0, 5000), max_size=12)


@given(texts, cuts, st.sampled_from([b"", b": ping\n\n", b"event: x\n"]), st.booleans())
def test_wherever_it_is_cut_and_however_odd_it_is(
    texts: list[str], cuts: list[int], odd: bytes, crlf: bool
) -> None:
    stream = chunk(role="assistant", content="") + b"".join(chunk(content=t) for t in texts)
    stream += odd + chunk("stop") + USAGE + DONE
    if crlf:
        stream = stream.replace(b"\n\n", b"\r\n\r\n")
    seen, also = Seen(), Seen()
    passed, apart = fed(Passed(seen, LIMIT), stream, cuts), fed(Apart(also, LIMIT), stream, cuts)
    assert passed.text == apart.text == "".join(texts)
    assert passed.choices == apart.choices
    assert (seen.whole, seen.ended, seen.usage) == (also.whole, also.ended, also.usage)


def test_chunks_that_carry_on_are_not_touched() -> None:
    reader = Passed(Seen(), LIMIT)
    pieces = [chunk(role="assistant"), chunk(content="a"), chunk(content="b"), chunk(content="c")]
    reader.feed(pieces[0] + pieces[1])
    reader.feed(pieces[2] + pieces[3])
    told = reader.taken()
    assert all(isinstance(piece, Verbatim) for piece in told)
    assert b"".join(piece.data for piece in told if isinstance(piece, Verbatim)) == b"".join(pieces)


def test_how_they_name_themselves_is_told_as_it_is_written() -> None:
    reader = Passed(Seen(), LIMIT)
    reader.feed(chunk(content="m"))
    (piece,) = reader.taken()
    assert isinstance(piece, Verbatim)
    assert (piece.id, piece.model) == (b'"id":"up-1"', b'"model":"m"')


def test_a_stream_of_another_style_is_taken_apart() -> None:
    """Its counts of tokens would be missed by a scan."""
    reader = Passed(seen := Seen(), LIMIT)
    said = b'data: {"choices" : [{"index" : 0, "delta" : {"content" : "x"}}]}\n\n'
    end = b'data: {"choices" : [], "usage" : {"prompt_tokens" : 5, "completion_tokens" : 1}}\n\n'
    reader.feed(said + end[:20])
    reader.feed(end[20:])
    assert reader.taken() == [Delta("x")]
    assert seen.usage is not None
    assert seen.usage.prompt == 5


def test_a_chunk_that_is_cut_short_is_not_passed_on() -> None:
    reader = Passed(Seen(), LIMIT)
    reader.feed(chunk(content="a"))
    reader.taken()
    with pytest.raises(Garbled):
        reader.feed(chunk(content="b")[:-20] + b"\n\n" + chunk(content="c"))
    assert reader.taken() == []


def test_an_error_inside_is_found_after_what_came_before_it() -> None:
    reader = Passed(Seen(), LIMIT)
    reader.feed(chunk(content="a"))
    with pytest.raises(Reported):
        reader.feed(chunk(content="b") + b'data: {"error":{"message":"overloaded"}}\n\n')
    assert b"".join(p.data for p in reader.taken() if isinstance(p, Verbatim)).count(b"data:") == 2


def test_what_is_no_text_is_garbled() -> None:
    reader = Passed(Seen(), LIMIT)
    reader.feed(chunk(content="a"))
    with pytest.raises(Garbled):
        reader.feed(chunk(content="b").replace(b'"b"', b'"\xff\xfe"'))


def test_tool_calls_are_passed_on_and_can_be_taken_apart_later() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a"'}}
    more = {"index": 0, "function": {"arguments": ":1}"}}
    stream = chunk(tool_calls=[call]) + chunk(tool_calls=[more]) + chunk("tool_calls") + DONE
    whole = fed(Passed(Seen(), LIMIT), stream, [])
    assert whole.choices[0].fields["tool_calls"][0]["function"]["arguments"] == '{"a":1}'
    assert whole.choices[0].finish == "tool_calls"


@pytest.mark.parametrize(
    "name",
    [{"id": "", "model": ""}, {"id": None, "model": None}, {}],
    ids=["empty", "null", "none"],
)
def test_a_provider_without_a_name_has_its_calls_ids_left_alone(name: dict[str, Any]) -> None:
    call = {"index": 0, "id": name.get("id"), "function": {"arguments": "{}"}}
    deltas: list[dict[str, Any]] = [{"content": "a"}, {"tool_calls": [call]}]
    reader = Passed(Seen(), LIMIT)
    for delta in deltas:
        body = {**name, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        reader.feed(b"data: " + orjson.dumps(body) + b"\n\n")
    assert not any(isinstance(piece, Verbatim) for piece in reader.pieces)


def test_a_preamble_without_a_name_does_not_hide_the_names_that_follow() -> None:
    preamble = b'data: {"id":"","model":"","choices":[],"prompt_filter_results":[]}\n\n'
    reader = Passed(Seen(), LIMIT)
    reader.feed(preamble + chunk(content="a"))
    (piece,) = reader.pieces
    assert isinstance(piece, Verbatim)
    assert (piece.id, piece.model) == (b'"id":"up-1"', b'"model":"m"')


def endless(pieces: int, limit: int = 10**9) -> None:
    reader = Passed(Seen(), limit)
    reader.feed(b"data: ")
    for _ in range(pieces):
        reader.feed(b"x" * 1000)


def test_an_event_that_never_ends_is_not_copied_with_every_piece() -> None:
    small, large = (cpu_seconds(lambda n=n: endless(n)) for n in (1000, 4000))  # type: ignore[misc]
    assert large < 10 * small + 0.01


def test_an_event_that_never_ends_is_too_large_at_some_point() -> None:
    endless(90, LIMIT)
    with pytest.raises(EventTooLarge):
        endless(101, LIMIT)
