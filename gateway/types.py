"""The values of one request: who asks, what is asked, and the events that an answer is made of.

What is made for every request or every token is not frozen, since a frozen dataclass takes three
times as long to make. It is treated as if it were, but where a comment says otherwise.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from context.types import Message
from retrieval.types import Document, Viewer, versioned
from routing.types import Strategy, Target

Grounding: TypeAlias = Literal["strict", "open", "off"]
CacheState: TypeAlias = Literal["off", "miss", "exact", "semantic", "shared"]
"""Where an answer comes from; `shared` was made for an equal request at the same time."""
LOCAL = "local"
"""The public id of whoever calls where no keys exist, and of a command on the same machine."""
LongDocument: TypeAlias = Literal["auto", "map_reduce", "refine", "hierarchical"]
"""How a text is read that is longer than the window; see context/long_documents/planning.py."""
NOBODY = "moorline/none"
"""The model of an answer that none was asked for."""
Step: TypeAlias = Literal["", "fallback", "cached", "extract", "canned", "hand-over"]
"""What stood in for the first choice of model: "" is nothing."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what they may."""

    key: str  # the key's public id, "local" where no keys exist
    name: str
    team: str = "default"
    groups: tuple[str, ...] = ()  # whose documents are found; besides those that are for everybody
    admin: bool = False
    collection: str | None = None  # default collection
    collections: tuple[str, ...] = ()  # allowed ones; empty is all
    models: tuple[str, ...] = ()  # allowed ones; empty is all
    region: str = ""  # where its requests have to be answered; "" is anywhere
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    budget_usd: float | None = None  # a calendar month's, UTC

    @property
    def viewer(self) -> Viewer | None:
        """Who searches when this caller does; None for the local one, from whom nothing is kept."""
        return None if self.key == LOCAL else Viewer(self.team, frozenset(self.groups))


FOR_KEEPING = frozenset({"store", "metadata"})
"""Parameters by which a provider keeps what was said: meant for what the caller is told."""


@dataclass(slots=True)
class Ask:
    """A validated request. `params` are the body's other fields, passed on as they are."""

    model: str
    messages: tuple[Message, ...]
    question: str  # the last user message's text
    params: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False
    include_usage: bool = False
    n: int = 1
    collection: str | None = None
    top_k: int | None = None
    grounding: Grounding | None = None
    where: str | Mapping[str, Any] | None = None
    long_document: LongDocument | None = None
    document: Document | None = None  # the longest of its texts as it was parsed, where it was
    use_cache: bool = True
    deadline: float | None = None  # seconds from arrival
    region: str = ""  # where it has to be answered
    within: tuple[str, ...] = ()  # that region, the key's and the team's: all of them hold
    strategy: Strategy | None = None  # asked for; else the route's
    tried: Strategy | None = None  # a variant's, in place of the route's
    prompt: str = ""  # version of the grounding's instructions; "" is that in use
    rerank: bool = True  # whether the configured reranker is asked
    experiment: str = ""  # and its variant, where the caller was drawn for one
    adapter: str = ""  # of the model, where one is asked for beside it
    adapters: Mapping[str, Target] | None = (
        None  # it may lead to, as their names stood when it came
    )
    door: str = "chat"  # the part of the API that it came through
    verbatim: bool = False  # whether the door takes Verbatim and Completion for Deltas

    @property
    def in_words(self) -> bool:
        """Whether what answers it is one text: no choices, and no calls of tools."""
        return self.n == 1 and not (self.params.get("tools") or self.params.get("functions"))

    def unseen(self, params: Mapping[str, Any]) -> Ask:
        """The same for a call whose answer is held back: whole, and the provider keeps none."""
        kept = {name: value for name, value in params.items() if name not in FOR_KEEPING}
        return replace(self, params=kept, stream=False, verbatim=False)


@dataclass(frozen=True, slots=True)
class Parts:
    """What few answers have and what is priced apart."""

    cache_written: int = 0  # of the prompt, written to the provider's cache
    cache_written_1h: int = 0  # of that, to be kept for an hour
    cached_audio: int = 0  # of what was read from the cache
    audio_in: int = 0  # of the prompt
    audio_out: int = 0  # of the completion
    image_in: int = 0  # of the prompt
    image_out: int = 0  # of the completion
    images: int = 0  # in the prompt, where the provider counts them
    searches: int = 0  # of the web, by the provider
    tier: str = ""  # of service: flex, priority …; "" is the usual one
    billed_usd: float | None = None  # where the provider says what it charges


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them, or as we did where it did not say."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0  # of the prompt, read from the provider's cache
    reasoning: int = 0  # of the completion
    estimated: bool = False
    parts: Parts | None = None  # where some of it has a price of its own

    @property
    def total(self) -> int:
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True)
class Spent:
    """What one of an answer's calls used."""

    model: str  # provider/model
    usage: Usage


@dataclass(frozen=True, slots=True)
class Reference:
    """A passage that the model was given, as the client is told of it."""

    n: int  # cited as `[n]`
    collection: str
    document: str
    version: str  # sha256 of the document that was read
    title: str
    section: str  # heading path
    page: int | None
    start: int  # character span in the document's text
    end: int
    score: float
    url: str
    text: str
    cited: bool = False
    shortened: bool = False  # `text` is what of the span bears on the question


@dataclass(slots=True)
class Delta:
    """A piece of one choice. `fields` are the wire's other fields of the choice's delta (role,
    tool_calls, reasoning_content …) and `extra` those of the choice itself (logprobs)."""

    text: str = ""
    choice: int = 0
    fields: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    finish: str | None = None


@dataclass(slots=True)
class Done:
    """The end of an answer, and all that is known about it. Each stage fills in its own part, in
    place: a Done belongs to one request."""

    usage: Usage = Usage()
    model: str = ""  # provider/model that wrote it
    route: str = ""  # the rule that chose the model
    cache: CacheState = "off"
    collection: str | None = None  # that was searched
    grounding: Grounding = "off"  # how firmly the answer had to stand on it
    grounded: bool | None = None  # whether it does; None: grounding is off
    faithfulness: float | None = None  # share of the claims that their sources support
    sources: tuple[Reference, ...] = ()
    tokens: Mapping[str, int] = field(default_factory=dict)  # per part of the context
    cost_usd: float = 0.0
    spent: tuple[Spent, ...] = ()  # where it took several calls: each one's part of `usage`
    continued: tuple[str, ...] = ()  # who went on when a model broke off, in order
    degraded: Step = ""
    strategy: Mapping[str, Any] | None = None  # that made it: name, calls, how many agreed …
    long_document: Mapping[str, Any] | None = None  # how a text was read that did not fit
    fields: Mapping[str, Any] = field(default_factory=dict)  # the wire's top level: fingerprint …
    redacted: bool = False  # whether a guard has taken something out of it
    withheld: tuple[str, ...] = ()  # what told words that a guard has changed: log probabilities
    incomplete: bool = False  # whether some of what it is made of was cut
    age: float | None = None  # seconds since it was given first, where it is given again

    @property
    def grounded_on(self) -> tuple[str, ...]:
        """The document versions that the model read, as the cache knows them."""
        if not self.sources:
            return ()
        return tuple(dict.fromkeys(versioned(each.document, each.version) for each in self.sources))


@dataclass(slots=True)
class Verbatim:
    """A piece of a streamed answer as its provider wrote it: whole server-sent events of OpenAI's
    chunks, which nobody has taken apart. `id` and `model` are how each of them begins to name
    itself, as bytes to be replaced. Only one choice, and never its end."""

    data: bytes
    id: bytes
    model: bytes


@dataclass(slots=True)
class Completion:
    """A whole answer as its provider wrote it, parsed: OpenAI's chat completion."""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work is that comes before an answer's first word."""

    done: int  # calls of models
    calls: int  # of all, at most
    step: str


Event: TypeAlias = Progress | Delta | Verbatim | Completion | Done
Events: TypeAlias = AsyncGenerator[Event, None]
"""Progress…, Delta…, Done. Whoever wraps a stream closes what it wraps, on every way out.

Where a call allows it (`Call.verbatim`), Verbatim or a Completion stand for Deltas: gateway.streams
takes them apart for whoever needs their text.
"""


@dataclass(slots=True)
class Answer:
    """A stream that has begun, with what is known of its end already: model, route, sources …

    What stages hang on it, `told` in gateway/streams.py carries out: a judge for each choice's
    text, and what happens with a whole answer before its end is told.
    """

    events: Events
    known: Done
    judge: Callable[[], Any] | None = None
    endings: tuple[Callable[..., Awaitable[Done]], ...] = ()
    offered: Callable[[Events], Events] | None = None  # where equal requests may listen
    headers: tuple[tuple[bytes, bytes], ...] = ()  # what else the response's head says
