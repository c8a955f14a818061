"""A question and a text as the reader takes them: tokens, and of each what part it plays.

`[CLS] question [SEP] text [SEP]`. A token that stands on both sides is marked on both: words in
common are what a small model would otherwise spend its layers to find. It knows nothing of weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

FRAME, ASKED, ASKED_TOO, READ, READ_TOO = range(5)
"""Parts: [CLS] and [SEP]; a question's token, and one that the text has too; the same of a text."""

LONGEST = 320
"""Tokens that a reader takes."""
LONGEST_QUESTION = 64
"""Tokens; of a longer question the first and the last half of these are read."""
_LONGEST_WORD = 100
"""Characters; the tokenizer takes no longer word apart."""

_BEGIN, _BETWEEN = 101, 102  # [CLS] and [SEP] of BERT's vocabulary


@dataclass(frozen=True, slots=True)
class Pair:
    """What the reader takes; `offsets` are where the text's tokens stand in the text."""

    tokens: Sequence[int]
    parts: Sequence[int]
    first: int  # the place of the text's first token
    offsets: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Side:
    """One side's tokens, without [CLS] and [SEP], and where they stand."""

    tokens: Sequence[int]
    offsets: Sequence[tuple[int, int]]


def sides(tokenizer: Tokenizer, texts: Sequence[str], longest: int) -> list[Side]:
    """No text needs more characters than it may have words of the greatest length."""
    shortened = [text[: longest * _LONGEST_WORD] for text in texts]
    found: list[Encoding] = tokenizer.encode_batch(shortened, add_special_tokens=False)
    return [Side(each.ids, each.offsets) for each in found]


def paired(question: Side, text: Side, longest: int) -> Pair:
    """At most `longest` tokens in all; a text that is too long is cut at its end."""
    asked = list(question.tokens)
    if len(asked) > LONGEST_QUESTION:
        half = LONGEST_QUESTION // 2
        asked = asked[:half] + asked[-half:]
    room = longest - len(asked) - 3
    read = list(text.tokens[:room])
    in_text, in_question = set(read), set(asked)
    return Pair(
        tokens=[_BEGIN, *asked, _BETWEEN, *read, _BETWEEN],
        parts=[
            FRAME,
            *(ASKED_TOO if token in in_text else ASKED for token in asked),
            FRAME,
            *(READ_TOO if token in in_question else READ for token in read),
            FRAME,
        ],
        first=len(asked) + 2,
        offsets=text.offsets[:room],
    )
