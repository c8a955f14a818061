"""GET /lorax/info and /lorax/health."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from gateway.api.access import CurrentCaller, CurrentGateway
from gateway.api.health import readyz
from gateway.api.lorax.dialect import ROOT
from routing.catalogue import AUTO

router = APIRouter(tags=["lorax"])


@router.get(f"{ROOT}/info")
async def info(gateway: CurrentGateway, caller: CurrentCaller) -> dict[str, Any]:
    """What LoRAX tells of itself, as far as it has a meaning here; the rest is null."""
    return {
        "model_id": AUTO,
        "model_sha": None,
        "model_dtype": None,
        "model_device_type": None,
        "model_pipeline_tag": "text-generation",
        "max_concurrent_requests": gateway.config.server.max_in_flight,
        "max_best_of": 1,
        "max_stop_sequences": None,
        "max_input_length": None,
        "max_total_tokens": None,
        "version": version("moorline"),
        "sha": None,
        "docker_label": None,
    }


@router.get(f"{ROOT}/health")
async def health(gateway: CurrentGateway, response: Response) -> Response:
    """Empty while requests can be answered."""
    if (await readyz(gateway, response))["status"] == "ready":
        return Response()
    return JSONResponse({"error": "unhealthy", "error_type": "healthcheck"}, 503)
