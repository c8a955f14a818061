"""What tokens cost: litellm's price list read as data, under the prices of the configuration.

litellm itself is never imported for it. A model that neither knows costs nothing, and `known`
says so.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

from gateway.providers.config import (
    ExtractiveProvider,
    ModelConfig,
    OpenAICompatibleProvider,
    ProviderConfig,
    SimulatedProvider,
    VllmProvider,
)
from gateway.providers.listing import Entry, listed
from gateway.providers.services import SERVICES
from gateway.types import Usage

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
        self._providers = providers
        self._file = file
        self._listed: Mapping[str, Entry] | None = None
        self._reading = Lock()
        self._found: dict[str, Price | None] = {}
        self._configured = {
            f"{name}/{model.name}": (model, free(provider))
            for name, provider in providers.items()
            for model in provider.models
        }
        # A model may be asked for without its provider.
        self._full: dict[str, str] = {}
        for name in self._configured:
            self._full.setdefault(name.partition("/")[2], name)

    async def load(self) -> None:
        """Read the list in a thread. Whoever asks for a price before that waits for the file."""
        await asyncio.to_thread(self._entries)

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
            model = self._full.get(model, "")
            if not model:
                return None
        if model not in self._found:
            config, costless = self._configured[model]
            entry = self.listed(model)
            listed = Price() if costless else listed_price(entry) if entry else None
            self._found[model] = _overridden(listed, config)
        return self._found[model]

    def listed(self, model: str) -> Entry | None:
        """All that the list says of `provider/model`."""
        return self._entries().get(model)

    def _entries(self) -> Mapping[str, Entry]:
        with self._reading:
            if self._listed is None:
                self._listed = listed(self._providers, self._file)
            return self._listed


def free(provider: ProviderConfig) -> bool:
    """Whether whoever runs it pays for a machine, not for tokens."""
    match provider:
        case VllmProvider() | SimulatedProvider() | ExtractiveProvider():
            return True
        case OpenAICompatibleProvider(service=str(known)):
            return SERVICES[known].free
    return False


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
