"""What is read from the ledger: the dashboard's figures, lists of requests, one trace, spending.

Everything here blocks for as long as the database takes; call it from a thread.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import orjson

from gateway.ledger import rows
from gateway.ledger.database import Database, Row
from gateway.ledger.types import (
    Bucket,
    CallersPart,
    Filters,
    Overview,
    Page,
    Recorded,
    Shadowed,
    Share,
    Totals,
)

MOST_BUCKETS = 5000
MOST_SHARES = 10
_FAILED = "status >= 400 AND status <> 499"  # a client that left is no failure of ours
_SHARES_SQL = f"""
    SELECT model, key, team, COUNT(*), COUNT(*) FILTER (WHERE {_FAILED}),
           CAST(SUM(prompt_tokens + completion_tokens) AS BIGINT), SUM(cost_usd)
    FROM requests WHERE at >= ? AND at < ? GROUP BY 1, 2, 3
"""
_TOTALS_SQL = f"""
    SELECT at / ?, latency_step, COUNT(*), COUNT(*) FILTER (WHERE {_FAILED}),
           CAST(SUM(prompt_tokens) AS BIGINT), CAST(SUM(completion_tokens) AS BIGINT),
           CAST(SUM(cached_tokens) AS BIGINT), SUM(cost_usd),
           COUNT(*) FILTER (WHERE cache IN ('exact', 'semantic', 'shared')),
           COUNT(*) FILTER (WHERE cache <> 'off'),
           CAST(COALESCE(SUM(grounded), 0) AS BIGINT), COUNT(grounded),
           COUNT(*) FILTER (WHERE degraded <> '')
    FROM requests WHERE at >= ? AND at < ? GROUP BY 1, 2
"""

_DRAWN_SQL = f"""
    SELECT experiment, unit, COUNT(*), COUNT(*) FILTER (WHERE {_FAILED}), SUM(cost_usd),
           SUM(latency_ms), COUNT(faithfulness), COALESCE(SUM(faithfulness), 0)
    FROM requests WHERE experiment IS NOT NULL AND substr(experiment, 1, ?) = ? GROUP BY 1, 2
"""


_SHADOWED_SQL = """
    SELECT r.at, r.status, t.body FROM requests r
    JOIN traces t ON t.at = r.at AND t.trace_id = r.trace_id
    WHERE r.door = 'shadow' AND r.experiment = ? ORDER BY r.at
"""


class AmbiguousTrace(Exception):
    """Several traces begin with the prefix."""


class Queries:
    """Reads; never writes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def overview(self, since: float, bucket: float, until: float | None = None) -> Overview:
        """Totals of `bucket` seconds each, from `since` to `until` (now, when None)."""
        until = time.time() if until is None else until
        width = rows.microseconds(bucket)
        first, last = (rows.microseconds(moment) // width for moment in (since, until))
        if not 0 <= last - first < MOST_BUCKETS:
            raise ValueError(f"{last - first + 1} steps of {bucket} s; at most {MOST_BUCKETS}.")
        span = (rows.microseconds(since), rows.microseconds(until) + 1)
        with self._database.connection() as connection:
            steps = connection.read(_TOTALS_SQL, (width, *span))
            parts = connection.read(_SHARES_SQL, span)
            names: dict[str, str] = dict(connection.read("SELECT id, name FROM keys"))
        slots: defaultdict[int, list[Row]] = defaultdict(list)
        for slot, *step in steps:
            slots[slot].append(tuple(step))
        return Overview(
            since=since,
            until=until,
            bucket=bucket,
            totals=_totals([step[1:] for step in steps]),
            buckets=tuple(
                Bucket(slot * bucket, _totals(slots[slot])) for slot in range(first, last + 1)
            ),
            models=_shares((model, *figures) for model, _, _, *figures in parts),
            keys=_shares(((key, *figures) for _, key, _, *figures in parts), names),
            teams=_shares((team, *figures) for _, _, team, *figures in parts),
        )

    def traces(self, limit: int = 50, offset: int = 0, filters: Filters | None = None) -> Page:
        """Requests, the newest first."""
        where, values = _where(filters or Filters())
        with self._database.connection() as connection:
            found = connection.read(
                f"SELECT {rows.COLUMNS} FROM requests {where} "
                "ORDER BY at DESC, trace_id LIMIT ? OFFSET ?",
                (*values, limit, offset),
            )
            total = connection.read(f"SELECT COUNT(*) FROM requests {where}", values)
        return Page(tuple(map(rows.request, found)), total[0][0])

    def trace(self, prefix: str) -> Recorded | None:
        """The newest request whose trace id is `prefix` or, alone, begins with it."""
        select = f"SELECT {rows.COLUMNS} FROM requests WHERE trace_id"
        with self._database.connection() as connection:
            found = connection.read(f"{select} = ? ORDER BY at DESC LIMIT 1", (prefix,))
            if not found:
                # Hexadecimal digits end before "g".
                found = connection.read(
                    f"{select} >= ? AND trace_id < ? ORDER BY at DESC LIMIT 100",
                    (prefix, prefix + "g"),
                )
            if not found:
                return None
            at, trace_id = found[0][:2]
            if any(row[1] != trace_id for row in found):
                raise AmbiguousTrace(f"Several traces begin with {prefix}; give more digits.")
            body = connection.read(
                "SELECT body FROM traces WHERE at = ? AND trace_id = ?", (at, trace_id)
            )
        return rows.recorded(found[0], body[0][0] if body else None)

    def experiments(self) -> list[str]:
        """The names of all that anybody took part in."""
        sql = (
            "SELECT DISTINCT experiment FROM requests "
            "WHERE experiment IS NOT NULL AND door <> 'shadow'"
        )
        with self._database.connection() as connection:
            found = connection.read(sql)
        return sorted({label.rpartition("/")[0] for (label,) in found})

    def drawn(self, experiment: str) -> list[CallersPart]:
        """What the requests of each caller came to who was drawn for a variant."""
        with self._database.connection() as connection:
            found = connection.read(_DRAWN_SQL, (len(experiment) + 1, f"{experiment}/"))
        return [CallersPart(label.rpartition("/")[2], *figures) for label, *figures in found]

    def shadowed(self, served_as: str) -> list[Shadowed]:
        """What was put to a revision beside the live one, as far as its traces are still kept."""
        with self._database.connection() as connection:
            found = connection.read(_SHADOWED_SQL, (f"shadow/{served_as}",))
        return [_shadowed(*row) for row in found]

    def spent(self, key: str, since: float, until: float | None = None) -> float:
        """What a key's requests have cost, in USD."""
        sql = "SELECT COALESCE(SUM(cost_usd), 0) FROM requests WHERE key = ? AND at >= ?"
        values: list[Any] = [key, rows.microseconds(since)]
        if until is not None:
            sql += " AND at < ?"
            values.append(rows.microseconds(until))
        with self._database.connection() as connection:
            return float(connection.read(sql, values)[0][0])


def _shadowed(at: int, status: int, body: bytes) -> Shadowed:
    seen = orjson.loads(body)["attributes"]["shadow"]
    return Shadowed(at / 1e6, status, seen["live"], tuple(seen["figures"]), seen.get("likeness"))


def _totals(steps: Sequence[Row]) -> Totals:
    """The sum of rows of _TOTALS_SQL, whose figures are in the order of Totals' fields."""
    if not steps:
        return Totals()
    latencies, *columns = zip(*steps, strict=True)
    counts = sorted(zip(latencies, columns[0], strict=True))
    figures: list[Any] = [sum(column) for column in columns]
    figures += [_percentile(counts, 0.50), _percentile(counts, 0.95)]
    return Totals(*figures)


def _percentile(counts: Sequence[tuple[int, int]], share: float) -> float:
    """The nearest-rank percentile of latencies counted by step."""
    steps, requests = zip(*counts, strict=True)
    below = list(accumulate(requests))
    return rows.step_latency(steps[bisect_left(below, share * below[-1])])


def _shares(parts: Iterable[Row], names: Mapping[str, str] | None = None) -> tuple[Share, ...]:
    """The largest shares of what has a name; the first column of a part is its name."""
    sums: defaultdict[str, list[float]] = defaultdict(lambda: [0, 0, 0, 0.0])
    for name, *figures in parts:
        sums[name] = [old + new for old, new in zip(sums[name], figures, strict=True)]
    sums.pop("", None)
    largest = sorted(sums.items(), key=lambda share: (-share[1][3], -share[1][0], share[0]))
    return tuple(
        Share(name, (names or {}).get(name, name), int(requests), int(errors), int(tokens), cost)
        for name, (requests, errors, tokens, cost) in largest[:MOST_SHARES]
    )


def _where(filters: Filters) -> tuple[str, tuple[Any, ...]]:
    """The condition that a filter stands for."""
    tests: list[str] = []
    values: list[Any] = []

    def need(test: str, *given: Any) -> None:
        tests.append(test)
        values.extend(given)

    if filters.status is not None:
        need(*_status(filters.status))
    if filters.model is not None:
        need("(model = ? OR model_asked = ?)", filters.model, filters.model)
    if filters.key is not None:
        need("key = ?", filters.key)
    if filters.team is not None:
        need("team = ?", filters.team)
    if filters.cache is not None:
        need("cache = ?", filters.cache)
    if filters.degraded == "any":
        need("degraded <> ''")
    elif filters.degraded is not None:
        need("degraded = ?", filters.degraded)
    if filters.since is not None:
        need("at >= ?", rows.microseconds(filters.since))
    if filters.until is not None:
        need("at < ?", rows.microseconds(filters.until))
    if filters.text:
        need("lower(question) LIKE lower(?) ESCAPE '!'", _containing(filters.text))
    return ("WHERE " + " AND ".join(tests) if tests else "", tuple(values))


def _status(status: str) -> tuple[Any, ...]:
    if status == "ok":
        return ("status < 400",)
    if status == "error":
        return (_FAILED,)
    if status[:1].isdigit() and status[1:].lower() == "xx":
        return ("status / 100 = ?", int(status[0]))
    if status.isdigit():
        return ("status = ?", int(status))
    raise ValueError(f'A status is "ok", "error", a class such as "4xx" or a number: {status!r}.')


def _containing(text: str) -> str:
    for special in "!%_":
        text = text.replace(special, "!" + special)
    return f"%{text}%"
