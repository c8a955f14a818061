"""Few-shot examples: a pool of the operator's questions and answers, and which of it are shown.

Decisions over texts and vectors that came from elsewhere. What is near a question but near another
example too is worth less (maximal marginal relevance: Carbonell, Goldstein, SIGIR 1998).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeAlias

from context.instructions import ending, parted
from context.quoting import harmless, quoted
from context.types import Message
from retrieval.types import Vector, Vectors

READ = 50
"""Examples that are compared with each other; those behind them are not shown."""

Form: TypeAlias = Literal["turns", "block"]


class BadExamples(Exception):
    """A pool that cannot be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class Example:
    """A question and how it is to be answered. With a task it is for questions of that task."""

    question: str
    answer: str
    task: str = ""


@dataclass(frozen=True, slots=True)
class Near:
    """An example, and the cosine of its question to the one that is asked."""

    example: Example
    likeness: float


def read(text: str) -> list[Example]:
    """A pool from its lines, a JSON object each. Raises BadExamples."""
    return [
        _example(number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    ]


def _example(number: int, line: str) -> Example:
    try:
        raw: Any = json.loads(line)
    except ValueError as error:
        raise BadExamples(f"line {number} is not JSON: {error}.") from None
    if not isinstance(raw, dict) or not {"question", "answer"} <= raw.keys() <= _FIELDS:
        raise BadExamples(f"line {number} has to have `question`, `answer` and maybe `task`.")
    if not all(isinstance(value, str) and value.strip() for value in raw.values()):
        raise BadExamples(f"line {number}: a text is missing.")
    return Example(**raw)


_FIELDS = frozenset({"question", "answer", "task"})


class Pool:
    """All examples with the vectors of their questions."""

    def __init__(self, examples: Sequence[Example], vectors: Vectors) -> None:
        self._examples = examples
        self._vectors = vectors
        self.tasks = frozenset(each.task for each in examples if each.task)

    def near(
        self, vector: Vector, most: int, *, task: str = "", floor: float, diversity: float
    ) -> list[Near]:
        """At most so many, the likest first; none that is less like than `floor`."""
        likeness = self._vectors @ vector
        ranked = (int(place) for place in (-likeness).argsort(kind="stable"))
        meant = (place for place in ranked if self._examples[place].task in ("", task))
        waiting = [place for place in islice(meant, READ) if likeness[place] >= floor]
        repeats = dict.fromkeys(waiting, 0.0)
        chosen: list[int] = []
        while waiting and len(chosen) < most:
            best = max(
                waiting,
                key=lambda place: (
                    (1 - diversity) * float(likeness[place]) - diversity * repeats[place]
                ),
            )
            waiting.remove(best)
            chosen.append(best)
            for place in waiting:
                shared = float(self._vectors[place] @ self._vectors[best])
                repeats[place] = max(repeats[place], shared)
        found = [Near(self._examples[place], float(likeness[place])) for place in chosen]
        return sorted(found, key=lambda near: -near.likeness)


def digest(examples: Sequence[Example]) -> str:
    """Of all that is in a pool."""
    told = json.dumps([[each.question, each.answer, each.task] for each in examples])
    return hashlib.sha256(told.encode()).hexdigest()


def within(near: Sequence[Near], room: int, count: Callable[[str], int]) -> list[Near]:
    """Those that are within so many tokens together; one that is too long is left out."""
    kept = []
    for each in near:
        tokens = count(each.example.question) + count(each.example.answer)
        if tokens <= room:
            room -= tokens
            kept.append(each)
    return kept


def shown(
    messages: Sequence[Message], examples: Sequence[Example], form: Form, told: str
) -> tuple[Message, ...]:
    """The messages with these examples after the instructions, in their order: as turns, or as a
    block that `told` introduces at the end of the instructions."""
    if form == "block":
        return ending(messages, f"{told}\n\n{_block(examples)}")
    before, after = parted(messages)
    return (*before, *(turn for each in examples for turn in _turns(each)), *after)


def _turns(example: Example) -> Iterator[Message]:
    yield {"role": "user", "content": harmless(example.question)}
    yield {"role": "assistant", "content": harmless(example.answer)}


def _block(examples: Sequence[Example]) -> str:
    each = (quoted("example", f"Question: {e.question}\nAnswer: {e.answer}") for e in examples)
    return "<examples>\n" + "\n".join(each) + "\n</examples>"
