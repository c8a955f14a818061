"""The table of keys. Blocks; every change is announced to the other processes by a counter."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.accounts.types import Key, NewKey
from gateway.ledger.database import Connection, Database, Row

PREFIX = "sk-moor-"
_COLUMNS = (
    "id, name, team, hash, created_at, admin, collection, collections, models, "
    "requests_per_minute, tokens_per_minute, budget_usd, expires_at, revoked_at, groups, region"
)

_LISTS = ("groups", "collections", "models")
"""Columns that hold JSON."""


def fingerprint(secret: str) -> bytes:
    """What is stored of a secret. It has 256 random bits, so a fast hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


@dataclass(frozen=True, slots=True)
class KeyStore:
    """Makes, lists and revokes keys."""

    database: Database
    clock: Callable[[], float] = time.time

    def create(
        self,
        name: str,
        *,
        team: str = "default",
        groups: tuple[str, ...] = (),
        admin: bool = False,
        collection: str | None = None,
        collections: tuple[str, ...] = (),
        models: tuple[str, ...] = (),
        region: str = "",
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        budget_usd: float | None = None,
        expires_at: float | None = None,
    ) -> NewKey:
        """A new key; its secret exists in the returned value and nowhere else."""
        secret = PREFIX + secrets.token_urlsafe(32)
        key = Key(
            id="k_" + secrets.token_hex(5),
            name=name,
            team=team,
            groups=groups,
            hash=fingerprint(secret),
            created_at=self.clock(),
            admin=admin,
            collection=collection,
            collections=collections,
            models=models,
            region=region,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            budget_usd=budget_usd,
            expires_at=expires_at,
        )
        row = _row(key)
        marks = ", ".join("?" * len(row))
        with self.database.connection() as connection, connection.transaction():
            connection.run(f"INSERT INTO keys ({_COLUMNS}) VALUES ({marks})", row)
            _announce(connection)
        return NewKey(key, secret)

    def revoke(self, key: str) -> bool:
        """By the public id. False where there is no such key or it is revoked already."""
        with self.database.connection() as connection, connection.transaction():
            revoked = connection.run(
                "UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
                (self.clock(), key),
            )
            _announce(connection)
        return revoked == 1

    def all(self) -> list[Key]:
        """Every key that was ever made, the oldest first."""
        with self.database.connection() as connection:
            found = connection.read(f"SELECT {_COLUMNS} FROM keys ORDER BY created_at, id")
        return [_key(row) for row in found]

    def version(self) -> int:
        """Grows with every change, whoever makes it."""
        with self.database.connection() as connection:
            found = connection.read("SELECT version FROM changes WHERE subject = 'keys'")
        return int(found[0][0])


def _announce(connection: Connection) -> None:
    connection.run("UPDATE changes SET version = version + 1 WHERE subject = 'keys'")


def _row(key: Key) -> Row:
    values: dict[str, Any] = {name: getattr(key, name) for name in _COLUMNS.split(", ")}
    values["admin"] = int(key.admin)
    values |= {name: orjson.dumps(getattr(key, name)).decode() for name in _LISTS}
    return tuple(values.values())


def _key(row: Row) -> Key:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    values["hash"] = bytes(values["hash"])
    values["admin"] = bool(values["admin"])
    values |= {name: tuple(orjson.loads(values[name])) for name in _LISTS}
    return Key(**values)
