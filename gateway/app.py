"""The FastAPI application: routes, error shapes, and the gateway's life from start to stop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from fastapi_swagger import patch_fastapi
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api import (
    adapters,
    admin,
    caching,
    control,
    files,
    fleet,
    health,
    metrics,
    models,
    searching,
)
from gateway.api.chat import Chat
from gateway.api.completions.dialect import Completions
from gateway.api.documented import documented
from gateway.api.door import Door
from gateway.api.embeddings import Embeddings
from gateway.api.guard import ClientLeft, read_body, refuse_other_sites, replayed
from gateway.api.lorax import about as lorax
from gateway.api.lorax.dialect import doors as lorax_doors
from gateway.api.messages.dialect import CountTokens, Messages
from gateway.api.rerank import PATHS, Rerank
from gateway.api.responses import stored
from gateway.api.responses.dialect import Responses
from gateway.api.vector_stores import attached, stores
from gateway.api.vector_stores.search import PATH as SEARCH
from gateway.api.vector_stores.search import Searches
from gateway.config import Config
from gateway.dashboard import pages
from gateway.errors import Forbidden, GatewayError, InvalidRequest, NotAllowed, NotFound
from gateway.pipeline import Gateway
from gateway.reload import Source, current

VERSION = "0.1.0"


class _Application(FastAPI):
    """FastAPI, but for the hot paths: they pay for no middleware and no routing."""

    hot: Mapping[str, ASGIApp]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        gateway: Gateway = self.state.gateway
        headers = scope["headers"]
        try:
            if not gateway.accounts.any():
                refuse_other_sites(headers)
            if endpoint := self.hot.get(scope["path"]):
                await endpoint(scope, receive, send)
                return
            if scope["path"] == files.PATH and scope["method"] == "POST":
                await super().__call__(scope, receive, send)  # reads its body itself
                return
            body = await read_body(receive, gateway.config.server.max_body_bytes)
        except GatewayError as error:
            await _shown(error)(scope, receive, send)
            return
        except ClientLeft:
            return
        receive = replayed(body, receive)
        await super().__call__(scope, receive, send)


def create_app(
    config: Config,
    control_token: str = "",
    source: Source | None = None,
    started: Callable[[], None] = lambda: None,
) -> FastAPI:
    """The application over a gateway that lives as long as the application does.

    Changes at the configuration's source are taken up while it runs.
    """

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        def swap(gateway: Gateway) -> None:
            if control_token:
                gateway.accounts.operator = f"Bearer {control_token}"
            app.state.gateway = gateway

        async with current(config, source, swap):
            started()
            yield

    app = _Application(
        title="Moorline",
        version=VERSION,
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.control_token = control_token

    def of_this_moment() -> Gateway:
        gateway: Gateway = app.state.gateway
        return gateway

    app.hot = {
        "/v1/chat/completions": Door(of_this_moment, Chat()),
        "/v1/completions": Door(of_this_moment, Completions()),
        "/v1/responses": Door(of_this_moment, Responses()),
        "/v1/embeddings": Embeddings(of_this_moment),
        "/v1/messages": Door(of_this_moment, Messages()),
        "/v1/messages/count_tokens": CountTokens(of_this_moment),
        **dict.fromkeys(PATHS, Rerank(of_this_moment)),
        **lorax_doors(of_this_moment),
    }
    app.router.routes.append(Route(SEARCH, Searches(of_this_moment), methods=["POST"]))
    documents = (files, stores, attached)
    commands = (adapters, admin, fleet, control, caching, searching)
    for part in (models, stored, *documents, lorax, health, metrics, *commands, pages):
        app.include_router(part.router)
    # FastAPI's own page of the API loads from a content delivery network.
    patch_fastapi(app, redirect_from_root_to_docs=False)
    static = Path(__file__).parent / "dashboard" / "static"
    app.mount("/static", StaticFiles(directory=static), name="static")
    app.add_exception_handler(GatewayError, _gateway_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _broken)
    app.openapi = lambda: documented(app)  # type: ignore[method-assign]
    return app


async def _gateway_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, GatewayError)
    return _shown(error)


def _shown(error: GatewayError) -> JSONResponse:
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return JSONResponse(error.body(), error.status, headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's own 422 is not OpenAI's shape."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    path = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    param = ".".join(path) or None
    return await _gateway_error(
        request, InvalidRequest(f"Invalid value for '{param}': {first['msg']}.", param=param)
    )


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return await _gateway_error(request, NotFound(f"There is no {request.url.path}."))
    if error.status_code == 403:
        return await _gateway_error(request, Forbidden(str(error.detail)))
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        told = NotAllowed(f"{request.url.path} takes {allowed}, not {request.method}.")
        return JSONResponse(told.body(), told.status, error.headers)
    body = GatewayError(str(error.detail)).body()
    return JSONResponse(body, error.status_code, dict(error.headers or {}))


async def _broken(request: Request, error: Exception) -> JSONResponse:
    return await _gateway_error(request, GatewayError("Something broke here."))
