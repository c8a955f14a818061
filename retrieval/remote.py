"""A JSON endpoint elsewhere: one pooled session, retries where waiting may help.

It knows nothing of what is posted; an encoder and a reranker share it.
"""

from __future__ import annotations

from typing import Any

import aiohttp
import tenacity
from pydantic import SecretStr

from retrieval.types import RetrievalError
from retrieval.urls import without_password

_ATTEMPTS = 4
_LONGEST_WAIT = 20.0
_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=5)


class Remote:
    """Posts to one URL. Whatever goes wrong there is a RetrievalError that names it."""

    def __init__(self, url: str, api_key: SecretStr | None, pause: float = 0.25) -> None:
        self.url = without_password(url)  # as errors name it
        self._url = url
        self._key, self._pause = api_key, pause
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: dict[str, Any]) -> Any:
        attempts = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            wait=self._wait,
            retry=tenacity.retry_if_exception(_may_pass),
            reraise=True,
        )
        try:
            return await attempts(self._post, body)
        except aiohttp.ClientResponseError as error:
            raise RetrievalError(f"{self.url} answered {error.status} {error.message}.") from error
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise RetrievalError(f"{self.url} does not answer: {error or 'timeout'}.") from error

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _post(self, body: dict[str, Any]) -> Any:
        async with self._opened().post(self._url, json=body) as response:
            response.raise_for_status()
            return await response.json()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            key = self._key.get_secret_value() if self._key else ""
            bearer = {"authorization": f"Bearer {key}"} if key else None
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT, headers=bearer)
        return self._session

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """As long as the endpoint asks for, and at least a pause that doubles."""
        error = state.outcome.exception() if state.outcome else None
        headers = error.headers if isinstance(error, aiohttp.ClientResponseError) else None
        asked = headers.get("retry-after", "") if headers else ""
        doubled: float = self._pause * 2 ** (state.attempt_number - 1)
        return min(max(float(asked) if asked.isdigit() else 0.0, doubled), _LONGEST_WAIT)


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status == 429 or error.status >= 500
    return isinstance(error, aiohttp.ClientConnectionError | TimeoutError)
