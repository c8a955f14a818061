"""A model in this process, by transformers (extra `transformers`): for a machine without a vLLM.

One answer at a time: a device that computes two takes as long for each. Who comes meanwhile waits
in a line of bounded length.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch  # type: ignore[import-not-found,unused-ignore]

from gateway.errors import ProviderError
from gateway.fleet.types import Adapters, NoAdapters
from gateway.providers.base import Call
from gateway.providers.config import ModelConfig, TransformersProvider
from gateway.providers.failures import Failures
from gateway.providers.local.device import chosen
from gateway.providers.local.generation import Adapted, LocalModel, Sampling, TooLong
from gateway.streams import Told
from gateway.types import Delta, Done, Event, Events, Usage

PASSED = frozenset(
    {
        *("max_completion_tokens", "max_tokens", "n", "seed", "stop", "stream_options"),
        *("temperature", "top_k", "top_p"),
    }
)
NO_ADAPTERS = NoAdapters()
BEGUN = Delta()
ENDLESS = 2**31


class Transformers:
    """Construction loads the models, which takes long: it belongs in a thread."""

    def __init__(
        self,
        name: str,
        config: TransformersProvider,
        shelf: Path,
        adapters: Adapters = NO_ADAPTERS,
    ) -> None:
        """`shelf` is where this process finds adapters; their register says where engines do.

        Raises NoSuchDevice, CannotTalk, and what transformers raises."""
        self.device = chosen(config.device, config.precision)
        self._config = config
        self._adapters = adapters
        self._shelf = shelf
        self._name = name
        self._failures = Failures(name, ())
        kept = config.lora.slots if config.lora else 0
        self._models = {
            each.name: LocalModel(each.name, self.device, kept) for each in config.models
        }
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"transformers-{name}")
        self._in_line = 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self._models)} on {self.device}>"

    def models(self) -> tuple[ModelConfig, ...]:
        """What it is configured to serve."""
        return self._config.models

    async def start(self, call: Call) -> Events:
        """See Provider."""
        self._check(call.params)
        events = self._events(call)
        await anext(events)
        if call.stream:
            return events
        return Told([event async for event in events])

    async def aclose(self) -> None:
        """What is being said is broken off."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _events(self, call: Call) -> Events:
        """BEGUN when something is said, for `start` alone; then the answer's events."""
        model, adapter = self._meant(call.model)
        if self._in_line > self._config.max_waiting:
            raise self._failures.told(503, f"{self._in_line} requests are waiting already.")
        ends_at = asyncio.get_running_loop().time() + self._config.total_timeout
        answering = _Answering(model, adapter, call)
        self._in_line += 1
        try:
            self._thread.submit(answering.run)
            with self._translated(adapter):
                event = await answering.next(ends_at)
                yield BEGUN
                while not isinstance(event, Done):
                    yield event
                    event = await answering.next(ends_at)
                yield event
        finally:
            answering.leave()
            self._in_line -= 1

    def _meant(self, name: str) -> tuple[LocalModel, Adapted | None]:
        if (model := self._models.get(name)) is not None:
            return model, None
        served = self._adapters.served(self._name, name)
        if served and served.path and (base := self._config.base):
            return self._models[base.name], Adapted(name, self._shelf / Path(served.path).name)
        raise self._failures.told(404, f"There is no model '{name}'.")

    def _check(self, params: Mapping[str, Any]) -> None:
        for name in params:
            if name not in PASSED:
                raise ProviderError(
                    f"'{name}' is not known to a model that runs within the gateway.",
                    retryable=False,
                    upstream_status=400,
                    param=name,
                )

    @contextmanager
    def _translated(self, adapter: Adapted | None) -> Iterator[None]:
        try:
            yield
        except ProviderError:
            raise
        except TimeoutError as error:
            raise self._failures.late("took longer than `total_timeout`.") from error
        except TooLong as error:
            raise self._failures.told(400, str(error)) from error
        except torch.OutOfMemoryError as error:
            raise self._failures.told(503, "Its device is out of memory.") from error
        except Exception as error:
            # The libraries raise whatever they like: of a damaged adapter, of a conversation that
            # the model's template refuses.
            said = f"{type(error).__name__}: {error}"
            if adapter:  # callers need not know its folder
                said = said.replace(str(adapter.folder), adapter.name)
            raise self._failures.told(500, said) from error


class _Answering:
    """One call, told from the thread that computes to the event loop."""

    def __init__(self, model: LocalModel, adapter: Adapted | None, call: Call) -> None:
        self._model = model
        self._adapter = adapter
        self._call = call
        self._left = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event | Exception] = asyncio.Queue()

    async def next(self, ends_at: float) -> Event:
        """What is said next. Raises TimeoutError, and what went wrong."""
        async with asyncio.timeout_at(ends_at):
            event = await self._events.get()
        if isinstance(event, Exception):
            raise event
        return event

    def leave(self) -> None:
        """Nobody listens any more: it ends with the next token."""
        self._left.set()

    def run(self) -> None:
        """In the thread, when it is its turn."""
        if self._left.is_set():
            return
        try:
            self._answer()
        except Exception as error:
            # Whatever it is belongs to who asked; the thread serves the next one.
            self._tell(error)

    def _answer(self) -> None:
        params = self._call.params
        prompt = self._model.read(self._call.prompt.messages)
        spoken = 0
        for choice in range(int(params.get("n") or 1)):
            tell = _Telling(choice, self._tell)
            sampling = _sampling(params, choice)
            wanted = self._left.is_set
            made = self._model.answer(prompt, sampling, self._adapter, tell.text, wanted)
            spoken += made.tokens
            tell.end(made.finish)
        usage = Usage(prompt=len(prompt), completion=spoken)
        self._tell(Done(usage=usage, model=self._call.model))

    def _tell(self, event: Event | Exception) -> None:
        if not self._left.is_set():
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)


class _Telling:
    """One choice's pieces, the first with its role."""

    def __init__(self, choice: int, tell: Callable[[Event], None]) -> None:
        self._choice = choice
        self._tell = tell
        self._fields = {"role": "assistant"}

    def text(self, text: str) -> None:
        self._tell(Delta(text, self._choice, self._fields))
        self._fields = {}

    def end(self, finish: str) -> None:
        self._tell(Delta(choice=self._choice, fields=self._fields, finish=finish))


def _sampling(params: Mapping[str, Any], choice: int) -> Sampling:
    """As the request says; further choices are drawn with seeds of their own."""
    stop = params.get("stop") or ()
    seed = params.get("seed")
    return Sampling(
        max_tokens=params.get("max_completion_tokens") or params.get("max_tokens") or ENDLESS,
        temperature=_given(params, "temperature", 1.0),
        top_p=_given(params, "top_p", 1.0),
        top_k=max(int(_given(params, "top_k", 0)), 0),
        seed=None if seed is None else int(seed) + choice,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
    )


def _given(params: Mapping[str, Any], name: str, usual: float) -> float:
    value = params.get(name)
    return usual if value is None else float(value)
