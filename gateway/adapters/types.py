"""What a LoRA adapter is: one revision's facts, found out when it is added and never changed.

A revision is told from others by its number, which is given once and never again, and its content
by the digest of its files: engines know it under a name and a path that both change with it, since
one that is loaded again under an old name may be answered from what was computed with the old one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from routing.placement.types import Priority
from routing.types import Limits

EVERYBODY = ""
"""The tenant of adapters that every team may use."""
LIVE = "live"
"""The alias that a name without a revision stands for."""
SHADOW = "shadow"
"""The alias of what is asked beside the live revision; see gateway/shadows.py."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What an adapter's own files say, as gateway/adapters/validation reads them."""

    base: str  # the model that it was trained on, as its configuration names it
    rank: int  # the largest of its matrices'
    alpha: float
    targets: tuple[str, ...]  # modules that it changes, by the last part of their names
    dtype: str
    size: int  # bytes of its weights
    digest: str  # sha256 over names and contents of the files that are kept
    warnings: tuple[str, ...] = ()  # what is odd without being wrong


@dataclass(frozen=True, slots=True)
class Adapter:
    """One revision."""

    tenant: str  # the team that may use it; EVERYBODY is all
    name: str
    revision: int  # 1, 2 …; never given twice, not even after a removal
    provider: str  # whose engines serve it, as the configuration names them
    source: str  # where it came from: a folder, s3://…, hub:…; without secrets
    facts: Facts
    priority: Priority = "medium"
    quota: Limits = field(default_factory=Limits)
    added_at: float = 0.0  # Unix seconds
    served_as: str = field(init=False)  # what engines call it; made once, read on every request

    def __post_init__(self) -> None:
        served_as = engines_name(self.tenant, self.name, self.revision)
        object.__setattr__(self, "served_as", served_as)


def engines_name(tenant: str, name: str, revision: int) -> str:
    """What engines call a revision; never given to another one."""
    owner = f"{tenant}:" if tenant else ""
    return f"{owner}{name}@{revision}"
