"""A file that comes over a network: bounded, taken up again where it broke off, and checked.

Who sends it is not known here.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from gateway.adapters.failures import BadAdapter, SourceAway
from gateway.adapters.sources.config import AdapterSourcesConfig
from gateway.adapters.sources.types import fits
from retrieval.config import SourcesConfig
from retrieval.parsing.draft import Unreadable
from retrieval.sources.buckets import Gone, Refused
from retrieval.sources.fetching import BadStatus
from retrieval.sources.network import NotPublic

_PASSING = {408, 425, 429}  # of the statuses below 500
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.5, 20.0


@dataclass(frozen=True, slots=True)
class Announced:
    """What is said of a file before it comes."""

    name: str
    size: int | None = None
    sha256: str | None = None
    git: str | None = None  # its name in git: sha1 over its length and its content


@dataclass(frozen=True, slots=True)
class Patience:
    """Fetches what is announced."""

    config: AdapterSourcesConfig
    wait: Callable[[float], None] = field(default=time.sleep)

    def fetch(
        self,
        announced: Announced,
        target: Path,
        sent: Callable[[int], AbstractContextManager[Iterator[bytes]]],
    ) -> None:
        """Write a file of which `sent` gives the pieces from some byte on.

        Raises BadAdapter at once, SourceAway after some tries."""
        fits(announced.name, announced.size or 0, self.config.max_bytes)
        target.touch()
        for attempt in self.attempts():
            with attempt, told(announced.name):
                self._continue(announced, target, sent)
        if not matches(target, announced):
            raise BadAdapter("corrupt", f"{announced.name} is not what was announced")

    def attempts(self) -> Retrying:
        """Tries with growing pauses between them, as long as a source is merely away."""
        return Retrying(
            retry=retry_if_exception_type(SourceAway),
            stop=stop_after_attempt(self.config.tries),
            wait=wait_exponential_jitter(multiplier=_SHORTEST_PAUSE, max=_LONGEST_PAUSE),
            sleep=self.wait,
            reraise=True,
        )

    def _continue(
        self,
        announced: Announced,
        target: Path,
        sent: Callable[[int], AbstractContextManager[Iterator[bytes]]],
    ) -> None:
        start = target.stat().st_size
        if start and start == announced.size:
            return
        limit = self.config.max_bytes if announced.size is None else announced.size
        try:
            with sent(start) as pieces, target.open("ab") as file:
                for piece in pieces:
                    start += len(piece)
                    fits(announced.name, start, limit)
                    file.write(piece)
        except BadStatus as error:
            if start and error.status in (200, 416):  # it cannot begin in the middle
                os.truncate(target, 0)
                raise SourceAway("the server does not go on where it broke off") from error
            raise
        if announced.size is not None and start < announced.size:
            raise SourceAway("it breaks off")


def matches(path: Path, announced: Announced) -> bool:
    """Whether a file is what was announced, as far as anything was."""
    size = path.stat().st_size
    if announced.size is not None and size != announced.size:
        return False
    with path.open("rb") as file:
        if announced.sha256 is not None:
            return hashlib.file_digest(file, "sha256").hexdigest() == announced.sha256
        if announced.git is not None:
            named = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
            while piece := file.read(2**20):
                named.update(piece)
            return named.hexdigest() == announced.git
    return True


@contextmanager
def told(what: str) -> Iterator[None]:
    """Failures to read as what they mean for an adapter."""
    try:
        yield
    except NotPublic as error:
        where = error.reason.partition(";")[0]
        raise BadAdapter(
            "insecure", f"{what}: {where}; where it is meant, see adapters.sources.private_networks"
        ) from error
    except (Gone, Refused) as error:
        raise BadAdapter("not_found", f"{what}: {error.reason}") from error
    except BadStatus as error:
        if error.status < 500 and error.status not in _PASSING:
            raise BadAdapter("not_found", f"{what}: {error.reason}") from error
        raise SourceAway(f"{what}: {error.reason}") from error
    except Unreadable as error:
        raise SourceAway(f"{what}: {error.reason}") from error


def settings(config: AdapterSourcesConfig) -> SourcesConfig:
    """The same as ingestion has it, whose ways into the network are used."""
    return SourcesConfig(
        private_networks=config.private_networks,
        timeout=config.timeout,
        user_agent="Moorline/0.1 (adapters)",
        s3_endpoint=config.s3_endpoint,
        s3_region=config.s3_region,
    )
