"""Models by family: which tokenizer they share, how far from o200k's count it lies, and what their
chat templates add.

Estimates were fitted by `moorline eval context --fit` on 2,000 characters at a time of prose, code,
mark-up, figures and other languages; `error` is what 95 of 100 texts of a kind that was left out
stay within. Of Claude and Gemini only relatives are public: Claude 2's vocabulary and Gemma's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from context.vocabularies import CL100K, O200K, tokens_in


@dataclass(frozen=True, slots=True)
class Frame:
    """What a chat template puts around a message, and in front of the answer, in tokens."""

    message: int
    reply: int


OPENAI = Frame(4, 3)


@dataclass(frozen=True, slots=True)
class Weights:
    """Tokens of a family, for each of what is quickly counted in a text."""

    tokens: float  # o200k's
    digits: float = 0
    marks: float = 0  # punctuation, in ASCII
    lines: float = 0  # line breaks
    two: float = 0  # characters of two bytes: Greek, Cyrillic, Arabic, accents
    three: float = 0  # and of three: Chinese, Japanese, Thai, typographic marks

    def estimate(self, text: str) -> int:
        """How many tokens a text has, near enough."""
        counts = quick_counts(text)
        weights = (self.tokens, self.digits, self.marks, self.lines, self.two, self.three)
        return max(0, round(sum(w * n for w, n in zip(weights, counts, strict=True))))


@dataclass(frozen=True, slots=True)
class Family:
    """Models with one tokenizer: a vocabulary that is there, or an estimate of it."""

    name: str
    pattern: re.Pattern[str]
    frame: Frame
    vocabulary: str | None = None
    weights: Weights = Weights(1)
    error: float = 0


def _named(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|[/._-])(?:{pattern})", re.IGNORECASE)


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
        weights=Weights(0.955, digits=0.532, marks=0.196, lines=0.543, two=0.032, three=-0.076),
        error=0.09,
    ),
    Family(
        "llama",
        _named(r"(?:meta-?)?llama-?[34]"),
        Frame(5, 30),
        weights=Weights(1.015, digits=-0.003, marks=-0.03, lines=0.017, two=0.207, three=0.128),
        error=0.04,
    ),
    Family(
        "qwen",
        _named("qwen|qwq"),
        Frame(5, 3),
        weights=Weights(1.008, digits=0.563, marks=-0.037, lines=-0.007, two=0.14, three=0.07),
        error=0.06,
    ),
    Family(
        "mistral",
        _named("mi[sx]tral|ministral|codestral|magistral|devstral|pixtral"),
        Frame(3, 1),
        weights=Weights(1.014, digits=0.543, marks=0.029, lines=0.058, two=0.119, three=0.031),
        error=0.1,
    ),
    Family(
        "deepseek",
        _named("deepseek"),
        Frame(2, 2),
        weights=Weights(0.996, digits=-0.017, marks=0.1, lines=-0.052, two=0.149, three=0.088),
        error=0.07,
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


def quick_counts(text: str) -> tuple[int, ...]:
    """What `Weights` weighs, in its order."""
    written = text.encode("utf-8", "replace")

    def number(of: bytes) -> int:
        return len(written) - len(written.translate(None, of))

    foreign = (0, 0) if len(written) == len(text) else (number(_TWO), number(_THREE))
    lines = text.count("\n")
    return (tokens_in(text, O200K), number(_DIGITS), number(_MARKS), lines, *foreign)
