"""Every chunker: nothing is lost, everything fits, what is read in a passage's place holds it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from retrieval.chunking.chosen import Chunker, chunker, recipe
from retrieval.chunking.fixed import Fixed
from retrieval.chunking.measure import Count
from retrieval.chunking.sections import Sections
from retrieval.chunking.semantic import Semantic
from retrieval.chunking.sentence_window import SentenceWindow
from retrieval.chunking.small_to_big import SmallToBig
from retrieval.config import ChunkerConfig, RetrievalConfig
from retrieval.types import Document, Passage, Query, RetrievalError, Vectors
from tests.retrieval.chunking import real
from tests.retrieval.chunking.made import (
    SENTENCE,
    Written,
    block,
    bodies,
    count,
    headings,
    made,
    paragraph,
    says_all,
)


def embed(texts: Sequence[str]) -> Vectors:
    """Texts that share their beginning are alike; none is ever without a vector."""
    if any(count(text) > 240 for text in texts):
        raise RetrievalError("A text does not fit.")
    seeds = [sum(map(ord, text[:3])) for text in texts]
    vectors = np.stack([np.random.default_rng(seed).normal(size=8) for seed in seeds])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / lengths, dtype=np.float32)


Make = Callable[[Count, int], Chunker]

CHUNKERS: dict[str, Make] = {
    "fixed": lambda count, limit: Fixed(count, limit, limit // 6),
    "sections": Sections,
    "semantic": lambda count, limit: Semantic(count, limit, 80, embed),
    "small-to-big": lambda count, limit: SmallToBig(count, limit, 3 * limit),
    "sentence-window": lambda count, limit: SentenceWindow(count, limit, 2),
}
every = pytest.mark.parametrize("make", CHUNKERS.values(), ids=CHUNKERS)
documents = st.lists(st.one_of(bodies, headings), max_size=14)


def holds(
    document: Document, passages: Sequence[Passage], limit: int, count: Count = count
) -> None:
    says_all(document, passages)
    for ordinal, passage in enumerate(passages):
        assert passage.ordinal == ordinal
        assert passage.text == document.text[passage.start : passage.end]
        assert passage.text.strip()
        assert count(passage.embedded) <= limit
        assert passage.document == document.source
        assert passage.version == document.version
        assert passage.meta == document.meta
    starts = [passage.start for passage in passages]
    assert starts == sorted(starts)
    assert len({passage.id for passage in passages}) == len(passages)
    for passage in passages:
        if passage.parent:
            _is_read_whole(document, passages, passage)


def _is_read_whole(document: Document, passages: Sequence[Passage], passage: Passage) -> None:
    """What stands in a passage's place: of one section, and put together from its passages."""
    first, last = passage.parent or (0, 0)
    assert 0 <= first <= passage.ordinal <= last < len(passages)
    read = passages[first : last + 1]
    assert {each.headings for each in read} == {passage.headings}
    whole = document.text[read[0].start : read[-1].end]
    assert "".join(each.text for each in read) == whole


@every
@given(documents, st.text("ab ", max_size=60), st.integers(32, 240))
def test_nothing_is_lost_and_everything_fits(
    make: Make, blocks: list[Written], title: str, limit: int
) -> None:
    document = made(*blocks, title=title)
    holds(document, make(count, limit).split(document), limit)


@every
@pytest.mark.parametrize("blind", [lambda _: 3, lambda text: 2 + 3 * len(text)])
def test_holds_whatever_the_tokens_are(make: Make, blind: Count) -> None:
    """One token a text, or three a character."""
    document = made(paragraph("Grüße, 中文 and words. " * 60), title="T")
    passages = make(blind, 120).split(document)
    says_all(document, passages)
    assert all(len(passage.text.rstrip()) <= 120 * 12 for passage in passages)


@every
@pytest.mark.parametrize(
    "text", ["x" * 5_000, "\u0301" * 3_000, ("x" + " " * 3_000) * 2 + "x", "a" + "\n" * 2_999 + "b"]
)
def test_what_is_no_text_is_parted_all_the_same(make: Make, text: str) -> None:
    document = made(block("code", text))
    holds(document, make(count, 60).split(document), 60)


@every
def test_ten_thousand_rows_take_seconds_at_most(make: Make) -> None:
    document = made(*[block("table", f"sku: HT-{i}; price: {i}.00") for i in range(10_000)])
    assert make(count, 240).split(document)


@every
def test_real_documents_are_kept_whole(make: Make, shared_data: Path) -> None:
    for document in real.documents(shared_data):
        passages = make(real.count, 128).split(document)
        assert passages
        holds(document, passages, 128, real.count)


class Encoder:
    """Lives in the loop; counts the calls."""

    name, size, window = "made", 8, 240

    def __init__(self) -> None:
        self.calls = 0

    async def query(self, text: str) -> Query:
        return Query(text, embed([text])[0])

    async def passages(self, texts: Sequence[str]) -> Vectors:
        self.calls += 1
        await asyncio.sleep(0)
        return embed(texts)

    def count(self, text: str) -> int:
        return count(text)

    async def aclose(self) -> None: ...


def settings(**chunker: object) -> RetrievalConfig:
    adapter: TypeAdapter[ChunkerConfig] = TypeAdapter(ChunkerConfig)
    return RetrievalConfig(chunker=adapter.validate_python(chunker))


@pytest.mark.anyio
@pytest.mark.parametrize("kind", CHUNKERS)
async def test_the_configuration_chooses(kind: str) -> None:
    document = made(*[paragraph(f"{SENTENCE} {SENTENCE}")] * 20)
    chosen = chunker(settings(kind=kind), Encoder())
    passages = await asyncio.to_thread(chosen.split, document)
    holds(document, passages, 240)
    assert type(chosen).__name__.lower() == kind.replace("-", "")


@pytest.mark.anyio
async def test_a_chunker_that_embeds_asks_the_encoder_from_its_thread() -> None:
    encoder = Encoder()
    chosen = chunker(settings(kind="semantic"), encoder)
    document = made(*[paragraph(SENTENCE)] * 400)
    assert await asyncio.to_thread(chosen.split, document)
    assert encoder.calls == 2  # some hundreds of sentences at once


@pytest.mark.anyio
async def test_what_the_encoder_raises_reaches_the_thread() -> None:
    class Refusing(Encoder):
        async def passages(self, texts: Sequence[str]) -> Vectors:
            raise RetrievalError("The encoder is away.")

    chosen = chunker(settings(kind="semantic"), Refusing())
    with pytest.raises(RetrievalError, match="away"):
        await asyncio.to_thread(chosen.split, made(*[paragraph(SENTENCE)] * 40))


def test_a_recipe_changes_with_the_settings_and_with_nothing_else() -> None:
    plain = RetrievalConfig()
    others = [
        settings(kind="fixed"),
        settings(kind="fixed", overlap=7),
        settings(kind="small-to-big"),
        settings(kind="small-to-big", child_tokens=50),
        RetrievalConfig(passage_tokens=100),
    ]
    found = [recipe(config, Encoder()) for config in [plain, *others]]
    assert len(set(found)) == len(found)
    assert recipe(RetrievalConfig(top_k=3), Encoder()) == recipe(plain, Encoder())
