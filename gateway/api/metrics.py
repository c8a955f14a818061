"""GET /metrics: the gateway's counters and gauges, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gateway.api.access import CurrentGateway, current_admin, current_caller
from gateway.metrics.exposition import CONTENT_TYPE

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, gateway: CurrentGateway) -> Response:
    """Asks for an admin's key unless `metrics.open` is set or there are no keys at all."""
    if not gateway.config.metrics.open:
        current_admin(current_caller(request, gateway))
    return Response(gateway.metrics.text(request.app.version), media_type=CONTENT_TYPE)
