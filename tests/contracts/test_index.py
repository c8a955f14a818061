"""What every index does, wherever its points are."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.index.embedded import EmbeddedIndexes
from retrieval.index.qdrant import LOCAL, QdrantIndexes
from retrieval.sparse import document_vector, query_vector
from retrieval.types import (
    BadFilter,
    Embedded,
    Index,
    Indexes,
    Legs,
    Metadata,
    Passage,
    Recorded,
    RetrievalError,
    SparseVector,
    Vector,
)
from retrieval.words import query_terms, terms

SIZE = 8
KINDS = ["embedded", "qdrant in memory", "qdrant server"]


@pytest.fixture(params=KINDS)
async def indexes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Indexes]:
    indexes = made(request.param, tmp_path)
    yield indexes
    for name in await indexes.names():
        await indexes.drop(name)
    await indexes.aclose()


def made(kind: str, folder: Path) -> Indexes:
    match kind:
        case "embedded":
            return EmbeddedIndexes(folder, "test-encoder", SIZE)
        case "qdrant in memory":
            url = LOCAL
        case _:
            url = os.environ.get("QDRANT_URL", "")
            if not url:
                pytest.skip("QDRANT_URL is not set, so there is no server to test against")
    return QdrantIndexes(url, None, f"test_{uuid.uuid4().hex}_", "test-encoder", SIZE)


@pytest.fixture
async def index(indexes: Indexes) -> Index:
    opened = await indexes.open("docs", create=True)
    assert opened is not None
    return opened


def vector(seed: int) -> Vector:
    numbers = np.random.default_rng(seed).normal(size=SIZE).astype(np.float32)
    found: Vector = numbers / np.linalg.norm(numbers)
    return found


def embedded(
    source: str, *texts: str, version: str = "v1", meta: Metadata | None = None
) -> Embedded:
    passages = [
        Passage(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{source}/{version}/{number}")),
            document=source,
            version=version,
            ordinal=number,
            title=f"Title of {source}",
            headings=("A", f"Part {number}"),
            text=text,
            start=number * 10,
            end=number * 10 + len(text),
            page=number + 1,
            meta=meta or {},
        )
        for number, text in enumerate(texts)
    ]
    vectors = np.stack([vector(sum(map(ord, text))) for text in texts])
    sparse = [document_vector(terms(text), 4) for text in texts]
    return Embedded(source, version, passages, vectors, sparse)


async def search(
    index: Index, text: str, where: Mapping[str, Any] | None = None, limit: int = 10
) -> Legs:
    return await index.search(
        vector(sum(map(ord, text))), query_vector(query_terms(text)), limit, where
    )


async def live(index: Index) -> dict[str, str]:
    return {source: one.version for source, one in (await index.documents()).items()}


async def found(index: Index, where: Mapping[str, Any] | None = None) -> set[str]:
    legs = await search(index, "anything", where)
    return {hit.passage.document for hit in legs.dense}


@pytest.mark.anyio
async def test_there_is_no_collection_until_one_is_created(indexes: Indexes) -> None:
    assert await indexes.open("docs") is None
    assert await indexes.names() == []
    await indexes.open("docs", create=True)
    assert await indexes.names() == ["docs"]


@pytest.mark.anyio
async def test_a_collection_is_opened_once(indexes: Indexes) -> None:
    first = await indexes.open("docs", create=True)
    assert await indexes.open("docs") is first


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["", "../up", "A", "a b", "x" * 65])
async def test_a_name_that_is_no_name_is_refused(indexes: Indexes, name: str) -> None:
    with pytest.raises(RetrievalError, match="name"):
        await indexes.open(name, create=True)


@pytest.mark.anyio
async def test_a_passage_comes_back_as_it_was_written(index: Index) -> None:
    meta: Metadata = {
        "year": 2024,
        "price": 1.5,
        "public": True,
        "tags": ("a", "b"),
        "dotted.key": "x",
    }
    document = embedded("a.md", "repair of the pump", "price list", meta=meta)
    await index.write([document])
    assert await index.passages("a.md") == list(document.passages)
    legs = await search(index, "repair of the pump")
    assert legs.dense[0].passage == document.passages[0]


@pytest.mark.anyio
async def test_what_reading_has_found_out_comes_back(index: Index) -> None:
    plain, marked = embedded("a.md", "pump"), embedded("b.md", "valve", "hose")
    rich = [
        replace(one, parent=(0, 1), flags=("orders", "hidden"), sketch=bytes(range(256)))
        for one in marked.passages
    ]
    await index.write([plain, replace(marked, passages=rich)])
    assert await index.passages("b.md") == rich
    assert await index.passages("a.md") == list(plain.passages)


@pytest.mark.anyio
async def test_documents_are_told_with_what_was_recorded_of_them(index: Index) -> None:
    meta: Metadata = {"year": 2024, "tags": ("a", "b")}
    told = replace(embedded("a.md", "pump", "hose", meta=meta), recipe="r1", stamp="e-tag")
    await index.write([told, embedded("b.md", "valve")])
    assert await index.documents() == {
        "a.md": Recorded("v1", "r1", "e-tag", "Title of a.md", 2, meta),
        "b.md": Recorded("v1", "", "", "Title of b.md", 1),
    }


@pytest.mark.anyio
async def test_passages_around_others_come_in_order(index: Index) -> None:
    one, other = embedded("a.md", *"pqrst"), embedded("b.md", *"uvw")
    await index.write([one, other])
    wanted = [("b.md", 1, 1), ("a.md", 1, 3), ("a.md", 3, 9), ("gone.md", 0, 1), ("b.md", 1, 1)]
    found = await index.around(wanted)
    texts = [[passage.text for passage in stretch] for stretch in found]
    assert texts == [["v"], ["q", "r", "s"], ["s", "t"], [], ["v"]]
    assert await index.around([]) == []


@pytest.mark.anyio
async def test_passages_around_others_are_of_the_live_version(index: Index) -> None:
    await index.write([embedded("a.md", "old pump", "old valve")])
    await index.write([embedded("a.md", "new pump", version="v2")])
    ((live,),) = await index.around([("a.md", 0, 5)])
    assert live.text == "new pump"


@pytest.mark.anyio
async def test_vectors_are_known_by_what_was_embedded(index: Index) -> None:
    document = embedded("a.md", "pump", "valve")
    await index.write([document, embedded("b.md", "hose")])
    vectors = await index.vectors("a.md")
    assert vectors.keys() == {passage.digest for passage in document.passages}
    for passage, made in zip(document.passages, document.vectors, strict=True):
        assert vectors[passage.digest] == pytest.approx(made, abs=1e-6)
    assert await index.vectors("gone.md") == {}


@pytest.mark.anyio
async def test_both_halves_are_scored(index: Index) -> None:
    await index.write([embedded("a.md", "repair of the pump"), embedded("b.md", "travel expenses")])
    legs = await search(index, "repair of the pump")
    assert [hit.passage.document for hit in legs.sparse] == ["a.md"]
    assert legs.sparse[0].sparse == legs.sparse[0].score > 0
    assert legs.dense[0].passage.document == "a.md"
    assert legs.dense[0].dense == legs.dense[0].score == pytest.approx(1, abs=1e-5)
    assert legs.dense[0].score > legs.dense[1].score


@pytest.mark.anyio
async def test_no_more_than_the_limit_is_found(index: Index) -> None:
    await index.write([embedded(f"{n}.md", f"pump number {n}") for n in range(9)])
    legs = await search(index, "pump", limit=4)
    assert (len(legs.dense), len(legs.sparse)) == (4, 4)


@pytest.mark.anyio
async def test_a_question_without_terms_has_only_a_dense_half(index: Index) -> None:
    await index.write([embedded("a.md", "repair of the pump")])
    legs = await index.search(vector(1), SparseVector((), ()), 5)
    assert (len(legs.dense), len(legs.sparse)) == (1, 0)


@pytest.mark.anyio
async def test_a_written_document_replaces_its_earlier_version(index: Index) -> None:
    await index.write([embedded("a.md", "old pump", "old valve"), embedded("b.md", "other")])
    await index.write([embedded("a.md", "new pump", version="v2")])
    assert await live(index) == {"a.md": "v2", "b.md": "v1"}
    assert [p.text for p in await index.passages("a.md")] == ["new pump"]
    assert {h.passage.text for h in (await search(index, "pump")).sparse} == {"new pump"}


@pytest.mark.anyio
async def test_the_same_version_may_be_written_anew(index: Index) -> None:
    await index.write([embedded("a.md", "cut in one")])
    await index.write([embedded("a.md", "cut", "in two")])
    assert [p.text for p in await index.passages("a.md")] == ["cut", "in two"]
    assert len((await search(index, "cut")).dense) == 2


@pytest.mark.anyio
async def test_a_removed_document_is_not_found(index: Index) -> None:
    await index.write([embedded("a.md", "pump"), embedded("b.md", "valve")])
    await index.write([embedded("c.md", "hose")], remove=["a.md", "never-there.md"])
    assert await live(index) == {"b.md": "v1", "c.md": "v1"}
    assert await found(index) == {"b.md", "c.md"}


@pytest.mark.anyio
async def test_the_generation_rises_with_changes_only(index: Index) -> None:
    generations = [index.generation]
    await index.write([embedded("a.md", "pump")])
    generations.append(index.generation)
    await index.write([], remove=["never-there.md"])
    await index.write([])
    generations.append(index.generation)
    await index.write([], remove=["a.md"])
    generations.append(index.generation)
    first, written, idle, removed = generations
    assert first < written == idle < removed


@pytest.mark.anyio
async def test_a_document_without_passages_is_refused(index: Index) -> None:
    empty = Embedded("a.md", "v1", [], np.empty((0, SIZE), np.float32), [])
    with pytest.raises(RetrievalError, match=r"a\.md"):
        await index.write([empty])


FILED: dict[str, Metadata] = {
    "tax-2023.md": {"year": 2023, "region": "EU", "public": True, "groups": ["staff", "hr"]},
    "tax-2024.md": {"year": 2024, "region": "US", "public": False, "groups": ["hr"]},
    "fees.md": {
        "year": 2024.5,
        "region": "EU",
        "public": False,
        "groups": ["sales"],
        "dotted.key": "x",
    },
    "bare.md": {},
}


KEPT: list[tuple[Mapping[str, Any] | None, set[str]]] = [
    (None, {"tax-2023.md", "tax-2024.md", "fees.md", "bare.md"}),
    ({}, {"tax-2023.md", "tax-2024.md", "fees.md", "bare.md"}),
    ({"region": "EU"}, {"tax-2023.md", "fees.md"}),
    ({"year": 2024}, {"tax-2024.md"}),
    ({"year": 2024.5}, {"fees.md"}),
    ({"public": True}, {"tax-2023.md"}),
    ({"public": False}, {"tax-2024.md", "fees.md"}),
    ({"public": "true"}, set()),
    ({"year": {"gte": 2024, "lt": 2025}}, {"tax-2024.md", "fees.md"}),
    ({"year": {"gt": 2024}}, {"fees.md"}),
    ({"region": ["US", "CH"]}, {"tax-2024.md"}),
    ({"year": [2023, 2024]}, {"tax-2023.md", "tax-2024.md"}),
    ({"year": [2023, "EU"]}, {"tax-2023.md"}),
    ({"groups": ["staff", "sales"]}, {"tax-2023.md", "fees.md"}),
    ({"groups": "hr"}, {"tax-2023.md", "tax-2024.md"}),
    ({"groups": []}, set()),
    ({"region": "EU", "year": {"lt": 2024}}, {"tax-2023.md"}),
    ({"document": "bare.md"}, {"bare.md"}),
    ({"document": ["bare.md", "fees.md"]}, {"bare.md", "fees.md"}),
    ({"dotted.key": "x"}, {"fees.md"}),
    ({"unknown": "x"}, set()),
]


@pytest.mark.anyio
async def test_a_filter_keeps_what_meets_all_its_conditions(index: Index) -> None:
    await index.write(
        [embedded(source, "fees and taxes", meta=meta) for source, meta in FILED.items()]
    )
    for where, expected in KEPT:
        legs = await search(index, "fees", where)
        assert {hit.passage.document for hit in legs.dense} == expected, where
        assert {hit.passage.document for hit in legs.sparse} == expected, where


MALFORMED: list[Mapping[str, Any]] = [
    {"year": {"from": 2024}},
    {"year": {}},
    {"year": {"gte": "2024"}},
    {"year": None},
    {"year": [None]},
    {'ye"ar': 1},
    {"": 1},
]


@pytest.mark.anyio
async def test_a_malformed_filter_names_its_field(index: Index) -> None:
    for where in MALFORMED:
        with pytest.raises(BadFilter, match=f"{next(iter(where))!r}"):
            await search(index, "fees", where)


@pytest.mark.anyio
async def test_the_average_length_is_fixed_once(index: Index) -> None:
    assert await index.average_length() is None
    await index.fix_average_length(120.5)
    await index.fix_average_length(80)
    assert await index.average_length() == 120.5


@pytest.mark.anyio
async def test_a_dropped_collection_is_gone_and_may_come_again(indexes: Indexes) -> None:
    index = await indexes.open("docs", create=True)
    assert index is not None
    await index.write([embedded("a.md", "pump")])
    await indexes.drop("docs")
    assert await indexes.names() == []
    assert await indexes.open("docs") is None
    again = await indexes.open("docs", create=True)
    assert again is not None
    assert await again.documents() == {}


@pytest.mark.anyio
async def test_dropping_what_is_not_there_does_nothing(indexes: Indexes) -> None:
    await indexes.drop("docs")


@pytest.mark.anyio
async def test_collections_do_not_see_each_other(indexes: Indexes) -> None:
    one, other = [await indexes.open(name, create=True) for name in ("one", "other")]
    assert one is not None
    assert other is not None
    await one.write([embedded("a.md", "pump")])
    assert await other.documents() == {}
    assert await found(other) == set()


@pytest.mark.anyio
async def test_readers_see_each_write_whole(index: Index) -> None:
    """Every answer is of one version of all documents, while they are rewritten over and over."""
    sources = [f"{n}.md" for n in range(12)]

    def edition(version: int) -> Sequence[Embedded]:
        return [embedded(s, *["pump"] * 3, version=f"v{version}") for s in sources]

    await index.write(edition(0))
    seen: set[str] = set()

    async def read() -> None:
        while not writing.done():
            await asyncio.sleep(0)  # In memory nothing else lets the writer go on.
            legs = await index.search(vector(0), query_vector(["pump"]), 100)
            for leg in (legs.dense, legs.sparse):
                versions = {hit.passage.version for hit in leg}
                assert (len(leg), len(versions)) == (36, 1)
                seen.update(versions)
            assert len(set((await live(index)).values())) == 1

    async def write() -> None:
        for version in range(1, 6):
            await index.write(edition(version))

    writing = asyncio.create_task(write())
    await asyncio.gather(writing, read(), read())
    assert len(seen) > 1


@pytest.mark.anyio
async def test_writers_wait_for_each_other(index: Index) -> None:
    await asyncio.gather(*(index.write([embedded(f"{n}.md", "pump")]) for n in range(8)))
    assert len(await index.documents()) == 8


@pytest.mark.anyio
async def test_a_write_is_finished_when_its_caller_goes_away(index: Index) -> None:
    writing = asyncio.create_task(index.write([embedded("a.md", *["pump"] * 300)]))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await index.write([embedded("b.md", "valve")])
    assert set(await index.documents()) == {"a.md", "b.md"}
