"""The words of a collection follow it, and each viewer has those that he may read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from retrieval.config import CollectionConfig, RetrievalConfig
from retrieval.explanation import Explanation
from retrieval.retriever import Retriever
from retrieval.sparse import document_vector
from retrieval.spelling import vocabulary
from retrieval.spelling.vocabulary import Vocabularies
from retrieval.types import Embedded, Index, Metadata, Passage, Query, RetrievalError, Viewer
from retrieval.words import terms
from tests.contracts.backends import KINDS, SIZE, made

pytestmark = pytest.mark.anyio
ACME, OTHER = Viewer("acme"), Viewer("other")


@pytest.fixture(params=KINDS)
async def index(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Index]:
    indexes = made(request.param, tmp_path)
    opened = await indexes.open("docs", create=True)
    assert opened is not None
    yield opened
    await indexes.drop("docs")
    await indexes.aclose()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read again at once."""
    monkeypatch.setattr(vocabulary, "_PAUSE", 0.0)
    monkeypatch.setattr(vocabulary, "_LEAST", 0.0)


def document(source: str, text: str, version: str = "v1", **meta: str | float) -> Embedded:
    said: Metadata = dict(meta)
    passage = Passage(f"{source}-{version}", source, version, 0, "", (), text, 0, 1, meta=said)
    vectors = np.ones((1, SIZE), dtype=np.float32)
    return Embedded(source, version, [passage], vectors, [document_vector(terms(text), 5)])


async def words(index: Index, known: Vocabularies, viewer: Viewer | None = None) -> set[str]:
    await known.read(index)
    found = known.of(index)
    assert found is not None
    return {word for lexicon in found.of(viewer) for word, _ in lexicon}


async def test_words_are_known_once_they_were_read(index: Index) -> None:
    await index.write([document("a", "Moorline has a pump.")])
    known = Vocabularies()
    assert known.of(index) is None
    assert await words(index, known) == {"moorline", "pump"}
    await index.write([document("b", "A hose, a pump.")])
    assert await words(index, known) == {"moorline", "pump", "hose"}
    (lexicon,) = known.of(index).of(None)  # type: ignore[union-attr]
    assert dict(lexicon) == {"moorline": 1, "pump": 2, "hose": 1}
    await known.aclose()


async def test_what_was_deleted_or_replaced_is_not_known_any_longer(index: Index) -> None:
    known = Vocabularies()
    await index.write([document("a", "Moorline has a pump."), document("b", "A hose.")])
    assert await words(index, known) == {"moorline", "pump", "hose"}
    await index.write([document("a", "Moorline has a valve.", "v2")], remove=["b"])
    assert await words(index, known) == {"moorline", "valve"}
    await known.aclose()


async def test_a_viewer_has_no_words_of_what_he_may_not_see(index: Index) -> None:
    known = Vocabularies()
    await index.write(
        [
            document("a", "Everybody knows the pump."),
            document("b", "Falcon is secret.", tenant="acme"),
            document("c", "Tomorrow: Kestrel.", valid_from=4e9),
        ]
    )
    assert await words(index, known, OTHER) == {"everybody", "knows", "pump"}
    assert "falcon" in await words(index, known, ACME)
    assert "falcon" in await words(index, known)
    assert "kestrel" not in await words(index, known)
    await index.write([document("a", "Everybody knows the pump.", tenant="acme")])
    assert await words(index, known, OTHER) == set()
    await known.aclose()


class Failing:
    """An index that cannot be read."""

    def edition(self) -> str:
        return "1"

    async def documents(self) -> None:
        raise RetrievalError("gone")


async def test_an_index_that_fails_has_no_words(caplog: pytest.LogCaptureFixture) -> None:
    known = Vocabularies()
    failing: Index = Failing()  # type: ignore[assignment]
    await known.read(failing)
    assert known.of(failing) is None
    assert "gone" in caplog.text
    await known.aclose()


async def test_after_reading_it_is_left_alone_for_a_while(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabulary, "_LEAST", 3600.0)
    await index.write([document("a", "Moorline has a pump.")])
    known = Vocabularies()
    assert await words(index, known) == {"moorline", "pump"}
    await index.write([document("b", "A hose.")])
    assert await words(index, known) == {"moorline", "pump"}
    await known.aclose()


async def test_too_many_words_are_not_kept(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "MOST", 3)
    await index.write([document("a", "Moorline has a pump and a hose.")])
    known = Vocabularies()
    assert await words(index, known) == {"moorline", "pump", "hose"}
    await index.write([document("b", "Valve.")])
    assert await words(index, known) == set()
    await known.aclose()


async def asked(
    index: Index, text: str, config: RetrievalConfig, viewer: Viewer | None = None
) -> tuple[Sequence[str], list[str]]:
    """What is found in words, and what was corrected."""
    known, told = Vocabularies(), Explanation()
    retriever = Retriever(config, vocabularies=known)
    await retriever.ready(index, "docs")
    query = Query(text, np.ones(SIZE, dtype=np.float32))
    await retriever.search(index, query, viewer=viewer, collection="docs", explanation=told)
    await known.aclose()
    sources = [hit.passage.document for hit in told.stages["bm25"]]
    return sources, [str(one) for one in told.corrected]


async def test_a_misspelt_name_finds_its_passages(index: Index) -> None:
    await index.write([document("a", "Moorline has a pump."), document("b", "A hose.")])
    config = RetrievalConfig()
    found = await asked(index, "mooorline", config)
    assert found == (["a"], ["mooorline → moorline (×0.9)"])
    assert await asked(index, "moorlines", config) == (["a"], [])
    off = config.model_copy(update={"collections": {"docs": CollectionConfig(spelling=False)}})
    assert await asked(index, "mooorline", off) == ([], [])


async def test_a_word_of_a_hidden_document_neither_corrects_nor_is_told(index: Index) -> None:
    await index.write(
        [
            document("a", "Falcon is public."),
            # The nearer one, and one that is written as it is asked for: both are hidden.
            document("b", "Falcom, Falcomb and Falcomb.", tenant="acme"),
        ]
    )
    config = RetrievalConfig()
    assert await asked(index, "falcom", config, OTHER) == (["a"], ["falcom → falcon (×0.9)"])
    assert await asked(index, "falcomb", config, OTHER) == ([], [])
    assert await asked(index, "falcomb", config, ACME) == (["b"], [])
