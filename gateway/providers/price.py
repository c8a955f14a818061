"""A model's price: plain arithmetic over what an answer used, and how the price list writes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import itemgetter

from gateway.providers.listing import OWNER, Entry
from gateway.types import Parts, Usage

IN, OUT = "input_cost_per_token", "output_cost_per_token"

_LONG = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")
# Tiers of service, as answers name them, and the endings of their prices.
SERVED = {"flex": "_flex", "priority": "_priority", "batch": "_batches"}


@dataclass(frozen=True, slots=True)
class Price:
    """USD for one token. What has no price of its own costs what its kind costs."""

    input: float = 0.0
    output: float = 0.0
    cached: float | None = None  # of the input, read from the provider's cache
    reasoning: float | None = None  # of the output
    written: float | None = None  # of the input, into the provider's cache
    written_1h: float | None = None  # the same, to be kept for an hour
    cached_audio: float | None = None
    audio_in: float | None = None
    audio_out: float | None = None
    image_in: float | None = None
    image_out: float | None = None
    image: float = 0.0  # for one image in the prompt
    search: float = 0.0  # for one search of the web
    search_once: bool = False  # however often an answer searches
    request: float = 0.0
    tiers: tuple[tuple[int, Price], ...] = ()  # of longer prompts: above how many tokens; rising
    served: Mapping[str, Price] = field(default_factory=dict)  # by tier of service

    def of(self, usage: Usage) -> float:
        """USD for these tokens."""
        price = self.served.get(usage.parts.tier, self) if usage.parts else self
        for above, dearer in reversed(price.tiers):
            if usage.prompt > above:
                price = dearer
                break
        return price.request + (
            price._with_parts(usage, usage.parts) if usage.parts else price._of_text(usage)
        )

    def _of_text(self, usage: Usage) -> float:
        cached, reasoning = min(usage.cached, usage.prompt), min(usage.reasoning, usage.completion)
        return (
            (usage.prompt - cached) * self.input
            + cached * (self.input if self.cached is None else self.cached)
            + (usage.completion - reasoning) * self.output
            + reasoning * (self.output if self.reasoning is None else self.reasoning)
        )

    def _with_parts(self, usage: Usage, parts: Parts) -> float:
        cached = self.input if self.cached is None else self.cached
        written = self.input if self.written is None else self.written
        heard = min(parts.cached_audio, usage.cached)
        read = _shared(
            usage.prompt,
            self.input,
            (heard, cached if self.cached_audio is None else self.cached_audio),
            (usage.cached - heard, cached),
            (parts.cache_written_1h, written if self.written_1h is None else self.written_1h),
            (parts.cache_written - parts.cache_written_1h, written),
            (parts.audio_in - heard, self.audio_in),
            (parts.image_in, self.image_in),
        )
        said = _shared(
            usage.completion,
            self.output,
            (parts.audio_out, self.audio_out),
            (parts.image_out, self.image_out),
            (usage.reasoning, self.reasoning),
        )
        images = 0 if parts.image_in else parts.images  # paid by the token, where they are counted
        searches = min(parts.searches, 1) if self.search_once else parts.searches
        return read + said + images * self.image + searches * self.search


def _shared(total: int, price: float, *parts: tuple[int, float | None]) -> float:
    """USD for tokens of which some have their own price. A token is paid once, whatever is said
    of it: the parts may overlap, and take from what is left."""
    paid, left = 0.0, total
    for tokens, own in parts:
        taken = max(0, min(tokens, left))
        paid += taken * (price if own is None else own)
        left -= taken
    return paid + left * price


def listed_price(entry: Entry) -> Price | None:
    """An entry of litellm's list; None where it has no price per token."""
    if steps := entry.get("tiered_pricing"):
        return _stepped(steps)
    usual = _of_service(entry, "")
    if usual is None:
        return None
    served = {
        tier: price
        for tier, ending in SERVED.items()
        if any(key.endswith(ending) for key in entry)
        if (price := _of_service(entry, ending))
    }
    return replace(usual, served=served)


def _of_service(entry: Entry, ending: str) -> Price | None:
    """The prices of one tier of service, with those of longer prompts."""
    base = _at(entry, ending)
    if base is None:
        return None
    found = (_LONG.fullmatch(key) for key in entry)
    above = sorted(int(match[1]) for match in found if match)
    tiers = []
    for k in above:
        long = f"_above_{k}k_tokens"
        if price := _at(entry, ending, long, long + ending):
            tiers.append((k * 1000, price))
    return replace(base, tiers=tuple(tiers))


def _at(entry: Entry, *endings: str) -> Price | None:
    """The prices whose keys have one of these endings: the last that is listed counts. A special
    one that is listed without any of them rises and falls as its kind does."""

    def usual(key: str) -> float | None:
        price = entry.get(key)
        return float(price) if isinstance(price, int | float) else None

    def number(key: str, kind: str = "") -> float | None:
        for ending in reversed(endings):
            if ending and (price := usual(key + ending)) is not None:
                return price
        price = usual(key)
        if not price or not kind:
            return price
        before, now = usual(kind), number(kind)
        return price * now / before if before and now else price

    paid = number(IN)
    if paid is None:
        return None
    cached = number("cache_read_input_token_cost", IN)
    return Price(
        input=paid,
        output=number(OUT) or 0.0,
        cached=number("input_cost_per_token_cache_hit", IN) if cached is None else cached,
        reasoning=number("output_cost_per_reasoning_token", OUT),
        written=number("cache_creation_input_token_cost", IN),
        written_1h=number("cache_creation_input_token_cost_above_1hr", IN),
        cached_audio=number("cache_read_input_audio_token_cost", IN),
        audio_in=number("input_cost_per_audio_token", IN),
        audio_out=number("output_cost_per_audio_token", OUT),
        image_in=number("input_cost_per_image_token", IN),
        image_out=number("output_cost_per_image_token", OUT),
        image=number("input_cost_per_image") or 0.0,
        search=_search(entry),
        search_once=_google(entry) and entry.get("web_search_billing_unit") != "per_query",
        request=number("input_cost_per_request") or 0.0,
    )


def _search(entry: Entry) -> float:
    """USD for one search of the web, at the usual amount of context."""
    listed = entry.get("search_context_cost_per_query")
    price = listed.get("search_context_size_medium") if isinstance(listed, dict) else None
    return float(price) if isinstance(price, int | float) else 0.0


def _google(entry: Entry) -> bool:
    """Google bills an answer that was searched for, other clouds each search."""
    return str(entry.get(OWNER)).startswith(("gemini", "vertex_ai-language"))


def _stepped(steps: Iterable[Entry]) -> Price | None:
    """Prices that rise with the prompt, listed as steps."""
    tiers = [(int(step["range"][0]), _at(step)) for step in steps if "range" in step]
    known = sorted(((above, price) for above, price in tiers if price), key=itemgetter(0))
    return replace(known[0][1], tiers=tuple(known[1:])) if known else None
