"""What an ingestion tells while it runs and when it is done, also as JSON.

It knows nothing of how the work is done, so that who shows it need not load any of that.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from retrieval.sources.types import BadSource
from retrieval.types import RetrievalError


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that was not ingested."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. `size_done` counts a file by the share of its passages that are encoded."""

    files: int  # that are known of; more may come until all is listed
    files_done: int
    size: int  # of those files, in bytes, as far as their sizes are known
    size_done: int
    passages: int  # encoded
    seconds: float
    failure: Failure | None = None  # the one that this event is about
    listed: bool = True  # whether it is known how many files there are
    unsized: int = 0  # files whose size shows only when they are read
    notice: str = ""  # what happens meanwhile, such as why nothing goes on


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it."""

    added: int
    changed: int
    unchanged: int
    removed: int
    skipped: tuple[Failure, ...]  # what was not meant to be read
    failed: tuple[Failure, ...]
    passages: int  # encoded
    seconds: float
    retired: tuple[str, ...]  # "document@version" of all that was replaced or removed
    notice: str = ""  # what was asked for and not done, and why
    reused: int = 0  # passages whose vectors were there already


Event: TypeAlias = Progress | Report


def to_dict(event: Event) -> dict[str, Any]:
    """An event as JSON carries it."""
    return {"event": "report" if isinstance(event, Report) else "progress", **asdict(event)}


def from_dict(raw: Mapping[str, Any]) -> Event:
    """The event that `to_dict` wrote. Raises RetrievalError for one that tells of an error."""
    values = {name: value for name, value in raw.items() if name != "event"}
    match raw.get("event"):
        case "progress":
            failure = values.pop("failure", None)
            return Progress(**values, failure=Failure(**failure) if failure else None)
        case "report":
            return report(values)
        case _:
            kind = BadSource if raw.get("usage") else RetrievalError
            raise kind(str(raw.get("message", "The ingestion ended without a word.")))


def report(raw: Mapping[str, Any]) -> Report:
    """The report that JSON carries."""
    values = {name: value for name, value in raw.items() if name != "event"}
    for name in ("failed", "skipped"):
        values[name] = tuple(Failure(**each) for each in values[name])
    return Report(**values | {"retired": tuple(values["retired"])})


async def as_dicts(events: AsyncIterator[Event]) -> AsyncGenerator[dict[str, Any]]:
    """Events as JSON carries them; what ends the ingestion becomes the last event."""
    try:
        async for event in events:
            yield to_dict(event)
    except RetrievalError as error:
        yield {"event": "error", "message": str(error), "usage": isinstance(error, BadSource)}
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()
