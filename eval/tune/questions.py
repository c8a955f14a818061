"""Questions to tune a collection by: a user's own with the documents that answer them, or ones made
of its passages without a model.

Made questions are not asked by anybody. Two kinds are made, of which neither is fair by itself:

- a sentence of a passage that is then left out, so that what is near it has to be found (it favours
  the dense half, since neighbours share a subject more than words);
- some words of a sentence, as one types them into a search box (it favours BM25, since the words
  are the document's own).
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gateway.searching import Sampled
from retrieval.sentences import sentences
from retrieval.words import terms

Kind = Literal["asked", "sentence", "keywords"]
_SHORTEST, _LONGEST = 4, 40
"""Terms of a sentence that a question is made of."""
_WORD = re.compile(r"\w[\w.'’-]*\w|\w")
_KEYWORDS = (3, 6)


class BadQuestions(Exception):
    """A file that holds no questions; the message names the line."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question, the documents that should be found, and the passage that does not count."""

    text: str
    documents: Mapping[str, int]
    kind: Kind = "asked"
    without: str | None = None  # a passage's id


def read(file: Path) -> list[Wanted]:
    """JSON lines: `{"question": …, "document": …}`, or `"documents": […]` or with grades.

    Raises BadQuestions."""
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found.append(_labelled(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise BadQuestions(
                f'{file}, line {number} is no {{"question": "…", "document": "…"}}: {error}.'
            ) from None
    if not found:
        raise BadQuestions(f"{file} holds no question.")
    return found


def _labelled(line: Mapping[str, Any]) -> Wanted:
    named = line["documents"] if "documents" in line else [line["document"]]
    if isinstance(named, Mapping):
        grades = {str(name): int(grade) for name, grade in named.items() if int(grade) > 0}
    elif isinstance(named, list):
        grades = dict.fromkeys(map(str, named), 1)
    else:
        raise TypeError("`documents` is a list, or grades by document")
    if not grades or not isinstance(line["question"], str):
        raise ValueError("a question and at least one document")
    return Wanted(line["question"], grades)


def made(sample: Sequence[Sampled], seed: int = 13) -> Iterator[Wanted]:
    """One question of each passage that has a sentence fit for it, of both kinds in turn."""
    chosen = random.Random(seed)
    for number, one in enumerate(sample):
        sentence = _sentence(one, chosen)
        if sentence is None:
            continue
        if number % 2 and one.siblings:  # without siblings nothing would be left to be found
            yield Wanted(sentence, {one.document: 1}, "sentence", without=one.passage)
        else:
            yield Wanted(_keywords(sentence, chosen), {one.document: 1}, "keywords")


def _sentence(passage: Sampled, chosen: random.Random) -> str | None:
    found = [" ".join(passage.text[a:b].split()) for a, b in sentences(passage.text)]
    fit = [text for text in found if _SHORTEST <= len(terms(text)) <= _LONGEST]
    return chosen.choice(fit) if fit else None


def _keywords(sentence: str, chosen: random.Random) -> str:
    """Some of its words that say something, in their order."""
    words = [word for word in _WORD.findall(sentence) if terms(word)]
    many = min(len(words), chosen.randint(*_KEYWORDS))
    kept = sorted(chosen.sample(range(len(words)), many))
    return " ".join(words[place].lower() for place in kept)
