"""What tokens cost: litellm's price list read as data, under the prices of the configuration.

litellm itself is never imported for it. A model that neither knows costs nothing, and `known`
says so.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from gateway.providers.config import (
    ExtractiveProvider,
    ModelConfig,
    ProviderConfig,
    SimulatedProvider,
    VllmProvider,
)
from gateway.types import Usage

LIST = "model_prices_and_context_window_backup.json"
# Whoever runs these pays for a machine, not for tokens.
FREE = (VllmProvider, SimulatedProvider, ExtractiveProvider)

_TIER = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")


@dataclass(frozen=True, slots=True)
class Price:
    """USD for one token. `tiers` are the prices of longer prompts: above how many tokens."""

    input: float = 0.0
    output: float = 0.0
    cached: float | None = None  # of the input, read from the provider's cache
    reasoning: float | None = None  # of the output
    tiers: tuple[tuple[int, Price], ...] = ()  # rising

    def of(self, usage: Usage) -> float:
        """USD for these tokens."""
        price = self
        for above, dearer in self.tiers:
            if usage.prompt > above:
                price = dearer
        cached, reasoning = min(usage.cached, usage.prompt), min(usage.reasoning, usage.completion)
        return (
            (usage.prompt - cached) * price.input
            + cached * (price.input if price.cached is None else price.cached)
            + (usage.completion - reasoning) * price.output
            + reasoning * (price.output if price.reasoning is None else price.reasoning)
        )


class Prices:
    """Prices by `provider/model`."""

    def __init__(self, providers: Mapping[str, ProviderConfig], file: Path | None = None) -> None:
        self._file = file or bundled()
        self._listed: dict[str, Any] | None = None
        self._reading = Lock()
        self._found: dict[str, Price | None] = {}
        self._configured = {
            f"{name}/{model.name}": (model, isinstance(provider, FREE))
            for name, provider in providers.items()
            for model in provider.models
        }
        for name in list(self._configured):  # a model may be asked for without its provider
            self._configured.setdefault(name.partition("/")[2], self._configured[name])

    async def load(self) -> None:
        """Read the list in a thread. Whoever asks for a price before that waits for the file."""
        await asyncio.to_thread(self._list)

    def cost(self, model: str, usage: Usage) -> float:
        """USD for an answer of `provider/model`; 0 where the price is not known."""
        price = self.price(model)
        return price.of(usage) if price else 0.0

    def known(self, model: str) -> bool:
        """Whether a cost of 0 means that it is free."""
        return self.price(model) is not None

    def price(self, model: str) -> Price | None:
        """The configured price, completed by the listed one."""
        if model not in self._configured:
            return None
        if model not in self._found:
            config, free = self._configured[model]
            listed = Price() if free else self._in_list(config.name)
            self._found[model] = _overridden(listed, config)
        return self._found[model]

    def _in_list(self, name: str) -> Price | None:
        entry = self._list().get(name)
        return listed_price(entry) if isinstance(entry, dict) else None

    def _list(self) -> dict[str, Any]:
        with self._reading:
            if self._listed is None:
                self._listed = orjson.loads(self._file.read_bytes()) if self._file else {}
            return self._listed


def bundled() -> Path | None:
    """The list inside the installed litellm, found without importing it."""
    spec = find_spec("litellm")
    for folder in (spec and spec.submodule_search_locations) or ():
        if (file := Path(folder) / LIST).is_file():
            return file
    return None


def listed_price(entry: Mapping[str, Any]) -> Price | None:
    """An entry of litellm's list; None where it has no price per token."""
    base = _at(entry, "")
    if base is None:
        return None
    found = (_TIER.fullmatch(key) for key in entry)
    above = sorted(int(match[1]) for match in found if match)
    tiers = ((k * 1000, _at(entry, f"_above_{k}k_tokens", base)) for k in above)
    return replace(base, tiers=tuple((tokens, tier) for tokens, tier in tiers if tier))


def _at(entry: Mapping[str, Any], tier: str, base: Price | None = None) -> Price | None:
    def number(key: str, otherwise: float | None) -> float | None:
        value = entry.get(f"{key}{tier}")
        return float(value) if isinstance(value, int | float) else otherwise

    start = base or Price()
    paid = number("input_cost_per_token", base.input if base else None)
    if paid is None:
        return None
    return Price(
        input=paid,
        output=number("output_cost_per_token", start.output) or 0.0,
        cached=number("cache_read_input_token_cost", start.cached),
        reasoning=number("output_cost_per_reasoning_token", start.reasoning),
    )


def _overridden(listed: Price | None, config: ModelConfig) -> Price | None:
    """The listed price with what the configuration sets; its tiers hold only if nothing is set."""
    paid, said = config.input_usd_per_million, config.output_usd_per_million
    cached = config.cached_input_usd_per_million
    if paid is None and said is None and cached is None:
        return listed
    price = replace(listed or Price(), tiers=())
    if paid is not None:
        price = replace(price, input=paid / 1e6, cached=None)
    if cached is not None:
        price = replace(price, cached=cached / 1e6)
    if said is not None:
        price = replace(price, output=said / 1e6, reasoning=None)
    return price
