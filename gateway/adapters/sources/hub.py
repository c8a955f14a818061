"""An adapter on the Hugging Face hub or a mirror of it: `hub:owner/name[/folder][@revision]`.

A revision is turned into its commit first, and all that is fetched is of that commit and is what
the hub says that it is. Without the network, the cache that the hub's own tools keep is asked.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gateway.adapters.content import KEPT, complete
from gateway.adapters.failures import BadAdapter, SourceAway, shown
from gateway.adapters.sources.config import AdapterSourcesConfig
from gateway.adapters.sources.fetching import Announced, Patience, matches, settings, told
from gateway.adapters.sources.folder import copied
from retrieval.sources.fetching import BadStatus, Fetcher

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_NAME = re.compile(rf"({_PART}/{_PART})((?:/{_PART})*)(?:@({_PART}(?:/{_PART})*))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LONGEST = 16 * 2**20  # of a list of a repository's files
_REASONS = {
    401: "there is no such repository, or it is private: see adapters.sources.hub_token",
    403: "adapters.sources.hub_token may not read it: access is asked for on its page on the hub",
    404: "there is no such repository or revision",
}


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository at one revision."""

    name: str  # owner/name
    folder: str  # in it, "" or with a slash at its end
    revision: str
    patience: Patience

    @classmethod
    def named(cls, written: str, patience: Patience) -> Repository:
        """By what stands behind `hub:`. Raises BadAdapter."""
        found = _NAME.fullmatch(written)
        if not found or ".." in written:
            raise BadAdapter("invalid", f"{shown(written)} is not owner/name[@revision]")
        folder = found[2].removeprefix("/")
        return cls(found[1], f"{folder}/" if folder else "", found[3] or "main", patience)

    def fetch(self, room: Path) -> str:
        """Raises BadAdapter, SourceAway."""
        config = self.patience.config
        cache = _cache(config) / f"models--{self.name.replace('/', '--')}"
        commit = self._cached(cache, room) if _offline(config) else self._fetched(cache, room)
        return f"hub:{self.name}{f'/{self.folder}'.rstrip('/')}@{commit}"

    def _fetched(self, cache: Path, room: Path) -> str:
        """From the hub; what the cache has of it need not come again."""
        config = self.patience.config
        token = config.hub_token
        authority = f"Bearer {token.get_secret_value()}" if token else None
        fetcher = Fetcher(settings(config), self.patience.wait, authority)
        commit, found = self._listed(fetcher)
        complete(list(found))
        snapshot = cache / "snapshots" / commit / self.folder
        for name in KEPT:
            if (snapshot / name).is_file():
                copied(cache, snapshot / name, room / name, config.max_bytes)
                if matches(room / name, found[name]):
                    continue
                (room / name).unlink()
            url = f"{_hub(config)}/{self.name}/resolve/{commit}/{quote(self.folder + name)}"
            self.patience.fetch(found[name], room / name, partial(_sent, fetcher, url))
        return commit

    def _listed(self, fetcher: Fetcher) -> tuple[str, dict[str, Announced]]:
        """The commit, and its files by name."""
        revision = quote(self.revision, safe="")
        url = f"{_hub(self.patience.config)}/api/models/{self.name}/revision/{revision}?blobs=true"
        text = b""
        for attempt in self.patience.attempts():
            with attempt, told(self.name), _sent(fetcher, url, 0) as pieces:
                text = b"".join(_bounded(pieces))
        try:
            said = json.loads(text)
            commit = str(said["sha"])
            announced = [_announced(each, self.folder) for each in said["siblings"]]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise SourceAway(f"{self.name}: what the hub answers is no list of files") from error
        if not _COMMIT.fullmatch(commit):
            raise SourceAway(f"{self.name}: the hub does not say which commit it is")
        return commit, {each.name: each for each in announced if each}

    def _cached(self, cache: Path, room: Path) -> str:
        """From what was fetched before by the hub's own tools."""
        commit = self.revision
        if not _COMMIT.fullmatch(commit):
            try:
                commit = (cache / "refs" / commit).read_text("ascii").strip()
            except (OSError, ValueError):
                commit = ""
        snapshot = cache / "snapshots" / commit / self.folder
        if not _COMMIT.fullmatch(commit) or not snapshot.is_dir():
            raise BadAdapter(
                "not_found",
                f"{self.name} at {self.revision} is not in the hub's cache, and the hub is not "
                "asked: see adapters.sources.offline",
            )
        complete(os.listdir(snapshot))
        for name in KEPT:
            copied(cache, snapshot / name, room / name, self.patience.config.max_bytes)
        return commit


def _announced(said: Any, folder: str) -> Announced | None:
    """One of a repository's files; None for what lies in another folder."""
    path = str(said["rfilename"])
    if not path.startswith(folder):
        return None
    large = said.get("lfs") or {}
    size = int(large.get("size") or said["size"])
    git = None if large else str(said["blobId"])
    return Announced(path.removeprefix(folder), size, str(large["sha256"]) if large else None, git)


@contextmanager
def _sent(fetcher: Fetcher, url: str, start: int) -> Iterator[Iterator[bytes]]:
    try:
        with fetcher.get(url, start=start) as answer:
            yield answer.chunks
    except BadStatus as error:
        if error.status in _REASONS:
            raise BadAdapter("not_found", f"{error.reason}: {_REASONS[error.status]}") from error
        raise


def _bounded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > _LONGEST:
            raise BadAdapter("invalid", f"its list of files takes more than {_LONGEST:,} bytes")
        yield piece


def _hub(config: AdapterSourcesConfig) -> str:
    found = config.hub_url or os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    return found.rstrip("/")


def _offline(config: AdapterSourcesConfig) -> bool:
    if config.offline is not None:
        return config.offline
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")


def _cache(config: AdapterSourcesConfig) -> Path:
    if config.hub_cache:
        return config.hub_cache
    if found := os.environ.get("HF_HUB_CACHE"):
        return Path(found)
    home = os.environ.get("HF_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "huggingface") / "hub"
