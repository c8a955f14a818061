"""The ledger's database as one SQLite file, in WAL mode: readers never wait for the writer."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.ledger.database import LedgerUnusable, Row

BUSY_MS = 5_000  # how long a writer waits for another process's transaction
IDLE = 4  # connections kept open


class SqliteConnection:
    """A connection in autocommit mode; transactions are explicit."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self.raw.execute(sql, values).fetchall()

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self.raw.execute(sql, values).rowcount

    def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        self.raw.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        # IMMEDIATE: a transaction that reads first and writes later could not wait for a lock.
        self.raw.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.raw.execute("ROLLBACK")
            raise
        self.raw.execute("COMMIT")

    exclusive = transaction


class SqliteDatabase:
    """Opens connections to one file and keeps a few of them."""

    unavailable: tuple[type[Exception], ...] = (sqlite3.OperationalError,)

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[SqliteConnection] = []
        self._closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # It holds prompts; SQLite gives its side files the same rights.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._idle.append(self._open())
        except (OSError, sqlite3.DatabaseError) as error:
            raise LedgerUnusable(f"The ledger {path} cannot be opened: {error}") from error

    @contextmanager
    def connection(self) -> Iterator[SqliteConnection]:
        connection = self._borrow()
        try:
            yield connection
        finally:
            # In a transaction still: neither commit nor rollback went through.
            if self._closed or connection.raw.in_transaction or len(self._idle) >= IDLE:
                connection.raw.close()
            else:
                self._idle.append(connection)

    def close(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.pop().raw.close()

    def _borrow(self) -> SqliteConnection:
        try:
            return self._idle.pop()  # one operation, so two threads never get the same
        except IndexError:
            return self._open()

    def _open(self) -> SqliteConnection:
        raw = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            raw.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            raw.execute("PRAGMA journal_mode = WAL")
            raw.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.DatabaseError:
            raw.close()
            raise
        return SqliteConnection(raw)
