"""What a gateway is compared with: two that do nothing but pass a chat on.

`python -m eval.bench.references raw --port N --upstream URL` is raw ASGI over our own client, and
`fastapi` is what one would write first: FastAPI, pydantic and aiohttp.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import click

from gateway.providers.wire.client import Client, Endpoint

Application = Callable[..., Awaitable[None]]


def raw(upstream: str, key: str) -> Application:
    """Raw ASGI, our own client, bytes passed on as they come."""
    endpoint = Endpoint.of(
        "POST", f"{upstream}/chat/completions", {"authorization": f"Bearer {key}"}
    )
    clients: list[Client] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if not clients:
            clients.append(Client())
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        async with await clients[0].post(endpoint, body) as response:
            kind = (b"content-type", response.header(b"content-type") or b"application/json")
            headers = [kind]
            if length := response.header(b"content-length"):
                headers.append((b"content-length", length))
            await send(
                {"type": "http.response.start", "status": response.status, "headers": headers}
            )
            async for piece in response:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    return application


def fastapi(upstream: str, key: str) -> Application:
    """FastAPI, pydantic and aiohttp."""
    import aiohttp
    from fastapi import FastAPI
    from pydantic import BaseModel, ConfigDict
    from starlette.responses import Response, StreamingResponse

    class Message(BaseModel):
        model_config = ConfigDict(extra="allow")
        role: str
        content: str | list[dict[str, Any]] | None = None

    class ChatRequest(BaseModel):
        model_config = ConfigDict(extra="allow")
        model: str
        messages: list[Message]
        stream: bool = False
        temperature: float | None = None
        max_tokens: int | None = None

    sessions: list[aiohttp.ClientSession] = []

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        connector = aiohttp.TCPConnector(limit=512)
        headers = {"authorization": f"Bearer {key}"}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            sessions.append(session)
            yield

    app = FastAPI(lifespan=life)
    url = f"{upstream}/chat/completions"

    async def chat(request: ChatRequest) -> Response:
        body = request.model_dump(exclude_unset=True)
        if not request.stream:
            async with sessions[0].post(url, json=body) as response:
                return Response(
                    await response.read(), response.status, media_type=response.content_type
                )
        answer = await sessions[0].post(url, json=body)

        async def pieces() -> AsyncIterator[bytes]:
            async with answer:
                async for piece in answer.content.iter_any():
                    yield piece

        return StreamingResponse(pieces(), answer.status, media_type="text/event-stream")

    # The annotation is a local class, which FastAPI could not look up by name.
    chat.__annotations__.update({"request": ChatRequest, "return": Response})
    app.post("/v1/chat/completions")(chat)
    return app


async def _live(receive: Any, send: Any) -> None:
    """Nothing is to be started or stopped."""
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})


@click.command()
@click.argument("which", type=click.Choice(["raw", "fastapi"]))
@click.option("--port", required=True, type=int)
@click.option("--upstream", required=True, help="Base URL that ends in /v1.")
@click.option("--key", default="sk-upstream", help="Sent to the upstream.")
def main(which: str, port: int, upstream: str, key: str) -> None:
    """Serve a pass-through to measure a gateway against."""
    import uvicorn

    application = {"raw": raw, "fastapi": fastapi}[which](upstream, key)
    uvicorn.run(application, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
