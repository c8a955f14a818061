"""Real servers for the contract suites: one that the environment names, or a private one.

A private server listens on loopback alone, keeps its files in a folder of its own and is stopped
and removed afterwards. Where the program is missing the suite is skipped and says what to install.
"""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

STARTS_WITHIN = 30.0  # seconds; a busy machine forks slowly
VLLM_STARTS_WITHIN = 300.0


@contextmanager
def redis_server(
    shared: bool = True, port: int | None = None, options: Sequence[str] = ()
) -> Iterator[str]:
    """The URL of a Redis: REDIS_URL's (share it politely, by prefix), or a private one's."""
    if shared and (url := os.environ.get("REDIS_URL")):
        yield url
        return
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed and REDIS_URL is not set")
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        port = port or free_port()
        command = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", folder]
        command += ["--save", "", "--appendonly", "no", *options]
        with _running(command, lambda: _listens(port)):
            yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def postgres_server() -> Iterator[str]:
    """The DSN of a PostgreSQL: POSTGRES_DSN's, or a private one's."""
    if dsn := os.environ.get("POSTGRES_DSN"):
        yield dsn
        return
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("PostgreSQL is not installed (/usr/lib/postgresql) and POSTGRES_DSN is not set")
    binaries = programs[-1].parent
    user = _unprivileged()
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        if user is not None:
            shutil.chown(folder, user)
        data, port = f"{folder}/data", free_port()
        initdb = [f"{binaries}/initdb", "--pgdata", data, "--username", "moorline"]
        subprocess.run(
            [*initdb, "--auth", "trust", "--no-sync", "--encoding", "UTF8", "--locale", "C.UTF-8"],
            check=True,
            capture_output=True,
            user=user,
            cwd=folder,
        )
        command = [f"{binaries}/postgres", "-D", data, "-k", folder, "-h", "127.0.0.1"]
        probe = [f"{binaries}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        with _running(
            [*command, "-p", str(port), "-F"],
            lambda: subprocess.run(probe, check=False).returncode == 0,
            user,
            folder,
        ):
            yield f"postgresql://moorline@127.0.0.1:{port}/postgres"


@contextmanager
def vllm_server(model: Path, flags: Sequence[str]) -> Iterator[str]:
    """The base URL of a vLLM that serves a tiny model as `base`, and loads adapters as it runs.

    It runs with the Python that MOORLINE_VLLM_PYTHON names, since it needs other versions of much.
    """
    python = os.environ.get("MOORLINE_VLLM_PYTHON")
    if not python:
        pytest.skip("MOORLINE_VLLM_PYTHON does not name a Python that has vLLM")
    port = free_port()
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    command += ["--served-model-name", "base", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--enforce-eager", "--max-model-len", "1024", "--max-num-seqs", "16", *flags]
    if shutil.which("nvidia-smi") is None:
        command += ["--kv-cache-memory-bytes", str(64 << 20)]
    settings = {
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    with _running(
        command, lambda: _listens(port), env=os.environ | settings, starts_within=VLLM_STARTS_WITHIN
    ):
        yield f"http://127.0.0.1:{port}/v1"


def free_port() -> int:
    """A port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root: who runs it instead."""
    if getpass.getuser() != "root" and os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@contextmanager
def _running(
    command: Sequence[str],
    ready: Callable[[], bool],
    user: str | None = None,
    folder: str | None = None,
    env: Mapping[str, str] | None = None,
    starts_within: float = STARTS_WITHIN,
) -> Iterator[None]:
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, user=user, cwd=folder, env=env
        )
        try:
            _await(process, ready, starts_within)
            yield
        finally:
            process.send_signal(signal.SIGINT)  # PostgreSQL waits for its clients on SIGTERM
            process.wait(STARTS_WITHIN)


def _await(process: subprocess.Popen[bytes], ready: Callable[[], bool], within: float) -> None:
    deadline = time.monotonic() + within
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"{process.args!r} did not start")
        time.sleep(0.02)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
