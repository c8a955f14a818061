"""The operator's examples in a gateway: embedded once, chosen by a request's one embedding.

They take what room the packed prompt leaves: no passage and no turn goes for them. Vectors are
remembered in the data folder, so that only a pool that has changed is embedded again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from context.config import ExamplesConfig
from context.examples import BadExamples, Example, Near, Pool, digest, read, shown, within
from context.prompts.template import Template
from context.tokens import Tokenizer, messages_tokens, most_tokens
from context.types import Message, Prompt
from gateway.config import ConfigError
from gateway.expanding import fitting
from gateway.tracing.trace import Span
from gateway.types import Ask
from gateway.windows import Windows
from retrieval.types import Encoder, Query, RetrievalError, Vectors
from routing.features import task_by_words
from routing.types import Plan

FOLDER = "examples"
SETTING = "context.examples.file"


class Examples:
    """The pool, and how much of it is shown."""

    def __init__(
        self, config: ExamplesConfig, windows: Windows, pool: Pool, told: Template, edition: str
    ) -> None:
        self._config = config
        self._windows = windows
        self._pool = pool
        self._told = told.render()
        self.digest = edition

    async def shown(
        self, prompt: Prompt, ask: Ask, query: Query | None, plan: Plan, span: Span
    ) -> Prompt:
        """The prompt with the examples that are likest to the question, where there is room."""
        count = self._windows.tokenizer(plan)
        near = self._near(ask, query, count)
        if not near:
            return prompt
        messages, room = self._with(prompt.messages, near), self._windows.room(ask, plan)
        if most_tokens(messages) > room:  # a bound, which most prompts are far below
            whole = await asyncio.to_thread(messages_tokens, messages, count)
            if whole > room:
                span.set(notes=[*span.attributes.get("notes", ()), "no room for examples"])
                return prompt
        tokens = dict(prompt.tokens)
        if tokens:
            whole = await asyncio.to_thread(messages_tokens, messages, count)
            total = whole + sum(self._windows.beside(ask, plan, count).values())
            tokens["examples"] = total - tokens["total"]
            tokens["total"] = total
        span.set(prompt=messages, tokens=tokens, examples=[_told(each) for each in near])
        return replace(prompt, messages=messages, tokens=tokens)

    def _near(self, ask: Ask, query: Query | None, count: Tokenizer) -> list[Near]:
        if query is None:
            return []
        config, task = self._config, ""
        if self._pool.tasks:
            task = task_by_words(ask.question)
        near = self._pool.near(
            query.vector,
            config.most,
            task=task,
            floor=config.likeness,
            diversity=config.diversity,
        )
        return within(near, config.tokens, count)

    def _with(self, messages: Sequence[Message], near: Sequence[Near]) -> tuple[Message, ...]:
        """The likest comes last, where it is nearest to the question."""
        examples = [each.example for each in reversed(near)]
        return shown(messages, examples, self._config.form, self._told)


def _told(near: Near) -> dict[str, Any]:
    """As the trace shows it."""
    return {"question": near.example.question, "likeness": round(near.likeness, 4)}


async def opened(
    config: ExamplesConfig, windows: Windows, encoder: Encoder, told: Template, folder: Path
) -> Examples:
    """The configured pool. Raises ConfigError."""
    try:
        examples = await asyncio.to_thread(_read, config.file)
        vectors = await _remembered(examples, encoder, folder / FOLDER)
    except (BadExamples, RetrievalError) as error:
        raise ConfigError(f"`{SETTING}`: {config.file}: {error}") from None
    return Examples(config, windows, Pool(examples, vectors), told, digest(examples))


def _read(file: Path) -> list[Example]:
    try:
        examples = read(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadExamples(f"it cannot be read: {error}.") from None
    if not examples:
        raise BadExamples("it has no example.")
    return examples


async def _remembered(examples: Sequence[Example], encoder: Encoder, folder: Path) -> Vectors:
    """The questions' vectors, from a file where they have been embedded before."""
    edition = hashlib.sha256(f"{encoder.name}\n{digest(examples)}".encode()).hexdigest()
    file = folder / f"{edition}.npy"
    if await asyncio.to_thread(file.is_file):
        return await asyncio.to_thread(np.load, file)
    texts = await asyncio.to_thread(lambda: [fitting(each.question, encoder) for each in examples])
    vectors = await encoder.passages(texts)
    await asyncio.to_thread(_keep, file, vectors)
    return vectors


def _keep(file: Path, vectors: Vectors) -> None:
    """The only file of its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    for old in file.parent.glob("*.npy"):
        old.unlink(missing_ok=True)
    partial = file.with_suffix(".part")
    with partial.open("wb") as written:
        np.save(written, vectors)
    partial.replace(file)
