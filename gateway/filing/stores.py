"""Keeps what is known of stores of vectors and of the files in them, in the ledger's database.

The passages themselves are in the index, in a collection of the store's name; `shelves` brings
them there. What is to leave the index is marked first, and its row goes when the index has let go
of it, so that whatever is interrupted is finished later. Nobody sees another team's stores.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from gateway.errors import GatewayError, InvalidRequest, LedgerAway, NotFound
from gateway.filing.types import Attached, Batch, Status, StoredFile, VectorStore, named
from gateway.ledger.database import Connection, Database, Row
from retrieval.types import Scalar

T = TypeVar("T")
_STORE = "id, team, name, created_at, last_active_at, description, metadata, chunking, expires_days"
_ATTACHED = "store, file, filename, size, status, created_at, error, attributes, chunking, batch"
_ACTIVE_EVERY = 60  # seconds, within which a store's last activity is not written again
_LIVE = "removing = 0 AND (expires_days IS NULL OR last_active_at + expires_days * 86400 > ?)"


class VectorStores:
    """The rows, and the rules on who sees them."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def add(
        self,
        team: str,
        name: str,
        description: str,
        metadata: Mapping[str, str],
        chunking: Mapping[str, Any],
        expires_days: int | None,
    ) -> VectorStore:
        """A new, empty one."""
        now = int(self._clock())
        store = VectorStore(
            named("vs_", self._clock()),
            team,
            name,
            now,
            now,
            description,
            metadata,
            chunking,
            expires_days,
        )
        await self._on_database(self._insert, store)
        return store

    async def one(self, team: str, name: str, removing: bool = False) -> VectorStore:
        """Raises NotFound, also for one that is being removed unless that is asked for; a store
        whose time is over is there, but holds nothing."""
        found = await self._on_database(self._one, team, name, removing)
        if found is None:
            raise _unknown(name)
        return found

    async def all(self, team: str) -> list[VectorStore]:
        """Oldest first."""
        return await self._on_database(self._all, team)

    async def change(self, store: VectorStore) -> None:
        """Its name, metadata and time to live. Raises NotFound, and InvalidRequest if expired."""
        if not await self._on_database(self._change, store):
            raise await self._on_database(self._refusal, store.id)

    async def used(self, store: VectorStore) -> VectorStore:
        """The store, with its time to live begun anew. Raises as `change` does."""
        now = int(self._clock())
        if now - store.last_active_at < _ACTIVE_EVERY:
            return store
        if not await self._on_database(self._used, store.id):
            raise await self._on_database(self._refusal, store.id)
        return replace(store, last_active_at=now)

    async def leave(self, store: VectorStore) -> None:
        """Mark a store as being removed: it is known no more but to who removes it."""
        await self._on_database(self._leave, store.id)

    async def leaving(self) -> list[str]:
        """The ids of stores that are being removed, of all teams."""
        return await self._on_database(self._leaving)

    async def remove(self, store: str) -> None:
        """Forget a store whose collection is gone."""
        await self._on_database(self._remove, store)

    async def attach(
        self,
        store: VectorStore,
        files: Sequence[tuple[StoredFile, Mapping[str, Scalar], Mapping[str, Any]]],
        batched: bool = False,
    ) -> tuple[list[Attached], Batch | None]:
        """Files with their attributes and how they are to be split, to be brought in. One that is
        in the store already is brought in anew. Raises as `change` does."""
        now = int(self._clock())
        batch = Batch(named("vsfb_", self._clock()), store.id, now) if batched else None
        attached = [
            Attached(
                store.id,
                file.id,
                file.filename,
                file.size,
                "in_progress",
                now,
                attributes=attributes,
                chunking=chunking or store.chunking,
                batch=batch.id if batch else None,
            )
            for file, attributes, chunking in files
        ]
        if not await self._on_database(self._attach, store.id, attached, batch):
            raise await self._on_database(self._refusal, store.id)
        return attached, batch

    async def attached(self, store: VectorStore, file: str, removing: bool = False) -> Attached:
        """Raises NotFound, also for one that is being taken out unless that is asked for."""
        for one in await self._on_database(self._read, "store = ? AND file = ?", (store.id, file)):
            if removing or one.status != "removing":
                return one
        raise _not_in(store.id, file)

    async def files(self, store: str, batch: str | None = None) -> list[Attached]:
        """Oldest first, without those that are being taken out."""
        there = "store = ? AND status <> 'removing'"
        if batch is None:
            return await self._on_database(self._read, there, (store,))
        return await self._on_database(self._read, f"{there} AND batch = ?", (store, batch))

    async def holding(self, team: str, file: str) -> list[Attached]:
        """A file in all stores of its team, also where it is being taken out."""
        mine = "file = ? AND store IN (SELECT id FROM vector_stores WHERE team = ?)"
        return await self._on_database(self._read, mine, (file, team))

    async def batch(self, store: VectorStore, name: str) -> Batch:
        """Raises NotFound."""
        found = await self._on_database(self._batch, store.id, name)
        if found is None:
            raise NotFound(f"There is no batch '{name}' in '{store.id}'.", param="batch_id")
        return found

    async def cancel(self, batch: Batch) -> None:
        """What has not begun is not brought in."""
        await self._on_database(self._cancel, batch)

    async def take_out(self, attached: Attached) -> None:
        """Mark a file as being taken out: it is known no more but to who does so."""
        await self._on_database(self._take_out, attached)

    async def take_out_again(self, attached: Attached) -> bool:
        """Mark a file that is in the index though its row is gone. False where it has one: it was
        put in again, and is brought in anew."""
        return await self._on_database(self._take_out_again, attached)

    async def detach(self, attached: Attached) -> None:
        """Forget a file that is taken out, unless it has been put in again meanwhile."""
        await self._on_database(self._detach, attached)

    async def describe(self, attached: Attached, attributes: Mapping[str, Scalar]) -> Attached:
        """The file with other attributes, to be brought in anew. Raises as `change` does."""
        changed = replace(attached, attributes=attributes, status="in_progress", error=None)
        if not await self._on_database(self._describe, changed):
            known = await self.current(attached)
            if known is None or known.status == "removing":
                raise _not_in(attached.store, attached.file)
            raise await self._on_database(self._refusal, attached.store)
        return changed

    async def waiting(self) -> list[Attached]:
        """What is still to be brought in or taken out, of all teams."""
        states = "status IN ('in_progress', 'removing')"
        return await self._on_database(self._read, states, ())

    async def current(self, attached: Attached) -> Attached | None:
        """The row as it is now; None where the file or its store is gone."""
        found = await self._on_database(
            self._read, "store = ? AND file = ?", (attached.store, attached.file)
        )
        return found[0] if found else None

    async def finish(
        self, attached: Attached, status: Status, error: tuple[str, str] | None = None
    ) -> None:
        """Unless it has been cancelled, detached or changed meanwhile."""
        await self._on_database(self._finish, attached, status, error)

    async def team_of(self, store: str) -> str | None:
        """Whose store it is; None for one that is being removed, and for what is no store."""
        return await self._on_database(self._team_of, store)

    async def expired(self) -> list[VectorStore]:
        """Stores that have not been active for longer than they are to live."""
        return await self._on_database(self._expired)

    async def _on_database(self, work: Callable[..., T], *given: Any) -> T:
        try:
            return await asyncio.to_thread(work, *given)
        except self._database.unavailable as error:
            raise LedgerAway("Vector stores cannot be reached right now.") from error

    def _insert(self, store: VectorStore) -> None:
        row = (
            store.id,
            store.team,
            store.name,
            store.created_at,
            store.last_active_at,
            store.description,
            json.dumps(dict(store.metadata)),
            json.dumps(dict(store.chunking)),
            store.expires_days,
        )
        with self._database.connection() as connection:
            connection.run(
                f"INSERT INTO vector_stores ({_STORE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row
            )

    def _change(self, store: VectorStore) -> bool:
        row = (store.name, json.dumps(dict(store.metadata)), store.expires_days)
        with self._database.connection() as connection:
            changed = connection.run(
                "UPDATE vector_stores SET name = ?, metadata = ?, expires_days = ? "
                f"WHERE id = ? AND {_LIVE}",
                (*row, store.id, int(self._clock())),
            )
        return bool(changed)

    def _used(self, store: str) -> bool:
        with self._database.connection() as connection:
            return self._active(connection, store)

    def _active(self, connection: Connection, store: str) -> bool:
        """Whether the store lives, and from now on anew."""
        now = int(self._clock())
        changed = connection.run(
            f"UPDATE vector_stores SET last_active_at = ? WHERE id = ? AND {_LIVE}",
            (now, store, now),
        )
        return bool(changed)

    def _refusal(self, store: str) -> GatewayError:
        """Why nothing can be done with it."""
        with self._database.connection() as connection:
            rows = connection.read("SELECT removing FROM vector_stores WHERE id = ?", (store,))
        if not rows or rows[0][0]:
            return _unknown(store)
        return InvalidRequest(f"The vector store '{store}' has expired.", param="vector_store_id")

    def _one(self, team: str, name: str, removing: bool) -> VectorStore | None:
        with self._database.connection() as connection:
            rows = connection.read(
                f"SELECT {_STORE} FROM vector_stores WHERE id = ? AND team = ? AND removing <= ?",
                (name, team, int(removing)),
            )
        return _store(rows[0]) if rows else None

    def _all(self, team: str) -> list[VectorStore]:
        with self._database.connection() as connection:
            rows = connection.read(
                f"SELECT {_STORE} FROM vector_stores WHERE team = ? AND removing = 0 "
                "ORDER BY created_at, id",
                (team,),
            )
        return [_store(row) for row in rows]

    def _leave(self, store: str) -> None:
        with self._database.connection() as connection:
            connection.run("UPDATE vector_stores SET removing = 1 WHERE id = ?", (store,))

    def _leaving(self) -> list[str]:
        with self._database.connection() as connection:
            rows = connection.read("SELECT id FROM vector_stores WHERE removing = 1 ORDER BY id")
        return [str(row[0]) for row in rows]

    def _remove(self, store: str) -> None:
        with self._database.connection() as connection, connection.transaction():
            connection.run("DELETE FROM attached_files WHERE store = ?", (store,))
            connection.run("DELETE FROM file_batches WHERE store = ?", (store,))
            connection.run("DELETE FROM vector_stores WHERE id = ?", (store,))

    def _attach(self, store: str, attached: Sequence[Attached], batch: Batch | None) -> bool:
        with self._database.connection() as connection, connection.transaction():
            if not self._active(connection, store):
                return False
            if batch:
                connection.run(
                    "INSERT INTO file_batches (id, store, created_at, cancelled) "
                    "VALUES (?, ?, ?, 0)",
                    (batch.id, batch.store, batch.created_at),
                )
            for one in attached:
                connection.run(
                    "DELETE FROM attached_files WHERE store = ? AND file = ?", (one.store, one.file)
                )
                _inserted(connection, one)
        return True

    def _describe(self, one: Attached) -> bool:
        with self._database.connection() as connection:
            changed = connection.run(
                "UPDATE attached_files SET attributes = ?, status = ?, error = NULL "
                "WHERE store = ? AND file = ? AND status <> 'removing' "
                f"AND EXISTS (SELECT 1 FROM vector_stores WHERE id = ? AND {_LIVE})",
                (
                    json.dumps(dict(one.attributes)),
                    one.status,
                    one.store,
                    one.file,
                    one.store,
                    int(self._clock()),
                ),
            )
        return bool(changed)

    def _read(self, condition: str, values: Sequence[Any]) -> list[Attached]:
        with self._database.connection() as connection:
            rows = connection.read(
                f"SELECT {_ATTACHED} FROM attached_files WHERE {condition} "
                "ORDER BY created_at, file",
                values,
            )
        return [_attached(row) for row in rows]

    def _batch(self, store: str, name: str) -> Batch | None:
        with self._database.connection() as connection:
            rows = connection.read(
                "SELECT id, store, created_at, cancelled FROM file_batches "
                "WHERE id = ? AND store = ?",
                (name, store),
            )
        return Batch(rows[0][0], rows[0][1], int(rows[0][2]), bool(rows[0][3])) if rows else None

    def _cancel(self, batch: Batch) -> None:
        with self._database.connection() as connection, connection.transaction():
            connection.run("UPDATE file_batches SET cancelled = 1 WHERE id = ?", (batch.id,))
            connection.run(
                "UPDATE attached_files SET status = 'cancelled' "
                "WHERE store = ? AND batch = ? AND status = 'in_progress'",
                (batch.store, batch.id),
            )

    def _take_out(self, one: Attached) -> None:
        with self._database.connection() as connection:
            connection.run(
                "UPDATE attached_files SET status = 'removing' WHERE store = ? AND file = ?",
                (one.store, one.file),
            )

    def _take_out_again(self, one: Attached) -> bool:
        with self._database.connection() as connection:
            return _inserted(connection, replace(one, status="removing"))

    def _detach(self, one: Attached) -> None:
        with self._database.connection() as connection:
            connection.run(
                "DELETE FROM attached_files WHERE store = ? AND file = ? AND status = 'removing'",
                (one.store, one.file),
            )

    def _finish(self, one: Attached, status: Status, error: tuple[str, str] | None) -> None:
        with self._database.connection() as connection:
            connection.run(
                "UPDATE attached_files SET status = ?, error = ? WHERE store = ? AND file = ? "
                "AND status = 'in_progress' AND attributes = ?",
                (
                    status,
                    json.dumps(error) if error else None,
                    one.store,
                    one.file,
                    json.dumps(dict(one.attributes)),
                ),
            )

    def _team_of(self, store: str) -> str | None:
        with self._database.connection() as connection:
            rows = connection.read(
                "SELECT team FROM vector_stores WHERE id = ? AND removing = 0", (store,)
            )
        return str(rows[0][0]) if rows else None

    def _expired(self) -> list[VectorStore]:
        with self._database.connection() as connection:
            rows = connection.read(
                f"SELECT {_STORE} FROM vector_stores WHERE removing = 0 "
                "AND expires_days IS NOT NULL AND last_active_at + expires_days * 86400 <= ?",
                (int(self._clock()),),
            )
        return [_store(row) for row in rows]


def _unknown(store: str) -> NotFound:
    return NotFound(f"There is no vector store '{store}'.", param="vector_store_id")


def _not_in(store: str, file: str) -> NotFound:
    return NotFound(f"There is no file '{file}' in '{store}'.", param="file_id")


def _inserted(connection: Connection, one: Attached) -> bool:
    """Whether it was; a row that is there stays as it is."""
    added = connection.run(
        f"INSERT INTO attached_files ({_ATTACHED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (store, file) DO NOTHING",
        (
            one.store,
            one.file,
            one.filename,
            one.size,
            one.status,
            one.created_at,
            json.dumps(one.error) if one.error else None,
            json.dumps(dict(one.attributes)),
            json.dumps(dict(one.chunking)),
            one.batch,
        ),
    )
    return bool(added)


def _store(row: Row) -> VectorStore:
    name, team, called, created, active, description, metadata, chunking, expires_days = row
    return VectorStore(
        name,
        team,
        called,
        created,
        active,
        description,
        json.loads(metadata),
        json.loads(chunking),
        expires_days,
    )


def _attached(row: Row) -> Attached:
    store, file, filename, size, status, created_at, error, attributes, chunking, batch = row
    told = json.loads(error) if error else None
    return Attached(
        store,
        file,
        filename,
        size,
        status,
        created_at,
        (told[0], told[1]) if told else None,
        json.loads(attributes),
        json.loads(chunking),
        batch,
    )
