"""What was computed in an earlier run, kept on disk by the digest of all that went into it.

For evaluation only: vectors of texts and rankings of slow references. It knows no models; a
changed text, encoder or set of terms is another digest, so nothing in here goes stale.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from gateway.backends import open_encoder
from gateway.config import Config
from retrieval.types import Encoder, Query, TokenEncoder, Vector, Vectors

_FILE = "eval.sqlite"
_AT_ONCE = 500


def usual_folder() -> Path:
    """Where caches belong on this machine."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "moorline"


class Memory:
    """Bytes by digest, in one SQLite file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # Encoders answer in other threads; all calls come from one at a time.
        self._database = sqlite3.connect(folder / _FILE, timeout=60, check_same_thread=False)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS remembered (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL)"
        )

    def get(self, digests: Sequence[str]) -> dict[str, bytes]:
        """Those that are known."""
        found: dict[str, bytes] = {}
        for start in range(0, len(digests), _AT_ONCE):
            some = digests[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            query = f"SELECT digest, bytes FROM remembered WHERE digest IN ({marks})"
            with closing(self._database.execute(query, some)) as rows:
                found.update(rows.fetchall())
        return found

    def put(self, entries: Iterable[tuple[str, bytes]]) -> None:
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO remembered VALUES (?, ?)", entries)

    def close(self) -> None:
        self._database.close()


def digest(*parts: str) -> str:
    """Of texts, each told apart from its neighbours."""
    whole = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        whole.update(len(encoded).to_bytes(8, "little"))
        whole.update(encoded)
    return whole.hexdigest()


class Remembered:
    """An encoder that embeds no text twice, in this run or in a later one."""

    def __init__(self, encoder: Encoder, memory: Memory, tokens: bool = False) -> None:
        """With `tokens` nothing is remembered of questions: they have more than one vector."""
        self.name, self.size, self.window = encoder.name, encoder.size, encoder.window
        self._encoder, self._memory, self._tokens = encoder, memory, tokens

    async def query(self, text: str) -> Query:
        if self._tokens:
            return await self._encoder.query(text)
        key = digest(self.name, "question", text)
        if known := self._memory.get([key]):
            return Query(text, self._vector(known[key]))
        query = await self._encoder.query(text)
        self._memory.put([(key, query.vector.tobytes())])
        return query

    async def questions(self, texts: Sequence[str]) -> Vectors:
        """The vectors of many, as `query` gives them one by one."""
        keys = [digest(self.name, "question", text) for text in texts]
        known = self._memory.get(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        for start in range(0, len(missing), _AT_ONCE):
            some = list(missing)[start : start + _AT_ONCE]
            made = await asyncio.gather(*(self._encoder.query(missing[key]) for key in some))
            new = {key: query.vector.tobytes() for key, query in zip(some, made, strict=True)}
            self._memory.put(new.items())
            known |= new
        return self._stacked(known[key] for key in keys)

    async def passages(self, texts: Sequence[str]) -> Vectors:
        keys = [digest(self.name, "passage", text) for text in texts]
        known = self._memory.get(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            vectors = await self._encoder.passages(list(missing.values()))
            made = {k: v.tobytes() for k, v in zip(missing, vectors, strict=True)}
            self._memory.put(made.items())
            known |= made
        return self._stacked(known[key] for key in keys)

    async def passages_and_tokens(self, texts: Sequence[str]) -> tuple[Vectors, list[bytes]]:
        """Not remembered: token vectors take a hundred times the room."""
        assert isinstance(self._encoder, TokenEncoder)  # the configuration sees to that
        return await self._encoder.passages_and_tokens(texts)

    def count(self, text: str) -> int:
        return self._encoder.count(text)

    async def aclose(self) -> None:
        await self._encoder.aclose()

    def _stacked(self, raw: Iterable[bytes]) -> Vectors:
        vectors = [self._vector(each) for each in raw]
        return np.stack(vectors) if vectors else np.empty((0, self.size), dtype=np.float32)

    @staticmethod
    def _vector(raw: bytes) -> Vector:
        return np.frombuffer(raw, dtype=np.float32)


async def embedded(texts: Sequence[str], config: Config, folder: Path) -> tuple[str, Vectors]:
    """Questions by the configured encoder, whose name comes with them."""
    with closing(Memory(folder)) as memory:
        async with open_encoder(config.model_copy(update={"data": folder})) as encoder:
            return encoder.name, await Remembered(encoder, memory).questions(texts)
