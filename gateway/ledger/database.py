"""The database under ledger and accounts: one small interface over SQLite and PostgreSQL.

SQL is written once, with `?` for values. All of it blocks, so it is called from threads alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from gateway.ledger.config import PostgresLedger, SqliteLedger
from gateway.ledger.schema import MIGRATIONS

Row: TypeAlias = tuple[Any, ...]


class LedgerUnusable(Exception):
    """The database cannot be opened, and trying again will not help."""


class Connection(Protocol):
    """One connection, used by one thread at a time. A statement outside a transaction commits."""

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[Row]: ...

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Returns how many rows it touched."""
        ...

    def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None: ...

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing; nobody else writes meanwhile where that is cheap to have."""
        ...

    def exclusive(self) -> AbstractContextManager[None]:
        """A transaction that no other process can be in at the same time."""
        ...


class Database(Protocol):
    """Lends connections. `unavailable` are the errors that say: not now, try again."""

    unavailable: tuple[type[Exception], ...]

    def connection(self) -> AbstractContextManager[Connection]: ...

    def close(self) -> None: ...


def open_database(
    config: SqliteLedger | PostgresLedger,
    data: Path,
    migrations: Sequence[Sequence[str]] = MIGRATIONS,
) -> Database:
    """The configured database with its tables up to date. `data` is the data folder."""
    database: Database
    match config:
        case SqliteLedger():
            from gateway.ledger.sqlite import SqliteDatabase

            database = SqliteDatabase(config.path or data / "ledger.db")
        case PostgresLedger():
            from gateway.ledger.postgres import PostgresDatabase

            database = PostgresDatabase(config.dsn.get_secret_value(), config.namespace)
    migrate(database, migrations)
    return database


def migrate(database: Database, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Bring the tables forward to this version; several processes may start at once."""
    with database.connection() as connection, connection.exclusive():
        connection.run("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
        found = connection.read("SELECT version FROM schema_version")
        version = int(found[0][0]) if found else 0
        if version > len(migrations):
            raise LedgerUnusable(
                f"The ledger has version {version}; this program knows up to "
                f"{len(migrations)}. Install a newer moorline, or point `ledger` elsewhere."
            )
        for statements in migrations[version:]:
            for statement in statements:
                connection.run(statement)
        connection.run("DELETE FROM schema_version")
        connection.run("INSERT INTO schema_version (version) VALUES (?)", (len(migrations),))
