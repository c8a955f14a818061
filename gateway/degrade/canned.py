"""Which of the operator's own answers fits a question. Decides by words and vectors, no I/O."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.degrade.config import CannedAnswer, DegradeConfig
from retrieval.types import Encoder, Query, RetrievalError, Vector
from retrieval.words import terms

log = logging.getLogger("moorline")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Topic:
    """A canned answer, with its keywords as stems and its examples as vectors."""

    answer: CannedAnswer
    examples: Sequence[Vector] = ()
    phrases: Sequence[tuple[str, ...]] = field(init=False)

    def __post_init__(self) -> None:
        phrases = tuple(tuple(stems(keyword)) for keyword in self.answer.keywords)
        object.__setattr__(self, "phrases", phrases)


@dataclass(frozen=True, slots=True)
class Canned:
    """The answers. A keyword is the operator's own word, so it counts before any likeness."""

    topics: Sequence[Topic]
    threshold: float

    def to(self, question: str, query: Query | None) -> CannedAnswer | None:
        """The answer that fits best; without one the default, if there is one."""
        return self._worded(question) or (query and self._alike(query)) or self._default()

    def _worded(self, question: str) -> CannedAnswer | None:
        """The topic most of whose words are in the question; of equals the first."""
        asked = stems(question)
        weights = [
            sum(len(phrase) for phrase in topic.phrases if _within(phrase, asked))
            for topic in self.topics
        ]
        best = max(weights, default=0)
        return self.topics[weights.index(best)].answer if best else None

    def _alike(self, query: Query) -> CannedAnswer | None:
        """The topic with the example that is nearest to the question."""
        cosines = [
            max((float(example @ query.vector) for example in topic.examples), default=0.0)
            for topic in self.topics
        ]
        best = max(cosines, default=0.0)
        return self.topics[cosines.index(best)].answer if best and best >= self.threshold else None

    def _default(self) -> CannedAnswer | None:
        return next((topic.answer for topic in self.topics if topic.answer.default), None)


async def prepared(config: DegradeConfig, encoder: Encoder) -> Canned:
    """The configured answers, their examples embedded once and for all requests."""
    topics = []
    for answer in config.canned if "canned" in config.steps else ():
        try:
            examples = [(await encoder.query(example)).vector for example in answer.examples]
        except RetrievalError as error:
            log.warning("canned answer %s: only its keywords count: %s", answer.topic, error)
            examples = []
        topics.append(Topic(answer, examples))
    return Canned(topics, config.example_threshold)


def stems(text: str) -> list[str]:
    """Every word without its ending, in order."""
    return [next(iter(terms(word)), word) for word in _WORD.findall(text.casefold())]


def _within(phrase: Sequence[str], words: Sequence[str]) -> bool:
    """Whether the words hold the phrase in one piece."""
    size = len(phrase)
    return any(tuple(words[at : at + size]) == phrase for at in range(len(words) - size + 1))
