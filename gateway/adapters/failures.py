"""Why an adapter cannot be used: said once, for good, and before an engine hears of it."""

from __future__ import annotations

from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["not_found", "corrupt", "invalid", "incompatible", "insecure"]
"""Nothing is there; its files are damaged; they are whole and contradict each other; they are good
and do not fit the base model or the engines; they could run code or lead elsewhere."""


class BadAdapter(Exception):
    """It is refused, and trying again does not help."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason


class SourceAway(Exception):
    """Where it lies cannot be asked now; later it may be. The message says why."""


def shown(name: str) -> str:
    """What a foreign file says, as it may stand in a line: plain characters, and not many."""
    plain = ascii(name)
    return plain if len(plain) <= 120 else f"{plain[:117]}…{plain[-1]}"
