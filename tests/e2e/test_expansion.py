"""A search that a model helps with, seen by the official client: found by other words, and paid for
by the key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
from click.testing import CliRunner
from openai import OpenAI

from gateway.cli import main
from gateway.config import parse
from tests.e2e.conftest import background, written
from tests.gateway.asking import CONFIG, COST, DOCUMENTS, completion
from tests.gateway.providers.scripted import Scripted, scripted
from tests.serving import Served, serving

MORE = """
[grounding.follow_ups]
model = "helper/small"
[retrieval.expansion]
kind = "multi_query"
model = "helper/small"
"""
ROOM = 100 * COST
QUESTION: Any = [{"role": "user", "content": "Do I get money for a gift card?"}]
LATER: Any = [
    *QUESTION,
    {"role": "assistant", "content": "No [1]."},
    {"role": "user", "content": "and otherwise?"},
]


@dataclass(frozen=True, slots=True)
class World:
    """The gateway, the helping model, and a key with a budget."""

    served: Served
    helper: Scripted
    key: str

    def ask(self, messages: Any) -> dict[str, Any]:
        """What the gateway says of an answer."""
        client = OpenAI(base_url=f"{self.served.url}/v1", api_key=self.key, max_retries=0)
        about = {"collection": "default", "grounding": "open"}
        said = client.chat.completions.create(
            model="sim/simulated", messages=messages, extra_body={"moorline": about}
        )
        told: dict[str, Any] = (said.model_extra or {})["moorline"]
        return told


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with background() as loop:
        server = scripted(completion("Are vouchers refunded in cash?"))
        helper = asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
        text = CONFIG.format(data=tmp_path / "data", url=helper.url, more=MORE)
        (tmp_path / "moorline.toml").write_text(text)
        (tmp_path / "docs").mkdir()
        run(tmp_path, "ingest", str(written(tmp_path / "docs", DOCUMENTS)))
        made = run(tmp_path, "keys", "create", "--name", "app", "--budget", f"{ROOM:.6f}")
        with serving(parse(text)) as served:
            yield World(served, helper, made.split()[0])
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)


def run(folder: Path, *arguments: str) -> str:
    done = CliRunner().invoke(main, [*arguments, "--config", str(folder / "moorline.toml")])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_answer_says_what_its_search_has_cost_too(world: World) -> None:
    told = world.ask(QUESTION)
    assert told["cost_usd"] == pytest.approx(COST)
    assert told["sources"][0]["document"] == "cards.md"
    later = world.ask(LATER)
    assert later["cost_usd"] == pytest.approx(2 * COST)  # stand-alone first, then worded otherwise
    assert len(world.helper.requests) == 3


def test_what_searches_cost_uses_up_the_keys_budget(world: World) -> None:
    questions = (f"Is number {number} refunded in cash?" for number in range(200))
    asked: list[Any] = [[{"role": "user", "content": question}] for question in questions]
    with pytest.raises(openai.RateLimitError):
        list(map(world.ask, asked))
    assert 0 < len(world.helper.requests) <= 100
