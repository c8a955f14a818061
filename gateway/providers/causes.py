"""What a failure came of: the answer that a library has wrapped in exceptions; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from gateway.providers.failures import parsed_retry_after

_DELAY = re.compile(rb'"retryDelay": *"(\d+(?:\.\d+)?)s"')


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """A failure and what it came of, the innermost last."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def wired_status(chain: Iterable[BaseException]) -> int | None:
    """The status that came over the wire. Libraries have their own opinion of many of them."""
    status = None
    for each in chain:
        response: Any = getattr(each, "response", None)
        if getattr(response, "headers", None) and isinstance(response.status_code, int):
            status = response.status_code
    return status if status is not None and status >= 400 else None


def wired_body(chain: Iterable[BaseException]) -> bytes:
    """The answer's body, without the words around it; empty where it is gone."""
    found = b""
    for each in chain:
        if isinstance(body := getattr(each, "body", None), dict):  # openai's errors
            found = orjson.dumps(body)
        message = getattr(each, "message", None)
        text = message.encode() if isinstance(message, str) else message
        if isinstance(text, bytes) and text.lstrip()[:1] in (b"{", b"["):
            found = text
    return found


def wired_wait(chain: Iterable[BaseException], body: bytes) -> float | None:
    """Seconds to wait, from the answer's headers, or from its body as Google writes them."""
    wait = None
    for each in chain:
        headers = getattr(getattr(each, "response", None), "headers", None) or {}
        wait = headers.get("retry-after") or wait
    if not wait and (delay := _DELAY.search(body)):
        wait = delay[1].decode()
    return parsed_retry_after(wait) if wait else None
