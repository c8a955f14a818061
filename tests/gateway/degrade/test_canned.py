"""Which canned answer a question gets."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.degrade.canned import Canned, Topic, prepared
from gateway.degrade.config import CannedAnswer, DegradeConfig
from retrieval.types import Query, RetrievalError, Vector

pytestmark = pytest.mark.anyio


def at(*towards: float) -> Vector:
    vector = np.array(towards, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def query(*towards: float) -> Query:
    return Query("", at(*towards))


HOURS = CannedAnswer(topic="hours", answer="Nine to five.", keywords=("opening hours", "open"))
REFUND = CannedAnswer(topic="refund", answer="A week.", keywords=("refund", "return label"))
ELSE = CannedAnswer(topic="else", answer="Sorry.", default=True)
CANNED = Canned([Topic(HOURS, [at(1, 0, 0)]), Topic(REFUND, [at(0, 1, 0)])], threshold=0.7)


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("When do you OPEN?", "hours"),
        ("Where are my refunds?", "refund"),  # another ending
        ("I have lost the return-label!", "refund"),
        ("Is a label needed for a return?", None),  # the words, but not the phrase
        ("Who reopened it?", None),
        ("opening hours of the refund desk?", "hours"),  # more of its words
        ("open a refund", "hours"),  # equal: the first
        ("", None),
    ],
)
def test_a_topic_is_known_by_its_words(question: str, topic: str | None) -> None:
    found = CANNED.to(question, None)
    assert (found and found.topic) == topic


@pytest.mark.parametrize(
    ("towards", "topic"), [((1, 0.2, 0), "hours"), ((0.2, 1, 0), "refund"), ((0.2, 0, 1), None)]
)
def test_a_topic_is_known_by_its_examples(towards: tuple[float, ...], topic: str | None) -> None:
    found = CANNED.to("Something else?", query(*towards))
    assert (found and found.topic) == topic


def test_words_count_before_likeness() -> None:
    assert CANNED.to("A refund?", query(1, 0, 0)) == REFUND


def test_what_fits_no_topic_gets_the_default() -> None:
    canned = Canned([Topic(ELSE), *CANNED.topics], 0.7)
    assert canned.to("Why?", query(0, 0, 1)) == ELSE
    assert canned.to("A refund?", None) == REFUND


class Encoder:
    """Knows how many texts it was given."""

    def __init__(self, away: bool = False) -> None:
        self.texts: list[str] = []
        self.away = away

    async def query(self, text: str) -> Query:
        if self.away:
            raise RetrievalError("away")
        self.texts.append(text)
        return query(0, 1)


CONFIG = DegradeConfig(canned=(HOURS, CannedAnswer(topic="x", answer="X.", examples=("a", "b"))))


async def test_examples_are_embedded_beforehand() -> None:
    encoder = Encoder()
    canned = await prepared(CONFIG, encoder)  # type: ignore[arg-type]
    found = canned.to("Something", query(0, 1))
    assert (found and found.topic, encoder.texts) == ("x", ["a", "b"])


async def test_without_an_encoder_the_words_still_count() -> None:
    canned = await prepared(CONFIG, Encoder(away=True))  # type: ignore[arg-type]
    assert canned.to("Are you open?", query(0, 1)) == HOURS
    assert canned.to("Something", query(0, 1)) is None


async def test_a_ladder_without_the_step_embeds_nothing() -> None:
    encoder = Encoder()
    await prepared(CONFIG.model_copy(update={"steps": ("cached",)}), encoder)  # type: ignore[arg-type]
    assert encoder.texts == []
