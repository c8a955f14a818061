"""What every store of responses does, whatever database it stands on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.conversations.config import ConversationsConfig
from gateway.conversations.store import DAY, SWEPT_EVERY, Conversations, Kept
from gateway.errors import NotFound
from gateway.ledger.database import Database

pytestmark = pytest.mark.anyio


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(database: Database, clock: Clock) -> Callable[..., Conversations]:
    def opened(**config: Any) -> Conversations:
        return Conversations(database, ConversationsConfig(**config), str.upper, clock)

    return opened


def said(name: str, text: str = "hi") -> Kept:
    return Kept([{"type": "message", "content": text}], {"id": name, "output": []})


async def test_a_conversation_comes_back_from_its_beginning(
    opened: Callable[..., Conversations],
) -> None:
    store = opened()
    for name, previous in (("a", None), ("b", "a"), ("c", "b"), ("other", "a")):
        assert await store.keep("red", previous, said(name))
    names = [kept.response["id"] for kept in await store.earlier("red", "c")]
    assert names == ["a", "b", "c"]


async def test_texts_are_kept_redacted_and_names_as_they_are(
    opened: Callable[..., Conversations],
) -> None:
    store = opened()
    await store.keep("red", None, said("a", "secret"))
    assert (await store.one("red", "a")).items == [{"type": "message", "content": "SECRET"}]


async def test_a_team_sees_nothing_of_another(opened: Callable[..., Conversations]) -> None:
    store = opened()
    await store.keep("red", None, said("a"))
    await store.keep("blue", "a", said("b"))  # says that it continues what it may not see
    for forbidden in (store.one, store.earlier, store.forget):
        with pytest.raises(NotFound):
            await forbidden("blue", "a")
    with pytest.raises(NotFound):
        await store.earlier("blue", "b")


async def test_what_was_deleted_cannot_be_continued(opened: Callable[..., Conversations]) -> None:
    store = opened()
    await store.keep("red", None, said("a"))
    await store.keep("red", "a", said("b"))
    await store.forget("red", "a")
    with pytest.raises(NotFound):
        await store.earlier("red", "b")
    assert (await store.one("red", "b")).response["id"] == "b"


async def test_whoever_continues_a_conversation_keeps_all_of_it_alive(
    opened: Callable[..., Conversations], clock: Clock
) -> None:
    store = opened(keep_days=2)
    await store.keep("red", None, said("a"))
    await store.keep("red", None, said("left"))
    await store.keep("red", "a", said("b"))
    clock.now += 1.5 * DAY
    await store.earlier("red", "b")
    clock.now += 1.5 * DAY
    assert len(await store.earlier("red", "b")) == 2
    with pytest.raises(NotFound):
        await store.one("red", "left")


async def test_what_is_over_its_time_is_removed(
    opened: Callable[..., Conversations], clock: Clock, database: Database
) -> None:
    store = opened(keep_days=1)
    await store.keep("red", None, said("a"))
    clock.now += 2 * DAY
    await store.keep("red", None, said("b"))
    with database.connection() as connection:
        assert connection.read("SELECT id FROM responses") == [("b",)]


async def test_a_team_that_has_too_much_loses_its_oldest_and_no_others(
    opened: Callable[..., Conversations], clock: Clock
) -> None:
    store = opened(max_team_bytes=1024)
    await store.keep("blue", None, said("blue"))
    for name in ("a", "b", "c"):
        clock.now += SWEPT_EVERY + 1
        await store.keep("red", None, said(name, "x" * 400))
    with pytest.raises(NotFound):
        await store.one("red", "a")
    assert (await store.one("red", "c")).response["id"] == "c"
    assert (await store.one("blue", "blue")).response["id"] == "blue"


async def test_what_is_too_large_is_not_kept(opened: Callable[..., Conversations]) -> None:
    store = opened(max_response_bytes=1024)
    assert not await store.keep("red", None, said("a", "x" * 2000))
    with pytest.raises(NotFound):
        await store.one("red", "a")
