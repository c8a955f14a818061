"""The instructions that a model is given, as text files with a version in their name.

A new wording is a new file; an old one stays, so that a trace can say what was sent.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from context.types import NOT_IN_DOCUMENTS

VERSIONS = {
    "strict": "strict.v2",
    "open": "open.v2",
    "multi_query": "multi_query.v1",
    "hyde": "hyde.v1",
    "stand_alone": "stand_alone.v1",
}
"""What is in use: for answers by their grounding, for searches by what is asked of the model."""


@cache
def instructions(name: str) -> str:
    """The instructions in use."""
    text = files(__name__).joinpath(f"{VERSIONS[name]}.txt").read_text(encoding="utf-8")
    return text.replace("{not_in_documents}", NOT_IN_DOCUMENTS).strip()
