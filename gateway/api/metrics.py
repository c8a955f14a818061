"""GET /metrics: the gateway's counters and gauges, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gateway.api.access import CurrentGateway, current_admin, current_caller
from gateway.metrics.exposition import CONTENT_TYPE

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, gateway: CurrentGateway) -> Response:
    """Asks for an admin's key unless `metrics.open` is set or there are no keys at all."""
    public = gateway.config.metrics.open
    if not public:
        current_admin(current_caller(request, gateway))
    text = gateway.metrics.text(request.app.version, public=public)
    return Response(text, media_type=CONTENT_TYPE)
