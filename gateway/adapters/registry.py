"""The adapters that may be asked for, in memory: from a name to a revision without touching the
database.

They are held as one dictionary a tenant, which a thread replaces when the tables' change counter
moves. A name that is another team's is looked up in the same places as one that nobody has.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.adapters.store import AdapterStore, Held
from gateway.adapters.types import EVERYBODY, LIVE, Adapter
from gateway.ledger.watching import Watching


@dataclass(frozen=True, slots=True)
class _Tenant:
    """One team's own, or everybody's."""

    held: Mapping[str, Held] = field(default_factory=dict)
    spelled: Mapping[str, Adapter] = field(default_factory=dict)
    """By everything that a request may write: `name`, `name@alias`, `name@2`."""


_NOTHING = _Tenant()


@dataclass(frozen=True, slots=True)
class _Known:
    """The adapters at one version of the tables."""

    version: int = -1
    tenants: Mapping[str, _Tenant] = field(default_factory=dict)
    served: Mapping[tuple[str, str], Adapter] = field(default_factory=dict)
    """By provider and what its engines call them."""
    removed: Collection[tuple[str, str]] = ()
    """The same of those that are no more."""


class Registry:
    """Knows all adapters. `start` keeps them fresh from a thread, so that nothing waits for it."""

    def __init__(self, store: AdapterStore) -> None:
        self.store = store
        self._known = _Known()
        self._refreshing = threading.Lock()
        self._watching = Watching("adapters", self.refresh)
        self.refresh()

    @property
    def any(self) -> bool:
        """Whether there is one at all, so that requests may mean it."""
        return bool(self._known.served)

    @property
    def version(self) -> int:
        """Another one means that something has changed."""
        return self._known.version

    def find(self, team: str, asked: str) -> Adapter | None:
        """What a member of a team means by `name`, `name@2` or `name@canary`: the team's own, or
        everybody's where the team has none of that name."""
        tenants = self._known.tenants
        if own := tenants.get(team):
            if found := own.spelled.get(asked):
                return found
            if asked.partition("@")[0] in own.held:
                return None
        return tenants.get(EVERYBODY, _NOTHING).spelled.get(asked)

    def usable(self, team: str) -> list[Held]:
        """All that a member of a team may name."""
        tenants = self._known.tenants
        own = tenants.get(team, _NOTHING).held
        return list({**tenants.get(EVERYBODY, _NOTHING).held, **own}.values())

    def all(self) -> list[Held]:
        """Every tenant's."""
        return [held for tenant in self._known.tenants.values() for held in tenant.held.values()]

    def served(self, provider: str, served_as: str) -> Adapter | None:
        """The adapter that a provider's engines know under a name."""
        return self._known.served.get((provider, served_as))

    def removed(self, provider: str, served_as: str) -> bool:
        """Whether a name that a provider's engines know is that of an adapter that is no more."""
        return (provider, served_as) in self._known.removed

    def pinned(self, provider: str) -> Sequence[Adapter]:
        """The critical ones of a provider, in the order in which they came."""
        found = (each for held in self.all() for each in held.pinned if each.provider == provider)
        return sorted(found, key=lambda adapter: (adapter.added_at, adapter.served_as))

    def refresh(self) -> None:
        """Read the tables again if they have changed. Blocks."""
        with self._refreshing:
            version = self.store.version()  # read first: a change meanwhile is then seen next time
            if version != self._known.version:
                self._known = _known(version, self.store.all(), self.store.removed())

    def start(self) -> None:
        self._watching.start()

    def close(self) -> None:
        """Stop refreshing. Blocks for as long as one look takes."""
        self._watching.close()


def _known(version: int, every: Iterable[Held], removed: Collection[tuple[str, str]]) -> _Known:
    by_tenant: dict[str, list[Held]] = {}
    served: dict[tuple[str, str], Adapter] = {}
    for held in every:
        by_tenant.setdefault(held.tenant, []).append(held)
        served.update({(each.provider, each.served_as): each for each in held.revisions.values()})
    tenants = {
        tenant: _Tenant({held.name: held for held in own}, _spelled(own))
        for tenant, own in by_tenant.items()
    }
    return _Known(version, tenants, served, removed)


def _spelled(own: Iterable[Held]) -> dict[str, Adapter]:
    found: dict[str, Adapter] = {}
    for held in own:
        found.update({f"{held.name}@{number}": each for number, each in held.revisions.items()})
        for alias in held.aliases.values():
            found[f"{held.name}@{alias.name}"] = held.revisions[alias.revision]
        if LIVE in held.aliases:
            found[held.name] = held.revisions[held.aliases[LIVE].revision]
    return found
