"""One replica's engine: vLLM's runtime API for adapters, and what its answers mean.

Statuses alone do not tell what may pass: an adapter of too high a rank is a 500 as an engine that
is starting is, and one that is loaded already a 400. So the message is read, too.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential_jitter,
)

from gateway.errors import (
    AdapterCorrupt,
    AdapterIncompatible,
    AdapterNotFound,
    AdapterUnusable,
    OutOfMemory,
    ProviderError,
)
from gateway.fleet.config import LoraConfig
from gateway.providers.config import VllmProvider
from gateway.providers.failures import retry_after
from gateway.providers.openai_compatible import _headers
from gateway.providers.vllm import Vllm
from gateway.providers.wire.client import Client, Endpoint
from gateway.providers.wire.connection import Timeouts

ANSWER_LIMIT = 16 * 2**20  # bytes; /metrics is the largest
PROMPT = "."  # of the request that uses an adapter for nothing
FIRST_WAIT = 0.25  # seconds before a load is tried again; doubles, with jitter
LONGEST_WAIT = 4.0
USE_WITHIN = 5.0  # seconds; a request waits for it

_LOADED_ALREADY = "already been loaded"
_MEMORY = re.compile(r"out of memory|OutOfMemory|cannot allocate memory|ALLOC_FAILED", re.I)
_INCOMPATIBLE = re.compile(
    r"greater than max_lora_rank|not yet support|does not support|only supports|is not supported"
    r"|expected target modules|must match the size|size mismatch|shape|doesn't contain tensors"
    r"|Missing required configuration|unsupported",
    re.I,
)
_CORRUPT = re.compile(
    r"deserializing|safetensors|header|Expecting (value|property|.,.)|Extra data|unpickl"
    r"|Unterminated|codec can't decode|\bEOF\b|truncated|incomplete",
    re.I,
)
_RESIDENT = re.compile(r"^vllm:lora_adapter_loaded\{([^}]*)\} ([0-9.e+]+)$", re.M)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class _Refusal:
    """An answer that is no success: vLLM's own words whole, since a part may lack what tells their
    meaning, and what they are to callers."""

    status: int
    message: str
    error: ProviderError


class Engine(Vllm):
    """A vLLM server whose adapters come and go."""

    def __init__(
        self,
        config: VllmProvider,
        client: Client,
        known_as: str,
        address: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(config, client, known_as, address)
        lora = config.lora or LoraConfig()
        headers, root = _headers(config), address.removesuffix("/v1")
        self.address = address
        self._load_at = Endpoint.of("POST", f"{address}/load_lora_adapter", headers)
        self._unload_at = Endpoint.of("POST", f"{address}/unload_lora_adapter", headers)
        self._use_at = Endpoint.of("POST", f"{address}/completions", headers)
        self._metrics_at = Endpoint.of("GET", f"{root}/metrics", headers)
        self._known_as = known_as
        self._loading = Timeouts(config.connect_timeout, lora.load_timeout, total=lora.load_timeout)
        self._using = Timeouts(config.connect_timeout, USE_WITHIN, total=USE_WITHIN)
        self._tries, self._longest = lora.load_tries, lora.load_timeout
        self._tells = True  # where adapters are, as far as is known
        self._sleep = sleep

    async def load(self, name: str, path: str, *, anew: bool = False) -> bool:
        """Have an adapter loaded from that folder; that it is loaded already will do, and is False,
        unless it is to be read anew.

        What may pass is tried again. Raises AdapterUnusable, OutOfMemory, ProviderError."""
        trying = AsyncRetrying(
            retry=retry_if_exception(_may_pass),
            wait=wait_exponential_jitter(
                multiplier=FIRST_WAIT, max=LONGEST_WAIT, jitter=FIRST_WAIT
            ),
            stop=stop_after_attempt(self._tries) | stop_after_delay(self._longest),
            sleep=self._sleep,
            reraise=True,
        )
        return await trying(self._load, name, path, anew)

    async def unload(self, name: str) -> None:
        """Have its name forgotten; its slot it keeps until others push it out. Raises
        ProviderError."""
        refusal = await self._posted(self._unload_at, {"lora_name": name}, self._loading)
        if refusal and refusal.status != 404:  # it is not there: as wanted
            raise refusal.error

    async def use(self, name: str) -> None:
        """Make it the one used last, by a token that nobody reads. Raises ProviderError."""
        wish = {"model": name, "prompt": PROMPT, "max_tokens": 1}
        if refusal := await self._posted(self._use_at, wish, self._using):
            raise refusal.error

    async def adapters(self) -> Mapping[str, str]:
        """The adapters that requests may name, and the folder of each. Raises ProviderError."""
        answer = await self._fetched(self._list)
        try:
            cards = orjson.loads(answer)["data"]
            return {each["id"]: str(each["root"]) for each in cards if each.get("parent")}
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise self._failures.garbled(f"no list of models ({error!r})") from None

    async def resident(self) -> Mapping[str, frozenset[str]] | None:
        """Where each adapter is, `gpu` or `cpu` or both; None where the server does not tell,
        which is so up to vLLM 0.33. Raises ProviderError."""
        if not self._tells:
            return None
        page = (await self._fetched(self._metrics_at)).decode("utf-8", "replace")
        self._tells = "# TYPE vllm:lora_adapter_loaded" in page
        if not self._tells:
            return None
        found: dict[str, frozenset[str]] = {}
        for labels, value in _RESIDENT.findall(page):
            said = dict(_LABEL.findall(labels))
            name, level = said.get("adapter_name"), said.get("level")
            if name and level and float(value):
                found[name] = found.get(name, frozenset()) | {level}
        return found

    async def _load(self, name: str, path: str, anew: bool) -> bool:
        wish = {"lora_name": name, "lora_path": path}
        if anew:
            await self.unload(name)
        refusal = await self._posted(self._load_at, wish, self._loading)
        if refusal and refusal.status == 400 and _LOADED_ALREADY in refusal.message:
            if (await self.adapters()).get(name, path) == path:
                return False
            # Of a register before this one: what was computed from it must not answer.
            await self.unload(name)
            refusal = await self._posted(self._load_at, wish, self._loading)
        if refusal:
            raise self._lasting(name, refusal) or refusal.error
        return True

    async def _posted(
        self, endpoint: Endpoint, wish: Mapping[str, Any], timeouts: Timeouts
    ) -> _Refusal | None:
        """What is answered if it is not done. Raises ProviderError where nothing is."""
        with self._failures.translated():
            async with await self._client.post(
                endpoint, orjson.dumps(wish), timeouts, ANSWER_LIMIT
            ) as response:
                body = await response.read()
        if 200 <= response.status < 300:
            return None
        if folder := wish.get("lora_path"):  # callers need not know it
            body = body.replace(folder.encode(), wish["lora_name"].encode())
        error = self._failures.status(response.status, body, retry_after(response))
        return _Refusal(response.status, _message(body), error)

    def _lasting(self, name: str, refusal: _Refusal) -> ProviderError | None:
        """What does not pass in a moment, if it is that."""
        status, message = refusal.status, refusal.message
        told = self._failures.clean(message)
        said = f"{self._known_as} cannot load the adapter {name}: {told}"
        match status:
            case 404 if "No adapter found" in message:
                return AdapterNotFound(said)
            case 404:
                return ProviderError(
                    f"{self._known_as} loads no adapters while it runs. Start it with "
                    "--enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1.",
                    retryable=False,
                    upstream_status=status,
                )
            case 400:
                return AdapterUnusable(said)
            case 500 if _MEMORY.search(message):
                return OutOfMemory(said, upstream_status=status)
            case 500 if _INCOMPATIBLE.search(message):
                return AdapterIncompatible(said)
            case 500 if _CORRUPT.search(message):
                return AdapterCorrupt(said)
        return None


def _may_pass(error: BaseException) -> bool:
    """Whether the same engine may take it in a moment. Memory is not given back so soon."""
    return (
        isinstance(error, ProviderError) and error.retryable and not isinstance(error, OutOfMemory)
    )


def _message(body: bytes) -> str:
    try:
        return str(orjson.loads(body)["error"]["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return body.decode("utf-8", "replace")
