"""The instructions that a model is given, as text files with a version in their name.

A new wording is a new file; an old one stays, so that a trace can say what was sent.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from context.types import NOT_IN_DOCUMENTS

VERSIONS = {"strict": "strict.v2", "open": "open.v2"}
"""What is in use, by grounding. Part of every cache key: another wording, another answer."""


@cache
def instructions(grounding: str) -> str:
    """The instructions in use for `strict` or `open`."""
    text = files(__name__).joinpath(f"{VERSIONS[grounding]}.txt").read_text(encoding="utf-8")
    return text.replace("{not_in_documents}", NOT_IN_DOCUMENTS).strip()
