"""Every cloud that does not speak OpenAI's format, through litellm.

litellm takes two seconds and 170 MB to import, so it is imported when such a provider is made
(which belongs in a thread) and never otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from gateway.errors import ProviderError
from gateway.providers.base import Call
from gateway.providers.completions import Garbled, Reported, Seen, speaks, whole_of
from gateway.providers.config import LiteLlmProvider, ModelConfig
from gateway.providers.failures import Failures, parsed_retry_after
from gateway.types import Delta, Event, Events

HELD_CHUNKS = 64
BEGUN = Delta()

# What a caller may set. Every other name is refused: litellm takes addresses and keys as arguments
# beside these, and a caller who could set them would have the configured key sent elsewhere.
PASSED = frozenset(
    {
        *("audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs"),
        *("max_completion_tokens", "max_tokens", "modalities", "n", "parallel_tool_calls"),
        *("prediction", "presence_penalty", "prompt_cache_key", "reasoning_effort"),
        *("response_format", "safety_identifier", "seed", "service_tier", "stop", "stream_options"),
        *("temperature", "thinking", "tool_choice", "tools", "top_logprobs", "top_p", "user"),
        *("verbosity", "web_search_options"),
    }
)
# Notes for OpenAI's own records, which litellm would take for notes to itself.
DROPPED = frozenset({"metadata", "store"})

NOTES = "provider_specific_fields"
# "litellm.RateLimitError: RateLimitError: OpenAIException - " says nothing to a caller.
_WRAPPING = re.compile(r"^(?:(?:litellm\.)?\w*(?:Error|Exception|Timeout)(?:: | - ))+")

QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or it fetches prices on import
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",  # or it reads .env on import
}


class LiteLLM:
    """A provider that speaks whatever its models' names begin with."""

    def __init__(self, config: LiteLlmProvider) -> None:
        self._config = config
        self._litellm = _imported()
        self._arguments = _arguments(config)
        self._fields = PASSED | set(config.pass_fields)
        secrets = [each.get_secret_value() for each in config.options.values()]
        if config.api_key:
            secrets.append(config.api_key.get_secret_value())
        self._failures = Failures("litellm", secrets)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(model.name for model in self._config.models)}>"

    def models(self) -> tuple[ModelConfig, ...]:
        """What it is configured to serve."""
        return self._config.models

    async def start(self, call: Call) -> Events:
        """See Provider."""
        arguments = self._request(call)
        if call.stream:
            events = self._stream(call, arguments)
            await anext(events)
            return events
        with self._translated():
            async with asyncio.timeout(self._config.total_timeout):
                answer = await self._litellm.acompletion(**arguments)
            return _told(whole_of(_plain(answer), call.model))

    async def aclose(self) -> None:
        """litellm keeps its connections for the whole process and closes them at its end."""

    def _request(self, call: Call) -> dict[str, Any]:
        for name in call.params:
            if name not in self._fields and name not in DROPPED:
                raise ProviderError(
                    f"'{name}' is not passed on to this provider (pass_fields).",
                    retryable=False,
                    upstream_status=400,
                    param=name,
                )
        request = {key: value for key, value in call.params.items() if key not in DROPPED}
        request |= self._arguments
        request |= {"model": call.model, "messages": [dict(m) for m in call.prompt.messages]}
        if call.stream:
            options = call.params.get("stream_options") or {}
            request |= {"stream": True, "stream_options": {**options, "include_usage": True}}
        return request

    async def _stream(self, call: Call, arguments: dict[str, Any]) -> Events:
        """BEGUN, then the answer's events."""
        chunks: AsyncIterator[Any] | None = None
        seen, held, begun = Seen(), list[Delta](), False
        ends_at = asyncio.get_running_loop().time() + self._config.total_timeout
        try:
            with self._translated():
                async with asyncio.timeout(self._config.first_byte_timeout):
                    chunks = await self._litellm.acompletion(**arguments)
                while (chunk := await self._next(chunks, ends_at)) is not None:
                    deltas = seen.add(_plain(chunk))
                    if not begun:
                        held += deltas
                        if not any(map(speaks, deltas)) and len(held) < HELD_CHUNKS:
                            continue
                        deltas, begun = held, True
                        yield BEGUN
                    for delta in deltas:
                        yield delta
                if not begun or not seen.finished:
                    raise Garbled("it ends before it is whole")
                for delta in seen.end():  # of several choices litellm ends only one
                    yield delta
                yield seen.done(call.model)
        finally:
            await _closed(chunks)

    async def _next(self, chunks: AsyncIterator[Any] | None, ends_at: float) -> Any:
        """The next chunk; None at the end."""
        assert chunks is not None
        idle_at = asyncio.get_running_loop().time() + self._config.idle_timeout
        async with asyncio.timeout_at(min(idle_at, ends_at)):
            return await anext(chunks, None)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """litellm raises whatever its hundred integrations raise, so all of it is caught."""
        try:
            yield
        except ProviderError:
            raise
        except TimeoutError as error:
            raise self._failures.late("did not answer in time.") from error
        except Garbled as error:
            raise self._failures.garbled(error) from None
        except Reported as error:
            raise self._failures.reported(error.body) from None
        except Exception as error:
            raise self._failure(error) from None  # the cause may hold the request and its key

    def _failure(self, error: Exception) -> ProviderError:
        kinds = self._litellm.exceptions
        message = _WRAPPING.sub("", str(getattr(error, "message", error)))
        if isinstance(error, kinds.Timeout):
            return self._failures.late(f"did not answer in time: {message}")
        if isinstance(error, kinds.ContextWindowExceededError):
            return self._failures.told(400, message, "context_length_exceeded")
        status = getattr(error, "status_code", None)
        if isinstance(error, kinds.APIConnectionError) or not isinstance(status, int):
            return ProviderError(self._failures.clean(f"litellm has no answer: {message}"))
        wait = (getattr(error, "litellm_response_headers", None) or {}).get("retry-after")
        code = getattr(error, "code", None)
        return self._failures.told(
            status, message, str(code) if code else None, parsed_retry_after(wait) if wait else None
        )


def _imported() -> Any:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    litellm: Any = import_module("litellm")
    litellm.telemetry = False
    litellm.disable_hf_tokenizer_download = True
    litellm.suppress_debug_info = True  # or it prints advice on every failure
    logging.getLogger("LiteLLM").setLevel(logging.ERROR)
    return litellm


def _arguments(config: LiteLlmProvider) -> dict[str, Any]:
    """What every call has."""
    arguments: dict[str, Any] = {
        name: value.get_secret_value() for name, value in config.options.items()
    }
    if config.api_key:
        arguments["api_key"] = config.api_key.get_secret_value()
    if config.api_base:
        arguments["api_base"] = config.api_base
    # Whether to try again is dispatch's business.
    return arguments | {"timeout": config.total_timeout, "num_retries": 0, "max_retries": 0}


def _plain(answer: Any) -> dict[str, Any]:
    """litellm's object as the wire's, without the empty notes that litellm adds."""
    plain: dict[str, Any] = answer.model_dump(exclude_none=True)
    for choice in plain.get("choices", ()):
        for place in (choice, choice.get("delta"), choice.get("message")):
            if place and not any((place.get(NOTES) or {}).values()):
                place.pop(NOTES, None)
    return plain


async def _told(events: list[Event]) -> Events:
    for event in events:
        yield event


async def _closed(chunks: Any) -> None:
    if chunks is not None:
        await chunks.aclose()
