"""GET /admin/fleet: replicas, the adapters that each of them has, and who waits for a slot."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from gateway.api.access import CurrentAdmin, CurrentGateway
from gateway.fleet.telling import state

router = APIRouter(tags=["admin"])


@router.get("/admin/fleet")
async def fleet(gateway: CurrentGateway, admin: CurrentAdmin) -> dict[str, Any]:
    """As this gateway sees it; others that share their view see the same some milliseconds
    later."""
    return {"object": "list", "data": state(gateway.fleets)}
