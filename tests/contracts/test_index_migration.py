"""A collection from before points said who may see them: from its opening on they do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from retrieval.filters import OneOf, Within
from retrieval.index.access import Access
from retrieval.index.embedded import EmbeddedIndex, EmbeddedIndexes
from retrieval.index.qdrant import QdrantIndex
from retrieval.sparse import query_vector
from retrieval.types import Index, Indexes, Viewer
from tests.contracts.backends import SIZE, embedded, made, of_encoder, vector

pytestmark = pytest.mark.anyio
NEWER = ("restricted", "successors", "turns", "place")


@pytest.fixture(params=["embedded", "qdrant in memory"])
async def older(request: pytest.FixtureRequest, tmp_path: Path) -> Indexes:
    """A collection whose points let everybody in, and whose manifest does not know of access."""
    indexes = made(request.param, tmp_path)
    index = await indexes.open("docs", create=True)
    assert isinstance(index, EmbeddedIndex | QdrantIndex)
    await index.write(
        [
            embedded("open.md", "fees"),
            embedded("hr.md", "fees", "more fees", meta={"groups": ["hr"], "tenant": "north"}),
            embedded("over.md", "fees", meta={"valid_until": 100.0}),
            embedded("odd.md", "fees", meta={"year": 2024}),
        ]
    )
    odd = {"meta": {"tenant": 7}}
    everybody, every = Access().as_payload(), Within("born", (("gte", 0),))
    if isinstance(index, QdrantIndex):
        await index.store.set(every, everybody)
        await index.store.set(OneOf("document", ("odd.md",)), odd)
        manifest = await index.store.manifest()
        assert manifest is not None
        kept = manifest.as_payload()
        await index.store._set({"manifest": {k: kept[k] for k in kept if k not in NEWER}})
    else:
        await index.shard.set(every, everybody)
        await index.shard.set(OneOf("document", ("odd.md",)), odd)
        await indexes.aclose()
        file = tmp_path / "docs" / "manifest.json"
        kept = json.loads(file.read_text())
        file.write_text(json.dumps({k: kept[k] for k in kept if k not in NEWER}))
    return of_encoder(indexes, "test-encoder", SIZE)


async def found(index: Index, viewer: Viewer) -> set[str]:
    legs = await index.search(vector(1), query_vector(["fee"]), 100, None, viewer)
    return {hit.passage.document for hit in legs.dense}


async def test_its_metadata_decides_from_then_on(older: Indexes) -> None:
    index = await older.open("docs")
    assert index is not None
    for viewer, expected in (
        (Viewer("south", at=50.0), {"open.md", "over.md"}),
        (Viewer("south", at=150.0), {"open.md"}),
        (Viewer("north", at=150.0), {"open.md"}),
        (Viewer("north", frozenset({"hr"}), 150.0), {"open.md", "hr.md"}),
    ):
        assert await found(index, viewer) == expected
    assert (await index.documents()).keys() == {"open.md", "hr.md", "over.md", "odd.md"}
    await older.aclose()


async def test_it_is_done_once(older: Indexes) -> None:
    index = await older.open("docs")
    assert index is not None
    before = index.edition()
    await index.write([embedded("new.md", "fees", meta={"groups": ["board"]})])
    if isinstance(older, EmbeddedIndexes):
        await older.aclose()
    again = of_encoder(older, "test-encoder", SIZE)
    index = await again.open("docs")
    assert index is not None
    assert index.edition() != before
    assert await found(index, Viewer("x", frozenset({"board"}), 150.0)) == {"open.md", "new.md"}
    await again.aclose()
