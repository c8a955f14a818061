"""GET /healthz: the process lives. GET /readyz: it can answer, and if not, what is missing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from gateway.api.access import CurrentGateway
from retrieval.types import RetrievalError

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """200 while the process serves."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(gateway: CurrentGateway, response: Response) -> dict[str, Any]:
    """200 when the encoder and the index answer, else 503."""
    checks: dict[str, str] = {}
    try:
        await gateway.encoder.query("ready?")
        checks["encoder"] = "ok"
    except RetrievalError as error:
        checks["encoder"] = str(error)
    try:
        checks["index"] = "ok"
        collections = await gateway.library.collections()
    except RetrievalError as error:
        checks["index"], collections = str(error), []
    ready = all(state == "ok" for state in checks.values())
    response.status_code = 200 if ready else 503
    return {"status": "ready" if ready else "not ready", **checks, "collections": collections}
