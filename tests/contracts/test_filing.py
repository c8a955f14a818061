"""What every store of uploaded files does, whatever database it stands on."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import InvalidRequest, NotFound, TooLarge
from gateway.filing.config import FilesConfig
from gateway.filing.files import Files
from gateway.filing.stores import VectorStores
from gateway.filing.types import StoredFile
from gateway.ledger.database import Database
from tests.contracts.test_conversations import Clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def files(database: Database, tmp_path: Path, clock: Clock) -> Files:
    return Files(database, tmp_path, FilesConfig(max_file_bytes=100, max_team_bytes=150), clock)


@pytest.fixture
def stores(database: Database, clock: Clock) -> VectorStores:
    return VectorStores(database, clock)


async def pieces(*given: bytes) -> AsyncGenerator[bytes]:
    for piece in given:
        yield piece


def lying(folder: Path) -> list[str]:
    """What is on the disk."""
    return [path.name for path in folder.glob("file-*")]


async def put(files: Files, team: str = "red", text: bytes = b"rope", **more: Any) -> StoredFile:
    return await files.add(team, "a.txt", "assistants", pieces(text), **more)


async def test_a_file_comes_back_as_it_was_uploaded(files: Files) -> None:
    kept = await files.add("red", "rope.txt", "assistants", pieces(b"two ", b"euros"))
    assert await files.one("red", kept.id) == kept
    assert (kept.filename, kept.size) == ("rope.txt", 9)
    assert files.path(kept.id).read_bytes() == b"two euros"


async def test_another_team_sees_none_of_it(files: Files) -> None:
    kept = await put(files)
    with pytest.raises(NotFound):
        await files.one("blue", kept.id)
    with pytest.raises(NotFound):
        await files.remove("blue", kept.id)
    assert await files.all("blue") == []
    assert await files.all("red") == [kept]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a.pdf", "a.pdf"),
        ("a\x00b\n.md", "ab.md"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
    ],
)
async def test_a_name_leads_nowhere(files: Files, given: str, kept: str) -> None:
    assert (await files.add("red", given, "assistants", pieces(b"a"))).filename == kept


@pytest.mark.parametrize("name", ["", "..", " . ", "a/"])
async def test_a_file_needs_a_name(files: Files, name: str) -> None:
    with pytest.raises(InvalidRequest):
        await files.add("red", name, "assistants", pieces(b"a"))


async def test_what_is_refused_leaves_nothing_behind(files: Files, tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="max_file_bytes"):
        await files.add("red", "a.txt", "assistants", pieces(b"x" * 60, b"x" * 60))
    with pytest.raises(InvalidRequest, match="empty"):
        await put(files, text=b"")
    await put(files, text=b"x" * 90)
    with pytest.raises(TooLarge, match="max_team_bytes"):
        await put(files, text=b"x" * 90)
    await put(files, team="blue", text=b"x" * 90)
    assert len(lying(tmp_path)) == 2


async def test_a_file_is_over_when_its_time_is(files: Files, clock: Clock, tmp_path: Path) -> None:
    kept = await put(files, expires_in=10)
    lasting = await put(files)
    clock.now += 11
    with pytest.raises(NotFound):
        await files.one("red", kept.id)
    assert await files.all("red") == [lasting]
    assert await files.expired() == [kept]
    await files.remove("red", kept.id)
    assert await files.expired() == []
    assert lying(tmp_path) == [lasting.id]


async def test_bytes_of_an_upload_that_was_broken_off_are_swept(
    files: Files, tmp_path: Path
) -> None:
    (tmp_path / "file-old").write_bytes(b"a")
    os.utime(tmp_path / "file-old", (0, 0))
    (tmp_path / "file-new").write_bytes(b"a")
    await files.sweep()
    assert lying(tmp_path) == ["file-new"]


async def test_a_sweep_bears_that_another_was_faster(files: Files, tmp_path: Path) -> None:
    (tmp_path / "file-gone").symlink_to(tmp_path / "nothing")  # listed, but not there
    (tmp_path / "file-old").write_bytes(b"a")
    os.utime(tmp_path / "file-old", (0, 0))
    await files.sweep()
    assert "file-old" not in lying(tmp_path)


async def test_a_store_comes_back_as_it_was_made(stores: VectorStores) -> None:
    made = await stores.add("red", "Rope", "what we sell", {"a": "b"}, {"type": "auto"}, 7)
    assert await stores.one("red", made.id) == made
    assert await stores.all("red") == [made]
    with pytest.raises(NotFound):
        await stores.one("blue", made.id)
    assert await stores.all("blue") == []


async def test_a_file_waits_until_it_is_brought_in(stores: VectorStores) -> None:
    store = await stores.add("red", "", "", {}, {}, None)
    file = StoredFile("file-1", "red", "a.txt", "assistants", 4, 0)
    (waiting,), batch = await stores.attach(store, [(file, {"year": 2024}, {})])
    assert batch is None
    assert await stores.waiting() == [waiting]
    await stores.finish(waiting, "failed", ("invalid_file", "it is empty"))
    assert await stores.waiting() == []
    known = await stores.attached(store, "file-1")
    assert (known.status, known.error) == ("failed", ("invalid_file", "it is empty"))
    assert known.attributes == {"year": 2024}


async def test_what_was_changed_meanwhile_is_not_finished(stores: VectorStores) -> None:
    store = await stores.add("red", "", "", {}, {}, None)
    file = StoredFile("file-1", "red", "a.txt", "assistants", 4, 0)
    (waiting,), _ = await stores.attach(store, [(file, {"year": 2024}, {})])
    changed = await stores.describe(waiting, {"year": 2025})
    await stores.finish(waiting, "completed")
    assert await stores.waiting() == [changed]


async def test_a_cancelled_batch_keeps_what_is_done(stores: VectorStores) -> None:
    store = await stores.add("red", "", "", {}, {}, None)
    given: list[tuple[StoredFile, dict[str, str], dict[str, str]]] = [
        (StoredFile(f"file-{n}", "red", "a.txt", "assistants", 4, 0), {}, {}) for n in "12"
    ]
    (first, _), batch = await stores.attach(store, given, batched=True)
    assert batch is not None
    await stores.finish(first, "completed")
    await stores.cancel(batch)
    assert (await stores.batch(store, batch.id)).cancelled
    states = [one.status for one in await stores.files(store.id, batch.id)]
    assert states == ["completed", "cancelled"]


async def test_a_store_that_nobody_uses_expires(stores: VectorStores, clock: Clock) -> None:
    store = await stores.add("red", "", "", {}, {}, 2)
    await stores.add("red", "", "", {}, {}, None)
    clock.now += 86_400
    await stores.used(store)
    clock.now += 86_400 * 1.5
    assert await stores.expired() == []
    clock.now += 86_400
    assert [one.id for one in await stores.expired()] == [store.id]


async def test_an_expired_store_is_not_used_filled_or_changed(
    stores: VectorStores, clock: Clock
) -> None:
    store = await stores.add("red", "", "", {}, {}, 1)
    file = StoredFile("file-1", "red", "a.txt", "assistants", 4, 0)
    (held,), _ = await stores.attach(store, [(file, {}, {})])
    clock.now += 86_400
    with pytest.raises(InvalidRequest, match="expired"):
        await stores.used(store)
    with pytest.raises(InvalidRequest, match="expired"):
        await stores.attach(store, [(file, {}, {})])
    with pytest.raises(InvalidRequest, match="expired"):
        await stores.describe(held, {"year": 2024})
    with pytest.raises(InvalidRequest, match="expired"):
        await stores.change(replace(store, expires_days=None))
    assert await stores.expired() == [store]
    assert await stores.files(store.id) == [held]


@pytest.mark.parametrize("forgotten", [False, True])
async def test_a_store_that_was_removed_stays_so(
    stores: VectorStores, clock: Clock, forgotten: bool
) -> None:
    store = await stores.add("red", "", "", {}, {}, None)
    file = StoredFile("file-1", "red", "a.txt", "assistants", 4, 0)
    await stores.leave(store)
    if forgotten:
        await stores.remove(store.id)
    clock.now += 3_600
    with pytest.raises(NotFound):
        await stores.used(store)
    with pytest.raises(NotFound):
        await stores.attach(store, [(file, {}, {})])
    with pytest.raises(NotFound):
        await stores.change(store)
    with pytest.raises(NotFound):
        await stores.one("red", store.id)
    assert await stores.all("red") == []
    assert await stores.waiting() == []
    assert await stores.leaving() == ([] if forgotten else [store.id])


async def test_a_change_leaves_the_last_use_as_it_is(stores: VectorStores, clock: Clock) -> None:
    store = await stores.add("red", "Rope", "", {}, {}, 1)
    clock.now += 3_600
    used = await stores.used(store)
    await stores.change(replace(store, name="Chain", metadata={"a": "b"}, expires_days=2))
    assert await stores.one("red", store.id) == replace(
        used, name="Chain", metadata={"a": "b"}, expires_days=2
    )


async def test_a_file_that_is_taken_out_is_known_only_to_who_does_so(
    stores: VectorStores,
) -> None:
    store = await stores.add("red", "", "", {}, {}, None)
    file = StoredFile("file-1", "red", "a.txt", "assistants", 4, 0)
    (held,), _ = await stores.attach(store, [(file, {}, {})])
    await stores.take_out(held)
    assert await stores.files(store.id) == []
    with pytest.raises(NotFound):
        await stores.attached(store, "file-1")
    with pytest.raises(NotFound):
        await stores.describe(held, {})
    leaving = replace(held, status="removing")
    assert await stores.attached(store, "file-1", removing=True) == leaving
    assert await stores.holding("red", "file-1") == [leaving]
    assert await stores.holding("blue", "file-1") == []
    assert await stores.waiting() == [leaving]
    await stores.detach(held)
    assert await stores.waiting() == []


async def test_a_file_that_was_put_in_again_is_not_forgotten(stores: VectorStores) -> None:
    store = await stores.add("red", "", "", {}, {}, None)
    file = StoredFile("file-1", "red", "a.txt", "assistants", 4, 0)
    (held,), _ = await stores.attach(store, [(file, {}, {})])
    await stores.take_out(held)
    (again,), _ = await stores.attach(store, [(file, {}, {})])
    await stores.detach(held)
    assert not await stores.take_out_again(held)
    assert await stores.files(store.id) == [again]
