"""How alike two short answers are, as SQuAD compares them (Rajpurkar et al., 2016)."""

from __future__ import annotations

import re
import string
from collections import Counter

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(text: str) -> str:
    """Lower case, without punctuation and articles, single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def overlap(said: str, answer: str) -> float:
    """F1 of the words of both."""
    mine, theirs = Counter(normalised(said).split()), Counter(normalised(answer).split())
    common = (mine & theirs).total()
    return 2 * common / (mine.total() + theirs.total()) if common else 0.0
