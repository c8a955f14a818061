"""Adapters as targets of a route: what the configuration says of the base model, under the name
that engines know the adapter by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.adapters.registry import Registry
from gateway.adapters.types import SHADOW, Adapter
from routing.types import Target


@dataclass(frozen=True, slots=True)
class AdapterTargets:
    """Those of the registry whose base models are configured."""

    registry: Registry
    bases: Mapping[str, Target]  # by provider: the model that its adapters change
    _made: dict[tuple[str, str], tuple[Adapter, Target]] = field(default_factory=dict)

    def of(self, team: str, asked: str) -> Target | None:
        """What a member of a team means by a name, now; None where there is nothing for it."""
        adapter = self.registry.find(team, asked)
        return self.target(adapter) if adapter else None

    def shadow(self, live: Target) -> Target | None:
        """What is asked beside a live revision; None where it is not that, or stands alone."""
        adapter = self.registry.served(live.provider, live.model)
        if adapter is None or self.registry.find(adapter.tenant, adapter.name) is not adapter:
            return None
        other = self.registry.find(adapter.tenant, f"{adapter.name}@{SHADOW}")
        return self.target(other) if other and other is not adapter else None

    def target(self, adapter: Adapter) -> Target | None:
        """None where the configuration has no such provider for adapters any more."""
        base = self.bases.get(adapter.provider)
        if base is None:
            return None
        key = (adapter.provider, adapter.served_as)
        known = self._made.get(key)
        # The same object each time: what is counted of a target is found without comparing it.
        if known is None or known[0] is not adapter:
            made = replace(base, model=adapter.served_as, limits=adapter.quota, adapts=base.name)
            known = self._made[key] = adapter, made
        return known[1]
