"""Every error has OpenAI's shape."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway import errors
from gateway.errors import GatewayError


def tree(of: type[GatewayError]) -> Iterator[type[GatewayError]]:
    yield of
    for each in of.__subclasses__():
        yield from tree(each)


SHAPES = {
    "GatewayError": (500, "api_error", None),
    "InvalidRequest": (400, "invalid_request_error", None),
    "PromptTooLong": (400, "invalid_request_error", "context_length_exceeded"),
    "Refused": (400, "invalid_request_error", "content_policy_violation"),
    "Unprocessable": (422, "invalid_request_error", None),
    "Unauthorized": (401, "invalid_request_error", "invalid_api_key"),
    "Forbidden": (403, "invalid_request_error", "insufficient_permissions"),
    "NotFound": (404, "invalid_request_error", "not_found"),
    "UnknownModel": (404, "invalid_request_error", "model_not_found"),
    "UnknownCollection": (404, "invalid_request_error", "collection_not_found"),
    "NotCached": (404, "invalid_request_error", "not_cached"),
    "NotAllowed": (405, "invalid_request_error", "method_not_allowed"),
    "Conflicting": (409, "invalid_request_error", "conflict"),
    "AdapterAway": (503, "api_error", "adapter_source_unavailable"),
    "TooLarge": (413, "invalid_request_error", "request_too_large"),
    "UrlTooLong": (414, "invalid_request_error", "url_too_long"),
    "HeadTooLarge": (431, "invalid_request_error", "headers_too_large"),
    "TooSlow": (408, "invalid_request_error", "request_timeout"),
    "RateLimited": (429, "rate_limit_error", "rate_limit_exceeded"),
    "BudgetSpent": (429, "insufficient_quota", "insufficient_quota"),
    "Overloaded": (429, "rate_limit_error", "overloaded"),
    "ProviderError": (502, "api_error", "provider_error"),
    "ProviderTimeout": (504, "api_error", "provider_timeout"),
    "WindowExceeded": (400, "invalid_request_error", "context_length_exceeded"),
    "NothingToQuote": (502, "api_error", "provider_error"),
    "OutOfMemory": (503, "api_error", "out_of_memory"),
    "AdapterUnusable": (424, "api_error", "adapter_unusable"),
    "AdapterNotFound": (424, "api_error", "adapter_not_found"),
    "AdapterCorrupt": (424, "api_error", "adapter_corrupt"),
    "AdapterIncompatible": (424, "api_error", "adapter_incompatible"),
    "StructuredOutputInvalid": (502, "api_error", "invalid_structured_output"),
    "SourcesUnavailable": (503, "api_error", "retrieval_unavailable"),
    "LedgerAway": (503, "api_error", "ledger_unavailable"),
    "NoModelAvailable": (503, "api_error", "no_model_available"),
    "HandedOver": (503, "api_error", "no_model_available"),
}


@pytest.mark.parametrize("kind", list(tree(GatewayError)), ids=lambda kind: kind.__name__)
def test_every_error_has_a_row_and_its_shape(kind: type[GatewayError]) -> None:
    assert (kind.status, kind.type, kind.code) == SHAPES[kind.__name__]
    body = kind("It broke.", param="messages").body()
    assert body == {
        "error": {
            "message": "It broke.",
            "type": kind.type,
            "param": "messages",
            "code": kind.code,
        }
    }


@pytest.mark.parametrize("kind", list(tree(GatewayError)), ids=lambda kind: kind.__name__)
def test_every_error_is_in_the_tree_that_the_module_draws(kind: type[GatewayError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")
