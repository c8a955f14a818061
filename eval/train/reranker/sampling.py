"""What is read in a step: groups of pairs on one question, a right one and hard wrong ones.

It knows no model. The same seed and data give the same groups in the same order.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from numpy.typing import NDArray

from eval.train.reranker.material import Collection
from eval.train.reranker.mining import Searched, vectors
from eval.train.reranker.recipe import Recipe
from retrieval.config import RetrievalConfig
from retrieval.rerankers.pairs import LONGEST, Pair, Side, paired, sides
from retrieval.types import Encoder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Group:
    """Pairs on one question, the right one first; no `right`: only the answer is to be learned."""

    pairs: Sequence[Pair]
    right: bool
    spans: Sequence[Sequence[tuple[int, int]] | None]
    """Of each pair the tokens between which answers stand; empty: none; None: not known."""


@dataclass(slots=True)
class Taught:
    """A collection as it is sampled: tokens of its texts, and what was found for its questions."""

    collection: Collection
    searched: Searched
    vectors: Array  # of the questions
    questions: Sequence[Side]
    texts: Sequence[Side]
    plain: Sequence[Side]
    tokenizer: Tokenizer
    found: dict[int, Sequence[int]] = field(default_factory=dict)

    def wrong(self, number: int, many: int, hardest: int, dice: random.Random) -> list[int]:
        """Passages that are found for a question and not right; one of them from further down."""
        asked = self.collection.asked[number]
        if asked.wrong:
            return dice.sample(asked.wrong, min(many, len(asked.wrong)))
        if number not in self.found:
            hits = self.searched.find(asked.text, self.vectors[number], RetrievalConfig())
            right = set(asked.right)
            own = {self.collection.passages[place].document for place in right}
            self.found[number] = [
                int(place)
                for place in hits.places
                if place not in right and self.collection.passages[place].document not in own
            ][:100]
        near, far = self.found[number][:hardest], self.found[number][hardest:]
        drawn = dice.sample(near, min(many - bool(far), len(near)))
        return drawn + (dice.sample(far, 1) if far else [])


def groups(taught: Sequence[Taught], recipe: Recipe) -> Iterator[Group]:
    """Without end: each epoch takes each collection's training questions in its proportion."""
    dice = random.Random(recipe.seed)
    while True:
        chosen = []
        for each in taught:
            mine = [n for n, a in enumerate(each.collection.asked) if a.part == "training"]
            for plain in (False, True):
                some = [n for n in mine if each.collection.asked[n].plain == plain]
                share = each.collection.plain_share if plain else each.collection.share
                taken = some * int(share) + dice.sample(some, int(len(some) * (share % 1)))
                chosen += [(each, number) for number in taken]
        dice.shuffle(chosen)
        for each, number in chosen:
            if group := _group(each, number, recipe, dice):
                yield group


def _group(taught: Taught, number: int, recipe: Recipe, dice: random.Random) -> Group | None:
    asked = taught.collection.asked[number]
    if asked.answerless:
        if dice.random() < 0.5:  # or they would be half of all answers
            return None
        pairs = [pair_of(taught, number, place, recipe) for place in asked.right[:1]]
        return Group(pairs, right=False, spans=[()])
    right = dice.choice(asked.right)
    places = [right, *taught.wrong(number, recipe.wrong, recipe.hardest, dice)]
    pairs = [pair_of(taught, number, place, recipe) for place in places]
    other = () if taught.collection.spans else None
    spans = [tokens_of(pairs[0], asked.spans.get(right, ())), *[other] * (len(pairs) - 1)]
    return Group(pairs, right=True, spans=spans)


def pair_of(taught: Taught, number: int, place: int, recipe: Recipe) -> Pair:
    """A question of a collection with one of its passages."""
    texts = taught.plain if taught.collection.asked[number].plain else taught.texts
    return paired(taught.questions[number], texts[place], recipe.longest)


def tokens_of(pair: Pair, spans: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]] | None:
    """First and last token of each answer; None where they are not known or were cut off."""
    found = []
    for start, end in spans:
        inside = [i for i, (s, e) in enumerate(pair.offsets) if s < end and e > start]
        if inside and pair.offsets[-1][1] >= end:
            found.append((pair.first + inside[0], pair.first + inside[-1]))
    return found or None


def taught(collection: Collection, encoder: Encoder, tokenizer: Tokenizer, folder: Path) -> Taught:
    """A collection ready to be sampled; what is embedded for it is kept in the folder."""
    many = len(collection.passages)
    texts = [collection.text(place) for place in range(many)]
    plain = [collection.text(place, plain=True) for place in range(many)]
    questions = [asked.text for asked in collection.asked]
    return Taught(
        collection,
        Searched(collection.passages, vectors(texts, encoder, folder)),
        vectors(questions, encoder, folder, questions=True),
        sides(tokenizer, questions, LONGEST),
        sides(tokenizer, texts, LONGEST),
        sides(tokenizer, plain, LONGEST),
        tokenizer,
    )
