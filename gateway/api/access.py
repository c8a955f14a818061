"""What an endpoint may ask for: the gateway, and who is calling."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from gateway.api.door import credential
from gateway.errors import Forbidden
from gateway.pipeline import Gateway
from gateway.types import Caller


def current_gateway(request: Request) -> Gateway:
    """The gateway that serves this moment."""
    return cast(Gateway, request.app.state.gateway)


CurrentGateway = Annotated[Gateway, Depends(current_gateway)]


def current_caller(request: Request, gateway: CurrentGateway) -> Caller:
    """Whoever the request's key names. Raises Unauthorized."""
    return gateway.accounts.identify(credential(dict(request.scope["headers"])))


CurrentCaller = Annotated[Caller, Depends(current_caller)]


def current_admin(caller: CurrentCaller) -> Caller:
    """A caller who may administer. Raises Forbidden."""
    if not caller.admin:
        raise Forbidden("This needs an admin key (moorline keys create --name NAME --admin).")
    return caller


CurrentAdmin = Annotated[Caller, Depends(current_admin)]
