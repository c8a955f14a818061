"""Models' windows: what counts a prompt for them, what a window holds beside its messages, and who
is told when one is nearly full.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from math import ceil
from pathlib import Path

import orjson

from context.budget import Budget
from context.config import ContextConfig
from context.tokenizer_files import found
from context.tokens import Tokenizer, counter, widest
from context.types import Prompt
from gateway.providers.config import (
    ExtractiveProvider,
    ModelConfig,
    ProviderConfig,
    SimulatedProvider,
)
from gateway.sizes import most_tokens_of_answer
from gateway.tracing.trace import Span
from gateway.types import Ask
from routing.features import task_by_words
from routing.types import Plan, Target

log = logging.getLogger("moorline")


class Windows:
    """The configured models' windows."""

    def __init__(
        self,
        config: ContextConfig,
        providers: Mapping[str, ProviderConfig],
        alerted: Callable[[str], None] = lambda model: None,
    ) -> None:
        """`alerted` hears of each prompt that nearly fills a model's window."""
        self.alert = config.alert
        self._config = config
        self._shares = {task: config.of(task) for task in config.tasks}
        self._alerted = alerted
        self._logged: set[str] = set()
        self._tokenizers: dict[str, Tokenizer] = {}
        self._told: dict[str, str] = {}  # what each model is told besides, by the target's name
        for name, provider in providers.items():
            for model in provider.models:
                self._tokenizers[f"{name}/{model.name}"] = tokenizer_of(provider, model)
                if model.system_prompt:
                    self._told[f"{name}/{model.name}"] = model.system_prompt
        self._plans: dict[tuple[Target, ...], Tokenizer] = {}

    def tokenizer(self, plan: Plan) -> Tokenizer:
        """What counts for all targets of a plan: what fits by it, fits whichever answers."""
        known = self._plans.get(plan.targets)
        if known is None:
            known = widest(self._tokenizers.get(t.configured) or counter() for t in plan.targets)
            self._plans[plan.targets] = known
        return known

    def shares(self, question: str) -> ContextConfig:
        """How a window is shared out for what is asked."""
        if not self._shares:
            return self._config
        task = task_by_words(question)
        return self._shares.get(task, self._config)

    def room(self, ask: Ask, plan: Plan) -> int:
        """Tokens that a request's messages may have beside the longest answer to it."""
        count, config = self.tokenizer(plan), self.shares(ask.question)
        wanted = most_tokens_of_answer(ask)
        kept = wanted or min(plan.max_output, ceil(plan.window * config.answer))
        beside = sum(self.beside(ask, plan, count).values())
        return Budget.of(plan.window, kept, beside, count.error, config).room

    def beside(self, ask: Ask, plan: Plan, count: Tokenizer) -> Mapping[str, int]:
        """Tokens of what goes along with the messages."""
        beside = {"tools": count(_written(ask, "tools")), "form": count(_written(ask, FORM))}
        if self._told:
            told = (self._told.get(target.configured) for target in plan.targets)
            beside["model's own"] = max((count(text) for text in told if text), default=0)
        return {name: tokens for name, tokens in beside.items() if tokens}

    def most_beside(self, ask: Ask, plan: Plan) -> int:
        """More tokens than that can be."""
        params = ask.params
        most = 0
        if "tools" in params or FORM in params:
            most += len(_written(ask, "tools").encode()) + len(_written(ask, FORM).encode())
        if self._told:
            most += max(len(self._told.get(t.configured, "").encode()) for t in plan.targets)
        return most

    def watch(self, prompt: Prompt, plan: Plan, span: Span) -> None:
        """Say where a window is nearly full, and which part takes more than is meant for it."""
        tokens, window = prompt.tokens, prompt.tokens["window"]
        config = self.shares(prompt.question)
        notes = [
            f"{part} takes {tokens[part]:,} tokens, more than its share of {share:.0%}"
            for part, share in (("system", config.system), ("question", config.input))
            if tokens[part] > window * share
        ]
        count = self.tokenizer(plan)
        if not count.exact:
            notes.append(f"counts are estimates ({count.name}), within {count.error:.0%}")
        full = (tokens["total"] + tokens["answer"]) / window
        if full >= self.alert:
            notes.append(f"the window is {full:.0%} full with the answer that is kept free")
            self._tell(plan.targets[0].configured, full)
        if notes:
            span.set(notes=[*span.attributes.get("notes", ()), *notes])

    def _tell(self, model: str, full: float) -> None:
        self._alerted(model)
        if model not in self._logged:
            self._logged.add(model)
            log.warning(
                "A prompt fills %s's window to %.0f %%; later ones are counted, not logged.",
                model,
                full * 100,
            )


FORM = "response_format"


def tokenizer_of(provider: ProviderConfig, model: ModelConfig) -> Tokenizer:
    """What counts for one model: its own tokenizer where a file of it is configured, or its name
    is that of a folder which has one; else what is known of its family."""
    if isinstance(provider, ExtractiveProvider | SimulatedProvider):
        return counter()  # they count so themselves
    file = model.tokenizer or (found(Path(model.name)) if "/" in model.name else None)
    return counter(model.listed_as or model.name, file)


def _written(ask: Ask, name: str) -> str:
    value = ask.params.get(name)
    return orjson.dumps(value).decode() if value else ""
