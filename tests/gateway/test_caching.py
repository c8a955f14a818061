"""What would be done with a question is told as it would be done."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from cache.keys import LONGEST_QUESTION
from cache.types import Scope
from gateway.caching import Explanation, explained
from tests.gateway.test_known import QUESTION, SEMANTIC, World, ask, world

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def told(it: World, question: str) -> Explanation:
    return await explained(it.gateway, it.gateway.accounts.identify(None), ask(question))


async def test_a_question_is_looked_up_as_the_guards_leave_it(tmp_path: Path) -> None:
    async with world(tmp_path, '[guardrails.pii]\nemail = "redact"\n') as it:
        one, other = [await told(it, f"Who is {name}@example.org?") for name in ("ann", "bob")]
    assert one.key == other.key


async def test_what_is_not_read_whole_is_compared_with_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, SEMANTIC) as it:
        await it.told()
        assert (await told(it, QUESTION.replace("goods", "wares"))).near
        assert not (await told(it, QUESTION * LONGEST_QUESTION)).near


async def test_an_answer_whose_documents_are_no_longer_valid_would_not_be_given(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as it:
        await it.told()
        found = await told(it, QUESTION)
        assert found.exact
        cache = it.gateway.known.cache
        entry = await cache.exact(Scope(found.key, ""))
        assert entry
        await cache.renew(found.key, replace(entry, until=time.time() - 1))
        after = await told(it, QUESTION)
    assert (after.exact, after.verdict) == (None, "A model is asked.")
