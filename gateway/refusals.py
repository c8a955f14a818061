"""Answers that say in plain words that they are none. English alone, and only how they begin."""

from __future__ import annotations

import re

_REFUSAL = re.compile(
    r"\s*(?:(?:i['’]?m|i am) (?:sorry|afraid|unable|not able|not sure)\b|sorry,|unfortunately,? i\b"
    r"|i do(?: not|n['’]t) (?:know|have(?! to\b))\b"
    r"|i (?:can(?:no|['’])t|could(?: not|n['’]t))(?:\s*(?:[.,;:!]|$)|\s+(?:really |currently )?"
    r"(?:access|answer|assist|browse|comment|comply|confirm|continue|determine|discuss|do|find|fulfil"
    r"|give|help|identify|locate|open|process|provide|read|say|see|share|tell|verify)\b(?! enough))"
    r"|as an ai\b)",
    re.IGNORECASE,
)
"""With what is refused: `I can't recommend it more highly` is praise."""


def refuses(text: str) -> bool:
    """Whether an answer begins as one does that refuses, or does not know."""
    return bool(_REFUSAL.match(text))
