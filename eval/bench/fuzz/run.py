"""Watches over the worker: time for each input, a new process where one died, and what was found.

A run's state is written beside its failures, so that the same run goes on where it was stopped.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from eval.bench.fuzz.inputs import Input, Inputs
from eval.bench.fuzz.mutations import CANARY
from eval.bench.fuzz.worker import Verdict

RIGHT = ("read", "refused")
_READY_WITHIN = 600.0  # seconds
_PATIENCE = 12  # times the limit of processor time that an input may take on a busy machine
_LOOK_EVERY = 0.5
_SAVE_EVERY = 200
_FRESH_AFTER = 5_000  # inputs; what leaks shows in the memory of one process


class WorkerFailed(Exception):
    """The worker cannot be started at all."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run, and within which limits."""

    folders: Sequence[Path]
    out: Path
    inputs: int
    seed: int = 1
    only: Sequence[str] = ()
    seconds: float = 10.0  # of processor time for an input
    memory: int = 1_500_000_000  # bytes for an input


@dataclass(slots=True)
class Tally:
    """What became of the inputs of one format."""

    outcomes: dict[str, int] = field(default_factory=dict)
    unnamed: int = 0  # refused for an error that only the last net caught
    seconds: float = 0.0
    slowest: float = 0.0
    memory: int = 0

    def add(self, verdict: Verdict) -> None:
        self.outcomes[verdict.outcome] = self.outcomes.get(verdict.outcome, 0) + 1
        self.unnamed += "Error: " in verdict.reason and verdict.outcome == "refused"
        self.seconds += verdict.seconds
        self.slowest = max(self.slowest, verdict.seconds)
        self.memory = max(self.memory, verdict.memory)


@dataclass(slots=True)
class State:
    """How far a run has come."""

    digest: str
    done: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    unnamed: Counter[str] = field(default_factory=Counter)
    failures: list[Verdict] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.failures

    def add(self, verdict: Verdict) -> None:
        self.done = verdict.number + 1
        tally = self.tallies.setdefault(verdict.format, Tally())
        before = tally.unnamed
        tally.add(verdict)
        if tally.unnamed > before:
            self.unnamed[f"{verdict.format}: {verdict.reason[:90]}"] += 1
        if verdict.outcome not in RIGHT:
            self.failures.append(verdict)


class _Worker:
    """A process that judges inputs, one at a time."""

    def __init__(self, order: Order, canary: Path) -> None:
        what = {
            "folders": [str(folder) for folder in order.folders],
            "seed": order.seed,
            "only": list(order.only),
            "canary": str(canary),
            "memory": order.memory,
        }
        self._seconds = order.seconds
        self._process = subprocess.Popen(
            [sys.executable, "-m", "eval.bench.fuzz.worker", json.dumps(what)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
        )
        self.judged = 0
        if self._line(_READY_WITHIN, _READY_WITHIN) != "ready":
            self.close()
            raise WorkerFailed("The fuzzing process did not start.")

    def judge(self, number: int) -> Verdict | None:
        """The verdict on an input; None where the process died or did not come to one."""
        assert self._process.stdin is not None
        self.judged += 1
        try:
            self._process.stdin.write(f"{number}\n".encode())
            self._process.stdin.flush()
        except OSError:
            return None
        line = self._line(self._seconds, self._seconds * _PATIENCE)
        return Verdict(**json.loads(line)) if line else None

    def _line(self, seconds: float, patience: float) -> str:
        """What it says next; empty where it died, or took too long by its clock or by ours."""
        assert self._process.stdout is not None
        begun, late = self._clock(), time.monotonic() + patience
        while time.monotonic() < late:
            ready, _, _ = select.select([self._process.stdout], [], [], _LOOK_EVERY)
            if ready:
                return self._process.stdout.readline().decode().strip()
            if self._clock() - begun > seconds:
                break
        return ""

    def _clock(self) -> float:
        """Seconds of processor time that the process has used."""
        try:
            return time.clock_gettime((~self._process.pid << 3) | 2)
        except OSError:
            return 0.0

    def close(self) -> str:
        """End it; how it ended where it did so by itself."""
        ended = self._process.poll()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        return "" if ended is None else f"the process ended with {ended}"


def run(order: Order, told: Callable[[State], None]) -> State:
    """Judge all inputs that the state does not hold yet. Raises WorkerFailed."""
    order.out.mkdir(parents=True, exist_ok=True)
    canary = order.out / "canary.txt"
    canary.write_text(CANARY)
    inputs = Inputs(order.folders, order.seed, order.only, str(canary.resolve()))
    state = _state(order.out, inputs.digest)
    worker: _Worker | None = None
    try:
        while state.done < order.inputs:
            if worker is None or worker.judged >= _FRESH_AFTER:
                if worker is not None:
                    worker.close()
                worker = _Worker(order, canary.resolve())
            number = state.done
            verdict = worker.judge(number)
            if verdict is None:
                died, worker = worker.close(), None
                verdict = _unanswered(inputs[number], died, order.seconds)
            elif verdict.seconds > order.seconds:
                verdict = replace(verdict, outcome="hang")
            state.add(verdict)
            if verdict.outcome not in RIGHT:
                _keep(order.out, inputs[number], verdict)
            if state.done % _SAVE_EVERY == 0:
                _save(order.out, state)
                told(state)
    finally:
        if worker is not None:
            worker.close()
        _save(order.out, state)
    return state


def _unanswered(given: Input, died: str, seconds: float) -> Verdict:
    """The verdict on an input that the worker came to none on."""
    outcome, reason = ("crash", died) if died else ("hang", f"no end within {seconds:g} seconds")
    return Verdict(given.number, given.format, outcome, reason, seconds, len(given.data), 0)


def _keep(out: Path, given: Input, verdict: Verdict) -> None:
    """Write a failing input where it can be tried again."""
    folder = out / "failures"
    folder.mkdir(exist_ok=True)
    suffix = Path(given.name).suffix
    (folder / f"{given.number}-{verdict.outcome}{suffix}").write_bytes(given.data)


def _save(out: Path, state: State) -> None:
    held = {
        "digest": state.digest,
        "done": state.done,
        "tallies": {form: asdict(tally) for form, tally in state.tallies.items()},
        "unnamed": dict(state.unnamed.most_common(500)),
        "failures": [asdict(failure) for failure in state.failures],
    }
    new = out / "state.json.new"
    new.write_text(json.dumps(held))
    new.replace(out / "state.json")


def _state(out: Path, digest: str) -> State:
    """The state that was written down; a new one where that is of other inputs."""
    path = out / "state.json"
    held = json.loads(path.read_text()) if path.exists() else {}
    if held.get("digest") != digest:
        return State(digest)
    state = State(digest, held["done"])
    for form, tally in held["tallies"].items():
        state.tallies[form] = Tally(**tally)
    state.unnamed = Counter(held["unnamed"])
    state.failures = [Verdict(**failure) for failure in held["failures"]]
    return state
