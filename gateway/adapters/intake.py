"""How an adapter comes in: fetched, looked over, put on the shelf, and only then registered.

Used by the command and by the API alike. Blocks, so that it is called in a thread.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from gateway.adapters.names import checked_name, checked_tenant
from gateway.adapters.shelf import Shelf
from gateway.adapters.sources.targets import source
from gateway.adapters.store import AdapterStore, Conflict, Draft
from gateway.adapters.types import EVERYBODY, Adapter
from gateway.adapters.validation.base import BadBase, Base
from gateway.adapters.validation.check import checked
from gateway.config import Config
from gateway.ledger.database import Database
from gateway.providers.config import AdaptedProvider
from routing.catalogue import AUTO, AUTO_BY
from routing.placement.types import Priority
from routing.types import Limits


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an operator wants to have added."""

    source: str  # a folder, s3://bucket/prefix, hub:owner/name@revision
    name: str
    tenant: str = EVERYBODY
    provider: str = ""  # may be left out where there is one alone
    priority: Priority | None = None  # as before, or medium
    quota: Limits | None = None  # as before, or none
    live: bool = False
    finite: bool = False  # whether each number is looked at, too


class Intake:
    """Of the configuration's providers."""

    def __init__(self, config: Config, database: Database) -> None:
        self.store = AdapterStore(database, slots(config))
        self._config = config
        self._shelf = Shelf(config.adapters.kept_in(config.data))

    def add(self, wanted: Wanted) -> Adapter:
        """Raises BadName, BadAdapter, SourceAway, and Conflict for what is not configured so."""
        checked_name(wanted.name, names(self._config))
        checked_tenant(wanted.tenant)
        name, provider = self._provider(wanted.provider)
        assert provider.lora
        assert provider.base
        try:
            path = provider.lora.base_config or _own(provider.base.name)
            base = Base.read(provider.base.name, path) if path else Base(provider.base.name)
        except BadBase as error:
            raise Conflict(f"providers.{name}.lora.base_config: {error}") from error
        with self._shelf.room() as room:
            origin = source(wanted.source, self._config.adapters.sources).fetch(room)
            facts = checked(room, base, max_rank=provider.lora.max_rank, finite=wanted.finite)
            self._shelf.put(room, facts.digest)
        draft = Draft(
            wanted.tenant, wanted.name, name, origin, facts, wanted.priority, wanted.quota
        )
        return self.store.add(draft, live=wanted.live)

    def remove(self, tenant: str, name: str, revision: int | None = None) -> list[Adapter]:
        """And the files that none has any more, as soon as engines may have forgotten them.
        Raises NoSuchAdapter and Conflict."""
        gone = self.store.remove(tenant, name, revision)
        held = self.store.all()
        self._shelf.sweep({a.facts.digest for each in held for a in each.revisions.values()})
        return gone

    def _provider(self, name: str) -> tuple[str, AdaptedProvider]:
        able = dict(providers(self._config))
        if not name and len(able) == 1:
            return next(iter(able.items()))
        if name in able:
            return name, able[name]
        known = ", ".join(able) or "none"
        raise Conflict(
            f"Name the provider whose engines serve it; with a section `lora` there are: {known}."
        )


def _own(model: str) -> Path | None:
    """The folder of a model that is named by it."""
    folder = Path(model)
    return folder if (folder / "config.json").is_file() else None


def providers(config: Config) -> list[tuple[str, AdaptedProvider]]:
    """Those whose engines load adapters."""
    every = config.all_providers.items()
    return [(n, each) for n, each in every if isinstance(each, AdaptedProvider) and each.lora]


def slots(config: Config) -> dict[str, dict[str, int]]:
    """Of their replicas, by provider."""
    return {
        name: dict.fromkeys(provider.addresses, provider.lora.slots)
        for name, provider in providers(config)
        if provider.lora
    }


def names(config: Config) -> Collection[str]:
    """Names of models, which no adapter may have."""
    models = {model.name for each in config.all_providers.values() for model in each.models}
    return {AUTO, *AUTO_BY, *config.models, *models}
