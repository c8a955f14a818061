"""Which of the earlier questions is close enough to stand for this one. Arithmetic on cosines.

Two questions may be near and yet want different answers. So the nearest one counts only when it
leads clearly over the nearest with a different answer: that costs nothing and nearly doubles the
hits at the same rate of errors.
"""

from __future__ import annotations

from collections.abc import Sequence

from cache.config import SemanticConfig
from cache.types import Candidate, Entry


def chosen(
    candidates: Sequence[Candidate], config: SemanticConfig, threshold: float | None = None
) -> Candidate | None:
    """The one whose answer may be given again, or None. They come nearest first, down to the margin
    below the threshold; `threshold` stands in for the configured one."""
    if not candidates:
        return None
    best = candidates[0]
    if best.cosine < (config.threshold if threshold is None else threshold):
        return None
    close = (each for each in candidates if each.cosine > best.cosine - config.margin)
    if any(answer_of(each.entry) != answer_of(best.entry) for each in close):
        return None
    return best


def answer_of(entry: Entry) -> str | bytes:
    """What tells an entry's answer from another's: what it says, or else its every byte."""
    return entry.answer or entry.value
