"""What a client is told of the passages, and where a prompt is packed."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from context.types import Prompt, Source
from gateway.grounding import references
from gateway.screening import LONG, Screened
from gateway.tracing.trace import Span
from gateway.types import Ask
from retrieval.types import Hit, Passage
from routing.types import Plan, Target
from tests.gateway.asking import helped

PLAN = Plan.chain((Target("sim", "simulated", 1_000_000, 100),), "test")
MESSAGES = ({"role": "user", "content": "How long?"},)


def hit(text: str) -> Hit:
    return Hit(Passage("p", "a.md", "v", 0, "", (), text, 0, len(text)), 1.0)


def test_a_passage_that_was_shortened_is_told_as_such() -> None:
    sources = (Source(1, hit("whole")), Source(2, hit("part"), shortened=True))
    grounds: Any = SimpleNamespace(collection="c", mode="open")
    told = references(grounds, Prompt(MESSAGES, sources))
    assert [each.shortened for each in told] == [False, True]


@pytest.mark.anyio
@pytest.mark.parametrize(("size", "apart"), [(100, False), (LONG, True)])
async def test_long_passages_are_packed_off_the_event_loop(
    tmp_path: Path, size: int, apart: bool
) -> None:
    async with helped(tmp_path, "") as helping:
        library, threads = helping.gateway.library, []
        tokenizer = library._windows.tokenizer

        def noted(plan: Plan) -> Any:
            threads.append(threading.current_thread() is not threading.main_thread())
            return tokenizer(plan)

        library._windows.tokenizer = noted  # type: ignore[method-assign]
        ask = Ask("m", MESSAGES, "How long?")
        grounds: Any = SimpleNamespace(collection="default", mode="open")
        found = Screened((hit("word " * (size // 4)),))
        await library.pack(ask, grounds, found, PLAN, Span("pack", 0))
    assert threads[0] is apart
