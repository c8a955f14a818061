"""The tables of adapters and of their aliases. Blocks; every change is announced by a counter.

One change is one transaction that no other process is in at the same time: whoever looks sees an
alias before or after it was moved, and two that add at once are given two numbers. A revision that
is removed keeps its row, so that its number is never given to other weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TypeAlias

import orjson

from gateway.adapters.names import Reference, checked_alias, checked_name, checked_tenant
from gateway.adapters.types import LIVE, Adapter, Facts, engines_name
from gateway.ledger.database import Connection, Database, Row
from routing.placement.pins import pins
from routing.placement.types import Priority
from routing.types import Limits

_COLUMNS = "tenant, name, revision, provider, source, facts, priority, quota, added_at"


class NoSuchAdapter(LookupError):
    """No adapter, revision or alias of that name belongs to the tenant."""


class Conflict(Exception):
    """What is there stands against it; the message says what."""


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for one of an adapter's revisions, and for which one it was before."""

    name: str
    revision: int
    previous: int | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """All that is known of one name: its revisions, and the aliases that lead to them."""

    tenant: str
    name: str
    revisions: Mapping[int, Adapter]
    aliases: Mapping[str, Alias] = field(default_factory=dict)

    def meant(self, wanted: int | str) -> Adapter:
        """Raises NoSuchAdapter."""
        revision = wanted
        if isinstance(wanted, str):
            alias = self.aliases.get(wanted)
            revision = alias.revision if alias else 0
        found = self.revisions.get(int(revision))
        if found is None:
            known = ", ".join([*self.aliases, *map(str, self.revisions)])
            raise NoSuchAdapter(f"{self.name} has no revision {wanted!r}; it has {known}.")
        return found

    @property
    def pinned(self) -> list[Adapter]:
        """The critical revisions that somebody can be led to without naming their number."""
        led_to = {alias.revision for alias in self.aliases.values()}
        every = (adapter for number, adapter in self.revisions.items() if number in led_to)
        return [adapter for adapter in every if adapter.priority == "critical"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A revision before it has a number. What is None is as it was in the one before; a priority
    is that of all revisions of the name, so that one that is promoted keeps its place."""

    tenant: str
    name: str
    provider: str
    source: str
    facts: Facts
    priority: Priority | None = None
    quota: Limits | None = None


Slots: TypeAlias = Mapping[str, int]
"""Of each of a provider's replicas: how many adapters it holds at once."""


@dataclass(frozen=True, slots=True)
class AdapterStore:
    """Adds, moves and removes. `slots` are the replicas of each provider, by which pins are
    counted; those of a provider that is not named are not."""

    database: Database
    slots: Mapping[str, Slots] = field(default_factory=dict)
    clock: Callable[[], float] = time.time

    def add(self, draft: Draft, *, live: bool = False) -> Adapter:
        """The next revision. The first one of a name is live at once, later ones where that is
        said. Raises BadName and Conflict."""
        checked_name(draft.name), checked_tenant(draft.tenant)
        with self._changing() as connection:
            before = _latest(connection, draft.tenant, draft.name)
            made = self._numbered(draft, before, _last_number(connection, draft))
            values = ", ".join("?" * len(_row(made)))
            connection.run(f"INSERT INTO adapters ({_COLUMNS}) VALUES ({values})", _row(made))
            _prioritise(connection, draft.tenant, draft.name, made.priority)
            if live or before is None:
                _lead(connection, made, LIVE)
            self._keep_pins(connection, made)
        return made

    def lead(self, tenant: str, wanted: Reference, alias: str = LIVE) -> Adapter:
        """Let an alias stand for a revision from now on; `live` is what a bare name means.

        Raises NoSuchAdapter, BadName and Conflict."""
        checked_alias(alias)
        with self._changing() as connection:
            adapter = _held(connection, tenant, wanted.name).meant(wanted.wanted)
            _lead(connection, adapter, alias)
            self._keep_pins(connection, adapter)
        return adapter

    def back(self, tenant: str, name: str, alias: str = LIVE) -> Adapter:
        """Let an alias stand for what it stood for before. Raises NoSuchAdapter and Conflict."""
        with self._changing() as connection:
            held = _held(connection, tenant, name)
            known = held.aliases.get(alias)
            if known is None:
                raise NoSuchAdapter(f"{name} has no alias {alias!r}.")
            if known.previous is None or known.previous not in held.revisions:
                raise Conflict(f"{name}@{alias} has stood for nothing else that is still there.")
            adapter = held.revisions[known.previous]
            _lead(connection, adapter, alias)
            self._keep_pins(connection, adapter)
        return adapter

    def unlead(self, tenant: str, name: str, alias: str) -> None:
        """Forget an alias. Raises NoSuchAdapter."""
        with self._changing() as connection:
            gone = connection.run(
                "DELETE FROM adapter_aliases WHERE tenant = ? AND name = ? AND alias = ?",
                (tenant, name, alias),
            )
            if not gone:
                raise NoSuchAdapter(f"{name} has no alias {alias!r}.")

    def prioritise(self, tenant: str, name: str, priority: Priority) -> None:
        """Of all revisions, those to come included. Raises NoSuchAdapter and Conflict."""
        with self._changing() as connection:
            _held(connection, tenant, name)
            _prioritise(connection, tenant, name, priority)
            for adapter in _held(connection, tenant, name).pinned:
                self._keep_pins(connection, adapter)

    def remove(self, tenant: str, name: str, revision: int | None = None) -> list[Adapter]:
        """A revision that no alias leads to, or all of a name; which they were.

        Raises NoSuchAdapter and Conflict."""
        with self._changing() as connection:
            held = _held(connection, tenant, name)
            if revision is None:
                gone = list(held.revisions.values())
                sql = "DELETE FROM adapter_aliases WHERE tenant = ? AND name = ?"
                connection.run(sql, (tenant, name))
            else:
                gone = [held.meant(revision)]
                aliases = held.aliases.values()
                if led := [each.name for each in aliases if each.revision == revision]:
                    raise Conflict(
                        f"{name}@{revision} is what {', '.join(led)} stands for: promote another "
                        "revision first, or remove them all."
                    )
            for adapter in gone:
                connection.run(
                    "UPDATE adapters SET removed_at = ? "
                    "WHERE tenant = ? AND name = ? AND revision = ?",
                    (self.clock(), tenant, name, adapter.revision),
                )
        return gone

    def all(self) -> list[Held]:
        """Every name, those of everybody first, each with what is not removed."""
        with self.database.connection() as connection:
            return _all(connection)

    def removed(self) -> set[tuple[str, str]]:
        """Every revision that is no more: its provider, and what engines called it."""
        with self.database.connection() as connection:
            rows = connection.read(
                "SELECT provider, tenant, name, revision FROM adapters WHERE removed_at IS NOT NULL"
            )
        return {(provider, engines_name(*identity)) for provider, *identity in rows}

    def held(self, tenant: str, name: str) -> Held:
        """One name. Raises NoSuchAdapter."""
        with self.database.connection() as connection:
            return _held(connection, tenant, name)

    def version(self) -> int:
        """Grows with every change, whoever makes it."""
        with self.database.connection() as connection:
            found = connection.read("SELECT version FROM changes WHERE subject = 'adapters'")
        return int(found[0][0])

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        with self.database.connection() as connection, connection.exclusive():
            yield connection
            connection.run("UPDATE changes SET version = version + 1 WHERE subject = 'adapters'")

    def _numbered(self, draft: Draft, before: Adapter | None, last: int) -> Adapter:
        priority = draft.priority or (before.priority if before else "medium")
        return Adapter(
            tenant=draft.tenant,
            name=draft.name,
            revision=last + 1,
            provider=draft.provider,
            source=draft.source,
            facts=draft.facts,
            priority=priority,
            quota=draft.quota or (before.quota if before else Limits()),
            added_at=self.clock(),
        )

    def _keep_pins(self, connection: Connection, adapter: Adapter) -> None:
        """Raises Conflict where a critical adapter finds no room among the others of its kind."""
        slots = self.slots.get(adapter.provider)
        if slots is None or adapter.priority != "critical":
            return
        critical = _pinned(_all(connection), adapter.provider)
        if short := pins((each.served_as for each in critical), slots).short:
            raise Conflict(
                f"No room to pin {', '.join(short)}: {len(critical)} critical adapters on "
                f"{len(slots)} replicas of {adapter.provider}, each of which keeps a part of its "
                f"{max(slots.values())} slots for such. Give another adapter a lower priority, or "
                "the replicas more slots."
            )


def _pinned(every: list[Held], provider: str) -> list[Adapter]:
    """In the order in which they came."""
    found = (adapter for held in every for adapter in held.pinned if adapter.provider == provider)
    return sorted(found, key=lambda adapter: (adapter.added_at, adapter.served_as))


def _all(connection: Connection, where: str = "", values: Row = ()) -> list[Held]:
    rows = connection.read(
        f"SELECT {_COLUMNS} FROM adapters WHERE removed_at IS NULL {where} "
        "ORDER BY tenant, name, revision",
        values,
    )
    led = connection.read(
        "SELECT tenant, name, alias, revision, previous FROM adapter_aliases "
        f"WHERE 1 = 1 {where} ORDER BY alias",
        values,
    )
    revisions: dict[tuple[str, str], dict[int, Adapter]] = {}
    for row in rows:
        adapter = _adapter(row)
        revisions.setdefault((adapter.tenant, adapter.name), {})[adapter.revision] = adapter
    aliases: dict[tuple[str, str], dict[str, Alias]] = {}
    for tenant, name, alias, revision, previous in led:
        # Something may have been changed between the two looks; the next one sees all of it.
        if revision in revisions.get((tenant, name), {}):
            aliases.setdefault((tenant, name), {})[alias] = Alias(alias, revision, previous)
    return [Held(*key, each, aliases.get(key, {})) for key, each in revisions.items()]


def _held(connection: Connection, tenant: str, name: str) -> Held:
    found = _all(connection, "AND tenant = ? AND name = ?", (tenant, name))
    if not found:
        raise NoSuchAdapter(f"There is no adapter {name!r}.")
    return found[0]


def _latest(connection: Connection, tenant: str, name: str) -> Adapter | None:
    try:
        return max(_held(connection, tenant, name).revisions.items())[1]
    except NoSuchAdapter:
        return None


def _last_number(connection: Connection, draft: Draft) -> int:
    """The highest that was ever given."""
    sql = "SELECT MAX(revision) FROM adapters WHERE tenant = ? AND name = ?"
    return int(connection.read(sql, (draft.tenant, draft.name))[0][0] or 0)


def _lead(connection: Connection, adapter: Adapter, alias: str) -> None:
    """What it stands for already stays what it stood for before."""
    key = (adapter.tenant, adapter.name, alias)
    changed = connection.run(
        "UPDATE adapter_aliases SET previous = revision, revision = ? "
        "WHERE tenant = ? AND name = ? AND alias = ? AND revision <> ?",
        (adapter.revision, *key, adapter.revision),
    )
    if not changed:
        connection.run(
            "INSERT INTO adapter_aliases (tenant, name, alias, revision) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (tenant, name, alias) DO NOTHING",
            (*key, adapter.revision),
        )


def _prioritise(connection: Connection, tenant: str, name: str, priority: Priority) -> None:
    sql = "UPDATE adapters SET priority = ? WHERE tenant = ? AND name = ?"
    connection.run(sql, (priority, tenant, name))


def _row(adapter: Adapter) -> Row:
    return (
        adapter.tenant,
        adapter.name,
        adapter.revision,
        adapter.provider,
        adapter.source,
        orjson.dumps(asdict(adapter.facts)).decode(),
        adapter.priority,
        orjson.dumps(asdict(adapter.quota)).decode(),
        adapter.added_at,
    )


def _adapter(row: Row) -> Adapter:
    tenant, name, revision, provider, source, facts, priority, quota, added_at = row
    told = orjson.loads(facts)
    told |= {each: tuple(told[each]) for each in ("targets", "warnings")}
    return Adapter(
        tenant=tenant,
        name=name,
        revision=revision,
        provider=provider,
        source=source,
        facts=Facts(**told),
        priority=priority,
        quota=Limits(**orjson.loads(quota)),
        added_at=added_at,
    )
