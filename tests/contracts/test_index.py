"""What every index does, wherever its points are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.sparse import query_vector
from retrieval.types import (
    BadFilter,
    Embedded,
    Index,
    Indexes,
    Legs,
    Metadata,
    Recorded,
    RetrievalError,
    SparseVector,
    Viewer,
    Where,
)
from retrieval.words import query_terms
from tests.contracts.backends import KINDS, SIZE, embedded, made, vector


@pytest.fixture(params=KINDS)
async def indexes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Indexes]:
    indexes = made(request.param, tmp_path)
    yield indexes
    for name in await indexes.names():
        await indexes.drop(name)
    await indexes.aclose()


@pytest.fixture
async def index(indexes: Indexes) -> Index:
    opened = await indexes.open("docs", create=True)
    assert opened is not None
    return opened


async def search(
    index: Index,
    text: str,
    where: Where | None = None,
    limit: int = 10,
    viewer: Viewer | None = None,
) -> Legs:
    sparse = query_vector(query_terms(text))
    return await index.search(vector(sum(map(ord, text))), sparse, limit, where, viewer)


async def live(index: Index) -> dict[str, str]:
    return {source: one.version for source, one in (await index.documents()).items()}


async def found(index: Index, where: Where | None = None, viewer: Viewer | None = None) -> set[str]:
    """The documents that both halves find."""
    legs = await search(index, "fees", where, 100, viewer)
    dense, sparse = ({hit.passage.document for hit in leg} for leg in (legs.dense, legs.sparse))
    assert not legs.sparse or dense == sparse
    return dense


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
    for passage, dense in zip(document.passages, document.vectors, strict=True):
        assert vectors[passage.digest] == pytest.approx(dense, abs=1e-6)
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


KEPT: list[tuple[Where | None, set[str]]] = [
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
    ('region = "EU" and year >= 2024', {"fees.md"}),
    ('region != "EU"', {"tax-2024.md", "bare.md"}),
    ('not (region = "EU" or year = 2024)', {"bare.md"}),
    ('groups contains "hr" and not groups contains "staff"', {"tax-2024.md"}),
    ("region exists and public = false", {"tax-2024.md", "fees.md"}),
    ("dotted.key not exists", {"tax-2023.md", "tax-2024.md", "bare.md"}),
    ("region in () or year < 2024", {"tax-2023.md"}),
    ("region not in ()", {"tax-2023.md", "tax-2024.md", "fees.md", "bare.md"}),
    ('document != "bare.md"', {"tax-2023.md", "tax-2024.md", "fees.md"}),
    ({"type": "nin", "key": "region", "value": ["EU", "CH"]}, {"tax-2024.md", "bare.md"}),
]


@pytest.mark.anyio
async def test_a_filter_keeps_what_meets_all_its_conditions(index: Index) -> None:
    await index.write(
        [embedded(source, "fees and taxes", meta=meta) for source, meta in FILED.items()]
    )
    for where, expected in KEPT:
        assert await found(index, where) == expected, where


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
async def test_the_edition_changes_with_what_may_be_found(index: Index) -> None:
    editions = [index.edition()]
    await index.write([embedded("a.md", "fees")])
    editions.append(index.edition())
    await index.write([embedded("b.md", "fees", meta={"valid_from": 9e9})])
    editions += [index.edition(), index.edition()]
    assert editions[2] == editions[3]
    assert len(set(editions)) == 3


NOON = 1_800_000_000.0
SECRET: dict[str, Metadata] = {
    "open.md": {"year": 2024},
    "sales.md": {"tenant": "sales"},
    "hr.md": {"tenant": "sales", "groups": ["hr", "board"]},
    "board.md": {"groups": "board"},
    "soon.md": {"valid_from": NOON + 60},
    "late.md": {"valid_until": NOON + 60},
    "dated.md": {"valid_from": "2027-02-01", "valid_until": "2027-02-28"},
}
SEEN: list[tuple[Viewer, set[str]]] = [
    (Viewer("sales", at=NOON), {"open.md", "sales.md", "late.md"}),
    (Viewer("other", at=NOON), {"open.md", "late.md"}),
    (Viewer("*", frozenset({"*"}), at=NOON), {"open.md", "late.md"}),
    (Viewer("sales", frozenset({"hr"}), NOON), {"open.md", "sales.md", "hr.md", "late.md"}),
    (Viewer("other", frozenset({"hr", "board"}), NOON), {"open.md", "board.md", "late.md"}),
    (Viewer("other", at=NOON + 60), {"open.md", "soon.md"}),
    (Viewer("other", at=1_801_440_000.0 - 1), {"open.md", "soon.md"}),
    (Viewer("other", at=1_801_440_000.0), {"open.md", "soon.md", "dated.md"}),
    (Viewer("other", at=1_803_859_200.0 - 1), {"open.md", "soon.md", "dated.md"}),
    (Viewer("other", at=1_803_859_200.0), {"open.md", "soon.md"}),
]


@pytest.mark.anyio
async def test_a_viewer_finds_what_is_for_him_and_now(index: Index) -> None:
    await index.write(
        [embedded(source, "fees and taxes", meta=meta) for source, meta in SECRET.items()]
    )
    for viewer, expected in SEEN:
        assert await found(index, viewer=viewer) == expected, viewer


@pytest.mark.anyio
async def test_by_address_a_viewer_gets_what_he_could_find(index: Index) -> None:
    await index.write(
        [embedded(source, "fees and taxes", meta=meta) for source, meta in SECRET.items()]
    )
    wanted = [(source, 0, 9) for source in SECRET]
    for viewer, expected in SEEN:
        stretches = await index.around(wanted, viewer)
        assert {one.document for stretch in stretches for one in stretch} == expected, viewer
        for source in SECRET:
            assert bool(await index.passages(source, viewer)) == (source in expected)
    assert all(await index.around(wanted))
    assert await index.passages("hr.md")


@pytest.mark.anyio
async def test_from_nobody_nothing_is_kept_but_what_is_not_valid(index: Index) -> None:
    await index.write(
        [
            embedded("hr.md", "fees", meta={"tenant": "sales", "groups": ["hr"]}),
            embedded("soon.md", "fees", meta={"valid_from": 32_503_680_000}),
            embedded("over.md", "fees", meta={"valid_until": 1}),
        ]
    )
    assert await found(index) == {"hr.md"}


@pytest.mark.anyio
async def test_no_filter_shows_a_viewer_more(index: Index) -> None:
    await index.write([embedded("hr.md", "fees", meta={"groups": ["hr"]})])
    for where in ('groups = "hr"', 'groups = "hr" or not groups exists', "not x exists"):
        assert await found(index, where, Viewer("default")) == set()
        assert await found(index, where, Viewer("default", frozenset({"hr"}))) == {"hr.md"}


@pytest.mark.anyio
async def test_a_document_that_is_closed_is_closed_at_once(index: Index) -> None:
    await index.write([embedded("a.md", "fees"), embedded("b.md", "fees")])
    assert await found(index, viewer=Viewer("default")) == {"a.md", "b.md"}
    await index.write([embedded("a.md", "fees", version="v2", meta={"groups": ["hr"]})])
    assert await found(index, viewer=Viewer("default")) == {"b.md"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    "meta", [{"valid_from": "soon"}, {"groups": 3}, {"tenant": 4}, {"valid_until": float("inf")}]
)
async def test_access_that_cannot_be_understood_is_not_guessed(
    index: Index, meta: Metadata
) -> None:
    await index.write([embedded("b.md", "fees")])
    with pytest.raises(RetrievalError, match=rf"a\.md.*{next(iter(meta))}"):
        await index.write([embedded("a.md", "fees", meta=meta)])
    assert await found(index) == {"b.md"}


def successor(source: str, *supersedes: str, **meta: Any) -> Embedded:
    return embedded(source, "fees and taxes", meta={**meta, "supersedes": list(supersedes)})


@pytest.mark.anyio
async def test_a_document_hides_what_it_supersedes_until_it_is_removed(index: Index) -> None:
    old, other = embedded("old.md", *["fees"] * 70), embedded("other.md", "fees")
    await index.write([old, other])
    await index.write([successor("new.md", "old.md", "never-there.md")])
    assert await found(index) == {"new.md", "other.md"}
    assert await index.passages("old.md") == list(old.passages)
    assert await index.passages("old.md", Viewer("default")) == []
    assert (await index.documents()).keys() == {"old.md", "new.md", "other.md"}
    await index.write([], remove=["new.md"])
    assert await found(index) == {"old.md", "other.md"}
    assert await index.passages("old.md", Viewer("default")) == list(old.passages)


@pytest.mark.anyio
async def test_a_superseded_document_is_hidden_though_it_comes_later(index: Index) -> None:
    await index.write([successor("new.md", "old.md")])
    await index.write([embedded("old.md", "fees")])
    assert await found(index) == {"new.md"}
    await index.write([embedded("old.md", "fees", version="v2")])
    assert await found(index) == {"new.md"}
    await index.write([embedded("new.md", "fees", version="v2")])
    assert await found(index) == {"new.md", "old.md"}


@pytest.mark.anyio
async def test_superseding_goes_on_through_what_was_superseded(index: Index) -> None:
    chain = [successor("c.md", "b.md"), successor("b.md", "a.md"), embedded("a.md", "fees")]
    await index.write(chain)
    assert await found(index) == {"c.md"}
    await index.write([], remove=["c.md"])
    assert await found(index) == {"b.md"}
    await index.write([chain[0]], remove=["b.md"])
    assert await found(index) == {"a.md", "c.md"}


@pytest.mark.anyio
async def test_documents_that_supersede_each_other_are_all_found(index: Index) -> None:
    await index.write(
        [
            successor("self.md", "self.md"),
            successor("a.md", "b.md"),
            successor("b.md", "c.md"),
            successor("c.md", "a.md", "old.md"),
            embedded("old.md", "fees"),
        ]
    )
    assert await found(index) == {"self.md", "a.md", "b.md", "c.md"}


@pytest.mark.anyio
async def test_of_documents_that_superseded_each_other_one_hides_the_next_when_one_goes(
    index: Index,
) -> None:
    circle = [
        successor("a.md", "b.md"),
        successor("b.md", "c.md"),
        successor("c.md", "a.md"),
    ]
    await index.write(circle)
    assert await found(index) == {"a.md", "b.md", "c.md"}
    await index.write([], remove=["a.md"])
    assert await found(index) == {"b.md"}


@pytest.mark.anyio
async def test_a_successor_hides_only_from_those_who_may_see_it(index: Index) -> None:
    await index.write([embedded("old.md", "fees"), embedded("older.md", "fees")])
    await index.write(
        [
            successor("new.md", "old.md", groups=["hr"], valid_from=NOON),
            successor("newest.md", "new.md", "older.md", tenant="sales"),
        ]
    )
    hr = frozenset({"hr"})
    assert await found(index, viewer=Viewer("x", at=NOON)) == {"old.md", "older.md"}
    assert await found(index, viewer=Viewer("x", hr, NOON - 1)) == {"old.md", "older.md"}
    assert await found(index, viewer=Viewer("x", hr, NOON)) == {"new.md", "older.md"}
    assert await found(index, viewer=Viewer("sales", at=NOON)) == {"newest.md"}
    assert await found(index, viewer=Viewer("sales", hr, NOON)) == {"newest.md"}


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
    before = index.edition()
    await indexes.drop("docs")
    assert await indexes.names() == []
    assert await indexes.open("docs") is None
    again = await indexes.open("docs", create=True)
    assert again is not None
    assert await again.documents() == {}
    await again.write([embedded("b.md", "pump")])
    assert again.edition() != before  # by which answers are kept


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
    # At once: who begins anew goes by what is there.
    assert set(await index.documents()) == {"a.md"}
    await index.write([embedded("b.md", "valve")])
    assert set(await index.documents()) == {"a.md", "b.md"}
