"""Every way to fail, and how it looks to the client.

GatewayError
├── InvalidRequest            400  invalid_request_error
│   ├── PromptTooLong         400  context_length_exceeded
│   ├── Refused               400  content_policy_violation
│   └── Unprocessable         422
├── Unauthorized              401  invalid_api_key
├── Forbidden                 403  insufficient_permissions
├── NotFound                  404  not_found
│   ├── UnknownModel          404  model_not_found
│   ├── UnknownCollection     404  collection_not_found
│   └── NotCached             404  not_cached
├── NotAllowed                405  method_not_allowed
├── Conflicting               409  conflict
├── TooSlow                   408  request_timeout
├── TooLarge                  413  request_too_large
│   ├── UrlTooLong            414  url_too_long
│   └── HeadTooLarge          431  headers_too_large
├── RateLimited               429  rate_limit_exceeded
│   ├── BudgetSpent           429  insufficient_quota
│   └── Overloaded            429  overloaded
├── ProviderError             502  provider_error
│   ├── ProviderTimeout       504  provider_timeout
│   ├── StructuredOutputInvalid 502 invalid_structured_output
│   ├── WindowExceeded        400  context_length_exceeded
│   ├── NothingToQuote        502  provider_error
│   ├── OutOfMemory           503  out_of_memory
│   └── AdapterUnusable       424  adapter_unusable
│       ├── AdapterNotFound   424  adapter_not_found
│       ├── AdapterCorrupt    424  adapter_corrupt
│       └── AdapterIncompatible 424 adapter_incompatible
├── SourcesUnavailable        503  retrieval_unavailable
├── AdapterAway               503  adapter_source_unavailable
├── LedgerAway                503  ledger_unavailable
└── NoModelAvailable          503  no_model_available
    └── HandedOver            503  no_model_available

The shape is OpenAI's: `{"error": {"message", "type", "param", "code"}}`. The same body is the
event that ends a broken stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class GatewayError(Exception):
    """Base of all. Status, type and code are facts of the class; raising says what happened."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "api_error"
    code: ClassVar[str | None] = None

    def __init__(
        self, message: str, *, param: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after  # seconds

    def body(self) -> dict[str, Any]:
        """What the client reads, as JSON or as an event inside a stream."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }


class InvalidRequest(GatewayError):
    """The request is malformed; `param` is the path of the field."""

    status = 400
    type = "invalid_request_error"


IN_PARTS = 'A long text is read in parts with `"moorline": {"long_document": "auto"}`.'
"""What helps against the next one."""


class PromptTooLong(InvalidRequest):
    """The input does not fit the model's window."""

    code = "context_length_exceeded"


class Refused(InvalidRequest):
    """A guardrail blocked the request."""

    code = "content_policy_violation"


class Unprocessable(InvalidRequest):
    """The same where a door's own format says so with another status."""

    status = 422


class Unauthorized(GatewayError):
    """No key, or one that is unknown or revoked."""

    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"


class Forbidden(GatewayError):
    """The key is good, but not for this."""

    status = 403
    type = "invalid_request_error"
    code = "insufficient_permissions"


class NotFound(GatewayError):
    """There is no such path or object."""

    status = 404
    type = "invalid_request_error"
    code = "not_found"


class UnknownModel(NotFound):
    """No alias and no provider has this model."""

    code = "model_not_found"


class UnknownCollection(NotFound):
    """No such collection has been ingested."""

    code = "collection_not_found"


class NotCached(NotFound):
    """The request takes only an answer that was given before, and there is none.

    HTTP's own answer to that is 504, which clients' libraries take for a reason to ask again."""

    code = "not_cached"


class Conflicting(GatewayError):
    """It is well-formed, and what is there stands against it."""

    status = 409
    type = "invalid_request_error"
    code = "conflict"


class NotAllowed(GatewayError):
    """There is such a path, but not for this method."""

    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"


class TooLarge(GatewayError):
    """The body is over the limit."""

    status = 413
    type = "invalid_request_error"
    code = "request_too_large"


class UrlTooLong(TooLarge):
    """The URL is over the limit."""

    status = 414
    code = "url_too_long"


class HeadTooLarge(TooLarge):
    """The headers are over the limit, by size or by number."""

    status = 431
    code = "headers_too_large"


class TooSlow(GatewayError):
    """The request did not come whole within its time."""

    status = 408
    type = "invalid_request_error"
    code = "request_timeout"


class RateLimited(GatewayError):
    """The key's rate is used up; `retry_after` says for how long, and `headers` which rate."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"
    headers: tuple[tuple[bytes, bytes], ...] = ()


class BudgetSpent(RateLimited):
    """The key's budget is used up."""

    type = "insufficient_quota"
    code = "insufficient_quota"


class Overloaded(RateLimited):
    """More is being answered and waited for than the gateway takes on, whoever asks."""

    code = "overloaded"


class ProviderError(GatewayError):
    """A provider failed. Dispatch sees it first; a client only when nothing else is left.

    `retryable`: the same call may succeed later or elsewhere. `upstream_status`: what the
    provider answered, if it answered.
    """

    status = 502
    code = "provider_error"

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = True,
        upstream_status: int | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, param=param, retry_after=retry_after)
        self.retryable = retryable
        self.upstream_status = upstream_status


class ProviderTimeout(ProviderError):
    """A provider did not answer in time."""

    status = 504
    code = "provider_timeout"


class WindowExceeded(ProviderError):
    """The provider says that the prompt does not fit this model's window; a larger one may."""

    status = 400
    type = "invalid_request_error"
    code = "context_length_exceeded"


class NothingToQuote(ProviderError):
    """The model quotes documents, and the request came without any. Nothing is wrong with it."""


class OutOfMemory(ProviderError):
    """An engine has no memory for an adapter now; another one may have."""

    status = 503
    code = "out_of_memory"


class AdapterUnusable(ProviderError):
    """An engine cannot serve an adapter, nor will it later: its files are at fault, not the engine.

    424, not a 5xx, so that clients' libraries do not ask again."""

    status = 424
    code = "adapter_unusable"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message, retryable=False, param=param)


class AdapterNotFound(AdapterUnusable):
    """Its files are not where the engine looks for them."""

    code = "adapter_not_found"


class AdapterCorrupt(AdapterUnusable):
    """Its files cannot be read."""

    code = "adapter_corrupt"


class AdapterIncompatible(AdapterUnusable):
    """It is of a kind or of a shape that the engine does not take."""

    code = "adapter_incompatible"


class StructuredOutputInvalid(ProviderError):
    """What a model wrote does not have the form that the request asks for, not even mended."""

    code = "invalid_structured_output"
    spent: tuple[Any, ...] = ()  # what the calls have used, as gateway.types.Spent


class SourcesUnavailable(GatewayError):
    """The index or the encoder does not answer, and the request wants grounding."""

    status = 503
    code = "retrieval_unavailable"


class AdapterAway(GatewayError):
    """Where an adapter is to be fetched from does not answer now."""

    status = 503
    code = "adapter_source_unavailable"


class LedgerAway(GatewayError):
    """The ledger cannot be read, so the dashboard has nothing to show."""

    status = 503
    code = "ledger_unavailable"


class NoModelAvailable(GatewayError):
    """Every model of the plan failed or is shut off."""

    status = 503
    code = "no_model_available"


class HandedOver(NoModelAvailable):
    """Nothing stood in for the models either. Says whom to turn to, and beside the error, under
    the key `moorline`, what was tried."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, param=param, retry_after=retry_after)
        self.about = about

    def body(self) -> dict[str, Any]:
        """See GatewayError."""
        return super().body() | ({"moorline": self.about} if self.about else {})
