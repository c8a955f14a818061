"""A provider's failure as a ProviderError: the status says first what it is, then the body.

What a provider wrote is told to the caller, shortened, and never with a secret of ours in it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from gateway.errors import ProviderError, ProviderTimeout, WindowExceeded
from gateway.providers.completions import Garbled, Reported
from gateway.providers.wire.connection import Response
from gateway.providers.wire.errors import PoolFull, TimedOut, WireError
from gateway.providers.wire.sse import EventTooLarge

LONGEST = 500  # characters of a provider's own words
CALLERS = frozenset({400, 413, 422})
PASSING = frozenset({408, 409, 425, 429})

_WINDOW = re.compile(
    r"context[ _-]?(length|window|size)|(prompt|input) (is |was )?too long|too many (input )?tokens"
    r"|reduce the length|exceeds? the (maximum|max|limit).{0,40}tokens",
    re.IGNORECASE,
)
_PAGE = re.compile(r"<(!doctype|html)\b.*", re.IGNORECASE | re.DOTALL)
_BILLING = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})

# What an error inside a 200 means, where it has no number.
_STATUS_OF = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "BadRequestError": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "NotFoundError": 404,
    "model_not_found": 404,
    "overloaded_error": 529,
    "api_error": 500,
    "server_error": 500,
    "internal_server_error": 500,
    "InternalServerError": 500,
}


class Failures:
    """Makes the errors of one provider, which are known by its name and keep its secrets."""

    def __init__(self, name: str, secrets: Iterable[str], address: str = "") -> None:
        self._name = name
        self._address = address  # where it is, which callers need not know: they are told the name
        # The longest first, so that one which holds another is hidden whole.
        self._secrets = sorted((each for each in secrets if len(each) > 3), key=len, reverse=True)
        self._translating = _Translating(self)

    def translated(self) -> _Translating:
        """A block: whatever goes wrong inside comes out as a ProviderError."""
        return self._translating

    def status(self, status: int, body: bytes, retry_after: float | None = None) -> ProviderError:
        """An answer that is not a success."""
        return self._error(status, _read(body), retry_after)

    def reported(self, body: Any) -> ProviderError:
        """An error inside an answer that looks like a success."""
        return self._error(_status_inside(body), body, None)

    def told(
        self,
        status: int,
        message: str,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> ProviderError:
        """A failure that has been read already."""
        return self._error(status, {"error": {"message": message, "code": code}}, retry_after)

    def wire(self, error: WireError) -> ProviderError:
        """No answer, or not the whole of it."""
        kind = ProviderTimeout if isinstance(error, TimedOut) else ProviderError
        # Whoever has waited for a connection in vain is better served elsewhere than by waiting on.
        return kind(self.clean(str(error)), retryable=not isinstance(error, PoolFull))

    def late(self, what: str) -> ProviderTimeout:
        """A deadline has passed."""
        return ProviderTimeout(f"{self._name} {what}")

    def garbled(self, why: object) -> ProviderError:
        """An answer that makes no sense."""
        return ProviderError(self.clean(f"{self._name} sent an answer that is of no use: {why}."))

    def clean(self, text: str) -> str:
        """Without secrets, pages of HTML and control characters, and not too long."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        if self._address:
            text = text.replace(self._address, self._name)
        text = _PAGE.sub("a page of HTML", text)
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"

    def _error(self, status: int, body: Any, retry_after: float | None) -> ProviderError:
        message, code, param = _parts(body)
        answered = f"{self._name} answered {status}" if status != 200 else f"{self._name} failed"
        text = self.clean(f"{answered}: {message}" if message else f"{answered}.")
        if status in CALLERS and (code == WindowExceeded.code or _WINDOW.search(message)):
            return WindowExceeded(text, retryable=False, upstream_status=status, param="messages")
        return ProviderError(
            text,
            retryable=(status in PASSING or status >= 500 or status == 200)
            and code not in _BILLING,
            upstream_status=status,
            retry_after=retry_after,
            param=self.clean(param) if param else None,
        )


class _Translating:
    """A class without state of its own, since every call of every model goes through it."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if isinstance(error, WireError):
            raise self._failures.wire(error) from error
        if isinstance(error, Garbled | EventTooLarge):
            raise self._failures.garbled(error) from None
        if isinstance(error, Reported):
            raise self._failures.reported(error.body) from None


def retry_after(response: Response) -> float | None:
    """Seconds that the provider asks us to wait."""
    if value := response.header(b"retry-after-ms"):
        return _seconds(value.decode("latin-1"), 1000)
    if value := response.header(b"retry-after"):
        return parsed_retry_after(value.decode("latin-1"))
    return None


def parsed_retry_after(text: str) -> float | None:
    """A number of seconds, or a date."""
    seconds = _seconds(text, 1)
    if seconds is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def _seconds(text: str, parts: int) -> float | None:
    return float(text) / parts if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text.strip()) else None


def _read(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body.decode("utf-8", "replace").strip()
        return {"message": "a page of HTML" if text.startswith("<") else text}


def _parts(body: Any) -> tuple[str, str | None, str | None]:
    """Message, code and parameter of an error, in any of the shapes that are about."""
    if isinstance(body, list):
        body = body[0] if body else {}
    if not isinstance(body, dict):
        return str(body or ""), None, None
    error = body.get("error")
    if isinstance(error, str):
        return error, None, None
    if isinstance(error, dict):
        body = error
    message = body.get("message") or body.get("detail") or ""
    if not isinstance(message, str):
        message = orjson.dumps(message).decode()
    code = body.get("code") or body.get("type")
    param = body.get("param")
    return message, str(code) if code else None, param if isinstance(param, str) else None


def _status_inside(body: Any) -> int:
    """The status that an error would have had; 200 where it does not say."""
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else body if isinstance(body, dict) else {}
    for value in (str(error.get(key)) for key in ("code", "status", "type")):
        if value.isdecimal() and 400 <= int(value) <= 599:
            return int(value)
        if status := _STATUS_OF.get(value):
            return status
    return 200
