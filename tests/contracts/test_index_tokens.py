"""What every index does with token vectors: they come and go with their passages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval.index.embedded import EmbeddedIndexes
from retrieval.sparse import query_vector
from retrieval.types import Embedded, Index, Indexes, Vectors
from tests.contracts.backends import KINDS, Turned, embedded, made, of_encoder, vector

pytestmark = pytest.mark.anyio


@pytest.fixture(params=KINDS)
async def indexes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Indexes]:
    indexes = made(request.param, tmp_path)
    yield indexes
    for name in await indexes.names():
        await indexes.drop(name)
    await indexes.aclose()


def with_tokens(document: Embedded) -> Embedded:
    return replace(document, tokens=[f"of {one.text}".encode() for one in document.passages])


async def opened(indexes: Indexes) -> Index:
    index = await indexes.open("docs", create=True)
    assert index is not None
    return index


async def by_place(index: Index) -> dict[str, bytes]:
    """Of each passage, as a search leads to it."""
    legs = await index.search(vector(1), query_vector(["pump"]), 100)
    found = await index.token_vectors(list(legs.places.values()))
    return {name: found[place] for name, place in legs.places.items()}


async def test_they_are_told_by_place_and_by_document(indexes: Indexes) -> None:
    index = await opened(indexes)
    one, plain = with_tokens(embedded("a.md", "pump", "valve")), embedded("b.md", "hose")
    await index.write([one, plain])
    pump, valve = one.passages
    assert await index.tokens("a.md") == {pump.digest: b"of pump", valve.digest: b"of valve"}
    assert await index.tokens("b.md") == {}
    assert await by_place(index) == {
        pump.id: b"of pump",
        valve.id: b"of valve",
        plain.passages[0].id: b"",
    }
    assert await index.passages("a.md") == list(one.passages)


async def test_they_go_with_their_passages(indexes: Indexes) -> None:
    index = await opened(indexes)
    await index.write([with_tokens(embedded("a.md", "pump")), with_tokens(embedded("b.md", "x"))])
    legs = await index.search(vector(1), query_vector(["pump"]), 100)
    await index.write([embedded("a.md", "pump", version="v2")], remove=["b.md"])
    assert await index.tokens("a.md") == {}
    assert set((await by_place(index)).values()) == {b""}
    for later in ("c.md", "d.md"):  # a server purges late, for readers that are behind
        await index.write([with_tokens(embedded(later, "late"))])
    assert b"of x" not in (await index.token_vectors(list(legs.places.values()))).values()


async def test_what_is_superseded_keeps_them(indexes: Indexes) -> None:
    index = await opened(indexes)
    await index.write([with_tokens(embedded("a.md", "pump"))])
    await index.write([embedded("b.md", "valve", meta={"supersedes": ["a.md"]})])
    await index.write([], remove=["b.md"])
    assert list((await index.tokens("a.md")).values()) == [b"of pump"]


class Telling(Turned):
    """Another encoder that tells token vectors, too."""

    async def passages_and_tokens(self, texts: Sequence[str]) -> tuple[Vectors, list[bytes]]:
        return await self.passages(texts), [f"new of {text[-4:]}".encode() for text in texts]


@pytest.mark.parametrize("telling", [True, False])
async def test_embedded_anew_they_are_made_anew_or_gone(indexes: Indexes, telling: bool) -> None:
    index = await opened(indexes)
    await index.write([with_tokens(embedded("a.md", "pump", "hose"))])
    if isinstance(indexes, EmbeddedIndexes):
        await indexes.aclose()
    other = of_encoder(indexes, Turned.name, Turned.size)
    assert await other.reembed("docs", Telling() if telling else Turned()) == 2
    again = await opened(other)
    expected = [b"new of hose", b"new of pump"] if telling else []
    assert sorted((await again.tokens("a.md")).values()) == expected
    await other.drop("docs")
    if isinstance(other, EmbeddedIndexes):
        await other.aclose()
