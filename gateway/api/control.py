"""POST /control/ingest: work that a command hands over, see gateway/control.py."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from gateway.api.access import CurrentGateway
from gateway.errors import Unauthorized

router = APIRouter(include_in_schema=False)


class IngestRequest(BaseModel):
    """Paths on this machine, as the command saw them."""

    paths: list[Path]
    collection: str
    prune: bool = False


@router.post("/control/ingest")
async def control_ingest(
    work: IngestRequest, request: Request, gateway: CurrentGateway
) -> StreamingResponse:
    """Ingest, and tell how it goes as JSON lines. Only for who can read the data folder."""
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    expected: str = getattr(request.app.state, "control_token", "")
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Unauthorized("This is for commands on the same machine.")

    from gateway.ingestion import ingest  # parsers and numpy: not for the door's start

    async def lines() -> AsyncIterator[bytes]:
        async for event in ingest(gateway, work.paths, work.collection, work.prune):
            yield orjson.dumps(event) + b"\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")
