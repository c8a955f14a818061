"""Where vLLM has adapters: slots in the GPU and a list in memory, each the oldest first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from eval.bench.engine.adapters import Lora

Brought: TypeAlias = Literal["gpu", "cpu", "disk"]
"""Where an adapter had to be brought from."""


class Memory:
    """Two lists that forget what was used longest ago, and nothing for any other reason."""

    def __init__(self, slots: int, cpu_slots: int, read: Callable[[Lora], str]) -> None:
        """`read` gives an adapter's voice, or raises where its files are no good."""
        self._slots = slots
        self._cpu_slots = cpu_slots
        self._read = read
        self.gpu: dict[int, Lora] = {}
        self.cpu: dict[int, Lora] = {}  # those in the GPU included
        self.voices: dict[int, str] = {}

    def touch(self, lora: Lora) -> Brought:
        """Have it in a slot, as the one used last. Raises what reading it raises.

        It is read before anything makes room, so that a bad one pushes nobody out.
        """
        number = lora.number
        source: Brought = "gpu" if number in self.gpu else "cpu"
        if number not in self.cpu or lora.inplace:
            voice, source = self._read(lora), "disk"
            self._forget(number)
            if len(self.cpu) >= self._cpu_slots:
                self._forget(next(iter(self.cpu)))
            self.voices[number] = voice
        _last(self.cpu, lora)
        if number not in self.gpu and len(self.gpu) >= self._slots:
            del self.gpu[next(iter(self.gpu))]
        _last(self.gpu, lora)
        return source

    def _forget(self, number: int) -> None:
        for known in (self.cpu, self.gpu, self.voices):
            known.pop(number, None)


def _last(order: dict[int, Lora], lora: Lora) -> None:
    order.pop(lora.number, None)
    order[lora.number] = lora
