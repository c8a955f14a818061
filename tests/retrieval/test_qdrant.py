"""What is particular to an index on a server: several processes share it.

Two indexes over one client stand for two processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient

from retrieval.index import points
from retrieval.index.qdrant import LOCAL, QdrantIndex, QdrantIndexes
from retrieval.index.server import Collection, Placed
from retrieval.types import Embedded, Index, Passage, RetrievalError, SparseVector

SIZE = 4


def document(source: str, version: str, many: int = 3) -> Embedded:
    passages = [
        Passage(f"{source}/{n}", source, version, n, "", (), f"{source} {n}", 0, 1)
        for n in range(many)
    ]
    vectors = np.full((many, SIZE), 0.5, dtype=np.float32)
    return Embedded(source, version, passages, vectors, [SparseVector((7,), (1.0,))] * many)


async def versions(index: Index) -> list[str]:
    vector = np.full(SIZE, 0.5, dtype=np.float32)
    legs = await index.search(vector, SparseVector((7,), (1.0,)), 100)
    found = [sorted(hit.passage.version for hit in leg) for leg in (legs.dense, legs.sparse)]
    assert found[0] == found[1]
    return found[0]


async def recorded(index: Index) -> dict[str, str]:
    return {source: one.version for source, one in (await index.documents()).items()}


@dataclass
class Shared:
    """One collection, as two processes see it."""

    one: QdrantIndex
    other: QdrantIndex
    store: Collection


@pytest.fixture
async def shared() -> AsyncIterator[Shared]:
    indexes = QdrantIndexes(LOCAL, None, "p_", "test", SIZE)
    one = await indexes.open("docs", create=True)
    assert isinstance(one, QdrantIndex)
    store = Collection(one.store.client, "p_docs", local=True)
    manifest = await store.manifest()
    assert manifest is not None
    yield Shared(one, QdrantIndex("docs", store, manifest), store)
    await indexes.aclose()


async def manifest(shared: Shared) -> Placed:
    found = await shared.store.manifest()
    assert found is not None
    return found


@pytest.mark.anyio
async def test_a_write_of_another_process_is_seen(shared: Shared) -> None:
    assert await versions(shared.other) == []
    await shared.one.write([document("a.md", "v1")])
    await shared.one.write([document("a.md", "v2")])
    assert await versions(shared.other) == ["v2"] * 3
    assert shared.other.generation == shared.one.generation


@pytest.mark.anyio
async def test_the_latest_edition_is_what_another_process_has_published(shared: Shared) -> None:
    before = await shared.other.latest()
    await shared.one.write([document("a.md", "v1")])
    assert before == shared.other.edition()  # for a second nobody has looked
    assert await shared.other.latest() == shared.one.edition() != before


@pytest.mark.anyio
async def test_what_is_being_staged_elsewhere_is_not_seen(shared: Shared) -> None:
    await shared.one.write([document("a.md", "v1")])
    staged = {"a.md": document("a.md", "v2", 5)}
    await points.stage(shared.store, await manifest(shared), staged, [])
    assert await versions(shared.other) == ["v1"] * 3
    assert await recorded(shared.other) == {"a.md": "v1"}


@pytest.mark.anyio
async def test_the_next_writer_undoes_what_a_stopped_one_left(shared: Shared) -> None:
    await shared.one.write([document("a.md", "v1")])
    staged = {"a.md": document("a.md", "v2", 5)}
    await points.stage(shared.store, await manifest(shared), staged, [])
    await shared.other.write([document("b.md", "v1", 1)])
    assert await recorded(shared.one) == {"a.md": "v1", "b.md": "v1"}
    assert await versions(shared.one) == ["v1"] * 4


@pytest.mark.anyio
async def test_one_writer_waits_for_another(shared: Shared) -> None:
    assert await shared.store.lease("somebody", 60)
    writing = asyncio.create_task(shared.one.write([document("a.md", "v1")]))
    done, _ = await asyncio.wait({writing}, timeout=0.05)
    assert not done
    await shared.store.release("somebody")
    await writing
    assert await recorded(shared.other) == {"a.md": "v1"}


@pytest.mark.anyio
async def test_a_lease_is_given_to_one_and_again_when_it_has_run_out(shared: Shared) -> None:
    assert await shared.store.lease("first", -1)
    assert await shared.store.lease("second", 60)
    assert not await shared.store.lease("third", 60)
    await shared.store.release("first")
    assert not await shared.store.lease("third", 60)


@pytest.mark.anyio
async def test_a_writer_who_lost_its_lease_cannot_publish(shared: Shared) -> None:
    before = await shared.store.manifest()
    assert before is not None
    assert await shared.store.lease("slow", -1)
    assert await shared.store.lease("quick", 60)
    later = Placed("test", SIZE, generation=before.generation + 1)
    assert not await shared.store.publish(later, before.generation, "slow")
    assert await shared.store.manifest() == before
    assert await shared.store.publish(later, before.generation, "quick")


@pytest.mark.anyio
async def test_a_writer_who_paused_for_too_long_writes_nothing_more(shared: Shared) -> None:
    await shared.store.lease("slow", -1)
    with pytest.raises(RetrievalError, match="paused"):
        await points.stage(
            shared.store, await manifest(shared), {"a.md": document("a.md", "v1")}, []
        )
    assert await versions(shared.one) == []


@pytest.mark.anyio
async def test_replaced_points_outlive_one_more_generation(shared: Shared) -> None:
    """For a reader elsewhere who still looks through the generation before."""
    await shared.one.write([document("a.md", "v1")])
    generation = shared.one.generation
    await shared.one.write([document("a.md", "v2")])
    assert set(await points.documents(shared.store, generation)) == {"a.md"}
    await shared.one.write([document("b.md", "v1")])
    await shared.one.write([document("c.md", "v1")])
    assert await points.documents(shared.store, generation) == {}


@pytest.mark.anyio
async def test_another_encoder_is_refused_by_name() -> None:
    indexes = QdrantIndexes(LOCAL, None, "p_", "one-encoder", SIZE)
    index = await indexes.open("docs", create=True)
    assert isinstance(index, QdrantIndex)
    manifest = await index.store.manifest()
    assert manifest is not None
    with pytest.raises(RetrievalError, match=r"'docs'.*'one-encoder'.*'other-encoder'"):
        manifest.checked("docs", "other-encoder", SIZE)
    await indexes.aclose()


@pytest.mark.anyio
async def test_only_collections_with_the_prefix_are_named() -> None:
    indexes = QdrantIndexes(LOCAL, None, "p_", "test", SIZE)
    await indexes.open("docs", create=True)
    client: AsyncQdrantClient = indexes.client
    await client.create_collection("somebody-elses", vectors_config={})
    assert await indexes.names() == ["docs"]
    await indexes.aclose()


@pytest.mark.anyio
async def test_a_server_that_is_away_is_named() -> None:
    indexes = QdrantIndexes("http://127.0.0.1:9", None, "p_", "test", SIZE)
    with pytest.raises(RetrievalError, match=r"127\.0\.0\.1:9"):
        await indexes.open("docs")
    await indexes.aclose()
