"""POST /v1/responses: OpenAI's Responses API, a body in, a response or its events out."""

from __future__ import annotations

import time
from collections.abc import Awaitable

import orjson

from gateway.api.blocks import Blocks
from gateway.api.responses.events import Telling
from gateway.api.responses.output import Head
from gateway.api.responses.request import Turn, read_turn
from gateway.errors import GatewayError
from gateway.pipeline import Gateway
from gateway.streams import Choice, Collected
from gateway.tracing.trace import Trace
from gateway.types import Answer, Done


class Responses:
    """The dialect."""

    def read(self, body: bytes) -> Turn:
        """See Dialect."""
        return read_turn(body)

    def answer(
        self, gateway: Gateway, authorization: str | None, asked: Turn, trace: Trace
    ) -> Awaitable[Answer]:
        """See Dialect."""
        return gateway.answer(authorization, asked.ask, trace)

    def whole(self, asked: Turn, answer: Collected, done: Done, trace_id: str) -> bytes:
        """See Dialect."""
        blocks = Blocks()
        blocks.whole(answer.choices.get(0) or Choice())
        head = Head(asked, trace_id, int(time.time()), done.model)
        return orjson.dumps(head.whole(blocks, done))

    def telling(self, asked: Turn, known: Done, trace_id: str) -> Telling:
        """See Dialect."""
        return Telling(asked, known, trace_id)

    def error(self, error: GatewayError, trace_id: str) -> bytes:
        """See Dialect."""
        return orjson.dumps(error.body())
