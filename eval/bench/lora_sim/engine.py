"""One engine with vLLM's semantics for LoRA, as events in simulated time.

- A step reads up to a number of prompt tokens (in chunks, first come first served) and writes one
  token for each request that is being answered; only so many requests take part at once.
- A request whose adapter would be one more than there are slots is skipped, and those behind it
  pass. That starves adapters while others keep running; it is vLLM's rule.
- An adapter that is not in a slot is brought there within the step, and the whole step waits: from
  memory, or from disk first. Two lists by the time of use say what goes for it.
- Blocks of prompts that were read before with the same adapter need not be read again.

Not simulated: memory for tokens under way, preemption, what a larger rank costs.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from eval.bench.lora_sim.workloads import BLOCK


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds and sizes: a model of 8 billion parameters on one GPU, in round figures."""

    step: float = 0.008
    sequence: float = 0.000_25  # more for each request in a step
    token: float = 1 / 15_000  # of a prompt
    disk: float = 0.6
    memory: float = 0.025
    tokens: int = 2048  # in a step (vLLM's max_num_batched_tokens)
    seats: int = 64  # requests in a step (max_num_seqs)
    blocks: int = 800  # of prompts that are remembered


class Clock(Protocol):
    """Whoever calls back in simulated time."""

    def at(self, time: float, call: Callable[[float], None]) -> None: ...


@dataclass(slots=True, eq=False)
class Job:
    """A request inside an engine."""

    adapter: str | None
    prompt: int
    output: int
    blocks: tuple[int, ...]
    began: Callable[[float], None]  # its first token is there
    ended: Callable[[float], None]
    number: int = 0
    unread: int = 0  # tokens of the prompt
    unwritten: int = 0  # tokens of the answer


class Engine:
    """One replica."""

    def __init__(self, clock: Clock, speed: Speed, slots: int, cpu_slots: int) -> None:
        self._clock = clock
        self._speed = speed
        self._slots = slots
        self._cpu_slots = cpu_slots
        self._waiting: dict[str | None, deque[Job]] = {}
        self._reading: list[Job] = []
        self._writing: list[Job] = []
        self._running: dict[str | None, int] = {}
        self._gpu: OrderedDict[str, None] = OrderedDict()
        self._cpu: OrderedDict[str, None] = OrderedDict()
        self._known: OrderedDict[tuple[str | None, int], None] = OrderedDict()
        self._accepted = 0
        self._version = 0
        self._busy = False
        self._started = 0.0
        self._length = 0.0  # of one step
        self._steps = 0  # that are under way, alike
        self.from_disk = 0
        self.from_memory = 0

    def submit(self, job: Job, now: float) -> None:
        """In the line of requests. Steps that are under way end as they would have."""
        self._accepted += 1
        job.number = self._accepted
        self._waiting.setdefault(job.adapter, deque()).append(job)
        if not self._busy:
            self._step(now)
        elif self._steps > 1:
            over = max(math.ceil((now - self._started) / self._length - 1e-9), 1)
            if over < self._steps:
                self._plan(over)

    def _step(self, now: float) -> None:
        """Begin the next one; or as many as will be alike, where nothing is read."""
        for adapter in self._running:
            self._touch(adapter)
        stall = 0.0
        room = self._speed.tokens - len(self._writing)
        read: list[tuple[Job, int]] = []
        for job in self._reading:
            read.append((job, min(room, job.unread)))
            room -= read[-1][1]
        while room > 0 and len(self._reading) + len(self._writing) < self._speed.seats:
            next_job = self._next()
            if next_job is None:
                break
            stall += self._bring(next_job.adapter)
            next_job.unread = self._to_read(next_job)
            self._reading.append(next_job)
            read.append((next_job, min(room, next_job.unread)))
            room -= read[-1][1]
        self._busy = bool(self._reading or self._writing)
        if not self._busy:
            return
        tokens = 0
        for job, part in read:
            job.unread -= part
            tokens += part
        requests = len(self._reading) + len(self._writing)
        speed = self._speed
        self._started = now
        self._length = speed.step + speed.sequence * requests + speed.token * tokens + stall
        self._plan(1 if read else min(job.unwritten for job in self._writing))

    def _plan(self, steps: int) -> None:
        self._steps = steps
        self._version += 1
        version = self._version

        def over(now: float) -> None:
            if version == self._version:
                self._over(now)

        self._clock.at(self._started + steps * self._length, over)

    def _over(self, now: float) -> None:
        begun = [job for job in self._reading if job.unread == 0]
        self._reading = [job for job in self._reading if job.unread > 0]
        ended = []
        for job in self._writing:
            job.unwritten -= self._steps
            if job.unwritten <= 0:
                ended.append(job)
        for job in begun:
            job.unwritten = job.output - 1
            if job.unwritten <= 0:
                ended.append(job)
        gone = set(ended)
        self._writing = [job for job in (*self._writing, *begun) if job not in gone]
        for job in ended:
            self._running[job.adapter] -= 1
            if not self._running[job.adapter]:
                del self._running[job.adapter]
        self._steps = 1  # what is submitted meanwhile is looked at by the step that follows
        for job in begun:
            job.began(now)
        for job in ended:
            job.ended(now)
        self._step(now)

    def _next(self) -> Job | None:
        """The oldest of those that may run."""
        full = len(self._running) - (None in self._running) >= self._slots
        heads = [
            waiting[0]
            for adapter, waiting in self._waiting.items()
            if not full or adapter is None or adapter in self._running
        ]
        if not heads:
            return None
        job = min(heads, key=lambda job: job.number)
        waiting = self._waiting[job.adapter]
        waiting.popleft()
        if not waiting:
            del self._waiting[job.adapter]
        self._running[job.adapter] = self._running.get(job.adapter, 0) + 1
        return job

    def _touch(self, adapter: str | None) -> None:
        if adapter is not None:
            self._gpu.move_to_end(adapter)
            self._cpu.move_to_end(adapter)

    def _bring(self, adapter: str | None) -> float:
        """Seconds until it is in a slot."""
        seconds = 0.0
        if adapter is None:
            return seconds
        if adapter not in self._cpu:
            self.from_disk += 1
            seconds += self._speed.disk
            if len(self._cpu) >= self._cpu_slots:
                self._gpu.pop(self._cpu.popitem(last=False)[0], None)
            self._cpu[adapter] = None
        if adapter not in self._gpu:
            self.from_memory += 1
            seconds += self._speed.memory
            if len(self._gpu) >= self._slots:
                self._gpu.popitem(last=False)
            self._gpu[adapter] = None
        self._touch(adapter)
        return seconds

    def _to_read(self, job: Job) -> int:
        """Tokens of the prompt that no block remembers; one is always read."""
        known, hit = self._known, 0
        for block in job.blocks:
            if (job.adapter, block) not in known:
                break
            hit += 1
        for block in job.blocks:
            known[job.adapter, block] = None
            known.move_to_end((job.adapter, block))
        while len(known) > self._speed.blocks:
            known.popitem(last=False)
        return max(job.prompt - hit * BLOCK, 1)
