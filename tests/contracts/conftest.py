"""Backends that several contract suites run over."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.ledger.config import PostgresLedger, SqliteLedger
from gateway.ledger.database import Database, open_database
from tests.servers import postgres_server, redis_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The DSN of a PostgreSQL."""
    with postgres_server() as dsn:
        yield dsn


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_config(request: pytest.FixtureRequest) -> SqliteLedger | PostgresLedger:
    """A ledger of its own for each test."""
    if request.param == "sqlite":
        return SqliteLedger()
    dsn = SecretStr(request.getfixturevalue("postgres"))
    return PostgresLedger(kind="postgres", dsn=dsn, namespace=f"t{uuid.uuid4().hex}")


@pytest.fixture
def database(ledger_config: SqliteLedger | PostgresLedger, tmp_path: Path) -> Iterator[Database]:
    """An open ledger's database."""
    database = open_database(ledger_config, tmp_path)
    yield database
    database.close()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a Redis; use names of your own in it."""
    with redis_server() as url:
        yield url
