"""Encoding off the event loop: two lanes of threads, and one run for callers who wait together.

It knows nothing of models: a run takes texts and returns vectors.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from retrieval.types import Vectors

Run: TypeAlias = Callable[[Sequence[str]], Vectors]
Q = TypeVar("Q")
T = TypeVar("T")

_SLICE = 16
"""Passages of one trip to a thread: a caller who goes away stops the work after that many."""
_YIELDING = 5
"""How much nicer passages are: answers do not wait behind ingestion for a processor."""


class Lanes(Generic[Q]):
    """Questions pass on a lane of their own, so that ingestion never stands before them.

    While a run is under way further questions gather, and the next run takes all of them, up to
    `together`. Nobody waits for company: an idle lane starts with the first.
    """

    def __init__(
        self,
        queries: Callable[[Sequence[str]], Iterable[Q]],
        passages: Run,
        size: int,
        together: int,
        workers: int | None = None,
    ) -> None:
        self._queries, self._passages = queries, passages
        self._size, self._together = size, together
        self._waiting: SimpleQueue[tuple[str, Future[Q]]] = SimpleQueue()
        self._front = ThreadPoolExecutor(1, thread_name_prefix="encode-query")
        self._back = ThreadPoolExecutor(
            workers or os.cpu_count() or 1, thread_name_prefix="encode", initializer=_step_back
        )

    async def query(self, text: str) -> Q:
        answer: Future[Q] = Future()
        self._waiting.put((text, answer))
        self._front.submit(self._serve)
        return await asyncio.wrap_future(answer)

    async def passages(self, texts: Sequence[str]) -> Vectors:
        """Like goes with like: texts are run in order of length, and returned in their own."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors = np.empty((len(texts), self._size), dtype=np.float32)
        slices = [order[start : start + _SLICE] for start in range(0, len(order), _SLICE)]
        running = [asyncio.ensure_future(self._slice(texts, which, vectors)) for which in slices]
        try:
            await asyncio.gather(*running)
        finally:
            for slice_ in running:
                slice_.cancel()
        return vectors

    async def each(self, texts: Sequence[str], run: Callable[[str], T]) -> list[T]:
        """What a run makes of each text, on the passages' lane."""
        loop = asyncio.get_running_loop()
        running = [loop.run_in_executor(self._back, run, text) for text in texts]
        try:
            return await asyncio.gather(*running)
        finally:
            for one in running:
                one.cancel()

    async def aclose(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._front.shutdown(cancel_futures=True)
        self._back.shutdown(cancel_futures=True)

    async def _slice(self, texts: Sequence[str], which: list[int], vectors: Vectors) -> None:
        loop = asyncio.get_running_loop()
        vectors[which] = await loop.run_in_executor(
            self._back, self._passages, [texts[i] for i in which]
        )

    def _serve(self) -> None:
        """Run for all who wait. The trip of a caller whom another trip served finds nothing."""
        callers = [c for c in self._gathered() if c[1].set_running_or_notify_cancel()]
        if not callers:
            return
        try:
            found = self._queries([text for text, _ in callers])
        except Exception as error:  # Whatever it is, it is the callers' to see.
            for _, answer in callers:
                answer.set_exception(error)
            return
        for (_, answer), one in zip(callers, found, strict=True):
            answer.set_result(one)

    def _gathered(self) -> list[tuple[str, Future[Q]]]:
        gathered: list[tuple[str, Future[Q]]] = []
        while len(gathered) < self._together:
            try:
                gathered.append(self._waiting.get_nowait())
            except Empty:
                break
        return gathered


def _step_back() -> None:
    if sys.platform == "linux":  # Where a thread has a niceness of its own.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _YIELDING)
