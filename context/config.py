"""Context's section of the configuration: how a model's window is shared out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from context.long_documents.config import LongDocumentsConfig
from retrieval.config import Section

Version = Annotated[str, Field(pattern=r"^v[1-9][0-9]*$")]


class ExamplesConfig(Section):
    """Questions and answers of yours that show a model how to answer: those whose question is
    likest to the one that is asked go into the prompt, after the instructions."""

    file: Path = Field(
        description='A JSON object a line, `{"question": …, "answer": …}`; with a `"task"` it is '
        "for questions of that task alone."
    )
    most: int = Field(default=3, ge=1, le=20, description="How many are shown.")
    tokens: int = Field(default=800, ge=1, description="How long they may be together.")
    form: Literal["turns", "block"] = Field(
        default="turns",
        description="As turns of the conversation, or quoted at the end of the instructions.",
    )
    likeness: float = Field(
        default=0.3, ge=-1, le=1, description="Cosine below which one is not shown."
    )
    diversity: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="How much it counts that one says what another one does not.",
    )


class ContextConfig(Section):
    """Shares of the model's window. What one part leaves unused, another may take.

    Instructions and the last turn are never cut; they live on what the shares leave over, and
    beyond that on the shares of history and sources.
    """

    history: float = Field(
        default=0.25, ge=0, le=1, description="Share kept for earlier turns, latest first."
    )
    sources: float = Field(
        default=0.45, ge=0, le=1, description="Share kept for passages, best first."
    )
    answer: float = Field(
        default=0.15, gt=0, le=1, description="Share kept for the answer where no length is known."
    )
    margin: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="Share left empty, since models count tokens differently.",
    )

    order: Literal["best-first", "edges"] = Field(
        default="best-first",
        description="Of passages in the prompt. `edges`: the best at the beginning and the end, "
        "since models read the middle of a long prompt least; numbers go on saying which is best.",
    )

    prompts: Path | None = Field(
        default=None,
        description="Folder of your own prompts, `NAME.vN.txt`; one of the same name and version "
        "stands in for the packaged one. `moorline prompts list` shows what there is.",
    )
    prompt_versions: dict[str, Version] = Field(
        default={},
        description='Version of a prompt that is used, `strict = "v1"`; else the latest one.',
    )

    examples: ExamplesConfig | None = Field(
        default=None, description="Few-shot examples; none where left out."
    )
    long_documents: LongDocumentsConfig = Field(
        default=LongDocumentsConfig(), description="Texts that are longer than the window."
    )

    @model_validator(mode="after")
    def _within_the_window(self) -> Self:
        if self.history + self.sources + self.answer + self.margin > 1:
            raise ValueError("history, sources, answer and margin are more than the whole window")
        return self
