"""Every cloud that does not speak OpenAI's format, through litellm.

litellm takes two seconds and 170 MB to import, so it is imported when such a provider is made
(which belongs in a thread) and never otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

import orjson

from gateway.errors import ProviderError
from gateway.providers.addresses import addresses
from gateway.providers.base import Call
from gateway.providers.causes import causes, wired_body, wired_status, wired_wait
from gateway.providers.completions import Garbled, Reported, Seen, speaks, whole_of
from gateway.providers.config import LiteLlmProvider, ModelConfig
from gateway.providers.endings import Ending
from gateway.providers.failures import Failures
from gateway.types import Delta, Event, Events

HELD_CHUNKS = 64
CUT = "it ends before it is whole"
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

# Clouds that are given addresses of pictures and files as they are, to look them up themselves.
_WEB = ("http://", "https://")
ADDRESSES = {"azure": _WEB, "openai": _WEB, "anthropic": ("https://",)}
# Clouds that say what an answer costs. For all others litellm does, by its own reckoning.
BILLING = frozenset({"openrouter", "perplexity"})

NOTES = "provider_specific_fields"
# "litellm.RateLimitError: RateLimitError: OpenAIException - " says nothing to a caller.
_WRAPPING = re.compile(r"^(?:(?:litellm\.)?\w*(?:Error|Exception|Timeout)(?:: | - ))+")

QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or it fetches prices on import
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",  # or it reads .env on import
    "MAX_IMAGE_URL_DOWNLOAD_SIZE_MB": "0",  # or it fetches pictures
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
        self._failures = Failures(_name(config), [*secrets, *_inner(secrets)])

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
            _show_headers(call, answer)
            return _told(whole_of(_plain(answer, call.model), call.model))

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
        cloud = call.model.partition("/")[0]
        for address in addresses(call.prompt.messages):
            if not address.startswith(ADDRESSES.get(cloud, ())):
                raise ProviderError(
                    f"Pictures and files are not fetched for {call.model}: send them as "
                    "data: URLs instead of by their address.",
                    retryable=False,
                    upstream_status=400,
                    param="messages",
                )
        request = {key: value for key, value in call.params.items() if key not in DROPPED}
        request |= self._arguments
        request |= {"model": call.model, "messages": [dict(m) for m in call.prompt.messages]}
        # Else it looks through the tools for those of its own proxy, with packages of that proxy.
        request["_skip_mcp_handler"] = True
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
                    _show_headers(call, chunks)
                    ending = await Ending.of(chunks)
                while (chunk := await self._next(chunks, ends_at)) is not None:
                    deltas = seen.add(_plain(chunk, call.model))
                    if seen.finished and not ending.heard:
                        raise Garbled(CUT)
                    if not begun:
                        held += deltas
                        if not any(map(speaks, deltas)) and len(held) < HELD_CHUNKS:
                            continue
                        deltas, begun = held, True
                        yield BEGUN
                    for delta in deltas:
                        yield delta
                if not begun or not seen.finished:
                    raise Garbled(CUT)
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
        words = _WRAPPING.sub("", str(getattr(error, "message", error)))
        message = words.partition("Traceback (most recent call last)")[0]
        if isinstance(error, kinds.Timeout):
            return self._failures.late(f"did not answer in time: {message}")
        if isinstance(error, kinds.ContextWindowExceededError):
            return self._failures.told(400, message, "context_length_exceeded")
        chain = list(causes(error))
        if (wired := wired_status(chain)) is not None:
            body = wired_body(chain)
            wait = wired_wait(chain, body)
            return self._failures.status(wired, body or message.encode(), wait)
        status = getattr(error, "status_code", None)
        if isinstance(error, kinds.APIConnectionError) or not isinstance(status, int):
            return ProviderError(self._failures.clean(f"litellm has no answer: {message}"))
        code = getattr(error, "code", None)
        return self._failures.told(status, message, str(code) if code else None)


def _imported() -> Any:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    litellm: Any = import_module("litellm")
    litellm.telemetry = False
    litellm.disable_hf_tokenizer_download = True
    litellm.disable_token_counter = True  # it blocks, and what is not counted is estimated later
    litellm.suppress_debug_info = True  # or it prints advice on every failure
    logging.getLogger("LiteLLM").setLevel(logging.ERROR)
    return litellm


def _name(config: LiteLlmProvider) -> str:
    """What its errors call it: the cloud's name, where all models are of one."""
    clouds = {model.name.partition("/")[0] for model in config.models}
    return clouds.pop() if len(clouds) == 1 else "litellm"


def _inner(secrets: Iterable[str]) -> Iterator[str]:
    """The strings of secrets that are JSON, such as a service account's private key."""
    for secret in secrets:
        if secret.startswith("{"):
            with suppress(orjson.JSONDecodeError):
                yield from (each for each in orjson.loads(secret).values() if isinstance(each, str))


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


def _plain(answer: Any, model: str) -> dict[str, Any]:
    """litellm's object as the wire's, without what litellm adds: empty notes and lists, and what it
    believes that the answer costs."""
    plain: dict[str, Any] = answer.model_dump(exclude_none=True)
    if model.partition("/")[0] not in BILLING:
        (plain.get("usage") or {}).pop("cost", None)
    for choice in plain.get("choices", ()):
        for place in (choice, choice.get("delta"), choice.get("message")):
            if place and not any((place.get(NOTES) or {}).values()):
                place.pop(NOTES, None)
            for name in [name for name, value in (place or {}).items() if value == []]:
                del place[name]
    return {name: value for name, value in plain.items() if value != [] or name == "choices"}


def _show_headers(call: Call, answer: Any) -> None:
    """litellm keeps the headers of an answer beside it, by names that begin with its own."""
    if call.observe:
        headers = getattr(answer, "_hidden_params", {}).get("additional_headers") or {}
        call.observe((str(name).encode(), str(value).encode()) for name, value in headers.items())


async def _told(events: list[Event]) -> Events:
    for event in events:
        yield event


async def _closed(chunks: Any) -> None:
    if chunks is not None:
        await chunks.aclose()
