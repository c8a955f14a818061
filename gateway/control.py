"""How a command reaches the gateway that runs on the same data folder.

The embedded index belongs to one process. While a gateway holds it, `moorline ingest` hands the
work over instead of failing. The gateway leaves its address and a random token in a file that
only its own user can read; whoever can read it could read the index too.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "gateway.json"
LOCK = "gateway.lock"
_LONGEST_LINE = 1 << 26


@dataclass(frozen=True, slots=True)
class Control:
    """A running gateway."""

    url: str
    token: str
    pid: int

    async def ingest(
        self, paths: Sequence[Path], collection: str, prune: bool
    ) -> AsyncIterator[dict[str, Any]]:
        """Have it ingest; yields what the ingestor says, event by event."""
        import aiohttp

        body = {"paths": [str(p.resolve()) for p in paths], "collection": collection}
        headers = {"Authorization": f"Bearer {self.token}"}
        timeout = aiohttp.ClientTimeout(total=None, connect=5)
        async with (
            # The report names every document that was retired: a line may be long.
            aiohttp.ClientSession(
                timeout=timeout, headers=headers, read_bufsize=_LONGEST_LINE
            ) as session,
            session.post(f"{self.url}/control/ingest", json=body | {"prune": prune}) as response,
        ):
            response.raise_for_status()
            async for line in response.content:
                yield json.loads(line)


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
