"""Keeps uploaded files: bytes in a folder, what is known of them in the ledger's database.

A row is written when the bytes lie on the disk, and goes before they do, so that whatever is
interrupted leaves at most bytes that nobody knows of; these are swept when the store is opened.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import AsyncIterable, Callable
from pathlib import Path
from typing import Any, TypeVar

from gateway.errors import InvalidRequest, LedgerAway, NotFound, TooLarge
from gateway.filing.config import FilesConfig
from gateway.filing.types import StoredFile, named
from gateway.ledger.database import Database

T = TypeVar("T")
_FIELDS = "id, team, filename, purpose, size, created_at, expires_at"
_LONGEST_NAME = 255
_FORGOTTEN = 3_600.0  # seconds after which an upload that is not known yet was broken off


class Files:
    """The store. Nobody sees another team's files."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        config: FilesConfig,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._folder = folder
        self._config = config
        self._clock = clock

    async def add(
        self,
        team: str,
        filename: str,
        purpose: str,
        pieces: AsyncIterable[bytes],
        expires_in: int | None = None,
    ) -> StoredFile:
        """Keep what is uploaded. Raises TooLarge, InvalidRequest."""
        name = named("file-", self._clock())
        path = self.path(name)
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        try:
            size = await self._written(path, pieces)
            if size == 0:
                raise InvalidRequest("The file is empty.", param="file")
            now = int(self._clock())
            kept = StoredFile(
                name,
                team,
                _proper(filename),
                purpose,
                size,
                now,
                now + expires_in if expires_in else None,
            )
            await self._on_database(self._insert, kept)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return kept

    async def one(self, team: str, name: str) -> StoredFile:
        """Raises NotFound."""
        found = await self._on_database(self._one, team, name)
        if found is None:
            raise NotFound(f"There is no file '{name}'.", param="file_id")
        return found

    async def all(self, team: str, purpose: str | None = None) -> list[StoredFile]:
        """Oldest first."""
        return await self._on_database(self._all, team, purpose)

    async def remove(self, team: str, name: str) -> None:
        """Raises NotFound."""
        if not await self._on_database(self._remove, team, name):
            raise NotFound(f"There is no file '{name}'.", param="file_id")
        await asyncio.to_thread(self.path(name).unlink, missing_ok=True)

    def path(self, name: str) -> Path:
        """Where a file's bytes lie. The name is one of ours, never a client's."""
        return self._folder / name

    async def expired(self) -> list[StoredFile]:
        """What is over its time, of all teams; it is there until it is removed."""
        return await self._on_database(self._expired)

    async def sweep(self) -> None:
        """Drop bytes that no row knows."""
        await self._on_database(self._sweep)

    async def _written(self, path: Path, pieces: AsyncIterable[bytes]) -> int:
        """The size of what was written to the disk."""
        size = 0
        with await asyncio.to_thread(path.open, "xb") as file:
            async for piece in pieces:
                size += len(piece)
                if size > self._config.max_file_bytes:
                    raise TooLarge(
                        f"The file has more than {self._config.max_file_bytes:,} bytes "
                        "(files.max_file_bytes)."
                    )
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(_synced, file)
        return size

    async def _on_database(self, work: Callable[..., T], *given: Any) -> T:
        try:
            return await asyncio.to_thread(work, *given)
        except self._database.unavailable as error:
            raise LedgerAway("Files cannot be reached right now.") from error

    def _insert(self, kept: StoredFile) -> None:
        row = (
            kept.id,
            kept.team,
            kept.filename,
            kept.purpose,
            kept.size,
            kept.created_at,
            kept.expires_at,
        )
        with self._database.connection() as connection, connection.exclusive():
            ((used,),) = connection.read(
                "SELECT COALESCE(SUM(size), 0) FROM files WHERE team = ?", (kept.team,)
            )
            if int(used) + kept.size > self._config.max_team_bytes:
                raise TooLarge(
                    f"With this file your team's files would take more than "
                    f"{self._config.max_team_bytes:,} bytes (files.max_team_bytes)."
                )
            connection.run(f"INSERT INTO files ({_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def _one(self, team: str, name: str) -> StoredFile | None:
        with self._database.connection() as connection:
            rows = connection.read(
                f"SELECT {_FIELDS} FROM files WHERE id = ? AND team = ? "
                "AND (expires_at IS NULL OR expires_at > ?)",
                (name, team, int(self._clock())),
            )
        return StoredFile(*rows[0]) if rows else None

    def _all(self, team: str, purpose: str | None) -> list[StoredFile]:
        with self._database.connection() as connection:
            rows = connection.read(
                f"SELECT {_FIELDS} FROM files WHERE team = ? "
                "AND (expires_at IS NULL OR expires_at > ?) ORDER BY created_at, id",
                (team, int(self._clock())),
            )
        found = [StoredFile(*row) for row in rows]
        return [one for one in found if purpose is None or one.purpose == purpose]

    def _remove(self, team: str, name: str) -> bool:
        with self._database.connection() as connection:
            return bool(connection.run("DELETE FROM files WHERE id = ? AND team = ?", (name, team)))

    def _expired(self) -> list[StoredFile]:
        with self._database.connection() as connection:
            rows = connection.read(
                f"SELECT {_FIELDS} FROM files WHERE expires_at IS NOT NULL AND expires_at <= ?",
                (int(self._clock()),),
            )
        return [StoredFile(*row) for row in rows]

    def _sweep(self) -> None:
        with self._database.connection() as connection:
            known = {row[0] for row in connection.read("SELECT id FROM files")}
        for path in self._folder.glob("file-*"):
            # What is being uploaded at this moment has no row yet either.
            if path.name not in known and time.time() - _written_at(path) > _FORGOTTEN:
                path.unlink(missing_ok=True)


def _proper(filename: str) -> str:
    """The last part of a name, without what no file system takes; its end says the format."""
    last = filename.replace("\\", "/").rpartition("/")[2]
    plain = "".join(c for c in last if c.isprintable()).strip()
    if not plain.strip("."):
        raise InvalidRequest("The file has no name.", param="file")
    return plain[-_LONGEST_NAME:]


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # deleted since it was listed
        return math.inf


def _synced(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
