"""Work that is over when the time that a caller gives it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from gateway.errors import ProviderTimeout
from gateway.tracing.trace import Trace

T = TypeVar("T")


async def within(trace: Trace, work: Awaitable[T]) -> T:
    """What comes of it, if that comes as soon as the caller wants it. Raises ProviderTimeout."""
    if trace.deadline is None:
        return await work
    try:
        async with asyncio.timeout(trace.deadline - trace.elapsed / 1e9):
            return await work
    except TimeoutError:
        raise ProviderTimeout(
            f"Nothing came within the {trace.deadline:g} s that the request allows."
        ) from None
