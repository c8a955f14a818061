"""The ledger's database on a PostgreSQL server, for several gateways at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from gateway.ledger.database import LedgerUnusable, Row

try:
    import psycopg
except ImportError as missing:
    raise LedgerUnusable(
        "A ledger of kind `postgres` needs psycopg: pip install 'moorline[postgres]'."
    ) from missing

IDLE = 4  # connections kept open
TIMEOUT = 5  # seconds to connect
LOCK = 0x6D6F6F72  # any number that is ours: the server's advisory locks are one name space


class PostgresConnection:
    """A connection in autocommit mode; transactions are explicit."""

    def __init__(self, raw: psycopg.Connection[Row]) -> None:
        self.raw = raw

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self.raw.execute(_translated(sql), values).fetchall()

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self.raw.execute(_translated(sql), values).rowcount

    def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        with self.raw.cursor() as cursor:
            cursor.executemany(_translated(sql), rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.raw.transaction():
            yield

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        with self.raw.transaction():
            self.raw.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            yield


class PostgresDatabase:
    """Opens connections to one schema of one database and keeps a few of them."""

    unavailable: tuple[type[Exception], ...] = (psycopg.OperationalError, psycopg.InterfaceError)

    def __init__(self, dsn: str, namespace: str) -> None:
        self._dsn = dsn
        self._namespace = namespace
        self._idle: list[PostgresConnection] = []
        self._closed = False
        try:
            with self.connection() as connection, connection.exclusive():
                connection.run(f"CREATE SCHEMA IF NOT EXISTS {namespace}")
        except psycopg.Error as error:
            # The server's message names host and user; it never holds the password.
            raise LedgerUnusable(f"The ledger's PostgreSQL cannot be used: {error}") from error

    @contextmanager
    def connection(self) -> Iterator[PostgresConnection]:
        connection = self._borrow()
        try:
            yield connection
        finally:
            if connection.raw.broken:  # a server that went away took the idle ones with it
                self._drop_idle()
            if self._closed or connection.raw.closed or len(self._idle) >= IDLE:
                connection.raw.close()
            else:
                self._idle.append(connection)

    def close(self) -> None:
        self._closed = True
        self._drop_idle()

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().raw.close()

    def _borrow(self) -> PostgresConnection:
        try:
            return self._idle.pop()  # one operation, so two threads never get the same
        except IndexError:
            return self._open()

    def _open(self) -> PostgresConnection:
        return PostgresConnection(
            psycopg.connect(
                self._dsn,
                autocommit=True,
                connect_timeout=TIMEOUT,
                application_name="moorline",
                options=f"-c search_path={self._namespace}",
            )
        )


@lru_cache
def _translated(sql: str) -> str:
    """Our SQL in psycopg's style."""
    return sql.replace("%", "%%").replace("?", "%s")
