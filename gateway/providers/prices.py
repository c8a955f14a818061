"""What answers cost: litellm's price list read as data, under the prices of the configuration.

litellm itself is never imported for it. A model that neither knows costs nothing, and `known`
says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from gateway.providers.config import (
    AdaptedProvider,
    ExtractiveProvider,
    ModelConfig,
    OpenAICompatibleProvider,
    ProviderConfig,
    SimulatedProvider,
    TransformersProvider,
    VllmProvider,
    priced,
)
from gateway.providers.listing import Entry, listed
from gateway.providers.price import Price, listed_price
from gateway.providers.services import SERVICES
from gateway.types import Usage

# What a configured price of prompts, or of answers, puts in the place of what is listed.
_NO_INPUT: dict[str, Any] = dict.fromkeys(
    ("cached", "written", "written_1h", "cached_audio", "audio_in", "image_in")
)
_NO_OUTPUT: dict[str, Any] = dict.fromkeys(("reasoning", "audio_out", "image_out"))


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
            for model in priced(provider)
        }
        # A model may be asked for without its provider.
        self._adapted = {
            name: f"{name}/{provider.base.name}"
            for name, provider in providers.items()
            if isinstance(provider, AdaptedProvider) and provider.base
        }
        self._full: dict[str, str] = {}
        for name in self._configured:
            self._full.setdefault(name.partition("/")[2], name)

    async def load(self) -> None:
        """Read the list in a thread. Whoever asks for a price before that waits for the file."""
        await asyncio.to_thread(self._entries)

    def cost(self, model: str, usage: Usage) -> float:
        """USD for an answer of `provider/model`; 0 where the price is not known.

        What the provider says comes before the list, and after the configuration.
        """
        billed = usage.parts.billed_usd if usage.parts else None
        if billed is not None and not self._settled(model):
            return billed
        price = self.price(model)
        return price.of(usage) if price else 0.0

    def known(self, model: str) -> bool:
        """Whether a cost of 0 means that it is free."""
        return self.price(model) is not None

    def price(self, model: str) -> Price | None:
        """The configured price, completed by the listed one."""
        model = self._name(model)
        if not model:
            return None
        if model not in self._found:
            config, costless = self._configured[model]
            entry = self.listed(model)
            listed = Price() if costless else listed_price(entry) if entry else None
            self._found[model] = _overridden(listed, config)
        return self._found[model]

    def _settled(self, model: str) -> bool:
        """Whether the price is not the provider's to say."""
        if not (name := self._name(model)):
            return True
        config, costless = self._configured[name]
        return costless or bool(_given(config))

    def _name(self, model: str) -> str:
        """`provider/model`, of an adapter its base; empty for what is not configured."""
        if model in self._configured:
            return model
        if model in self._full:
            return self._full[model]
        provider, _, adapter = model.partition("/")
        return self._adapted.get(provider, "") if "@" in adapter else ""

    def listed(self, model: str) -> Entry | None:
        """All that the list says of `provider/model`."""
        return self._entries().get(self._name(model))

    def _entries(self) -> Mapping[str, Entry]:
        with self._reading:
            if self._listed is None:
                self._listed = listed(self._providers, self._file)
            return self._listed


def free(provider: ProviderConfig) -> bool:
    """Whether whoever runs it pays for a machine, not for tokens."""
    match provider:
        case VllmProvider() | TransformersProvider() | SimulatedProvider() | ExtractiveProvider():
            return True
        case OpenAICompatibleProvider(service=str(known)):
            return SERVICES[known].free
    return False


def _overridden(listed: Price | None, config: ModelConfig) -> Price | None:
    """The listed price with what the configuration sets. What it sets for prompts or for answers
    replaces all that is listed for them; tiers hold only if nothing is set."""
    given = _given(config)
    if not given:
        return listed
    price = replace(listed or Price(), tiers=(), served={})
    if "input" in given:
        price = replace(price, **_NO_INPUT)
    if "output" in given:
        price = replace(price, **_NO_OUTPUT)
    return replace(price, **given)


def _given(config: ModelConfig) -> dict[str, Any]:
    """The configured prices by the name of the Price's field."""
    special = config.prices
    by_million = {
        "input": config.input_usd_per_million,
        "output": config.output_usd_per_million,
        "cached": config.cached_input_usd_per_million,
        "reasoning": special.reasoning,
        "written": special.cache_write,
        "written_1h": special.cache_write_1h,
        "cached_audio": special.cached_audio,
        "audio_in": special.audio_input,
        "audio_out": special.audio_output,
        "image_in": special.image_input,
        "image_out": special.image_output,
    }
    each = {"image": special.image, "search": special.search, "request": special.request}
    return {name: usd / 1e6 for name, usd in by_million.items() if usd is not None} | {
        name: usd for name, usd in each.items() if usd is not None
    }
