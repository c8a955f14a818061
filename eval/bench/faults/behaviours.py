"""Ways in which an upstream misbehaves, each as the steps of one call. Data for the upstream."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

import orjson

from eval.bench.faults.saying import (
    DONE,
    JSON,
    LAST_CHUNK,
    MOMENT,
    SSE,
    Call,
    Pause,
    Say,
    Step,
    Steps,
    Stop,
    answer,
    chunk,
    completion,
    delta,
    ending,
    error,
    event,
    events,
    framed,
    head,
    opened,
    preamble,
    sized,
    text_of,
    told,
    usage,
)

Behaviour: TypeAlias = Callable[[Call], Steps]

LATE = 0.4  # slow, but within every gateway's patience
FLOOD = 64 * 2**20  # bytes: more than an answer can have
PAGE = b"<!doctype html><html><body><h1>Sign in to the network</h1></body></html>"
TOLD = "It was told to fail."


def steps(*given: Step) -> Behaviour:
    """The same, whoever calls."""
    return lambda call: given


def after(pause: float, then: Behaviour = answer) -> Behaviour:
    """Silence first."""

    def behaviour(call: Call) -> Iterator[Step]:
        yield Pause(pause)
        yield from then(call)

    return behaviour


def after_words(*given: Step) -> Behaviour:
    """A stream's first words, then this; of a plain answer its first half, then this."""

    def behaviour(call: Call) -> Iterator[Step]:
        if call.stream:
            yield from opened(call)
        else:
            yield Say(_half(sized(completion(call))))
            yield Pause(MOMENT)
        yield from given

    return behaviour


def once(first: Behaviour, then: Behaviour = answer) -> Behaviour:
    """The first call for a request fares so, every further one like that."""

    def behaviour(call: Call) -> Steps:
        return first(call) if call.attempt == 1 else then(call)

    return behaviour


def status(code: int, *extra: bytes) -> Behaviour:
    """OpenAI's error with a status."""
    return steps(Say(sized(_json(error(TOLD)), *extra, status=code)))


def sse(*data: bytes, end: bytes = LAST_CHUNK) -> Behaviour:
    """A stream of just these pieces, with chunks and their end as they should be."""
    return steps(Say(head(SSE) + b"".join(map(chunk, data)) + end))


def preambled(*data: bytes) -> Behaviour:
    """A stream that begins, says nothing, and then this."""

    def behaviour(call: Call) -> Iterator[Step]:
        pieces = (preamble(call), *data)
        yield Say(head(SSE) + b"".join(map(chunk, pieces)) + LAST_CHUNK)

    return behaviour


def by_mode(stream: Behaviour, plain: Behaviour) -> Behaviour:
    """One for those who stream, one for the others."""
    return lambda call: stream(call) if call.stream else plain(call)


def cut_in_character(call: Call) -> Iterator[Step]:
    """Ends after the first byte of a character."""
    if call.stream:
        yield from opened(call)
        yield Say(chunk(event(delta(call, {"content": "Zü"})).partition(b"\xc3")[0] + b"\xc3"))
    else:
        yield Say(sized(completion(call)).partition(b"\xc3")[0] + b"\xc3")
    yield Stop.CLOSE


def split_characters(call: Call) -> Iterator[Step]:
    """The right answer, with every character of several bytes told a byte at a time."""
    if not call.stream:
        data = sized(completion(call))
        for piece in _split(data):
            yield Say(piece)
            yield Pause(0.005)
        return
    yield Say(head(SSE) + chunk(preamble(call)))
    for said in (*events(call), *ending(call)):
        *pieces, last = _split(said.data)
        for piece in pieces:
            yield Say(chunk(piece))
            yield Pause(0.005)
        yield Say(chunk(last), said.text)
    yield Say(LAST_CHUNK)


def not_utf8(call: Call) -> Iterator[Step]:
    """Words in another encoding."""
    wrong = "Zürich".encode("latin-1")
    if call.stream:
        yield from opened(call)
        yield Say(chunk(event(delta(call, {"content": "_"})).replace(b'"_"', b'"%b"' % wrong)))
        yield from framed(ending(call))
        yield Say(LAST_CHUNK)
    else:
        yield Say(sized(completion(call).replace("Zürich".encode(), wrong)))


def finish_without_done(call: Call) -> Iterator[Step]:
    """Whole, but for the last event."""
    yield from told(call)
    yield from framed(said for said in ending(call) if said.data != DONE)
    yield Say(LAST_CHUNK)


def cut_after_done(call: Call) -> Iterator[Step]:
    """Whole, but for HTTP's own end."""
    yield from told(call)
    yield from framed(ending(call))
    yield Stop.CLOSE


def until_close(call: Call) -> Iterator[Step]:
    """The right answer without length or chunks: the connection's end is its end."""
    said = list(events(call)) + list(ending(call)) if call.stream else [Say(completion(call))]
    kind = SSE if call.stream else JSON
    yield Say(b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nconnection: close\r\n\r\n" % kind)
    yield from said
    yield Stop.CLOSE


def truncated(call: Call) -> Iterator[Step]:
    """JSON that ends in its middle, in framing that is whole."""
    if call.stream:
        yield from opened(call)
        yield Say(chunk(_half(event(delta(call, {"content": "never"})))) + LAST_CHUNK)
    else:
        yield Say(sized(_half(completion(call))))


def giant(call: Call) -> Iterator[Step]:
    """One line of JSON that is larger than any answer."""
    length = None if call.stream else FLOOD
    prefix = b'data: {"id": "' if call.stream else b'{"id": "'
    yield Say(head(SSE if call.stream else JSON, length=length))
    piece = b"x" * 2**18
    if call.stream:
        yield Say(chunk(prefix))
        piece = chunk(piece)
    else:
        yield Say(prefix)
    for _ in range(FLOOD // 2**18):
        yield Say(piece)
    yield Stop.CLOSE


def giant_after_words(call: Call) -> Iterator[Step]:
    """Words, and then a line without end."""
    yield from opened(call)
    yield Say(chunk(b'data: {"id": "'))
    for _ in range(FLOOD // 2**18):
        yield Say(chunk(b"x" * 2**18))
    yield Stop.CLOSE


def endless(call: Call) -> Iterator[Step]:
    """A stream that never stops talking, or a body that never stops being blank."""
    if call.stream:
        yield from opened(call)
        while True:
            yield Pause(MOMENT)
            yield Say(chunk(event(delta(call, {"content": "and "}))), "and ")
    yield Say(head(JSON))
    while True:
        yield Pause(MOMENT)
        yield Say(chunk(b"\n"))


def comments(call: Call) -> Iterator[Step]:
    """A stream that is kept alive and says nothing."""
    yield Say(head(SSE))
    while True:
        yield Say(chunk(b": still here\n\n"))
        yield Pause(MOMENT)


def comments_first(call: Call) -> Iterator[Step]:
    """The right answer, after some signs of life."""
    yield Say(head(SSE))
    for _ in range(3):
        yield Say(chunk(b": still here\n\n"))
        yield Pause(MOMENT)
    yield from framed((Say(preamble(call)), *events(call), *ending(call)))
    yield Say(LAST_CHUNK)


def wrong_length(share: float, stop: Stop) -> Behaviour:
    """The right answer under a content-length of this share of its own."""

    def behaviour(call: Call) -> Iterator[Step]:
        said = (Say(preamble(call)), *events(call), *ending(call))
        kind = SSE if call.stream else JSON
        body = said if call.stream else (Say(completion(call)),)
        left = length = int(sum(len(each.data) for each in body) * share)
        yield Say(head(kind, length=length))
        for each in body:
            left -= len(each.data)
            yield Say(each.data, each.text if left >= 0 else "")
        yield stop

    return behaviour


def with_headers(*extra: bytes) -> Behaviour:
    """The right answer under further headers."""

    def behaviour(call: Call) -> Iterator[Step]:
        marker = b"\r\n\r\n"
        said = iter(answer(call))
        first = next(said)
        assert isinstance(first, Say)
        lines = b"".join(b"\r\n" + line for line in extra)
        yield replace(first, data=first.data.replace(marker, lines + marker, 1))
        yield from said

    return behaviour


def two_lengths(call: Call) -> Iterator[Step]:
    """Two content-lengths that contradict each other."""
    body = completion(call)
    yield Say(head(JSON, b"content-length: 7", length=len(body)) + body)


def zipped(call: Call) -> Iterator[Step]:
    """The right answer, compressed although nobody asked for it."""
    body = gzip.compress(completion(call))
    yield Say(sized(body, b"content-encoding: gzip"), text_of(call.id))


def early_hints(call: Call) -> Iterator[Step]:
    """An interim response before the right answer."""
    yield Say(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n")
    yield from answer(call)


def answers_twice(call: Call) -> Iterator[Step]:
    """The right answer, and at once one that nobody asked for."""
    yield Say(sized(completion(call)) + sized(completion(Call("unasked"))))


def stale(call: Call) -> Steps:
    """Resets a connection that was kept alive, just when it is used again."""
    return (Stop.RESET,) if call.reused else answer(call)


def slowly(pause: float) -> Behaviour:
    """The right answer, with time between its words."""

    def behaviour(call: Call) -> Iterator[Step]:
        for said in answer(call):
            yield said
            yield Pause(pause)

    return behaviour


def error_finish(call: Call) -> Iterator[Step]:
    """An error as a choice's finish reason."""
    yield from opened(call)
    yield Say(chunk(event(delta(call, {"content": ""}, "error"))))
    yield Say(chunk(DONE) + LAST_CHUNK)


def broken_event(call: Call) -> Iterator[Step]:
    """An event in the middle whose JSON is cut short, in a stream that goes on."""
    yield from opened(call)
    yield Say(chunk(_half(event(delta(call, {"content": "never "}))) + b"\n\n"))
    for said in [*[*events(call)][3:], *ending(call)]:
        yield Say(chunk(said.data), said.text)
    yield Say(LAST_CHUNK)


def rewritten(write: Callable[[bytes], bytes]) -> Behaviour:
    """The right answer, its events written in another way that is as good."""

    def behaviour(call: Call) -> Iterator[Step]:
        yield Say(head(SSE))
        for said in (Say(preamble(call)), *events(call), *ending(call)):
            yield Say(chunk(write(said.data)), said.text)
            yield Pause(0.002)
        yield Say(LAST_CHUNK)

    return behaviour


def with_crlf(data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n")


def without_blank(data: bytes) -> bytes:
    return data.replace(b"data: ", b"data:")


def with_fields(data: bytes) -> bytes:
    return b": a comment\nevent: message\nid: 7\n" + data + b"\n"


def spaced(data: bytes) -> bytes:
    """JSON with blanks wherever they may be."""
    if data == DONE:
        return data
    return (
        b"data: " + json.dumps(orjson.loads(data[6:]), separators=(" , ", " : ")).encode() + b"\n\n"
    )


def error_with_words(call: Call) -> Iterator[Step]:
    """Words and an error in one piece."""
    said = b"".join(each.data for each in events(call, 3))
    yield Say(head(SSE) + chunk(preamble(call) + said + event(error(TOLD))) + LAST_CHUNK)


def usage_without_words(call: Call) -> Iterator[Step]:
    """Asks to be paid for an answer that it does not give."""
    if call.stream:
        told = {"object": "chat.completion.chunk", "choices": [], "usage": usage(call)}
        yield Say(head(SSE) + chunk(preamble(call)) + chunk(event(told)) + LAST_CHUNK)
    else:
        yield Say(sized(_json({"object": "chat.completion", "choices": [], "usage": usage(call)})))


def _json(payload: object) -> bytes:
    return event(payload)[6:-2]


def _half(data: bytes) -> bytes:
    return data[: -len(data) // 3]


def _split(data: bytes) -> list[bytes]:
    """Cut before every byte that goes on with a character."""
    cuts = [i for i, byte in enumerate(data) if byte & 0xC0 == 0x80]
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
