"""The registered adapters as engines are told of them: by a name and a folder that both change with
the content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.adapters.registry import Registry
from gateway.adapters.types import Adapter
from gateway.fleet.types import Served


@dataclass(frozen=True, slots=True)
class Shelved:
    """A register for fleets, see gateway/fleet/types.py."""

    registry: Registry
    folder: Path  # where engines see what is kept

    def served(self, provider: str, name: str) -> Served | None:
        """See Adapters."""
        adapter = self.registry.served(provider, name)
        return self._told(adapter) if adapter else None

    def removed(self, provider: str, name: str) -> bool:
        """See Adapters."""
        return self.registry.removed(provider, name)

    def pinned(self, provider: str) -> Sequence[Served]:
        """See Adapters."""
        return [self._told(adapter) for adapter in self.registry.pinned(provider)]

    def _told(self, adapter: Adapter) -> Served:
        path = f"{self.folder}/{adapter.facts.digest}"
        return Served(adapter.served_as, path, adapter.priority, adapter.tenant)
