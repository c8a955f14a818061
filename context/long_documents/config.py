"""How a text that is longer than a model's window is taken apart."""

from __future__ import annotations

from pydantic import Field

from retrieval.config import Section


class LongDocumentsConfig(Section):
    """Used by requests with `moorline.long_document` and by `moorline summarize`."""

    part_tokens: int = Field(
        default=8000,
        ge=128,
        description="Longest part of a text that one call reads; less where the window is smaller.",
    )
    overlap_tokens: int = Field(
        default=150,
        ge=0,
        description="Of each part, what is shown of the one before it: so much in whole sentences.",
    )
    note_tokens: int = Field(
        default=600,
        ge=64,
        description="What a call may write of its part. Less where all notes then fit into one "
        "prompt.",
    )
    fan_in: int = Field(
        default=8, ge=2, description="Notes that `hierarchical` joins in one call, at most."
    )
    passages_tokens: int = Field(
        default=8000,
        ge=256,
        description="What is read of a long text to answer a question, best passages first.",
    )
    max_parallel: int = Field(default=4, ge=1, description="Calls of one request at once.")
    max_calls: int = Field(
        default=200, ge=1, description="A text that takes more calls is refused with 400."
    )
