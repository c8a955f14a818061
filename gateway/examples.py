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

import numpy as np

from context.config import ContextConfig, ExamplesConfig
from context.examples import BadExamples, Example, Near, Pool, digest, read, shown, within
from context.prompts.template import Template
from context.tokens import counter, messages_tokens, most_tokens
from context.types import Message, Prompt
from gateway.config import ConfigError
from gateway.expanding import fitting
from gateway.grounding import most_tokens_of_answer
from gateway.tracing.trace import Span
from gateway.types import Ask
from retrieval.types import Encoder, Query, RetrievalError, Vectors
from routing.features import features
from routing.types import Plan

FOLDER = "examples"
SETTING = "context.examples.file"


class Examples:
    """The pool, and how much of it is shown."""

    def __init__(
        self, config: ExamplesConfig, margin: float, pool: Pool, told: Template, edition: str
    ) -> None:
        self._config = config
        self._margin = margin
        self._pool = pool
        self._told = told.render()
        self.digest = edition

    async def shown(
        self, prompt: Prompt, ask: Ask, query: Query | None, plan: Plan, span: Span
    ) -> Prompt:
        """The prompt with the examples that are likest to the question, where there is room."""
        near = self._near(ask, query, plan)
        if not near:
            return prompt
        count = counter(plan.targets[0].model)
        tokens = messages_tokens(self._with((), near), count)
        answer = prompt.tokens.get("answer") or most_tokens_of_answer(ask) or plan.max_output
        room = plan.window * (1 - self._margin) - answer - tokens
        total = prompt.tokens.get("total", 0) or most_tokens(prompt.messages)
        if total > room and not prompt.tokens:  # that was no more than a bound
            total = await asyncio.to_thread(messages_tokens, prompt.messages, count)
        if total > room:
            span.set(notes=["There is no room for examples."])
            return prompt
        messages = self._with(prompt.messages, near)
        span.set(
            prompt=messages,
            examples=[
                {"question": each.example.question, "likeness": round(each.likeness, 4)}
                for each in near
            ],
        )
        counted = {**prompt.tokens, "examples": tokens}
        if prompt.tokens:
            counted["total"] = total + tokens
        span.set(tokens=counted)
        return replace(prompt, messages=messages, tokens=counted if prompt.tokens else {})

    def _near(self, ask: Ask, query: Query | None, plan: Plan) -> list[Near]:
        if query is None:
            return []
        config, task = self._config, ""
        if self._pool.tasks:
            task = features(ask.question, grounded=False, tokens=0).task
        near = self._pool.near(
            query.vector,
            config.most,
            task=task,
            floor=config.likeness,
            diversity=config.diversity,
        )
        return within(near, config.tokens, counter(plan.targets[0].model))

    def _with(self, messages: Sequence[Message], near: Sequence[Near]) -> tuple[Message, ...]:
        """The likest comes last, where it is nearest to the question."""
        examples = [each.example for each in reversed(near)]
        return shown(messages, examples, self._config.form, self._told)


async def opened(
    context: ContextConfig, encoder: Encoder, told: Template, folder: Path
) -> Examples | None:
    """The configured pool; None where there is none. Raises ConfigError."""
    config = context.examples
    if config is None:
        return None
    try:
        examples = await asyncio.to_thread(_read, config.file)
        vectors = await _remembered(examples, encoder, folder / FOLDER)
    except (BadExamples, RetrievalError) as error:
        raise ConfigError(f"`{SETTING}`: {config.file}: {error}") from None
    pool = Pool(examples, vectors)
    return Examples(config, context.margin, pool, told, digest(examples))


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
