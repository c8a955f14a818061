"""Token vectors are made and kept with their passages, and made when they are first wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from retrieval.config import RetrievalConfig
from retrieval.index.embedded import EmbeddedIndexes
from retrieval.ingestion.events import Report
from retrieval.ingestion.ingestor import Ingestor
from retrieval.sources.targets import source
from retrieval.types import Encoder, Index, Query, RetrievalError, Vectors
from tests.retrieval.ingestion.fakes import Hashing, Memory

pytestmark = pytest.mark.anyio
PLAIN, TELLING = RetrievalConfig(), RetrievalConfig(token_vectors=True)


async def ingested(
    index: Index, folder: Path, config: RetrievalConfig, encoder: Encoder, prune: bool = False
) -> Report:
    return await Ingestor(index, encoder, config).ingest(source([str(folder)]), prune=prune)


async def held(index: Index, name: str) -> list[bytes]:
    stored = await index.tokens(name)
    passages = await index.passages(name)
    assert set(stored) <= {one.digest for one in passages}
    assert all(stored[one.digest] == f"tokens of {one.embedded}".encode() for one in passages)
    return list(stored.values())


async def test_turned_on_they_are_made_by_the_next_run(tmp_path: Path) -> None:
    index, encoder = Memory(), Hashing()
    (tmp_path / "a.md").write_text("# A\n\nText of a.")
    (tmp_path / "b.md").write_text("# B\n\nText of b.")
    await ingested(index, tmp_path, PLAIN, encoder)
    assert await index.tokens("a.md") == {}
    report = await ingested(index, tmp_path, TELLING, encoder)
    assert (report.changed, report.passages, report.reused) == (2, 2, 0)
    assert len(await held(index, "a.md")) == 1
    again = await ingested(index, tmp_path, TELLING, encoder)
    assert (again.unchanged, again.passages) == (2, 0)
    off = await ingested(index, tmp_path, PLAIN, encoder)
    assert (off.changed, off.passages, off.reused) == (2, 0, 2)
    assert await index.tokens("a.md") == {}


async def test_what_did_not_change_or_was_renamed_keeps_them(tmp_path: Path) -> None:
    encoder = Hashing()
    indexes = EmbeddedIndexes(tmp_path / "index", "test", encoder.size)
    index = await indexes.open("docs", create=True)
    assert index is not None
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text("# All\n\n## One\n\nFirst.\n\n## Two\n\nSecond.")
    await ingested(index, folder, TELLING, encoder)
    (folder / "a.md").write_text("# All\n\n## One\n\nFirst.\n\n## Two\n\nAnother.")
    changed = await ingested(index, folder, TELLING, encoder)
    assert (changed.passages, changed.reused) == (1, 1)
    assert len(await held(index, "a.md")) == 2
    (folder / "a.md").rename(folder / "b.md")
    moved = await ingested(index, folder, TELLING, encoder, prune=True)
    assert (moved.added, moved.removed, moved.passages, moved.reused) == (1, 1, 0, 2)
    assert len(await held(index, "b.md")) == 2
    assert await index.tokens("a.md") == {}
    await indexes.aclose()


class Silent:
    """An encoder that tells no token vectors."""

    name, size, window = "hashing", 8, 256

    def __init__(self) -> None:
        self._hashing = Hashing()

    async def query(self, text: str) -> Query:
        return await self._hashing.query(text)

    async def passages(self, texts: Sequence[str]) -> Vectors:
        return await self._hashing.passages(texts)

    def count(self, text: str) -> int:
        return self._hashing.count(text)

    async def aclose(self) -> None: ...


async def test_an_encoder_without_them_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Text.")
    with pytest.raises(RetrievalError, match="'hashing' has no token vectors"):
        await ingested(Memory(), tmp_path, TELLING, Silent())
