"""What a request costs that asks for nothing but an answer, counted in calls of our functions: no
machine is too busy for that. Whoever makes it dearer raises the figure, and knows what for."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from gateway.build import build
from gateway.config import parse
from gateway.pipeline import Gateway
from gateway.streams import collect
from gateway.tracing.trace import Trace
from gateway.types import Ask

pytestmark = pytest.mark.anyio

OURS = {"cache", "context", "gateway", "guardrails", "retrieval", "routing"}
PROVIDER = "gateway.providers.simulated"  # stands for a call of a model, and is not counted
CONFIG = """
data = "{data}"
[grounding]
mode = "off"
[providers.sim]
kind = "simulated"
models = [{{ name = "simulated" }}]
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


START = """
import asyncio, sys
from gateway.build import build
from gateway.config import parse
async def start():
    async with build(parse(sys.stdin.read())):
        print(*sys.modules)
asyncio.run(start())
"""
LATER = {
    *("retrieval.ingestion.ingestor", "retrieval.sources.targets", "onnxruntime", "tiktoken"),
    *("cache.verification.rules", "cache.verification.verifier"),
}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with build(parse(CONFIG.format(data=tmp_path))) as gateway:
        yield gateway


@contextmanager
def calls() -> Iterator[Counter[str]]:
    """How often a function of each module is called by this task. To come back to a coroutine is
    a call as well: it costs as much."""
    seen: Counter[str] = Counter()
    task = asyncio.current_task()

    def count(frame: FrameType, event: str, _: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        ours = module.partition(".")[0] in OURS and module != PROVIDER
        if event == "call" and ours and asyncio.current_task() is task:
            seen[module] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield seen
    finally:
        sys.setprofile(before)


async def counted(gateway: Gateway, **params: Any) -> Counter[str]:
    """Those of a request, to the end of its answer; what is made once has been made before."""
    for question in ("Where is my parcel?", "Where is my invoice?"):
        messages = ({"role": "user", "content": question},)
        ask = Ask("sim/simulated", messages, question, {"max_tokens": 1, **params})
        with calls() as seen:
            await collect((await gateway.answer(None, ask, Trace())).events)
    return seen


async def test_a_request_is_answered_in_few_calls(gateway: Gateway) -> None:
    seen = await counted(gateway)
    assert seen.total() <= 159, seen


async def test_to_look_into_the_cache_and_keep_the_answer_takes_few_more(gateway: Gateway) -> None:
    seen = await counted(gateway, temperature=0)
    assert seen.total() <= 221, seen


def test_what_reads_documents_and_compares_questions_is_loaded_when_it_is_needed(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", START],
        cwd=Path(__file__).parents[2],
        input=CONFIG.format(data=tmp_path),
        check=True,
        capture_output=True,
        text=True,
    )
    assert LATER & set(done.stdout.split()) == set()
