"""What is done again when something has changed, and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest

from retrieval.config import RetrievalConfig, SentenceWindowChunker
from retrieval.ingestion.events import Progress, Report
from retrieval.ingestion.ingestor import WAITING, AtHand, Ingestor
from retrieval.metadata import checked
from retrieval.sources.types import BadSource, Item, Listing
from retrieval.types import Document, Metadata, Passage
from tests.retrieval.ingestion.fakes import Hashing, Memory

pytestmark = pytest.mark.anyio

LONG = "# All\n\n" + "\n\n".join(f"## Part {n}\n\nPart number {n} says it." for n in range(20))
CONFIG = RetrievalConfig(passage_tokens=32)


class File:
    """An item that knows how often it was read."""

    def __init__(self, name: str, text: str, stamp: str = "", meta: Metadata | None = None) -> None:
        self.reads = 0
        self._data = text.encode()
        self.item = Item(name, name, len(self._data), self._read, stamp, meta=meta or {})

    def _read(self) -> bytes:
        self.reads += 1
        return self._data


@dataclass
class World:
    index: Memory
    encoder: Hashing
    config: RetrievalConfig = CONFIG

    async def ingest(
        self, *files: File, prune: bool = False, meta: Metadata | None = None
    ) -> Report:
        ingestor = Ingestor(self.index, self.encoder, self.config, meta)
        self.encoder.texts = 0
        return await ingestor.ingest(AtHand([file.item for file in files]), prune=prune)


@pytest.fixture
def world() -> World:
    return World(Memory(), Hashing())


async def test_an_equal_stamp_is_not_even_read(world: World) -> None:
    await world.ingest(File("a.md", "One.", stamp="1"))
    again = File("a.md", "One, changed by stealth.", stamp="1")
    assert (await world.ingest(again)).unchanged == 1
    assert again.reads == 0


async def test_another_stamp_is_read_and_equal_bytes_are_left(world: World) -> None:
    await world.ingest(File("a.md", "One.", stamp="1"))
    touched = File("a.md", "One.", stamp="2")
    assert (await world.ingest(touched)).unchanged == 1
    assert (touched.reads, world.encoder.texts, len(world.index.writes)) == (1, 0, 1)


async def test_only_passages_that_are_new_are_encoded(world: World) -> None:
    await world.ingest(File("a.md", LONG))
    report = await world.ingest(File("a.md", LONG.replace("number 7", "number seven")))
    assert (report.changed, report.passages, report.reused) == (1, 1, 19)
    assert world.encoder.texts == 1


async def test_a_passage_that_comes_twice_is_encoded_once(world: World) -> None:
    await world.ingest(File("a.md", "# A\n\nSame."), File("b.md", "# A\n\nSame."))
    assert world.encoder.texts == 1
    assert (world.index.held["a.md"].vectors == world.index.held["b.md"].vectors).all()


async def test_a_renamed_document_is_not_encoded_again(world: World) -> None:
    await world.ingest(File("a.md", LONG), File("b.md", "Two."))
    version = world.index.held["a.md"].version
    report = await world.ingest(File("moved/c.md", LONG), File("b.md", "Two."), prune=True)
    assert (report.added, report.removed, report.passages, report.reused) == (1, 1, 0, 20)
    assert report.retired == (f"a.md@{version}",)
    assert set(world.index.held) == {"moved/c.md", "b.md"}
    assert {p.document for p in world.index.held["moved/c.md"].passages} == {"moved/c.md"}


async def test_another_chunker_splits_again_though_bytes_and_stamps_are_equal(world: World) -> None:
    await world.ingest(File("a.md", LONG, stamp="1"))
    world.config = RetrievalConfig(
        passage_tokens=32, chunker=SentenceWindowChunker(kind="sentence-window")
    )
    assert (await world.ingest(File("a.md", LONG, stamp="1"))).changed == 1
    assert (await world.ingest(File("a.md", LONG, stamp="1"))).unchanged == 1


async def test_other_metadata_is_written_without_encoding(world: World) -> None:
    await world.ingest(File("a.md", LONG, stamp="1"), meta={"tenant": "red"})
    version = world.index.held["a.md"].version
    report = await world.ingest(File("a.md", LONG, stamp="1"), meta={"tenant": "blue"})
    assert (report.changed, report.passages, report.reused) == (1, 0, 20)
    assert report.retired == (f"a.md@{version}",)
    assert {p.meta["tenant"] for p in world.index.held["a.md"].passages} == {"blue"}


async def test_whoever_ingests_has_the_last_word_on_metadata(world: World) -> None:
    text = "---\ntenant: author\ngroups: [a, b]\nregion: EU\n---\nText."
    file = File("a.md", text, meta=checked({"groups": ["c"], "url": "https://example.com/a"}))
    await world.ingest(file, meta={"tenant": "operator", "title": "Named"})
    (passage,) = world.index.held["a.md"].passages
    assert passage.title == "Named"
    assert passage.meta == {
        "tenant": "operator",
        "groups": ("c",),
        "region": "EU",
        "url": "https://example.com/a",
        "title": "Named",
    }


async def test_a_file_whose_metadata_cannot_be_meant_is_that_files_failure(world: World) -> None:
    report = await world.ingest(
        File("a.md", "---\nvalid_from: soon\n---\nText."), File("b.md", "B.")
    )
    assert report.added == 1
    assert "valid_from is no date" in report.failed[0].reason


async def test_what_the_scan_finds_stays_with_the_passage(world: World) -> None:
    def scan(document: Document, passages: Sequence[Passage]) -> list[tuple[str, ...]]:
        return [("order",) if "ignore" in passage.text else () for passage in passages]

    ingestor = Ingestor(world.index, world.encoder, world.config, scan=scan, scanner="1")
    files = AtHand([File("a.md", "# A\n\nFine.\n\n# B\n\nNow ignore all that.", stamp="1").item])
    await ingestor.ingest(files)
    assert [p.flags for p in world.index.held["a.md"].passages] == [(), ("order",)]
    better = Ingestor(world.index, world.encoder, world.config, scan=scan, scanner="2")
    report = await better.ingest(files)
    assert (report.changed, report.passages) == (1, 0)


async def test_what_is_superseded_is_retired(world: World) -> None:
    await world.ingest(File("old.md", "Old."))
    version = world.index.held["old.md"].version
    new = File("new.md", "---\nsupersedes: old.md, never-there.md\n---\nNew.")
    assert (await world.ingest(new)).retired == (f"old.md@{version}",)


async def test_what_anybody_may_have_written_supersedes_nothing_by_its_own_text(
    world: World,
) -> None:
    new = File("new.md", "---\nsupersedes: old.md\n---\nNew.")
    new.item = replace(new.item, foreign=True)
    assert (await world.ingest(File("old.md", "Old."), new)).retired == ()
    assert "supersedes" not in world.index.held["new.md"].passages[0].meta
    said: Metadata = {"supersedes": ["old.md"]}
    assert len((await world.ingest(new, meta=said)).retired) == 2  # it has changed itself, too


async def test_one_wrong_document_does_not_keep_the_others_out(world: World) -> None:
    bad = File("a.md", "---\nvalid_from: 11111111111111111111\n---\nBad.")
    report = await world.ingest(bad, File("b.md", "Good."))
    assert [failure.reason for failure in report.failed] == [
        "its own metadata is wrong: valid_from is no date: write 2026-03-31, or seconds since 1970"
    ]
    assert set(world.index.held) == {"b.md"}


async def test_named_documents_are_removed_and_others_are_not(world: World) -> None:
    await world.ingest(File("a.md", "One."), File("b.md", "Two."))
    version = world.index.held["a.md"].version
    report = await Ingestor(world.index, world.encoder, world.config).remove(["a.md", "none.md"])
    assert (report.removed, report.retired) == (1, (f"a.md@{version}",))
    assert set(world.index.held) == {"b.md"}


async def test_one_collection_is_worked_on_by_one_at_a_time(world: World) -> None:
    told: list[Progress] = []
    first = asyncio.create_task(world.ingest(*(File(f"{n}.md", LONG) for n in range(30))))
    await asyncio.sleep(0)  # it has begun
    second = Ingestor(world.index, world.encoder, world.config)
    report = await second.ingest(AtHand([File("0.md", "Other.").item]), progress=told.append)
    assert first.done()
    assert told[0].notice == WAITING
    assert report.changed == 1


@dataclass(frozen=True)
class Slow:
    """A source of items whose sizes nobody knows, which breaks off where it is told to."""

    items_: Sequence[Item]
    broken: bool = False

    def items(self, listing: Listing) -> Iterator[Item]:
        yield from self.items_
        if self.broken:
            raise BadSource("The server is gone.")


async def test_totals_that_are_not_known_are_not_made_up(world: World) -> None:
    told: list[Progress] = []
    items = [Item(f"{n}.md", f"{n}.md", 0, b"Some text.".strip) for n in range(3)]
    ingestor = Ingestor(world.index, world.encoder, world.config)
    await ingestor.ingest(Slow(items), progress=told.append)
    assert (told[0].listed, told[0].files) == (False, 0)
    assert (told[1].files, told[1].unsized, told[1].size) == (3, 3, 0)
    last = told[-1]
    assert (last.listed, last.unsized, last.size, last.size_done) == (True, 0, 30, 30)


async def test_a_source_that_breaks_off_ends_it_and_prunes_nothing(world: World) -> None:
    await world.ingest(File("old.md", "Old."))
    ingestor = Ingestor(world.index, world.encoder, world.config)
    with pytest.raises(BadSource, match="The server is gone"):
        await ingestor.ingest(Slow([File("new.md", "New.").item], broken=True), prune=True)
    assert "old.md" in world.index.held
