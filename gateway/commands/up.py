"""`moorline up`: the two-minute way in. Ingest a folder, serve, ask three questions, stay up.

Does what a user would do by hand: it starts `moorline serve`, hands it the folder, and asks
through the official OpenAI client.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import click

from gateway.commands.common import config_option, loaded
from gateway.commands.telling import summed, told
from gateway.config import Config
from gateway.control import Control, Work, running

EXAMPLES = Path(__file__).parents[2] / "examples"
READY_WITHIN = 120  # seconds; the first start builds the encoder
WIDTH = 92


@click.command()
@click.option("--docs", type=click.Path(exists=True, path_type=Path), help="Ingest this instead.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
@click.option("--once", is_flag=True, help="Stop after the questions instead of staying up.")
@config_option
def up(docs: Path | None, port: int, once: bool, config_file: Path | None) -> None:
    """Ingest a folder, start the gateway, ask three questions, stay up until Ctrl-C."""
    config = loaded(config_file)
    folder = docs or EXAMPLES / "handbook"
    collection = collection_name(folder)
    if already := running(config.data):
        raise click.ClickException(
            f"A gateway runs on {config.data} already, at {already.url} (process {already.pid}). "
            "Stop it first, or ask it."
        )
    _port_is_free(port)
    # Told to stop in whatever way, the gateway is not left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _gateway(config, config_file, port, collection) as gateway:
            _ingest(gateway, folder, collection)
            url = f"http://127.0.0.1:{port}"
            questions = _questions(docs)
            for question in questions:
                _ask(url, gateway.control.token, question)
            _what_next(url, config.data / "gateway.log", questions[0]["question"])
            if not once:
                gateway.wait()
    except KeyboardInterrupt:
        click.echo("\nStopped.")


class _Serving:
    """The gateway as a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], control: Control) -> None:
        self._process = process
        self.control = control

    def wait(self) -> None:
        code = self._process.wait()
        if code:
            raise click.ClickException(f"The gateway ended with exit code {code}.")


@contextmanager
def _gateway(
    config: Config, config_file: Path | None, port: int, collection: str
) -> Iterator[_Serving]:
    command = [sys.executable, "-m", "gateway", "serve", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--collection", collection]
    command += ["--config", str(config_file)] if config_file else []
    config.data.mkdir(parents=True, exist_ok=True)
    log_file = config.data / "gateway.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{port}/readyz", log_file)
        control = running(config.data)
        if control is None or control.pid != process.pid:
            raise click.ClickException(
                f"Another gateway runs on {config.data} already; stop it first."
            )
        yield _Serving(process, control)
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log_file: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            tail = log_file.read_text(errors="replace").splitlines()[-15:]
            raise click.ClickException("The gateway did not start:\n" + "\n".join(tail))
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                if response.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise click.ClickException(f"The gateway was not ready in {READY_WITHIN} s; see {log_file}.")


def _port_is_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise click.ClickException(
                f"Port {port} is in use. Choose another: make run PORT={port + 1}"
            ) from None


def _ingest(gateway: _Serving, folder: Path, collection: str) -> None:
    click.secho(f"Ingesting {folder} into the collection '{collection}'", bold=True)
    work = Work((str(folder.resolve()),), collection)
    report = asyncio.run(told(gateway.control.ingest(work)))
    if report is None:
        raise click.ClickException("The ingestion ended early; see the gateway's log.")
    click.echo(summed(report))


def collection_name(folder: Path) -> str:
    """A collection's name from a folder's."""
    return (
        re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().stem.lower()).strip("-")[:64] or "documents"
    )


def _questions(docs: Path | None) -> list[dict[str, str]]:
    if docs is None:
        tour: list[dict[str, str]] = json.loads((EXAMPLES / "tour.json").read_text("utf-8"))
        return tour
    return [{"question": each} for each in _questions_about(docs)]


def _questions_about(docs: Path) -> list[str]:
    """Three questions that the folder's own headings suggest."""
    from retrieval.parsing import parse
    from retrieval.sources.files import Files
    from retrieval.sources.types import Listing
    from retrieval.types import RetrievalError

    questions: list[str] = []
    for item in islice(Files(docs).items(Listing()), 50):
        try:
            document = parse(item.read(), item.name, item.source)
        except RetrievalError:
            continue
        heads = [b for b in document.blocks if b.kind == "heading"] or list(document.blocks[:1])
        head = heads[len(heads) // 2]
        words = " ".join(document.text[head.start : head.end].split()[:12]).strip("# .:")
        questions.append(f"What does {document.title} say about {words}?")
        if len(questions) == 3:
            break
    return questions or ["What is in these documents?"]


def _ask(url: str, token: str, asked: dict[str, str]) -> None:
    from openai import OpenAI, OpenAIError

    question = asked["question"]
    click.echo()
    if why := asked.get("why"):
        click.secho(f"  {why}", fg="bright_black")
    click.secho(f"Q  {question}", bold=True)
    # The token stands in for a key, which there may or may not be.
    client = OpenAI(base_url=f"{url}/v1", api_key=token)
    started = time.perf_counter()
    try:
        answer = client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": question}]
        )
    except OpenAIError as error:
        click.secho(f"   {error}", fg="red")
        return
    ms = (time.perf_counter() - started) * 1000
    about: dict[str, Any] = (answer.model_extra or {}).get("moorline", {})
    click.echo(_folded(f"A  {answer.choices[0].message.content}"))
    for source in about.get("sources", []):
        if source["cited"]:
            place = source["document"] + (f", page {source['page']}" if source["page"] else "")
            section = f" · {source['section']}" if source["section"] else ""
            click.secho(f"   [{source['n']}] {place}{section}", fg="cyan")
    facts = f"{about.get('model')} · {ms:.0f} ms · cache {about.get('cache')}"
    grounded = "grounded" if about.get("grounded") else "not grounded"
    click.secho(
        f"   {grounded} · {facts} · trace {about.get('trace_id', '')[:8]}", fg="bright_black"
    )


def _folded(text: str) -> str:
    lines = text.splitlines() or [""]
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="   ") for line in lines)


def _what_next(url: str, log: Path, question: str) -> None:
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": question}]})
    click.echo()
    click.secho("The gateway is up. Open", bold=True)
    click.echo(f"   {url}/        dashboard: requests, cost, traces")
    click.echo(f"   {url}/docs    the API")
    click.secho("Ask from a shell", bold=True)
    click.echo(
        f"   curl -s {url}/v1/chat/completions -H 'content-type: application/json' \\\n"
        f"     -d '{body}'"
    )
    click.echo("   .venv/bin/moorline traces")
    click.echo(f"   tail -f {log}")
    click.secho("Ctrl-C stops it.", fg="bright_black")
