"""GET /v1/models: every name that the caller may put in a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter

from gateway.adapters.types import LIVE, Adapter
from gateway.api.access import CurrentCaller, CurrentGateway
from gateway.errors import UnknownModel
from gateway.pipeline import Gateway
from gateway.types import Caller

router = APIRouter()
CREATED = 1_700_000_000  # models have no date of their own; clients want a number


@router.get("/v1/models", tags=["openai"])
async def models(gateway: CurrentGateway, caller: CurrentCaller) -> dict[str, Any]:
    """Aliases, `auto`, every provider's models, and adapters with the model that they change."""
    data = [_model(name) for name in _names(gateway, caller)]
    return {"object": "list", "data": [*data, *_adapters(gateway, caller)]}


@router.get("/v1/models/{name:path}", tags=["openai"])
async def model(name: str, gateway: CurrentGateway, caller: CurrentCaller) -> dict[str, Any]:
    """One of them; of an adapter any revision."""
    if name in _names(gateway, caller):
        return _model(name)
    adapter = gateway.adapters.find(caller.team, name)
    if adapter and (told := _adapter(gateway, caller, name, adapter)):
        return told
    raise UnknownModel(f"The model '{name}' does not exist.", param="model")


def _names(gateway: Gateway, caller: Caller) -> list[str]:
    names = [*gateway.router.catalogue.names(), *gateway.embeddings.names()]
    if not caller.models:
        return names
    return [name for name in names if name in caller.models or name.split("/")[-1] in caller.models]


def _model(name: str) -> dict[str, Any]:
    owner = name.split("/")[0] if "/" in name else "moorline"
    return {"id": name, "object": "model", "created": CREATED, "owned_by": owner}


def _adapters(gateway: Gateway, caller: Caller) -> Iterator[dict[str, Any]]:
    """By their names, and by those of their aliases."""
    for held in gateway.adapters.usable(caller.team):
        for alias in held.aliases.values():
            name = held.name if alias.name == LIVE else f"{held.name}@{alias.name}"
            if told := _adapter(gateway, caller, name, held.revisions[alias.revision]):
                yield told


def _adapter(
    gateway: Gateway, caller: Caller, name: str, adapter: Adapter
) -> dict[str, Any] | None:
    """As vLLM tells of its own; None where it may not be asked for."""
    target = gateway.router.named_adapter(caller, name)
    if target is None:
        return None
    return {
        "id": name,
        "object": "model",
        "created": int(adapter.added_at),
        "owned_by": adapter.tenant or "moorline",
        "root": f"sha256:{adapter.facts.digest}",
        "parent": target.adapts,
    }
