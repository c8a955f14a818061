from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from retrieval.chunking.chosen import from_threads
from retrieval.chunking.semantic import Semantic, distances
from retrieval.config import MiniLMEncoder
from retrieval.encoders.minilm import MiniLM
from retrieval.types import Vectors
from tests.retrieval.chunking import real
from tests.retrieval.chunking.made import SENTENCE, block, count, heading, made, paragraph

PUMPS = "The pump of the heating moves water through the pipes of the house."
TRAINS = "A night train leaves for the coast at ten from the third platform."


def by_subject(texts: Sequence[str]) -> Vectors:
    """Pumps and trains have nothing in common."""
    return np.array([[1, 0] if "pump" in text else [0, 1] for text in texts], dtype=np.float32)


def test_parts_where_the_subject_turns() -> None:
    document = made(paragraph(" ".join([PUMPS] * 3 + [TRAINS] * 5 + [PUMPS] * 4)))
    texts = [p.text for p in Semantic(count, 110, 80, by_subject).split(document)]
    assert texts == [" ".join([PUMPS] * 3), " ".join([TRAINS] * 5), " ".join([PUMPS] * 4)]


def test_a_section_that_fits_is_not_embedded() -> None:
    def never(texts: Sequence[str]) -> Vectors:
        raise AssertionError(texts)

    document = made(heading("A", 2), paragraph(PUMPS), heading("B", 2), paragraph(TRAINS))
    assert len(Semantic(count, 60, 80, never).split(document)) == 2


@pytest.mark.parametrize("kind", ["table", "code"])
def test_what_has_a_form_is_never_cut(kind: str) -> None:
    lines = [f"pump {i}: 4{i} units" if i % 2 else f"train {i}: {i} cars" for i in range(4)]
    formed = [block("code", "\n".join(lines))] if kind == "code" else []
    formed = formed or [block("table", line) for line in lines]
    for before in range(6):
        around = [paragraph(SENTENCE)] * 6
        document = made(*around[:before], *formed, *around[before:])
        passages = Semantic(count, 60, 50, by_subject).split(document)
        assert any("\n".join(lines) in passage.text for passage in passages)


def test_no_turn_leaves_next_to_nothing() -> None:
    short = "A pump."
    document = made(paragraph(" ".join([TRAINS, TRAINS, TRAINS, short] * 5)))
    passages = Semantic(count, 100, 10, by_subject).split(document)
    assert min(count(passage.text) for passage in passages) > 100 / 6


def test_distances_do_not_depend_on_how_many_are_embedded_at_once() -> None:
    made_ = np.random.default_rng(3).normal(size=(600, 4))
    vectors = (made_ / np.linalg.norm(made_, axis=1, keepdims=True)).astype(np.float32)
    found = distances([str(i) for i in range(600)], lambda texts: vectors[[int(t) for t in texts]])
    for place in (1, 2, 255, 256, 257, 300, 511, 512, 598, 599):
        before, behind = (
            vectors[max(0, place - 3) : place].sum(0),
            vectors[place : place + 3].sum(0),
        )
        cosine = before @ behind / np.linalg.norm(before) / np.linalg.norm(behind)
        assert found[place - 1] == pytest.approx(1 - cosine, abs=1e-5)
    assert len(found) == 599


@pytest.mark.anyio
async def test_two_real_texts_in_a_row_are_told_apart(shared_data: Path, tmp_path: Path) -> None:
    speech = real.text(shared_data, "state_of_the_union", 5_000, 8_000).rpartition(".")[0] + "."
    game = real.text(shared_data, "wikitexts", 900, 4_000)
    encoder = MiniLM(MiniLMEncoder(), tmp_path)
    try:
        chosen = Semantic(encoder.count, 240, 90, from_threads(encoder))
        document = made(paragraph(speech), paragraph(game))
        passages = await asyncio.to_thread(chosen.split, document)
    finally:
        await encoder.aclose()
    border = len(speech)
    assert not any(p.start < border < p.end - 1 for p in passages)
    assert len(passages) > 5
