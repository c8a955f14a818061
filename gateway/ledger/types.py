"""What the ledger remembers of a request, and the figures that are read from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.tracing.trace import Span
from gateway.types import CacheState, Step


@dataclass(slots=True)
class Request:
    """One request as a row. Content in it (`question`) has been redacted before."""

    trace_id: str
    at: float  # seconds since the epoch: when it arrived
    key: str  # the key's public id
    team: str
    model_asked: str  # as the client wrote it: an alias, `auto`, a provider's own name
    status: int  # HTTP; 499: the client left before the end
    latency_ms: float
    model: str = ""  # provider/model that wrote the answer
    provider: str = ""
    route: str = ""  # the rule that chose the model
    collection: str = ""
    grounding: str = ""  # as the request asked: strict, open, off; "" where it did not say
    cache: CacheState = "off"
    stream: bool = False
    error_code: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0  # of the prompt, read from the provider's cache
    reasoning_tokens: int = 0  # of the completion
    cost_usd: float = 0.0
    ttft_ms: float | None = None  # time to the first token
    grounded: bool | None = None  # None: grounding is off
    faithfulness: float | None = None
    sources: int = 0  # how many
    question: str = ""
    door: str = ""  # the part of the API that it came through
    degraded: Step = ""  # what stood in for the first choice of model
    attempts: int = 0  # calls of models, failed ones included
    context: Mapping[str, int] = field(default_factory=dict)  # the prompt's tokens, part by part
    experiment: str | None = None  # and its variant: name/variant
    unit: str | None = None  # of the experiment: tells callers apart, and nothing else

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request with its trace. The spans are empty once retention has taken them."""

    request: Request
    spans: tuple[Span, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which requests. `status` is "ok", "error", a class such as "4xx", or a number."""

    status: str | None = None
    model: str | None = None
    key: str | None = None
    team: str | None = None
    cache: str | None = None
    degraded: str | None = None  # a step, or "any"
    since: float | None = None
    until: float | None = None
    text: str | None = None  # part of the question


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the requests, the newest first, and how many there are in all."""

    requests: tuple[Request, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Totals:
    """What happened in a span of time. Percentiles are within 1 %; None without requests."""

    requests: int = 0
    errors: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0
    cache_hits: int = 0
    cache_lookups: int = 0  # requests whose cache was on
    grounded: int = 0
    judged: int = 0  # requests whose grounding was on and that were answered
    degraded: int = 0  # requests for which something stood in for the first choice of model
    p50_ms: float | None = None
    p95_ms: float | None = None

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def error_rate(self) -> float | None:
        return self.errors / self.requests if self.requests else None

    @property
    def cache_hit_rate(self) -> float | None:
        return self.cache_hits / self.cache_lookups if self.cache_lookups else None

    @property
    def degraded_rate(self) -> float | None:
        return self.degraded / self.requests if self.requests else None

    @property
    def grounded_rate(self) -> float | None:
        return self.grounded / self.judged if self.judged else None


@dataclass(frozen=True, slots=True)
class Bucket:
    """The totals of one step of the time axis, which begins at `at`."""

    at: float
    totals: Totals


@dataclass(frozen=True, slots=True)
class Share:
    """One model's, key's or team's part."""

    id: str
    name: str  # a key's name; elsewhere the same as `id`
    requests: int
    errors: int
    tokens: int
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Overview:
    """What the dashboard's first page shows. Buckets without requests are there, with zeros."""

    since: float
    until: float
    bucket: float  # seconds
    totals: Totals
    buckets: tuple[Bucket, ...]
    models: tuple[Share, ...]
    keys: tuple[Share, ...]
    teams: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Shadowed:
    """One request that was put to a revision that is tried out, see gateway/shadows.py."""

    at: float
    status: int
    live: str  # the model whose answer it followed
    figures: tuple[Mapping[str, float | None], ...]  # of the live answer, and of its own
    likeness: float | None = None


@dataclass(frozen=True, slots=True)
class CallersPart:
    """What one caller's requests under a variant came to, in sums."""

    variant: str
    unit: str
    requests: int
    errors: int
    cost_usd: float
    latency_ms: float
    judged: int  # requests whose faithfulness is known
    faithfulness: float
