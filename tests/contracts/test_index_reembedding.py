"""Another encoder: a collection is embedded anew beside what there is, and turned to at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.index.embedded import EmbeddedIndexes
from retrieval.index.qdrant import QdrantIndexes
from retrieval.sparse import query_vector
from retrieval.types import Index, Indexes, RetrievalError, Viewer
from tests.contracts.backends import KINDS, SIZE, Turned, embedded, made, of_encoder

pytestmark = pytest.mark.anyio
MANY = 300


@pytest.fixture(params=KINDS)
async def indexes(request: pytest.FixtureRequest, tmp_path: Path) -> Indexes:
    """A collection by another encoder than that of the indexes which are tested."""
    first = made(request.param, tmp_path)
    index = await first.open("docs", create=True)
    assert index is not None
    await index.fix_average_length(4.0)
    await index.write(
        [
            embedded("a.md", *[f"pump {number}" for number in range(MANY)], meta={"year": 2024}),
            embedded("b.md", "valve", meta={"groups": ["hr"], "supersedes": ["c.md"]}),
            embedded("c.md", "hose", meta={"year": 2025}),
        ]
    )
    await index.write([embedded("a.md", "old pump"), embedded("gone.md", "pump")])
    await index.write([embedded("a.md", *["pump"] * MANY, version="v2")], remove=["gone.md"])
    await left(first)
    return of_encoder(first, Turned.name, Turned.size)


async def left(indexes: Indexes) -> None:
    """As when its process ends; what is in memory outlives that."""
    if isinstance(indexes, EmbeddedIndexes):
        await indexes.aclose()


async def opened(indexes: Indexes) -> Index:
    index = await indexes.open("docs")
    assert index is not None
    return index


async def test_what_another_encoder_wrote_is_named_and_told_what_helps(indexes: Indexes) -> None:
    assert await indexes.foreign() == {"docs": "test-encoder"}
    with pytest.raises(RetrievalError, match=r"moorline reembed --collection docs"):
        await indexes.open("docs")
    await indexes.aclose()


async def test_embedded_anew_it_holds_the_same(indexes: Indexes) -> None:
    done: list[int] = []
    assert await indexes.reembed("docs", Turned(), done.append) == MANY + 2
    assert done == sorted(done)
    assert done[-1] == MANY + 2
    assert await indexes.names() == ["docs"]
    assert await indexes.foreign() == {}
    index = await opened(indexes)
    held = await index.documents()
    assert {source: one.passages for source, one in held.items()} == {
        "a.md": MANY,
        "b.md": 1,
        "c.md": 1,
    }
    assert await index.average_length() == 4.0
    query = await Turned().query("Title of b.md › A › Part 0\nvalve")
    legs = await index.search(query.vector, query_vector(["valv"]), 10)
    assert legs.dense[0].passage.document == "b.md"
    assert legs.dense[0].score == pytest.approx(1, abs=1e-5)
    assert [hit.passage.document for hit in legs.sparse] == ["b.md"]
    await indexes.aclose()


async def test_who_may_see_what_stays_as_it_was(indexes: Indexes) -> None:
    await indexes.reembed("docs", Turned())
    index = await opened(indexes)
    query = await Turned().query("hose")
    for viewer, expected in (
        (Viewer("x"), {"a.md", "c.md"}),
        (Viewer("x", frozenset({"hr"})), {"a.md", "b.md"}),
    ):
        legs = await index.search(query.vector, query_vector(["x"]), 1000, None, viewer)
        assert {hit.passage.document for hit in legs.dense} == expected
    legs = await index.search(query.vector, query_vector(["x"]), 1000, "year >= 2025")
    assert {hit.passage.document for hit in legs.dense} == set()
    await indexes.aclose()


async def test_it_may_be_written_and_embedded_anew_again(indexes: Indexes) -> None:
    await indexes.reembed("docs", Turned())
    index = await opened(indexes)
    words = embedded("d.md", "seal")
    vectors = await Turned().passages(["seal"])
    await index.write([type(words)("d.md", "v1", words.passages, vectors, words.sparse)])
    await left(indexes)

    class Back(Turned):
        name, size = "test-encoder", 3

    again = of_encoder(indexes, Back.name, Back.size)
    assert await again.reembed("docs", Back()) == MANY + 3
    assert (await (await opened(again)).documents()).keys() == {"a.md", "b.md", "c.md", "d.md"}
    await again.drop("docs")
    assert await again.names() == []
    assert await again.open("docs") is None
    await again.aclose()


async def test_what_breaks_off_leaves_all_as_it_was(indexes: Indexes) -> None:
    with pytest.raises(RetrievalError, match="away"):
        await indexes.reembed("docs", Turned(life=200))
    assert await indexes.foreign() == {"docs": "test-encoder"}
    await left(indexes)
    before = of_encoder(indexes, "test-encoder", SIZE)
    assert (await (await opened(before)).documents())["a.md"].version == "v2"
    await left(before)
    again = of_encoder(indexes, Turned.name, Turned.size)
    assert await again.reembed("docs", Turned()) == MANY + 2
    assert (await (await opened(again)).documents())["a.md"].version == "v2"
    await again.aclose()


async def test_what_its_own_encoder_wrote_or_is_not_there_is_left_alone(indexes: Indexes) -> None:
    await indexes.reembed("docs", Turned())
    assert await indexes.reembed("docs", Turned(life=0)) == 0
    assert await indexes.reembed("nothing", Turned(life=0)) == 0
    await indexes.aclose()


async def test_what_another_encoder_wrote_can_be_dropped(indexes: Indexes) -> None:
    await indexes.drop("docs")
    assert await indexes.names() == []
    await indexes.aclose()


async def test_a_process_with_the_encoder_before_is_told_to_start_again() -> None:
    first = made("qdrant in memory", Path())
    index = await first.open("docs", create=True)
    assert index is not None
    document = embedded("a.md", "pump")
    await index.write([document])
    other = of_encoder(first, Turned.name, Turned.size)
    assert isinstance(other, QdrantIndexes)
    await other.reembed("docs", Turned())
    for attempt in (index.write([document]), index.documents()):
        with pytest.raises(RetrievalError, match="'other-encoder' and start again"):
            await attempt
    with pytest.raises(RetrievalError, match="'other-encoder' and start again"):
        await index.search(document.vectors[0], document.sparse[0], 5)
    await first.aclose()
