"""Servers in processes of their own, each on a core of its own where there are two."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

READY_WITHIN = 60.0  # seconds
ROOT = Path(__file__).parents[2]


class NotReady(Exception):
    """A server did not start; the message has the end of what it said."""


@dataclass(frozen=True, slots=True)
class Served:
    """A running server."""

    port: int
    pid: int
    ready_after: float = 0.0  # seconds from its start until it listened

    @property
    def cpu(self) -> float:
        """Seconds of processor time that it has used, all threads together.

        Linux has a clock for each process (clock_getcpuclockid), a thousand times finer than
        the ticks of /proc/PID/stat.
        """
        return time.clock_gettime((~self.pid << 3) | 2)

    @property
    def memory(self) -> int:
        """Resident bytes."""
        resident = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return resident * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def served(command: Sequence[str], core: int | None, log: Path) -> Iterator[Served]:
    """Run `python -m COMMAND --port N` until the block ends."""
    port = _free_port()
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    line = [*pinned, sys.executable, "-m", *command, "--port", str(port)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    started = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(line, stdout=out, stderr=out, cwd=log.parent, env=environment)
    try:
        _wait(process, port, log)
        yield Served(port, process.pid, time.monotonic() - started)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cores() -> tuple[int | None, int | None]:
    """A core for the server and one for everything around it; None where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else (None, None)


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """This process on one core."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise NotReady(f"{process.args!r} did not start:\n{log.read_text()[-2000:]}")
