"""Models by family: which tokenizer they share, how far from o200k's count it lies, and what their
chat templates add.

Where a family's tokenizer is public, a table says how it cuts each of o200k's tokens (splits.py);
elsewhere what is quickly counted stands in for that. Weights were fitted by `moorline eval context
--fit` on 2,000 characters at a time of prose, code, mark-up, figures and other languages; `error`
is what 95 of 100 texts of a kind that was left out stay within. Of Claude and Gemini only relatives
are public: Claude 2's vocabulary and Gemma's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from context.splits import splits
from context.vocabularies import CL100K, O200K, encoded, tokens_in


@dataclass(frozen=True, slots=True)
class Frame:
    """What a chat template puts around a message, and in front of the answer, in tokens."""

    message: int
    reply: int


OPENAI = Frame(4, 3)


@dataclass(frozen=True, slots=True)
class Weights:
    """Tokens of a family, for each of what is quickly counted in a text."""

    tokens: float  # o200k's, each cut as the family cuts it where a table says how
    digits: float = 0
    marks: float = 0  # punctuation, in ASCII
    lines: float = 0  # line breaks
    two: float = 0  # characters of two bytes: Greek, Cyrillic, Arabic, accents
    three: float = 0  # and of three: Chinese, Japanese, Thai, typographic marks


@dataclass(frozen=True, slots=True)
class Family:
    """Models with one tokenizer: a vocabulary that is there, or an estimate of it."""

    name: str
    pattern: re.Pattern[str]
    frame: Frame
    vocabulary: str | None = None
    splits: str = ""  # the packaged table's name
    weights: Weights = Weights(1)
    error: float = 0

    def estimate(self, text: str) -> int:
        """How many tokens a text has, near enough."""
        w, counts = self.weights, quick_counts(text, self)
        weights = (w.tokens, w.digits, w.marks, w.lines, w.two, w.three)
        return max(0, round(sum(each * n for each, n in zip(weights, counts, strict=True))))


def _named(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|[/._-])(?:{pattern})", re.IGNORECASE)


_LLAMA = Family(
    "llama",
    _named(r"(?:meta-?)?llama-?3"),
    Frame(5, 30),
    splits="llama",
    weights=Weights(0.993),
    error=0.02,
)
_QWEN = Family(
    "qwen",
    _named(r"qwen-?(?:[12](?:\.5)?|3)(?![.\d])|qwq"),
    Frame(5, 3),
    splits="qwen",
    weights=Weights(0.992),
    error=0.02,
)
_MISTRAL = Family(
    "mistral",
    _named("mistral|ministral|codestral|magistral|devstral|pixtral"),
    Frame(3, 1),
    splits="mistral",
    weights=Weights(0.994),
    error=0.03,
)
_RELATED, _OLDER = 0.1, 0.2
"""Errors that were not measured: of a later vocabulary, and of one a quarter as large."""
FAMILIES: tuple[Family, ...] = (
    # gpt-oss and Llama 3 begin with a system message of their templates' own.
    Family("gpt-oss", _named("gpt-oss"), Frame(5, 70), O200K),
    Family("gpt-4", _named(r"gpt-4$|gpt-4-|gpt-35|gpt-3\.5|text-embedding-"), OPENAI, CL100K),
    Family("gpt-4o", _named(r"gpt-|chatgpt|o[134](?:$|-)|codex"), OPENAI, O200K),
    Family(
        "claude",
        _named("claude"),
        OPENAI,
        weights=Weights(1.028, digits=-0.07, marks=0.105, lines=-0.172, two=0.334, three=0.757),
        error=0.16,
    ),
    Family(
        "gemma",
        _named("gemini|gemma"),
        Frame(5, 4),
        splits="gemma",
        weights=Weights(0.971),
        error=0.05,
    ),
    _LLAMA,
    replace(_LLAMA, name="llama-4", pattern=_named(r"(?:meta-?)?llama-?4"), error=_RELATED),
    _QWEN,
    replace(_QWEN, name="qwen, any", pattern=_named("qwen"), error=_RELATED),
    replace(_MISTRAL, name="mixtral", pattern=_named("mixtral|mistral-7b"), error=_OLDER),
    _MISTRAL,
    Family(
        "deepseek",
        _named("deepseek"),
        Frame(2, 2),
        splits="deepseek",
        weights=Weights(0.99),
        error=0.04,
    ),
)
UNKNOWN = Family(  # all of the above together, each counting alike
    "unknown",
    _named(""),
    Frame(5, 4),
    weights=Weights(1.012, digits=0.107, marks=0.068, lines=0.034, two=0.151, three=0.099),
    error=0.2,
)


def family_of(model: str) -> Family | None:
    """The family that a model's name tells; None for one that is of no known family."""
    return next((family for family in FAMILIES if family.pattern.search(model)), None)


_DIGITS = b"0123456789"
_MARKS = bytes(c for c in range(0x21, 0x7F) if not chr(c).isalnum())
_TWO, _THREE = bytes(range(0xC2, 0xE0)), bytes(range(0xE0, 0xF0))  # leading bytes in UTF-8


def quick_counts(text: str, family: Family) -> tuple[int, ...]:
    """What a family's `Weights` weigh, in their order; its table alone, where it has one."""
    if family.splits:
        table = splits(family.splits)
        cut = sum(sum(map(table.__getitem__, ranks)) for ranks in encoded(text, O200K))
        return (cut, 0, 0, 0, 0, 0)
    written = text.encode("utf-8", "replace")

    def number(of: bytes) -> int:
        return len(written) - len(written.translate(None, of))

    foreign = (0, 0) if len(written) == len(text) else (number(_TWO), number(_THREE))
    lines = text.count("\n")
    return (tokens_in(text, O200K), number(_DIGITS), number(_MARKS), lines, *foreign)
