"""The engine behind the server: what waits, what runs, and one step after another.

What vLLM does with adapters it does here, too: a request whose adapter would be one too many is
passed over and later ones go ahead; what an adapter has to be brought from stalls everybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from eval.bench.engine.adapters import Lora, voice_of
from eval.bench.engine.memory import Brought, Memory
from eval.bench.upstream import WORDS


class EngineDead(Exception):
    """It has stopped for good."""

    def __init__(self) -> None:
        super().__init__(
            "EngineCore encountered an issue. See stack trace (above) for the root cause."
        )


@dataclass(frozen=True, slots=True)
class Flags:
    """How the server was started; named as vLLM's flags."""

    max_loras: int = 2
    max_cpu_loras: int = 4
    max_lora_rank: int = 16
    max_num_seqs: int = 64
    max_model_len: int = 4096


@dataclass(slots=True)
class Pace:
    """Seconds that things take. May be changed while it runs."""

    step: float = 0.0
    sequence: float = 0.0  # of a step, for each that runs
    prefill: float = 0.0  # for a token of a prompt
    cpu: float = 0.0  # to bring an adapter from memory into a slot
    disk: float = 0.0  # to read it, too
    slow: dict[str, float] = field(default_factory=dict)  # names whose reading takes longer


@dataclass(slots=True, eq=False)
class Sequence:
    """A request on its way."""

    lora: Lora | None
    prompt: str
    prompt_tokens: int
    max_tokens: int
    said: int = 0
    words: random.Random | None = None  # once it runs
    out: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)  # None is the end


class Core:
    """One engine. `run` is a task for as long as it lives."""

    def __init__(self, flags: Flags, pace: Pace) -> None:
        self.pace = pace
        self.waiting: list[Sequence] = []
        self.running: list[Sequence] = []
        self.brought: list[tuple[str, Brought]] = []  # what was not in a slot: its name, from where
        self.dead = asyncio.Event()
        self.memory = Memory(
            flags.max_loras, flags.max_cpu_loras, lambda lora: voice_of(lora, flags.max_lora_rank)
        )
        self._flags = flags
        self._errands: list[tuple[Lora, asyncio.Future[None]]] = []
        self._awake = asyncio.Event()

    async def run(self) -> None:
        """Work until it dies."""
        try:
            while not self.dead.is_set():
                if not (self._errands or self.waiting or self.running):
                    self._awake.clear()
                    await self._awake.wait()
                while self._errands:
                    await self._fetch(*self._errands.pop(0))
                await self._step()
        except Exception:  # as vLLM: what goes wrong within a step is the end of all
            self.die()

    def die(self) -> None:
        """Stop for good; whoever waits is told."""
        self.dead.set()
        self._awake.set()
        for _, done in self._errands:
            if not done.done():
                done.set_exception(EngineDead())
        for sequence in (*self.waiting, *self.running):
            sequence.out.put_nowait(None)
        self.waiting.clear()
        self.running.clear()

    async def add(self, lora: Lora) -> None:
        """Have an adapter in a slot, between two steps. Raises what reading it raises."""
        if self.dead.is_set():
            raise EngineDead
        done = asyncio.get_running_loop().create_future()
        self._errands.append((lora, done))
        self._awake.set()
        await done

    async def said(self, sequence: Sequence) -> AsyncGenerator[str, None]:
        """Its words as they come. Raises EngineDead."""
        if self.dead.is_set():
            raise EngineDead
        self.waiting.append(sequence)
        self._awake.set()
        try:
            while (word := await sequence.out.get()) is not None:
                yield word
            if sequence.said < sequence.max_tokens:
                raise EngineDead
        finally:  # who left early is not served on
            for queue in (self.waiting, self.running):
                with contextlib.suppress(ValueError):
                    queue.remove(sequence)

    async def _fetch(self, lora: Lora, done: asyncio.Future[None]) -> None:
        try:
            await asyncio.sleep(self._bring(lora))
        except Exception as error:
            if not done.done():
                done.set_exception(error)
        else:
            if not done.done():
                done.set_result(None)

    async def _step(self) -> None:
        begun = self._admitted()
        loras = {each.lora.number: each.lora for each in self.running if each.lora}
        seconds = sum(map(self._bring, loras.values()))
        seconds += self.pace.prefill * sum(each.prompt_tokens for each in begun)
        if self.running:
            seconds += self.pace.step + self.pace.sequence * len(self.running)
        for each in begun:
            each.words = random.Random(f"{self._voice(each.lora)}\n{each.prompt}")
        await asyncio.sleep(seconds)
        for each in tuple(self.running):
            assert each.words
            each.said += 1
            each.out.put_nowait(each.words.choice(WORDS) + " ")
            if each.said >= each.max_tokens:
                self.running.remove(each)
                each.out.put_nowait(None)

    def _admitted(self) -> list[Sequence]:
        """Those that begin to run, in order but for whose adapter is one too many."""
        begun = []
        loras = {each.lora.number for each in self.running if each.lora}
        for each in tuple(self.waiting):
            if len(self.running) >= self._flags.max_num_seqs:
                break
            if each.lora and each.lora.number not in loras:
                if len(loras) >= self._flags.max_loras:
                    continue
                loras.add(each.lora.number)
            self.waiting.remove(each)
            self.running.append(each)
            begun.append(each)
        return begun

    def _bring(self, lora: Lora) -> float:
        """Touch an adapter; the seconds that it takes."""
        source = self.memory.touch(lora)
        if source == "gpu":
            return 0.0
        self.brought.append((lora.name, source))
        if source == "cpu":
            return self.pace.cpu
        return self.pace.cpu + self.pace.disk + self.pace.slow.get(lora.name, 0.0)

    def _voice(self, lora: Lora | None) -> str:
        return self.memory.voices[lora.number] if lora else ""
