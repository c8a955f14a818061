"""POST /v1/messages and /v1/messages/count_tokens: Anthropic's format before any model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import orjson

from context.tokens import counter, messages_tokens
from gateway.api.blocks import Blocks
from gateway.api.door import Endpoint, Reply
from gateway.api.messages.output import Telling, error_body, message
from gateway.api.messages.request import Countable, chat_of, read_ask, read_countable, tools_of
from gateway.errors import GatewayError
from gateway.pipeline import Gateway
from gateway.streams import Choice, Collected
from gateway.tracing.trace import Trace
from gateway.types import Answer, Ask, Done


class Messages:
    """The dialect."""

    name = "messages"

    def read(self, body: bytes) -> Ask:
        """See Dialect."""
        return read_ask(body)

    def answer(
        self, gateway: Gateway, authorization: str | None, asked: Ask, trace: Trace
    ) -> Awaitable[Answer]:
        """See Dialect."""
        return gateway.answer(authorization, asked, trace)

    def whole(self, asked: Ask, answer: Collected, done: Done, trace_id: str) -> bytes:
        """See Dialect."""
        blocks = Blocks()
        blocks.whole(answer.choices.get(0) or Choice())
        return orjson.dumps(message(blocks, done, trace_id))

    def telling(self, asked: Ask, known: Done, trace_id: str) -> Telling:
        """See Dialect."""
        return Telling(known, trace_id)

    def error(self, error: GatewayError, trace_id: str) -> bytes:
        """See Dialect."""
        return error_body(error, trace_id)


class CountTokens(Endpoint):
    """How long a message's input is, by our own counter: no model is asked, and nothing charged."""

    def __init__(self, gateway: Callable[[], Gateway]) -> None:
        super().__init__(gateway, error_body)

    async def _answer(
        self, gateway: Gateway, authorization: str | None, body: bytes, trace: Trace, reply: Reply
    ) -> None:
        gateway.accounts.identify(authorization)
        request = read_countable(body)
        # Long texts take milliseconds, too long for the loop.
        tokens = await asyncio.to_thread(counted, request)
        await reply.json(200, orjson.dumps({"input_tokens": tokens}), [])


def counted(request: Countable) -> int:
    """Tokens of a request's instructions, turns and tools. Raises InvalidRequest."""
    count = counter(request.model)
    tools = tools_of(request)
    of_tools = count(orjson.dumps(tools).decode()) if tools else 0
    return messages_tokens(chat_of(request), count) + of_tools
