"""Questions that are there for their answers: one passage each, which answers or does not.

Groups of five passages teach an order; for answers four of five are of little use. Besides the
questions of the data there are as many clozes as there is text: most of what is drawn at first,
less and less of it later. The same seed and data give the same questions in the same order.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from eval.train.reranker.clozes import cloze
from eval.train.reranker.recipe import Recipe
from eval.train.reranker.sampling import Group, Taught, pair_of, tokens_of
from retrieval.rerankers.pairs import LONGEST, paired, sides

_TRIES = 20
_WITHOUT = 0.2  # how often a cloze's sentence is taken out of what is read
_WRONG = 0.25  # how often a passage that does not answer is read as well
_ADVERSARIAL = 0.4  # questions that look answerable beside one that is


@dataclass(slots=True)
class Answering:
    """Draws such questions, without end."""

    taught: Sequence[Taught]
    recipe: Recipe
    _dice: random.Random = field(init=False)
    _asked: list[tuple[Taught, int]] = field(init=False, default_factory=list)
    _texts: list[tuple[Taught, int]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.recipe.seed)
        for each in self.taught:
            if each.collection.prose:
                self._texts += [(each, place) for place in _free(each)]

    def draw(self, done: float) -> Group | None:
        """One of them; `done` is the share of the training that lies behind."""
        if self._texts and self._dice.random() < 1 - done:
            return self._cloze()
        if not self._asked:
            self._asked = self._epoch()
        return self._real(*self._asked.pop()) if self._asked else None

    def _epoch(self) -> list[tuple[Taught, int]]:
        chosen = []
        for each in self.taught:
            mine = [(n, a) for n, a in enumerate(each.collection.asked) if a.part == "training"]
            answered = [n for n, asked in mine if asked.spans]
            without = [n for n, asked in mine if asked.answerless]
            many = min(len(without), int(len(answered) * _ADVERSARIAL))
            chosen += [(each, number) for number in answered]
            chosen += [(each, number) for number in self._dice.sample(without, many)]
        self._dice.shuffle(chosen)
        return chosen

    def _real(self, taught: Taught, number: int) -> Group:
        asked = taught.collection.asked[number]
        place = self._dice.choice(asked.right)
        pairs = [pair_of(taught, number, place, self.recipe)]
        spans = [() if asked.answerless else tokens_of(pairs[0], asked.spans.get(place, ()))]
        certain = taught.collection.spans and not asked.answerless
        if certain and self._dice.random() < _WRONG:
            found = taught.wrong(number, 2, self.recipe.hardest, self._dice)[:1]  # a near one
            pairs += [pair_of(taught, number, wrong, self.recipe) for wrong in found]
            spans += [()] * len(found)
        return Group(pairs, right=len(pairs) > 1, spans=spans)

    def _cloze(self) -> Group | None:
        for _ in range(_TRIES):
            taught, place = self._dice.choice(self._texts)
            passage = taught.collection.passages[place]
            found = cloze(passage.text, self._dice)
            if not found:
                continue
            read = taught.texts[place]
            shift = len(passage.embedded) - len(passage.text)
            spans = [(found.answer[0] + shift, found.answer[1] + shift)]
            if self._dice.random() < _WITHOUT:
                start, end = (shift + at for at in found.sentence)
                left = passage.embedded[:start] + passage.embedded[end:]
                (read,) = sides(taught.tokenizer, [left], LONGEST)
                spans = []
            (asked,) = sides(taught.tokenizer, [found.question], LONGEST)
            pair = paired(asked, read, self.recipe.longest)
            return Group([pair], right=False, spans=[tokens_of(pair, spans) if spans else ()])
        return None


def _free(taught: Taught) -> list[int]:
    """Passages that no question which is held out belongs to."""
    asked = taught.collection.asked
    held_out = {place for each in asked if each.part != "training" for place in each.right}
    return [place for place in range(len(taught.texts)) if place not in held_out]
