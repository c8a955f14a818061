"""How a command reaches the gateway that runs on the same data folder.

The embedded index belongs to one process. While a gateway holds it, commands hand their work over
to it instead of failing. The gateway leaves its address and a random token in a file that
only its own user can read; whoever can read it could read the index too.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from retrieval.types import Recorded, RetrievalError

if TYPE_CHECKING:  # serving needs neither
    import aiohttp

    from retrieval.ingestion.events import Report

FILE = "gateway.json"
LOCK = "gateway.lock"
_LONGEST_LINE = 1 << 26


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be brought into a collection."""

    targets: tuple[str, ...]  # paths, patterns, archives, URLs
    collection: str
    prune: bool = False
    meta: tuple[str, ...] = ()  # key=value, said of every document
    remove: tuple[str, ...] = ()  # sources that are not to be there any more


@dataclass(frozen=True, slots=True)
class Control:
    """A running gateway. What it refuses is raised as RetrievalError, with its words."""

    url: str
    token: str
    pid: int

    async def ingest(self, work: Work) -> AsyncGenerator[dict[str, Any]]:
        """Have it ingest; yields what the ingestor says, event by event."""
        async for line in self._lines("POST", "/control/ingest", asdict(work)):
            yield line

    async def names(self) -> list[str]:
        """All collections."""
        return [line["name"] async for line in self._lines("GET", "/control/collections")]

    async def documents(self, collection: str) -> dict[str, Recorded]:
        lines = self._lines("GET", f"{_of(collection)}/documents")
        return {line.pop("source"): Recorded(**line) async for line in lines}

    async def remove(self, collection: str, sources: Sequence[str]) -> Report:
        from retrieval.ingestion.events import report

        path = f"{_of(collection)}/remove"
        return report(await anext(self._lines("POST", path, {"sources": list(sources)})))

    async def drop(self, collection: str) -> int:
        """How many documents that were."""
        lines = self._lines("DELETE", _of(collection))
        return int((await anext(lines))["documents"])

    async def asked(self, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """What it answers to one question of a command."""
        return await anext(self._lines("POST", f"/control/{what}", body))

    async def ordered(self, path: str) -> dict[str, Any]:
        """What it answers to an administrator's order."""
        return await anext(self._lines("POST", path))

    async def _lines(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> AsyncGenerator[dict[str, Any]]:
        import aiohttp

        headers = {"Authorization": f"Bearer {self.token}"}
        timeout = aiohttp.ClientTimeout(total=None, connect=5)
        try:
            async with (
                # The report names every document that was retired: a line may be long.
                aiohttp.ClientSession(
                    timeout=timeout, headers=headers, read_bufsize=_LONGEST_LINE
                ) as session,
                session.request(method, self.url + path, json=body) as response,
            ):
                if response.status >= 400:
                    raise RetrievalError(await _said(response))
                async for line in response.content:
                    yield json.loads(line)
        except aiohttp.ClientError as error:
            raise RetrievalError(f"The gateway at {self.url} broke off: {error}") from error


def _of(collection: str) -> str:
    return f"/control/collections/{quote(collection, safe='')}"


async def _said(response: aiohttp.ClientResponse) -> str:
    """Why a gateway refuses, in its own words where there are any."""
    try:
        return str((await response.json())["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"The gateway answered with status {response.status}."


class AlreadyRunning(Exception):
    """Another gateway holds the data folder."""


def running(data: Path) -> Control | None:
    """The gateway that holds this data folder, if one does."""
    try:
        with _locked(data):
            return None  # nobody holds it, whatever a gateway that was killed has left behind
    except AlreadyRunning:
        pass
    except OSError:
        return None
    try:
        raw = json.loads((data / FILE).read_text())
        return Control(raw["url"], raw["token"], raw["pid"])
    except (OSError, ValueError, KeyError):
        return None  # it is just starting or ending


@contextlib.contextmanager
def announced(data: Path, url: str) -> Iterator[str]:
    """Leave address and token for commands while the gateway runs; yields the token.

    Raises AlreadyRunning.
    """
    data.mkdir(parents=True, exist_ok=True)
    token, file = secrets.token_urlsafe(32), data / FILE
    with _locked(data, patient=True):
        file.unlink(missing_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            json.dump({"url": url, "token": token, "pid": os.getpid()}, out)
        try:
            yield token
        finally:
            file.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(data: Path, patient: bool = False) -> Iterator[None]:
    """Hold the data folder; the system lets go of it when the process ends, however it ends.

    `patient`: a command that only looks holds it for a moment, and is waited for.
    """
    tries = 10 if patient else 1
    with (data / LOCK).open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                tries -= 1
                if not tries:
                    raise AlreadyRunning(f"Another gateway runs on {data}.") from None
                time.sleep(0.05)
        yield
