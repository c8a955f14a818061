"""The register of adapters as a fleet asks it: what engines call them, and where they read them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gateway.adapters.registry import Registry
from gateway.adapters.types import Adapter
from gateway.fleet.types import Served


class Registered:
    """See Adapters."""

    def __init__(self, registry: Registry, folder: Path) -> None:
        """The folder is the shelf as engines see it."""
        self._registry = registry
        self._folder = str(folder)

    def served(self, provider: str, name: str) -> Served | None:
        """See Adapters."""
        adapter = self._registry.served(provider, name)
        return self._of(adapter) if adapter else None

    def pinned(self, provider: str) -> Sequence[Served]:
        """See Adapters."""
        return [self._of(adapter) for adapter in self._registry.pinned(provider)]

    def _of(self, adapter: Adapter) -> Served:
        path = f"{self._folder}/{adapter.facts.digest}"
        return Served(adapter.served_as, path, adapter.priority, adapter.tenant)
