"""A gateway over two documents, whose searches a scripted server helps with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gateway.build import build
from gateway.config import Config, parse
from gateway.ingestion import ingest
from gateway.ledger.types import Request
from gateway.pipeline import Gateway
from gateway.streams import collect
from gateway.tracing.trace import Span, Trace
from gateway.types import Ask, Done
from tests.gateway.providers.scripted import Scripted, answer, scripted

PROMPT, COMPLETION = 40, 10
COST = (PROMPT * 10 + COMPLETION * 20) / 1e6  # USD of one call of the helper
CONFIG = """
data = "{data}"
[providers.sim]
kind = "simulated"
answer = "echo"
cite = true
[providers.helper]
kind = "openai-compatible"
base_url = "{url}"
models = [{{ name = "small", input_usd_per_million = 10, output_usd_per_million = 20 }}]
[dispatch]
retries = 0
{more}
"""
DOCUMENTS = {
    "returns.md": "# Returns\n\nGoods may be sent back within 30 days of delivery.\n",
    "cards.md": "# Gift cards\n\nVouchers are never refunded in cash.\n",
}


def completion(text: str) -> bytes:
    """What the server says: a whole chat completion."""
    usage = {"prompt_tokens": PROMPT, "completion_tokens": COMPLETION}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    body = {"id": "c", "object": "chat.completion", "model": "small", "usage": usage}
    return answer(orjson.dumps({**body, "choices": [{**choice, "finish_reason": "stop"}]}))


def config(data: Path, url: str, more: str) -> Config:
    return parse(CONFIG.format(data=data, url=url, more=more))


@dataclass(frozen=True, slots=True)
class Helped:
    """The gateway and the server behind it."""

    gateway: Gateway
    server: Scripted
    rows: list[tuple[Request, Trace]]

    def asked(self) -> list[Any]:
        """The bodies that the server was sent."""
        return [orjson.loads(each.partition(b"\r\n\r\n")[2]) for each in self.server.requests]

    async def told(self, question: str, *earlier: str, **fields: Any) -> tuple[Done, list[Span]]:
        """An answer's end and its trace; `earlier` are turns of user and assistant by turns."""
        roles = ("user", "assistant")
        said = [{"role": roles[n % 2], "content": text} for n, text in enumerate(earlier)]
        messages = (*said, {"role": "user", "content": question})
        trace = Trace()
        asked = {"model": "sim/simulated", "collection": "default", **fields}
        ask = Ask(messages=messages, question=question, **asked)
        begun = await self.gateway.answer(None, ask, trace)
        whole = await collect(begun.events)
        assert whole.done is not None
        return whole.done, trace.spans


def span(spans: list[Span], name: str) -> Span:
    (found,) = (each for each in spans if each.name == name)
    return found


@asynccontextmanager
async def helped(folder: Path, more: str, *said: bytes | None) -> AsyncIterator[Helped]:
    """Such a gateway, and what its ledger was given."""
    for name, text in DOCUMENTS.items():
        (folder / "docs").mkdir(exist_ok=True)
        (folder / "docs" / name).write_text(text)
    then = "keep" if said else "hold"
    async with (
        scripted(*(said or (b"",)), then=then) as server,  # type: ignore[arg-type]
        build(config(folder / "data", server.url, more)) as gateway,
    ):
        async for _ in ingest(gateway, [folder / "docs"], "default", prune=False):
            pass
        rows: list[tuple[Request, Trace]] = []
        write = gateway.accounting.ledger.write

        def noted(request: Request, trace: Trace) -> None:
            rows.append((request, trace))
            write(request, trace)

        gateway.accounting.ledger.write = noted  # type: ignore[method-assign]
        yield Helped(gateway, server, rows)
