"""/admin/deployments: how each of them is doing, and an operator's word on its breaker."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.access import CurrentAdmin, CurrentGateway
from gateway.deployments import Deployment
from gateway.errors import UnknownModel
from routing.breaker import Forced

router = APIRouter(tags=["admin"])


class BreakerOrder(BaseModel):
    """What an operator wants of a deployment's breaker."""

    model_config = ConfigDict(extra="forbid")

    deployment: str = Field(description="`provider/model`.")
    breaker: Forced = Field(
        description="open shuts it off, closed keeps asking it, auto lets it judge again."
    )


@router.get("/admin/deployments")
async def deployments(gateway: CurrentGateway, admin: CurrentAdmin) -> dict[str, Any]:
    """Every configured deployment as this gateway sees it."""
    known = gateway.dispatcher.deployments
    targets = gateway.router.catalogue.targets.values()
    return {"object": "list", "data": [_told(known.of(target)) for target in targets]}


@router.post("/admin/deployments")
async def order(
    wanted: BreakerOrder, gateway: CurrentGateway, admin: CurrentAdmin
) -> dict[str, Any]:
    """Holds until it is taken back with `auto`, and for every gateway that shares its breakers."""
    target = gateway.router.catalogue.targets.get(wanted.deployment)
    if target is None:
        raise UnknownModel(
            f"There is no deployment '{wanted.deployment}'; GET lists them.", param="deployment"
        )
    return _told(gateway.dispatcher.deployments.force(target, wanted.breaker))


def _told(deployment: Deployment) -> dict[str, Any]:
    target, breaker, now = deployment.target, deployment.breaker, deployment.now()
    barred = deployment.barred(0.0, now)
    plain, streamed = (round(each.value(now) * 1000, 1) for each in deployment.latency)
    wait = breaker.wait(now) if breaker.state == "open" else None
    return {
        "deployment": target.name,
        "region": target.region or None,
        "asked": barred is None,
        "why_not": barred.why if barred else None,
        "breaker": {
            "state": breaker.state,
            "forced": breaker.forced,
            "probes_at": None if wait is None else round(time.time() + wait, 3),
            "opened_in_a_row": breaker.times,
        },
        "in_flight": deployment.in_flight,
        "expected_ms": {"plain": plain, "streamed": streamed},
        "last_error": deployment.last_error,
    }
