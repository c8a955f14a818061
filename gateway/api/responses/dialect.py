"""POST /v1/responses: OpenAI's Responses API, a body in, a response or its events out."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import Any

import orjson

from gateway.api.blocks import Blocks
from gateway.api.responses.events import Telling
from gateway.api.responses.items import as_items
from gateway.api.responses.output import Head
from gateway.api.responses.request import Turn, read_turn
from gateway.conversations.store import Conversations, Kept
from gateway.errors import GatewayError
from gateway.pipeline import Gateway
from gateway.streams import Choice, Collected
from gateway.tracing.trace import Trace
from gateway.types import Answer, Ask, Done, Events


class Responses:
    """The dialect."""

    name = "responses"

    def read(self, body: bytes) -> Turn:
        """See Dialect."""
        return read_turn(body)

    async def answer(
        self, gateway: Gateway, authorization: str | None, asked: Turn, trace: Trace
    ) -> Answer:
        """See Dialect. It goes on from an earlier response, and is kept for later ones."""
        conversations = gateway.conversations
        asked.store = asked.store and conversations.enabled
        try:
            ask = await _continued(gateway, authorization, asked)
        except GatewayError as error:
            await gateway.refused(authorization, error, trace, self.name)
            raise
        answer = await gateway.answer(authorization, ask, trace)
        if not asked.store:
            return answer
        team = gateway.accounts.identify(authorization).team
        return replace(answer, events=_kept(answer, asked, conversations, team, trace.id))

    def whole(self, asked: Turn, answer: Collected, done: Done, trace_id: str) -> bytes:
        """See Dialect."""
        return orjson.dumps(_response(asked, answer, done, trace_id))

    def telling(self, asked: Turn, known: Done, trace_id: str) -> Telling:
        """See Dialect."""
        return Telling(asked, known, trace_id)

    def error(self, error: GatewayError, trace_id: str) -> bytes:
        """See Dialect."""
        return orjson.dumps(error.body())


async def _continued(gateway: Gateway, authorization: str | None, asked: Turn) -> Ask:
    """What the model is asked, with all that was said before. Raises NotFound."""
    previous = asked.request.previous_response_id
    if previous is None:
        return asked.ask
    team = gateway.accounts.identify(authorization).team
    chain = await gateway.conversations.earlier(team, previous)
    return asked.after([item for kept in chain for item in kept.items + kept.response["output"]])


async def _kept(
    answer: Answer, asked: Turn, conversations: Conversations, team: str, trace_id: str
) -> Events:
    """The same answer, kept before its end is told, so that it can be continued at once."""
    whole = Collected()
    async with aclosing(answer.events) as events:
        async for event in events:
            whole.add(event)
            if isinstance(event, Done):
                kept = Kept(
                    as_items(asked.request.input, trace_id),
                    _response(asked, whole, event, trace_id),
                )
                asked.store = await conversations.keep(
                    team, asked.request.previous_response_id, kept
                )
            yield event


def _response(asked: Turn, answer: Collected, done: Done, trace_id: str) -> dict[str, Any]:
    blocks = Blocks()
    blocks.whole(answer.choices.get(0) or Choice())
    return Head(asked, trace_id, done.model).whole(blocks, done)
