"""Any server that speaks OpenAI's chat completions, over our own client.

It sends what it is given and reads what comes; which model is asked, and what happens after a
failure, is dispatch's business.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson

from gateway.errors import ProviderError
from gateway.providers.base import Call
from gateway.providers.completions import Garbled, Reported, Seen, verbatim, whole
from gateway.providers.config import ModelConfig, OpenAICompatibleProvider, VllmProvider
from gateway.providers.failures import Failures, retry_after
from gateway.providers.passing import Apart, Passed
from gateway.providers.wire.client import Client, Endpoint
from gateway.providers.wire.connection import Response, Timeouts
from gateway.providers.wire.errors import TimedOut, WireError
from gateway.providers.wire.sse import EventTooLarge
from gateway.streams import Told
from gateway.types import Delta, Event, Events, Verbatim

# A stream's preamble is held back until it says something: until then another model can take over.
HELD_EVENTS = 64
HELD_BYTES = 256 * 2**10
PLAIN_LIMIT = 32 * 2**20  # bytes of an answer's body
STREAM_LIMIT = 256 * 2**20
ERROR_LIMIT = 64 * 2**10
EVENT_LIMIT = 8 * 2**20

BEGUN = Delta()
"""What a stream yields first, to `start` and to nobody else: only a generator that has begun to
run closes its response when it is closed."""


class OpenAICompatible:
    """A provider by base URL."""

    def __init__(
        self,
        config: OpenAICompatibleProvider | VllmProvider,
        client: Client,
        known_as: str | None = None,
        address: str | None = None,
    ) -> None:
        """`known_as` is what callers are told of it; without, its address. `address` is the one of
        its addresses that is asked; the first when it is left out."""
        address = address or config.addresses[0]
        self._client = client
        self._models = config.models
        self._stream_usage = config.stream_usage
        self._output_limit = config.output_limit
        headers = _headers(config)
        self._chat = Endpoint.of("POST", f"{address}/chat/completions", headers)
        self._list = Endpoint.of("GET", f"{address}/models", headers)
        self.name = str(self._chat.origin)
        secrets = [each.get_secret_value() for each in config.headers.values()]
        if config.api_key:
            secrets.append(config.api_key.get_secret_value())
        self._failures = Failures(known_as or self.name, secrets, self.name)
        self._streamed = Timeouts(
            connect=config.connect_timeout,
            first_byte=config.first_byte_timeout,
            idle=config.idle_timeout,
            total=config.total_timeout,
        )
        # The first byte of a plain answer comes when all of it has been written.
        self._plain = Timeouts(
            connect=config.connect_timeout,
            first_byte=config.total_timeout,
            idle=config.idle_timeout,
            total=config.total_timeout,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def models(self) -> tuple[ModelConfig, ...]:
        """What it is configured to serve."""
        return self._models

    async def start(self, call: Call) -> Events:
        """See Provider."""
        body = self._body(call)
        with self._failures.translated():
            if not call.stream:
                return Told(await self._plain_answer(call, body))
            response = await self._client.post(self._chat, body, self._streamed, STREAM_LIMIT)
            events = self._stream(response, call)
            await anext(events)
        return events

    async def served(self) -> list[str]:
        """The models that the server itself lists. Raises ProviderError."""
        answer = await self._fetched(self._list)
        try:
            return [each["id"] for each in orjson.loads(answer)["data"]]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise self._failures.garbled(f"no list of models ({error!r})") from None

    async def aclose(self) -> None:
        """The client is shared; whoever made it closes it."""

    async def _fetched(self, endpoint: Endpoint) -> bytes:
        with self._failures.translated():
            async with await self._client.get(endpoint, self._streamed, PLAIN_LIMIT) as response:
                await self._accept(response, None)
                return await response.read()

    async def _plain_answer(self, call: Call, body: bytes) -> list[Event]:
        async with await self._client.post(self._chat, body, self._plain, PLAIN_LIMIT) as response:
            await self._accept(response, call)
            read = verbatim if call.verbatim else whole
            return read(await response.read(), call.model)

    async def _stream(self, response: Response, call: Call) -> Events:
        """BEGUN, then the answer's events."""
        try:
            with self._failures.translated():
                await self._accept(response, call)
                if _is(response, b"application/json"):  # it does not stream
                    events = whole(await response.read(), call.model)
                    yield BEGUN
                    for event in events:
                        yield event
                    return
                reading = _Reading(response, call.verbatim)
                opening = await reading.opening(self._streamed.first_byte)
                yield BEGUN
                for piece in opening:
                    yield piece
                while not reading.over:
                    for piece in await reading.burst():
                        yield piece
                if reading.failure:
                    raise reading.failure
                response.drain()
                yield reading.seen.done(call.model)
        finally:
            response.close()

    async def _accept(self, response: Response, call: Call | None) -> None:
        """Raise what a status other than success means."""
        if call and call.observe:
            call.observe(response.headers)
        if not 200 <= response.status < 300:
            body = await _beginning(response)
            raise self._failures.status(response.status, body, retry_after(response))
        if _is(response, b"text/html"):
            raise Garbled("it is a page of HTML, so base_url may be wrong")

    def _body(self, call: Call) -> bytes:
        body = {**call.params, "model": call.model, "messages": call.prompt.messages}
        if call.stream:
            body["stream"] = True
            if self._stream_usage:
                body["stream_options"] = {
                    **(call.params.get("stream_options") or {}),
                    "include_usage": True,
                }
        if self._output_limit:
            _rename_limit(body, self._output_limit)
        try:
            return orjson.dumps(body, default=_as_dict)
        except orjson.JSONEncodeError as error:
            raise ProviderError(
                f"The request cannot be written as JSON: {error}", retryable=False
            ) from error


class _Reading:
    """A streamed answer as it is read, a burst of events at a time."""

    def __init__(self, response: Response, verbatim: bool) -> None:
        self.seen = Seen()
        self.over = False
        self.failure: Garbled | Reported | EventTooLarge | None = None  # how it was over
        self._response = response
        self._reader = (Passed if verbatim else Apart)(self.seen, EVENT_LIMIT)
        self._size = 0

    async def burst(self) -> Sequence[Delta | Verbatim]:
        """What has come since the last one. Raises WireError."""
        piece = await self._response.piece()
        self._size += len(piece)
        try:
            self._reader.feed(piece)
            if self.seen.ended or not piece:
                self.over = True
                if not self.seen.whole:
                    raise Garbled("it ends before it is whole")
        except (Garbled, Reported, EventTooLarge) as failure:
            self.failure = failure  # after what came before it
            self.over = True
        return joined(self._reader.taken())

    async def opening(self, within: float) -> list[Delta | Verbatim]:
        """All up to the first content. Whatever fails so far is raised, for nothing is shown."""
        begin_by = time.monotonic() + within
        held: list[Delta | Verbatim] = []
        while not self.over:
            held += await self.burst()
            if self._reader.spoke or len(held) >= HELD_EVENTS:
                break
            if held and self._size >= HELD_BYTES:
                break
            if time.monotonic() > begin_by:  # kept alive by comments, it may say nothing for ever
                raise TimedOut(f"The answer has no content after {within:g} s.")
        if self.failure:
            raise self.failure
        return held


def joined(pieces: Sequence[Delta | Verbatim]) -> Sequence[Delta | Verbatim]:
    """Neighbours that only carry on one choice's text as one: what came together goes together."""
    if len(pieces) < 2:
        return pieces
    whole: list[Delta | Verbatim] = []
    for delta in pieces:
        last = whole[-1] if whole else None
        if (
            isinstance(last, Delta)
            and isinstance(delta, Delta)
            and last.choice == delta.choice
            and not (last.finish or last.extra or delta.fields or delta.extra)
        ):
            text = last.text + delta.text
            whole[-1] = Delta(text, last.choice, last.fields, last.extra, delta.finish)
        elif isinstance(last, Verbatim) and isinstance(delta, Verbatim):
            whole[-1] = Verbatim(last.data + delta.data, delta.id, delta.model)
        else:
            whole.append(delta)
    return whole


def _is(response: Response, content_type: bytes) -> bool:
    return (response.header(b"content-type") or b"").startswith(content_type)


async def _beginning(response: Response) -> bytes:
    """As much of an error's body as can be had and is worth reading."""
    body = b""
    with suppress(WireError):
        async for piece in response:
            body += piece
            if len(body) > ERROR_LIMIT:
                break
    return body[:ERROR_LIMIT]


def _headers(config: OpenAICompatibleProvider | VllmProvider) -> Mapping[str, str]:
    headers = {"user-agent": "moorline"}
    if config.api_key:
        headers["authorization"] = f"Bearer {config.api_key.get_secret_value()}"
    own = {name.lower(): value.get_secret_value() for name, value in config.headers.items()}
    return headers | own


def _rename_limit(body: dict[str, Any], known: str) -> None:
    """The bound on the answer's tokens under the one of its two names that the server knows."""
    other = "max_tokens" if known == "max_completion_tokens" else "max_completion_tokens"
    if other in body:
        body.setdefault(known, body[other])
        del body[other]


def _as_dict(value: Any) -> Any:
    """orjson writes dicts and tuples, but no other mapping."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
