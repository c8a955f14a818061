"""What a question looks like, as numbers that learned models read: no model, no I/O.

Lengths, digits, formulae, options, kinds of words. All of it together takes a small part of the
time that embedding the question takes, so a text is read in few passes, and only its beginning.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from operator import itemgetter

HEAD = 3000
"""Characters that are looked at; what is longer than a page is judged by its first."""

_WORD = re.compile(r"[^\W\d_]+(?:'[a-z]+)?")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_OPTION = re.compile(r"^[ \t]*\(?([A-J])[.)][ \t]*(.*)$", re.M)
_FORMULA = "=<>^*/+\\$≤≥∈∀∃⊃∨∧~√π×·"
_SENTENCE = re.compile(r"[.!?]\s")

_KINDS: Mapping[str, str] = {
    "negations": "not no never none nor neither cannot without except least incorrect false unless",
    "logic": "if then because therefore implies imply suppose assume given let statement argument "
    "conclusion valid true prove follows follow",
    "quantities": "all every each some any most many few only both either always exactly more less "
    "than total per half twice times percent average rate",
    "mathematics": "find calculate compute solve value equation function matrix probability "
    "integral derivative vector polynomial graph ring group field order number area volume "
    "velocity energy mass force speed mean variance distribution",
    "people": "he she his her man woman boy girl patient plaintiff defendant mother father friend "
    "people person i my we",
    "asking": "what which why how who whom whose when where",
    "sources": "according refers following passage author excerpt information below above",
}
_KIND = {word: kind for kind, words in _KINDS.items() for word in words.split()}

_OF_OPTIONS = (
    *("options", "option mean", "option longest", "option shortest", "option spread"),
    *("option numbers", "option words shared", "option words in stem"),
)
CUES = (
    *("length", "words", "word length", "short words", "long words", "longest words", "letters"),
    *("different words", "capitals", "acronyms", "foreign", "digits", "numbers", "longest number"),
    *("formulae", "formula share", "punctuation", "brackets", "quotes", "sentences", "lines"),
    *("stem", "stem words", "stem numbers", "asks", "blank", "how", "why"),
    *_KINDS,
    *_OF_OPTIONS,
)
"""What the numbers are, in their order."""


def cues(question: str) -> list[float]:
    """One row of CUES."""
    text = question[:HEAD]
    options = list(_OPTION.finditer(text))
    if len(options) < 2:
        options = []
    # An option begins a line, so no word is cut in two.
    first = options[0].start() if options else len(text)
    stem = text[:first]
    found = _WORD.findall(stem)
    stem_words = list(map(str.lower, found))
    found += _WORD.findall(text, first)
    words = list(map(str.lower, found))
    numbers = _NUMBER.findall(text)
    size, many = max(1, len(text)), max(1, len(words))
    lengths = Counter(map(len, words))
    counts = Counter(words)
    kinds = dict.fromkeys(_KINDS, 0)
    for word in counts.keys() & _KIND.keys():
        kinds[_KIND[word]] += counts[word]
    formulae = _count(text, _FORMULA)
    last = set(stem_words[-40:])
    return [
        math.log1p(len(question)),
        math.log1p(len(words)),
        sum(map(len, words)) / many,
        sum(lengths[letters] for letters in range(4)) / many,
        (len(words) - sum(lengths[letters] for letters in range(8))) / many,
        (len(words) - sum(lengths[letters] for letters in range(12))) / many,
        lengths[1] / many,
        len(counts) / many,
        sum(map(str.isupper, map(itemgetter(0), found))) / many,
        sum(len(word) > 1 for word in filter(str.isupper, found)) / many,
        (len(text.encode(errors="replace")) - len(text)) / size,
        sum(map(len, numbers)) / size,
        math.log1p(len(numbers)),
        float(max(map(len, numbers), default=0)),
        math.log1p(formulae),
        formulae / size,
        _count(text, ",;:()") / size,
        math.log1p(_count(text, "()[]{}")),
        math.log1p(_count(text, "\"“”'‘’")),
        math.log1p(len(_SENTENCE.findall(stem))),
        math.log1p(text.count("\n")),
        math.log1p(len(stem)),
        math.log1p(len(stem_words)),
        math.log1p(len(_NUMBER.findall(stem))),
        float(stem.count("?")),
        float("__" in stem),
        float("how" in last),
        float("why" in last),
        *(count / many for count in kinds.values()),
        *_of_options([match.group(2) for match in options], set(stem_words)),
    ]


def _of_options(options: list[str], stem: set[str]) -> list[float]:
    """How the answers look that may be chosen from, where there are any."""
    if not options:
        return [0.0, *[-1.0] * (len(_OF_OPTIONS) - 1)]
    lengths = [math.log1p(len(option)) for option in options]
    words = [{word.lower() for word in _WORD.findall(option)} for option in options]
    different = set(chain.from_iterable(words))
    return [
        float(len(options)),
        math.log1p(sum(map(len, options)) / len(options)),
        max(lengths),
        min(lengths),
        max(lengths) - min(lengths),
        sum(_NUMBER.search(option) is not None for option in options) / len(options),
        sum(map(len, words)) / max(1, len(different)),
        len(different & stem) / max(1, len(different)),
    ]


def _count(text: str, characters: Iterable[str]) -> int:
    return sum(map(text.count, characters))
