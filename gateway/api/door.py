"""A door of the API as a raw ASGI endpoint: reads the body, asks the pipeline, writes the answer.

What a request and an answer look like is the dialect's business. A client that leaves cancels the
work at once, and with it the upstream call: a model that nobody listens to costs money.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from math import inf
from typing import Generic, Protocol, TypeAlias, TypeVar

from starlette.types import Receive, Scope, Send

from gateway.accounting import TOO_LATE
from gateway.api.guard import CLIENT, Client, ClientLeft, read_body, refuse_depth
from gateway.errors import (
    GatewayError,
    HandedOver,
    InvalidRequest,
    NotAllowed,
    ProviderTimeout,
    RateLimited,
)
from gateway.pipeline import Gateway
from gateway.streams import Collected, collect
from gateway.tracing.parent import parent_of
from gateway.tracing.trace import Trace
from gateway.types import Answer, Completion, Delta, Done, Progress, Verbatim
from gateway.wishes import wishes_of

log = logging.getLogger("moorline")


class Telling(Protocol):
    """One streamed answer in a dialect: events in, server-sent events out."""

    def delta(self, event: Delta | Verbatim | Completion) -> bytes:
        """Nothing where the piece says nothing. Only a dialect whose requests are `verbatim` is
        given anything but Deltas."""
        ...

    def progress(self, progress: Progress) -> bytes:
        """How far the work is before the first piece: something that clients pass over."""
        ...

    def done(self, done: Done) -> Iterable[bytes]:
        """The end of a whole answer."""
        ...

    def error(self, error: GatewayError) -> bytes:
        """The end of a broken one."""
        ...


class Streamable(Protocol):
    """A request as its dialect keeps it."""

    @property
    def stream(self) -> bool: ...


Asked = TypeVar("Asked", bound=Streamable)
Header: TypeAlias = tuple[bytes, bytes]


class Dialect(Protocol[Asked]):
    """How a door's clients write a request and read an answer."""

    name: str  # what ledger and metrics call the door

    def read(self, body: bytes) -> Asked:
        """Raises InvalidRequest that names the field."""
        ...

    def answer(
        self, gateway: Gateway, authorization: str | None, asked: Asked, trace: Trace
    ) -> Awaitable[Answer]:
        """An answer that has begun: what the gateway makes of the request."""
        ...

    def whole(self, asked: Asked, answer: Collected, done: Done, trace_id: str) -> bytes:
        """A whole answer as one JSON body."""
        ...

    def telling(self, asked: Asked, known: Done, trace_id: str) -> Telling:
        """An answer that is about to be streamed."""
        ...

    def error(self, error: GatewayError, trace_id: str) -> bytes:
        """A failure as a JSON body."""
        ...


ErrorShape: TypeAlias = Callable[[GatewayError, str], bytes]
"""A failure and its trace's id as a JSON body."""


class Endpoint(ABC):
    """What every raw endpoint does around its work; `gateway` is asked for on every request, so
    that it can be swapped."""

    def __init__(self, gateway: Callable[[], Gateway], error: ErrorShape) -> None:
        self._gateway = gateway
        self._error = error

    @abstractmethod
    async def _answer(
        self, gateway: Gateway, authorization: str | None, body: bytes, trace: Trace, reply: Reply
    ) -> None:
        """Do the work and reply. A GatewayError is told by the caller."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        trace = Trace()
        client: Client | None = scope.get(CLIENT)
        reply = Reply(send, trace.id, self._error, client)
        try:
            if scope["method"] != "POST":
                raise NotAllowed(f"Use POST, not {scope['method']}.")
            server = self._gateway().config.server
            async with Attended(server.request_timeout) as attended:
                body = await read_body(receive, server.max_body_bytes)
                attended.watch(client, receive)
                refuse_depth(body, server.max_depth)
                # Asked for again: a slow upload may have seen the configuration change.
                gateway = self._gateway()
                admission = gateway.admission
                if not admission.enter():
                    await admission.wait()
                try:
                    headers = dict(scope["headers"])
                    if above := headers.get(b"traceparent"):
                        trace.parent = parent_of(above)
                    if within := headers.get(b"x-request-timeout"):
                        trace.deadline = deadline_of(within)
                    trace.wishes = wishes_of(headers)
                    authorization = credential(headers)
                    await self._answer(gateway, authorization, body, trace, reply)
                finally:
                    admission.leave()
        except ClientLeft:
            return
        except GatewayError as error:
            await reply.error(error)
        except Exception:
            log.exception("request %s failed", trace.id)
            await reply.error(GatewayError(f"Something broke here. Trace: {trace.id}"))


def deadline_of(given: bytes) -> float:
    """The seconds of an `x-request-timeout`. Raises InvalidRequest."""
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < inf:
        raise InvalidRequest(
            "The header x-request-timeout is a number of seconds above 0.",
            param="x-request-timeout",
        )
    return seconds


def credential(headers: Mapping[bytes, bytes]) -> str | None:
    """The Authorization header; a key in Anthropic's header is told as if it stood there."""
    if given := headers.get(b"authorization"):
        return given.decode("latin-1")
    key = headers.get(b"x-api-key")
    return f"Bearer {key.decode('latin-1')}" if key else None


class Door(Endpoint, Generic[Asked]):
    """The endpoint of a dialect: asks the pipeline, and tells its answer whole or as a stream."""

    def __init__(self, gateway: Callable[[], Gateway], dialect: Dialect[Asked]) -> None:
        super().__init__(gateway, dialect.error)
        self._dialect = dialect

    async def _answer(
        self, gateway: Gateway, authorization: str | None, body: bytes, trace: Trace, reply: Reply
    ) -> None:
        try:
            asked = self._dialect.read(body)
        except InvalidRequest as error:
            await gateway.refused(authorization, error, trace, self._dialect.name)
            raise
        answer = await self._dialect.answer(gateway, authorization, asked, trace)
        if asked.stream:
            await reply.stream(answer, self._dialect.telling(asked, answer.known, trace.id))
        else:
            whole = await collect(answer.events)
            done = whole.done or Done()
            told = self._dialect.whole(asked, whole, done, trace.id)
            await reply.json(200, told, [*self._facts(asked, done), *answer.headers])

    def _facts(self, asked: Asked, done: Done) -> list[Header]:
        """What headers say about a whole answer."""
        return facts(done)


class Reply:
    """Writes the response, and knows whether it has begun."""

    def __init__(self, send: Send, trace_id: str, shape: ErrorShape, client: Client | None) -> None:
        self._send = send
        self._client = client
        self._trace_id = trace_id
        self._shape = shape
        self._telling: Telling | None = None
        self._begun = False

    async def json(self, status: int, body: bytes, extra: list[tuple[bytes, bytes]]) -> None:
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-moorline-trace-id", self._trace_id.encode()),
            *extra,
        ]
        self._begun = True
        if self._client is None or not self._client.respond(status, headers, body):
            await self._send({"type": "http.response.start", "status": status, "headers": headers})
            await self._send({"type": "http.response.body", "body": body})

    async def stream(self, answer: Answer, telling: Telling) -> None:
        self._telling = telling
        extra = [
            (b"x-moorline-model", answer.known.model.encode()),
            (b"x-moorline-cache", answer.known.cache.encode()),
            (b"cache-control", b"no-cache"),
            (b"x-accel-buffering", b"no"),
            *_if_any(answer.known),
            *answer.headers,
        ]
        end = b""
        async with aclosing(answer.events) as events:
            async for event in events:
                if not self._begun:
                    await self._start_stream(extra)
                if isinstance(event, Done):
                    end = b"".join(telling.done(event))
                elif isinstance(event, Progress):
                    await self._body(telling.progress(event))
                elif line := telling.delta(event):
                    await self._body(line)
        await self._send({"type": "http.response.body", "body": end})

    async def error(self, error: GatewayError) -> None:
        if self._begun and self._telling:  # an event says what happened
            await self._body(self._telling.error(error))
            await self._send({"type": "http.response.body", "body": b""})
            return
        extra = []
        if error.retry_after is not None:
            extra.append((b"retry-after", str(max(1, round(error.retry_after))).encode()))
        if isinstance(error, RateLimited):
            extra += error.headers
        if error.status == 405:
            extra.append((b"allow", b"POST"))
        if error.status == 401:
            extra.append((b"www-authenticate", b"Bearer"))
        if isinstance(error, HandedOver):
            extra.append((b"x-moorline-degraded", b"hand-over"))
        await self.json(error.status, self._shape(error, self._trace_id), extra)

    async def _start_stream(self, extra: list[tuple[bytes, bytes]]) -> None:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"x-moorline-trace-id", self._trace_id.encode()),
            *extra,
        ]
        self._begun = True
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _body(self, piece: bytes) -> None:
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})


def facts(done: Done) -> list[Header]:
    """What headers of every door say about a whole answer."""
    return [
        (b"x-moorline-model", done.model.encode()),
        (b"x-moorline-cache", done.cache.encode()),
        (b"x-moorline-cost-usd", f"{done.cost_usd:.8f}".encode()),
        *_if_any(done),
    ]


def _if_any(done: Done) -> Iterable[Header]:
    """What few answers have to say."""
    if done.degraded:
        yield b"x-moorline-degraded", done.degraded.encode()
    if done.age is not None:
        yield b"age", str(int(done.age)).encode()


class Attended:
    """Work that somebody waits for: it is cancelled when the client leaves, raising ClientLeft,
    and when it takes too long, raising ProviderTimeout."""

    def __init__(self, longest: float) -> None:
        self._longest = longest  # seconds
        self._why: Exception | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._client: Client | None = None

    async def __aenter__(self) -> Attended:
        worker = asyncio.current_task()
        assert worker is not None
        self._worker = worker
        self._alarm = asyncio.get_running_loop().call_later(self._longest, self._late)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._client:
            self._client.leaving = None
        elif self._watcher:
            self._watcher.cancel()
        self._alarm.cancel()
        if self._why and kind is asyncio.CancelledError:
            self._worker.uncancel()
            raise self._why from None

    def watch(self, client: Client | None, receive: Receive) -> None:
        """From now on nothing but the client's leaving is to be heard."""
        self._client = client
        if self._client:  # it says so itself, which is a task less
            self._client.leaving = self._left
            if self._client.left:
                self._left()
        else:
            self._watcher = asyncio.get_running_loop().create_task(self._watch(receive))

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            continue
        self._left()

    def _left(self) -> None:
        self._end(ClientLeft())

    def _late(self) -> None:
        why = ProviderTimeout(f"No whole answer came within {self._longest:.0f} s.")
        self._end(why, TOO_LATE)

    def _end(self, why: Exception, told: str | None = None) -> None:
        """`told` is what the cancelled work learns of the reason."""
        if self._why is None:
            self._why = why
            self._worker.cancel(told)
