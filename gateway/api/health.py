"""GET /healthz: the process lives. GET /readyz: it can answer, and if not, what is missing."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Response

from gateway.api.access import CurrentGateway
from gateway.pipeline import Gateway
from retrieval.types import RetrievalError

router = APIRouter(tags=["health"])
FRESH_S = 1.0


@dataclass(slots=True)
class _Last:
    """What the last look found."""

    at: float = float("-inf")
    checks: dict[str, str] = field(default_factory=dict)


_last = _Last()


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """200 while the process serves."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(gateway: CurrentGateway, response: Response) -> dict[str, Any]:
    """200 when the encoder and the index answer, else 503. Asked without a key, so it names
    nothing; the checks work at most once a second."""
    now = time.monotonic()
    if now - _last.at > FRESH_S:
        _last.at, _last.checks = now, await _checked(gateway)
    ready = all(state == "ok" for state in _last.checks.values())
    response.status_code = 200 if ready else 503
    return {"status": "ready" if ready else "not ready", **_last.checks}


async def _checked(gateway: Gateway) -> dict[str, str]:
    checks = {"encoder": "ok", "index": "ok"}
    try:
        await gateway.encoder.query("ready?")
    except RetrievalError as error:
        checks["encoder"] = str(error)
    try:
        await gateway.library.collections()
    except RetrievalError as error:
        checks["index"] = str(error)
    return checks
