"""What a gateway adds to a call: processor time and latency, beside two bare pass-throughs.

Of the gateway there are two: `gateway` with keys, limits, a look into the exact cache, ledger,
traces and metrics, as a proxy has them; `guarded` checks what comes in and goes out besides, and
keeps every answer.
All of them stand before the same simulated upstream without delay. The server under test has a
core of its own; upstream and load generator share the other. Rounds are interleaved and medians
reported, because machines are noisy; requests per second and core, from processor time, hardly
depend on what else the machine does.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from eval.bench.load import ENOUGH, NUMBER, Load, Target, load
from eval.bench.processes import Served, cores, on_core, served

SUBJECTS = ("direct", "raw", "fastapi", "gateway", "guarded")
UPSTREAM_KEY = "sk-upstream"
CHUNKS = 60
QUESTION = (
    "A customer writes that a parcel, which we handed over on Tuesday, has not arrived yet, and "
    "asks whether the weather in the north holds it up. Answer in two sentences, be friendly, do "
    "not promise a date, and offer to look into it again tomorrow if nothing has come by then. "
    "The customer has ordered from us since 2019 and has never complained before. "
)
PACE_MS = 20  # between tokens, as models speak
CONFIG = """
data = "{data}"
[grounding]
mode = "off"
[limits]
requests_per_minute = 1000000000
tokens_per_minute = 1000000000000
[cache.store]
kind = "memory"
max_entries = 2000
[providers.upstream]
kind = "openai-compatible"
base_url = "http://127.0.0.1:{port}/v1"
api_key = "{key}"
models = [{{ name = "simulated", window = 32768 }}, {{ name = "paced", window = 32768 }}]
"""
WITHOUT_GUARDS = """
[guardrails.pii]
credit_card = "allow"
iban = "allow"
us_ssn = "allow"
de_tax_id = "allow"
secret = "allow"
[guardrails.injection]
action = "off"
[guardrails.output]
secrets = "allow"
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of load."""

    stream: bool
    concurrency: int
    paced: bool = False

    @property
    def name(self) -> str:
        kind = "paced" if self.paced else "stream" if self.stream else "plain"
        return f"{kind} c={self.concurrency}"

    @property
    def least_seconds(self) -> float:
        """A measurement must see some answers from their beginning to their end."""
        return 3 * CHUNKS * PACE_MS / 1000 if self.paced else 0.0


CASES = (
    *(Case(stream, concurrency) for stream in (False, True) for concurrency in (1, 32)),
    Case(stream=True, concurrency=16, paced=True),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One subject under one kind of load, in one round or as the median of all."""

    per_second: float
    cpu_ms: float  # of the server, per request
    p50_ms: float
    p99_ms: float
    first_byte_p50_ms: float

    @property
    def per_core(self) -> float:
        """Requests that a core's second of processor time serves."""
        return 1000 / self.cpu_ms if self.cpu_ms else 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """All of it."""

    rounds: int
    seconds: float  # of one measurement
    subjects: tuple[str, ...]
    medians: dict[str, dict[str, Measured]]  # by case, then by subject
    ratios: dict[str, dict[str, float]]  # to fastapi, in requests per second and core
    memory_mb: dict[str, float]  # resident, after the run
    ready_seconds: dict[str, float]  # from the process's start

    def json(self) -> bytes:
        plain: dict[str, Any] = asdict(self)
        for case, subjects in self.medians.items():
            for subject, measured in subjects.items():
                plain["medians"][case][subject]["per_core"] = measured.per_core
                plain["medians"][case][subject]["cpu_ms_per_chunk"] = measured.cpu_ms / CHUNKS
        return orjson.dumps(plain, option=orjson.OPT_INDENT_2)


@dataclass(frozen=True, slots=True)
class Subject:
    """A server under test and the key that it wants."""

    name: str
    server: Served
    key: str


def measure(
    names: tuple[str, ...], rounds: int, seconds: float, cases: Sequence[Case] = CASES
) -> Report:
    """Start the subjects by name (SUBJECTS) and measure them in turn."""
    import uvloop

    server_core, other_core = cores()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        upstream = stack.enter_context(
            served(
                [
                    *("eval.bench.upstream", "--chunks", str(CHUNKS), "--key", UPSTREAM_KEY),
                    *("--pace-ms", str(PACE_MS)),
                ],
                other_core,
                Path(folder, "upstream.log"),
            )
        )
        subjects = [
            stack.enter_context(_subject(name, upstream, server_core, Path(folder)))
            for name in names
        ]
        with on_core(other_core):
            runs = uvloop.run(_rounds(subjects, rounds, seconds, cases))
        ready = {each.name: round(each.server.ready_after, 2) for each in subjects}
        memory = {each.name: round(each.server.memory / 2**20, 1) for each in subjects}
    medians = {
        case.name: {name: _median([run[case.name, name] for run in runs]) for name in names}
        for case in cases
    }
    return Report(rounds, seconds, names, medians, _ratios(runs, names, cases), memory, ready)


def table(report: Report) -> str:
    """The report for a terminal."""
    header = "subject    req/s  CPU ms/req  req/s/core  vs fastapi  p50 ms  added p50     p99"
    lines = []
    for case, subjects in report.medians.items():
        first = " (first byte)" if case.startswith("stream") else ""
        lines += [f"{case}: latency to the answer's end", header]
        direct = subjects.get("direct")
        for name, seen in subjects.items():
            added = f"{seen.p50_ms - direct.p50_ms:9.3f}" if direct else "        -"
            ratio = report.ratios.get(case, {}).get(name)
            against = f"{ratio:10.2f}" if ratio and name != "direct" else "         -"
            ttfb = f"   {seen.first_byte_p50_ms:.3f} ms to the first byte" if first else ""
            if case.startswith("paced"):
                ttfb = f"   {seen.cpu_ms / CHUNKS:.4f} ms CPU a chunk"
            lines.append(
                f"{name:8} {seen.per_second:7.0f}  {seen.cpu_ms:10.3f}  {seen.per_core:10.0f}  "
                f"{against}  {seen.p50_ms:6.3f}  {added}  {seen.p99_ms:6.2f}{ttfb}"
            )
        lines.append("")
    memory = ", ".join(f"{name} {mb:.0f}" for name, mb in report.memory_mb.items())
    ready = ", ".join(f"{name} {took:.2f}" for name, took in report.ready_seconds.items())
    lines.append(f"Resident MB after the run: {memory}. Seconds until ready: {ready}.")
    lines.append(
        f"Medians of {report.rounds} interleaved rounds of {report.seconds:g} s; {CHUNKS} tokens "
        f"an answer, upstream without delay, or {PACE_MS} ms between tokens where paced; "
        "`vs fastapi` compares requests per second and core."
    )
    return "\n".join(lines)


@contextmanager
def _subject(name: str, upstream: Served, core: int | None, folder: Path) -> Iterator[Subject]:
    if name == "direct":
        yield Subject(name, upstream, UPSTREAM_KEY)
        return
    key = UPSTREAM_KEY
    if name in ("gateway", "guarded"):
        config = folder / f"{name}.toml"
        text = CONFIG.format(data=folder / name, port=upstream.port, key=UPSTREAM_KEY)
        config.write_text(text + (WITHOUT_GUARDS if name == "gateway" else ""))
        key = _make_key(config)
        command = ["gateway", "serve", "--config", str(config)]
    else:
        url = f"http://127.0.0.1:{upstream.port}/v1"
        command = ["eval.bench.references", name, "--upstream", url, "--key", UPSTREAM_KEY]
    with served(command, core, folder / f"{name}.log") as server:
        yield Subject(name, server, key)


def _make_key(config_file: Path) -> str:
    from gateway.backends import open_accounts
    from gateway.config import load as load_config

    async def make() -> str:
        config = load_config(config_file)
        config.data.mkdir(parents=True, exist_ok=True)
        async with open_accounts(config) as accounts:
            return accounts.store.create("bench").secret

    return asyncio.run(make())


async def _rounds(
    subjects: list[Subject], rounds: int, seconds: float, cases: Sequence[Case]
) -> list[dict[tuple[str, str], Measured]]:
    for subject in subjects:  # the first calls of a process are not like the others
        for case in cases:
            await load(_target(subject, case), case.concurrency, min(seconds, 0.5))
    return [
        {
            (case.name, subject.name): await _measured(subject, case, seconds)
            for case in cases
            for subject in subjects
        }
        for _ in range(rounds)
    ]


async def _measured(subject: Subject, case: Case, seconds: float) -> Measured:
    before = subject.server.cpu
    enough = 2 * case.concurrency if case.paced else ENOUGH
    seen = await load(
        _target(subject, case), case.concurrency, max(seconds, case.least_seconds), enough
    )
    spent = subject.server.cpu - before
    return _told(seen, spent)


def _told(seen: Load, cpu: float) -> Measured:
    latencies = sorted(seen.latencies)
    return Measured(
        per_second=seen.requests / seen.seconds,
        cpu_ms=1000 * cpu / max(1, seen.requests),
        p50_ms=1000 * _quantile(latencies, 0.5),
        p99_ms=1000 * _quantile(latencies, 0.99),
        first_byte_p50_ms=1000 * _quantile(sorted(seen.first_bytes), 0.5),
    )


def _quantile(rising: list[float], share: float) -> float:
    return rising[min(len(rising) - 1, int(len(rising) * share))] if rising else 0.0


def _target(subject: Subject, case: Case) -> Target:
    messages = [
        {"role": "system", "content": "You answer for a shop that sells lamps."},
        {"role": "user", "content": f"{QUESTION} Reference: {NUMBER}."},
    ]
    model = "paced" if case.paced else "simulated"
    # At temperature 0 an answer is looked for in the cache, which has none to a new question; only
    # `guarded`, which is to do all that a gateway does, keeps it as well.
    headers = "" if subject.name == "guarded" else "cache-control: no-store\r\n"
    body = {"model": model, "messages": messages, "temperature": 0, "stream": case.stream}
    url = f"http://127.0.0.1:{subject.server.port}/v1/chat/completions"
    return Target.of(url, orjson.dumps(body), subject.key, headers)


def _median(runs: list[Measured]) -> Measured:
    names = [*Measured.__dataclass_fields__]
    return Measured(*(statistics.median(getattr(run, name) for run in runs) for name in names))


def _ratios(
    runs: list[dict[tuple[str, str], Measured]], names: tuple[str, ...], cases: Sequence[Case]
) -> dict[str, dict[str, float]]:
    """Within a round, so that what slows the machine down slows both."""
    if "fastapi" not in names:
        return {}
    return {
        case.name: {
            name: statistics.median(
                run[case.name, "fastapi"].cpu_ms / max(run[case.name, name].cpu_ms, 1e-9)
                for run in runs
            )
            for name in names
        }
        for case in cases
    }
