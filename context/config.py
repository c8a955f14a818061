"""Context's section of the configuration: how a model's window is shared out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from context.long_documents.config import LongDocumentsConfig
from retrieval.config import Section

Version = Annotated[str, Field(pattern=r"^v[1-9][0-9]*$")]
PARTS = ("system", "history", "sources", "input", "answer", "margin")


class TaskShares(Section):
    """What is shared out otherwise for a task; what is left out stays as it is."""

    system: float | None = Field(default=None, ge=0, le=1, description="See `context.system`.")
    history: float | None = Field(default=None, ge=0, le=1, description="See `context.history`.")
    sources: float | None = Field(default=None, ge=0, le=1, description="See `context.sources`.")
    input: float | None = Field(default=None, ge=0, le=1, description="See `context.input`.")
    answer: float | None = Field(default=None, gt=0, le=1, description="See `context.answer`.")
    margin: float | None = Field(default=None, ge=0, lt=1, description="See `context.margin`.")


class SummaryModel(Section):
    """A model sums up the turns that do not fit; they are left out where that fails or takes too
    long. Costs a call of the model, which counts as the key's, once for several turns."""

    model: str = Field(min_length=1, description="Who does it: an alias or `provider/model`.")
    time_ms: float = Field(
        default=4000, gt=0, description="Longest that it may take, in milliseconds."
    )
    max_tokens: int = Field(default=300, ge=32, description="Longest summary.")


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

    Instructions and the last turn are never cut; they live on their shares and on what the others
    leave, and beyond that on the shares of history and sources. The window is never crossed.
    """

    system: float = Field(
        default=0.10,
        ge=0,
        le=1,
        description="Share meant for instructions; the trace says where they take more.",
    )
    history: float = Field(
        default=0.20, ge=0, le=1, description="Share kept for earlier turns, latest first."
    )
    sources: float = Field(
        default=0.45, ge=0, le=1, description="Share kept for passages, best first."
    )
    input: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Share meant for the last turn; the trace says where it takes more.",
    )
    answer: float = Field(
        default=0.15,
        gt=0,
        le=1,
        description="Share kept for the answer where the request sets no bound; at most the "
        "model's `max_output`.",
    )
    margin: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="Share left empty; more is where tokens are estimated with a larger error.",
    )
    tasks: dict[str, TaskShares] = Field(
        default={},
        description="Other shares by what is asked for: code, mathematics, summary, extraction, "
        "creative, conversation, question.",
    )
    order: Literal["best-first", "edges"] = Field(
        default="best-first",
        description="Of passages in the prompt. `edges`: the best at the beginning and the end, "
        "since models read the middle of a long prompt least; numbers go on saying which is best.",
    )
    compress: bool = Field(
        default=True,
        description="The passage that no longer fits is cut to the sentences that bear on the "
        "question; else it is left out whole.",
    )
    chats: Literal["refuse", "shorten"] = Field(
        default="refuse",
        description="Chats without documents that are too long: 400, or the oldest turns left out.",
    )
    summarise: SummaryModel | None = Field(
        default=None,
        description="A table: a model sums up the turns that are left out, and the summary is "
        "quoted in their place.",
    )
    alert: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Share of the window that prompt and reserved answer fill together, from "
        "which on the trace, the log and a metric say so.",
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
        for name, shares in (("", self), *((task, self.of(task)) for task in self.tasks)):
            if sum(getattr(shares, part) for part in PARTS) > 1 + 1e-9:
                where = f"tasks.{name}: " if name else ""
                raise ValueError(f"{where}{', '.join(PARTS)} are more than the whole window")
        return self

    def of(self, task: str) -> ContextConfig:
        """The same with the shares of a task."""
        other = self.tasks.get(task)
        if other is None:
            return self
        changed = {part: share for part in PARTS if (share := getattr(other, part)) is not None}
        return self.model_copy(update={**changed, "tasks": {}})
