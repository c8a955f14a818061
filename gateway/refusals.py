"""Answers that say in plain words that they are none. English alone, and only how they begin."""

from __future__ import annotations

import re

_REFUSAL = re.compile(
    r"\s*(?:(?:i['’]?m|i am) (?:sorry|afraid|unable|not able|not sure)\b|sorry,|unfortunately,? i\b"
    r"|i (?:can(?:no|['’])t|do(?: not|n['’]t) (?:know|have)|am not able|could(?: not|n['’]t))\b"
    r"|as an ai\b)",
    re.IGNORECASE,
)


def refuses(text: str) -> bool:
    """Whether an answer begins as one does that refuses, or does not know."""
    return bool(_REFUSAL.match(text))
