"""A request is embedded once at most, whatever combination of stages is on."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from gateway.build import build
from gateway.config import parse
from gateway.ingestion import of
from gateway.pipeline import Gateway
from gateway.streams import collect
from gateway.tracing.trace import Trace
from gateway.types import Ask
from retrieval.sources.types import Item
from retrieval.types import Encoder, Query

pytestmark = pytest.mark.anyio

CONFIG = """
data = "{data}"
[providers.sim]
kind = "simulated"
answer = "echo"
cite = true
models = [{{ name = "small" }}, {{ name = "large" }}]
[routing]
{routing}
[grounding]
follow_ups = "{follow_ups}"
[guardrails.injection]
action = "{guard}"
[cache.semantic]
enabled = {semantic}
"""
STAGES = {
    "semantic": ("true", "false"),
    "routing": ('cheap = ["sim/small"]\nstrong = ["sim/large"]', 'default = ["sim/small"]'),
    "guard": ("block", "off"),
    "follow_ups": ("rules", "off"),
}
ON = {name: values[0] for name, values in STAGES.items()}
COMBINATIONS = [
    dict(zip(STAGES, values, strict=True))
    for values in product(*STAGES.values())
    # All on, all off, and each alone on or off.
    if sum(value == ON[name] for name, value in zip(STAGES, values, strict=True)) != 2
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Counting:
    """An encoder that counts what it is asked for."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder, self.calls = encoder, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoder, name)

    async def query(self, text: str) -> Query:
        self.calls += 1
        return await self.encoder.query(text)


async def encodes(gateway: Gateway, question: str, *earlier: str, **fields: Any) -> int:
    encoder = Counting(gateway.encoder)
    counting = replace(gateway, encoder=encoder)
    roles = ("user", "assistant")
    said = [{"role": roles[n % 2], "content": text} for n, text in enumerate(earlier)]
    ask = Ask("auto", (*said, {"role": "user", "content": question}), question, **fields)
    await collect((await counting.answer(None, ask, Trace())).events)
    return encoder.calls


async def bring(gateway: Gateway, name: str, text: str) -> None:
    await of(gateway).bring("default", [Item(name, name, len(text), text.encode)], {})


@pytest.mark.parametrize("stages", COMBINATIONS, ids=lambda stages: "-".join(
    name for name in stages if stages[name] == ON[name]
) or "none")  # fmt: skip
async def test_a_request_is_embedded_once_at_most(tmp_path: Path, stages: dict[str, str]) -> None:
    async with build(parse(CONFIG.format(data=tmp_path, **stages))) as gateway:
        await bring(gateway, "returns.md", "# Returns\n\nGoods may be sent back within 30 days.\n")
        question = "Within how many days may goods be sent back?"
        cool: dict[str, Any] = {"grounding": "off", "params": {"temperature": 0}}
        assert await encodes(gateway, question) == 1
        assert await encodes(gateway, question) == 0  # an exact hit
        assert await encodes(gateway, "And vouchers?", question, "Within 30 days. [1]") == 1
        assert await encodes(gateway, "Why is the sky blue?", **cool) <= 1
        assert await encodes(gateway, "Why is the sky blue?", **cool) == 0
        await bring(gateway, "cards.md", "# Gift cards\n\nGift cards are sold at the desk.\n")
        assert await encodes(gateway, question) == 1  # held against what is found now
