"""GET /v1/models: every name that the caller may put in a request."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from gateway.api.access import CurrentCaller, CurrentGateway
from gateway.errors import UnknownModel
from gateway.pipeline import Gateway
from gateway.types import Caller

router = APIRouter()
CREATED = 1_700_000_000  # models have no date of their own; clients want a number


@router.get("/v1/models", tags=["openai"])
async def models(gateway: CurrentGateway, caller: CurrentCaller) -> dict[str, Any]:
    """Aliases, `auto`, and every provider's models."""
    return {"object": "list", "data": [_model(name) for name in _names(gateway, caller)]}


@router.get("/v1/models/{name:path}", tags=["openai"])
async def model(name: str, gateway: CurrentGateway, caller: CurrentCaller) -> dict[str, Any]:
    """One of them."""
    if name not in _names(gateway, caller):
        raise UnknownModel(f"The model '{name}' does not exist.", param="model")
    return _model(name)


def _names(gateway: Gateway, caller: Caller) -> list[str]:
    names = [*gateway.router.catalogue.names(), *gateway.embeddings.names()]
    if not caller.models:
        return names
    return [name for name in names if name in caller.models or name.split("/")[-1] in caller.models]


def _model(name: str) -> dict[str, Any]:
    owner = name.split("/")[0] if "/" in name else "moorline"
    return {"id": name, "object": "model", "created": CREATED, "owned_by": owner}
