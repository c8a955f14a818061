"""Where finished traces go besides the ledger. A sink works off the request's path and thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gateway.tracing.trace import Trace

if TYPE_CHECKING:
    from gateway.ledger.types import Request


class Sink(Protocol):
    """Takes finished requests, one at a time, from one thread."""

    @property
    def dropped(self) -> int:
        """How many spans were given up because the far end did not take them."""
        ...

    def emit(self, request: Request, trace: Trace) -> None:
        """Must not wait for the network."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...
