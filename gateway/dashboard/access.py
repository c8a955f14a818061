"""Who may see the dashboard, and what every page of it says to the browser about itself.

Where no key was ever made everyone on this machine may; otherwise an admin key, as a bearer token
or as a session that was begun with one. Failures become pages here, since what the rest of the
application answers with is JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any, Protocol
from urllib.parse import urlencode

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute

from gateway.api.guard import names_this_machine
from gateway.dashboard.rendering import Frame, page
from gateway.dashboard.sessions import LASTS, Sessions
from gateway.errors import Forbidden, GatewayError, Unauthorized
from gateway.types import LOCAL, Caller

COOKIE = "moorline_session"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Accounts(Protocol):
    """What is asked of the accounts."""

    def identify(self, authorization: str | None) -> Caller:
        """Raises Unauthorized."""
        ...

    def holder(self, key: str) -> Caller | None:
        """Whoever holds the key with this public id; None once it is revoked or has expired."""
        ...


def accounts_of(request: Request) -> Accounts:
    """Where the application keeps them."""
    accounts: Accounts = request.app.state.gateway.accounts
    return accounts


def sessions_of(request: Request) -> Sessions:
    """The application's sessions; they live as long as it does."""
    state = request.app.state
    if not hasattr(state, "dashboard_sessions"):
        state.dashboard_sessions = Sessions()
    sessions: Sessions = state.dashboard_sessions
    return sessions


async def viewer(request: Request) -> Caller:
    """The administrator who looks. Raises Unauthorized, Forbidden."""
    caller = _signed_in(request) or accounts_of(request).identify(
        request.headers.get("authorization")
    )
    if caller.key == LOCAL and not names_this_machine(request.url.hostname or ""):
        # A page elsewhere can point a name of its own at 127.0.0.1 and read what is open there.
        raise Forbidden(
            "Without keys the dashboard answers to localhost or an IP address, not to "
            f"“{request.url.hostname}”. Make a key to open it under a name: "
            "moorline keys create --name NAME --admin"
        )
    request.state.viewer = administrator(caller)
    return caller


Viewer = Annotated[Caller, Depends(viewer)]


def administrator(caller: Caller) -> Caller:
    """The caller, if it may look. Raises Forbidden."""
    if not caller.admin:
        raise Forbidden(
            f"The key “{caller.name}” is good, but it is not an admin key, and the dashboard shows "
            "everybody's requests. Make one with: moorline keys create --name NAME --admin"
        )
    return caller


def name_of(request: Request, key: str) -> str:
    """What a key is called, while it is good; then its public id."""
    holder = accounts_of(request).holder(key) if key else None
    return holder.name if holder else key


def same_site(request: Request) -> None:
    """Refuse a form that another site sent. Raises Forbidden."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("This form was sent from another site.")


def begin_session(request: Request, response: Response, caller: Caller) -> None:
    """Keep the caller signed in. The cookie says nothing about the key."""
    response.set_cookie(
        COOKIE,
        sessions_of(request).begin(caller.key),
        max_age=LASTS,
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def end_session(request: Request, response: Response) -> None:
    sessions_of(request).end(request.cookies.get(COOKIE, ""))
    response.delete_cookie(
        COOKIE,
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def local_path(path: str) -> str:
    """Where to go after signing in: a page of ours, whatever the address asked for."""
    inside = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if inside and path.isprintable() else "/"


class PageRoute(APIRoute):
    """A route whose failures are pages, and whose responses all carry the headers above."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                response = await answer(request)
            except GatewayError as error:
                response = await _failure(request, error)
            response.headers.update(HEADERS)
            return response

        return answered


async def _failure(request: Request, error: GatewayError) -> Response:
    """A way in where one is missing, else a page that says what is wrong."""
    if isinstance(error, Unauthorized) and "authorization" not in request.headers:
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if request.headers.get("sec-fetch-site") == "cross-site":
            # The browser keeps the cookie back on a link from elsewhere, but not on one from here.
            return await page("again.html", Frame(request.url.path), target=local_path(asked))
        query = f"?{urlencode({'next': asked})}" if asked != "/" else ""
        return RedirectResponse(f"/login{query}", HTTPStatus.SEE_OTHER)
    response = await page(
        "message.html",
        Frame(request.url.path, viewer=getattr(request.state, "viewer", None)),
        status=error.status,
        title=HTTPStatus(error.status).phrase,
        message=error.message,
    )
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _signed_in(request: Request) -> Caller | None:
    """The caller of the cookie's session; a bearer token goes before it."""
    session_id = request.cookies.get(COOKIE)
    if session_id is None or "authorization" in request.headers:
        return None
    key = sessions_of(request).key(session_id)
    return accounts_of(request).holder(key) if key is not None else None
