"""A user's own judged pairs as a collection: feedback, clicks, or an evaluation's questions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.train.reranker.material import Asked, Collection, alone, held_out


class BadPairs(Exception):
    """A file of pairs that cannot be read; the message says which line and why."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A line of the file."""

    question: str
    text: str
    right: bool
    answer: str  # in the text; empty where none is named


def own(path: Path) -> Collection:
    """One in eight questions is held out. Texts judged 0 are hard wrong ones; where a question has
    none, they are mined among the texts of the others."""
    places: dict[str, int] = {}
    judged: dict[str, list[Pair]] = {}
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        pair = _pair(raw, f"{path} line {number}")
        judged.setdefault(pair.question, []).append(pair)
        places.setdefault(pair.text, len(places))
    asked = [_asked(pairs, places) for pairs in judged.values() if any(p.right for p in pairs)]
    if not asked:
        raise BadPairs(f"{path} has no question with a text of label 1.")
    return Collection(
        "own", [alone(f"text {place}", text) for text, place in places.items()], asked
    )


def _pair(raw: str, where: str) -> Pair:
    try:
        line = json.loads(raw)
        pair = Pair(line["question"], line["text"], line["label"] > 0, line.get("answer") or "")
    except (ValueError, KeyError, TypeError) as error:
        raise BadPairs(f"{where}: question, text and label are needed ({error!r}).") from None
    if pair.answer not in pair.text:
        raise BadPairs(f"{where}: the answer {pair.answer!r} does not stand in the text.")
    return pair


def _asked(pairs: Sequence[Pair], places: Mapping[str, int]) -> Asked:
    spans = {}
    for pair in pairs:
        if pair.right and pair.answer:
            start = pair.text.index(pair.answer)
            spans[places[pair.text]] = ((start, start + len(pair.answer)),)
    right = tuple(places[pair.text] for pair in pairs if pair.right)
    return Asked(
        pairs[0].question,
        right,
        held_out(pairs[0].question),
        spans,
        wrong=tuple(places[pair.text] for pair in pairs if not pair.right),
        grades={f"text {place}": 1 for place in right},
    )
