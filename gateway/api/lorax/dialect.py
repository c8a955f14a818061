"""POST /lorax/, /lorax/generate and /lorax/generate_stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson

from gateway.api.door import Door, Header, facts
from gateway.api.lorax.output import Telling, error_body, generated
from gateway.api.lorax.request import Generate, read_generate
from gateway.errors import GatewayError
from gateway.pipeline import Gateway
from gateway.streams import Choice, Collected
from gateway.tracing.trace import Trace
from gateway.types import Answer, Done

ROOT = "/lorax"


class Lorax:
    """The dialect. `streams` is None where the body says it, and a whole answer is then the only
    one of a list."""

    name = "lorax"

    def __init__(self, streams: bool | None) -> None:
        self._streams = streams

    def read(self, body: bytes) -> Generate:
        """See Dialect."""
        return read_generate(body, self._streams)

    def answer(
        self, gateway: Gateway, authorization: str | None, asked: Generate, trace: Trace
    ) -> Awaitable[Answer]:
        """See Dialect."""
        return gateway.answer(authorization, asked.ask, trace)

    def whole(self, asked: Generate, answer: Collected, done: Done, trace_id: str) -> bytes:
        """See Dialect."""
        told = generated(asked, answer.choices.get(0) or Choice(), done)
        return orjson.dumps([told] if self._streams is None else told)

    def telling(self, asked: Generate, known: Done, trace_id: str) -> Telling:
        """See Dialect."""
        return Telling(asked)

    def error(self, error: GatewayError, trace_id: str) -> bytes:
        """See Dialect."""
        return error_body(error)


class LoraxDoor(Door[Generate]):
    """Says in LoRAX's headers, too, what is known of a whole answer."""

    def _facts(self, asked: Generate, done: Done) -> list[Header]:
        usage = done.usage
        told = [
            *facts(done),
            (b"x-model-id", done.model.encode()),
            (b"x-prompt-tokens", b"%d" % usage.prompt),
            (b"x-generated-tokens", b"%d" % usage.completion),
            (b"x-total-tokens", b"%d" % usage.total),
        ]
        if asked.ask.adapter:
            told.append((b"x-adapter-id", asked.ask.adapter.encode()))
        return told


def doors(gateway: Callable[[], Gateway]) -> dict[str, LoraxDoor]:
    """Each path's. Clients post to the base URL that they are given, with a slash or without."""
    either = LoraxDoor(gateway, Lorax(None))
    return {
        ROOT: either,
        f"{ROOT}/": either,
        f"{ROOT}/generate": LoraxDoor(gateway, Lorax(False)),
        f"{ROOT}/generate_stream": LoraxDoor(gateway, Lorax(True)),
    }
