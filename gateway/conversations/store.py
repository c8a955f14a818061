"""Keeps responses with their input, each for its team, in the ledger's database.

A response names the one that it continues, so a conversation is a chain. Whoever continues it keeps
all of it alive. Knows nothing of what items and responses are.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from gateway.conversations.config import ConversationsConfig
from gateway.errors import LedgerAway, NotFound
from gateway.ledger.database import Connection, Database

log = logging.getLogger("moorline")
T = TypeVar("T")

DAY = 86_400
SWEPT_EVERY = 60.0  # seconds

_CHAIN = """
WITH RECURSIVE chain (id, previous, depth) AS (
    SELECT id, previous, 0 FROM responses WHERE id = ? AND team = ? AND expires_at > ?
    UNION ALL
    SELECT earlier.id, earlier.previous, chain.depth + 1
    FROM responses earlier JOIN chain ON earlier.id = chain.previous
    WHERE earlier.team = ?
)
SELECT responses.id, responses.previous, responses.body
FROM chain JOIN responses ON responses.id = chain.id ORDER BY chain.depth DESC
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A response and what it answered."""

    items: list[dict[str, Any]]
    response: dict[str, Any]


class Conversations:
    """The store. `redacted` makes of a text what may be kept of it."""

    def __init__(
        self,
        database: Database,
        config: ConversationsConfig,
        redacted: Callable[[str], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.enabled = config.enabled
        self._database = database
        self._config = config
        self._redacted = redacted
        self._clock = clock
        self._swept_at = 0.0

    async def keep(self, team: str, previous: str | None, kept: Kept) -> bool:
        """Whether it is kept: not where it is too large, or the database is away."""
        try:
            return await asyncio.to_thread(self._keep, team, previous, kept)
        except self._database.unavailable as error:
            log.warning("conversations: a response was not kept: %s", error)
            return False

    async def earlier(self, team: str, name: str) -> list[Kept]:
        """The conversation up to and with this response, from its beginning. Raises NotFound."""
        chain = await self._read(self._chain, team, name)
        if not chain:
            raise NotFound(f"There is no response '{name}'.", param="previous_response_id")
        return chain

    async def one(self, team: str, name: str) -> Kept:
        """Raises NotFound."""
        kept = await self._read(self._one, team, name)
        if kept is None:
            raise NotFound(f"There is no response '{name}'.")
        return kept

    async def forget(self, team: str, name: str) -> None:
        """Delete a response; what continued it cannot be continued any more. Raises NotFound."""
        if not await self._read(self._forget, team, name):
            raise NotFound(f"There is no response '{name}'.")

    async def _read(self, work: Callable[[str, str], T], team: str, name: str) -> T:
        try:
            return await asyncio.to_thread(work, team, name)
        except self._database.unavailable as error:
            raise LedgerAway("Stored responses cannot be reached right now.") from error

    def _keep(self, team: str, previous: str | None, kept: Kept) -> bool:
        clean = _each_text([kept.items, kept.response], self._redacted)
        body = orjson.dumps(clean)
        if len(body) > self._config.max_response_bytes:
            return False
        now = self._clock()
        row = (kept.response["id"], team, previous, _us(now), self._expiry(now), len(body), body)
        with self._database.connection() as connection:
            connection.run(
                "INSERT INTO responses (id, team, previous, at, expires_at, size, body) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            if now - self._swept_at > SWEPT_EVERY:
                self._swept_at = now
                self._sweep(connection, now)
        return True

    def _chain(self, team: str, name: str) -> list[Kept]:
        now = self._clock()
        with self._database.connection() as connection:
            rows = connection.read(_CHAIN, (name, team, _us(now), team))
            if not rows or rows[0][1] is not None:  # its beginning has been forgotten
                return []
            connection.run_many(
                "UPDATE responses SET expires_at = ? WHERE id = ?",
                [(self._expiry(now), row[0]) for row in rows],
            )
        return [_kept(row[2]) for row in rows]

    def _one(self, team: str, name: str) -> Kept | None:
        with self._database.connection() as connection:
            rows = connection.read(
                "SELECT body FROM responses WHERE id = ? AND team = ? AND expires_at > ?",
                (name, team, _us(self._clock())),
            )
        return _kept(rows[0][0]) if rows else None

    def _forget(self, team: str, name: str) -> bool:
        with self._database.connection() as connection:
            return bool(
                connection.run(
                    "DELETE FROM responses WHERE id = ? AND team = ? AND expires_at > ?",
                    (name, team, _us(self._clock())),
                )
            )

    def _sweep(self, connection: Connection, now: float) -> None:
        """Drop what is over its time, and the oldest of every team that has too much."""
        connection.run("DELETE FROM responses WHERE expires_at <= ?", (_us(now),))
        most = self._config.max_team_bytes
        for team, size in connection.read(
            "SELECT team, SUM(size) FROM responses GROUP BY team HAVING SUM(size) > ?", (most,)
        ):
            rows = connection.read(
                "SELECT id, size FROM responses WHERE team = ? ORDER BY at", (team,)
            )
            oldest = _first_of(rows, int(size) - most)
            connection.run_many("DELETE FROM responses WHERE id = ?", [(each,) for each in oldest])

    def _expiry(self, now: float) -> int:
        return _us(now + self._config.keep_days * DAY)


def _us(seconds: float) -> int:
    return int(seconds * 1e6)


def _kept(body: bytes) -> Kept:
    items, response = orjson.loads(body)
    return Kept(items, response)


def _first_of(rows: Sequence[tuple[Any, ...]], size: int) -> list[str]:
    """The first ids whose sizes together are at least this much."""
    chosen: list[str] = []
    for name, each in rows:
        if size <= 0:
            break
        chosen.append(name)
        size -= each
    return chosen


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with every text changed; embedded files are no texts, and names stay."""
    match value:
        case str():
            return value if value.startswith("data:") else change(value)
        case list():
            return [_each_text(each, change) for each in value]
        case dict():
            return {
                key: each if key in _NAMES else _each_text(each, change)
                for key, each in value.items()
            }
    return value


_NAMES = frozenset({"id", "type", "role", "status", "call_id", "name", "model", "file_data"})
