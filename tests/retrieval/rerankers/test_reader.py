"""The packaged reader."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from retrieval.config import ReaderReranker
from retrieval.rerankers.reader import FITTED, GRAPH, PACKAGED, VOCABULARY, Reader
from retrieval.types import RetrievalError

QUESTION = "How long is the warranty of the pump?"
TEXTS = [
    "Travel expenses are refunded within ten days.",
    "The pump has a warranty of two years.",
    "The pump is painted blue and weighs nine kilograms.",
]


@pytest.mark.anyio
async def test_the_passage_that_answers_is_the_most_relevant() -> None:
    reader = Reader(ReaderReranker())
    readings = await reader.read(QUESTION, TEXTS)
    assert max(range(3), key=lambda place: readings[place].relevance) == 1
    await reader.aclose()


@pytest.mark.anyio
async def test_a_text_is_read_the_same_in_any_company() -> None:
    reader = Reader(ReaderReranker())
    together = await reader.read(QUESTION, TEXTS)
    assert [await reader.read(QUESTION, [text]) for text in TEXTS] == [[each] for each in together]
    await reader.aclose()


@pytest.mark.anyio
async def test_a_very_long_text_is_read_at_its_beginning() -> None:
    reader = Reader(ReaderReranker())
    (reading,) = await reader.read(QUESTION, ["warranty " * 50_000])
    assert reading.answer is not None
    assert reading.answer.end < 5_000
    await reader.aclose()


def test_nothing_is_read_before_it_is_used(tmp_path: Path) -> None:
    Reader(ReaderReranker(folder=tmp_path / "nowhere"))


@pytest.mark.anyio
async def test_a_folder_without_a_reader_is_named(tmp_path: Path) -> None:
    reader = Reader(ReaderReranker(folder=tmp_path))
    with pytest.raises(RetrievalError, match=r"no reader\.onnx in .*retrieval\.reranker\.folder"):
        await reader.read(QUESTION, TEXTS)
    with pytest.raises(RetrievalError, match=r"retrieval\.reranker\.fused_weight sets it"):
        assert reader.fused_weight
    await reader.aclose()


def test_what_is_configured_goes_before_what_was_fitted() -> None:
    assert Reader(ReaderReranker(fused_weight=3)).fused_weight == 3
    stored = json.loads((PACKAGED / FITTED).read_text())
    assert Reader(ReaderReranker()).fused_weight == stored["fused_weight"]


def test_what_is_packaged_is_at_most_twenty_megabytes() -> None:
    assert sum((PACKAGED / name).stat().st_size for name in (GRAPH, VOCABULARY)) <= 20_000_000
