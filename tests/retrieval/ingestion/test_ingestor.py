from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from retrieval.config import RetrievalConfig
from retrieval.index.embedded import EmbeddedIndexes
from retrieval.ingestion.events import Failure, Progress, Report, as_dicts, from_dict, to_dict
from retrieval.ingestion.ingestor import Ingestor
from retrieval.sources.targets import source
from retrieval.sources.types import BadSource, Source
from retrieval.types import Index, RetrievalError, Vectors
from tests.retrieval.ingestion.fakes import Hashing, Memory

pytestmark = pytest.mark.anyio


def put(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.md").write_text(text)
    return folder


def below(*paths: Path) -> Source:
    return source([str(path) for path in paths])


async def ingested(
    index: Index, *paths: Path, prune: bool = False, encoder: Hashing | None = None
) -> Report:
    ingestor = Ingestor(index, encoder or Hashing(), RetrievalConfig())
    return await ingestor.ingest(below(*paths), prune=prune)


async def test_files_become_documents(tmp_path: Path) -> None:
    index = Memory()
    put(tmp_path / "docs", a="# A\n\nText of a.")
    put(tmp_path / "docs" / "deep" / "er", b="Text of b.")
    report = await ingested(index, tmp_path / "docs")
    assert set(index.held) == {"a.md", "deep/er/b.md"}
    assert (report.added, report.passages, report.failed) == (2, 2, ())
    document = index.held["a.md"]
    assert document.version == hashlib.sha256(b"# A\n\nText of a.").hexdigest()
    assert document.vectors.shape == (1, 8)
    assert document.sparse[0].indices
    assert index.length == 2.0  # terms a passage


async def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    index, encoder = Memory(), Hashing()
    folder = put(tmp_path, a="One.", b="Two.")
    await ingested(index, folder)
    report = await ingested(index, folder, encoder=encoder)
    assert (report.unchanged, report.added, report.changed) == (2, 0, 0)
    assert encoder.texts == 0
    assert len(index.writes) == 1


async def test_a_changed_file_is_replaced_and_its_old_version_retired(tmp_path: Path) -> None:
    index, encoder = Memory(), Hashing()
    folder = put(tmp_path, a="One.", b="Two.")
    await ingested(index, folder)
    old = index.held["a.md"].version
    put(tmp_path, a="One, revised.")
    report = await ingested(index, folder, encoder=encoder)
    assert (report.changed, report.unchanged) == (1, 1)
    assert report.retired == (f"a.md@{old}",)
    assert encoder.texts == 1
    assert [p.text for p in index.held["a.md"].passages] == ["One, revised."]


async def test_a_vanished_file_stays_until_pruned(tmp_path: Path) -> None:
    index = Memory()
    folder = put(tmp_path, a="One.", b="Two.")
    await ingested(index, folder)
    version = index.held["b.md"].version
    (folder / "b.md").unlink()
    assert (await ingested(index, folder)).removed == 0
    report = await ingested(index, folder, prune=True)
    assert set(index.held) == {"a.md"}
    assert (report.removed, report.retired) == (1, (f"b.md@{version}",))


async def test_refuses_to_prune_everything(tmp_path: Path) -> None:
    index = Memory()
    await ingested(index, put(tmp_path / "full", a="One."))
    (tmp_path / "none").mkdir()
    with pytest.raises(BadSource, match="Refused to prune"):
        await ingested(index, tmp_path / "none", prune=True)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "broken.pdf").write_bytes(b"broken")
    report = await ingested(index, tmp_path / "bad", prune=True)
    assert "not one file could be read" in report.notice
    assert set(index.held) == {"a.md"}


async def test_refuses_to_prune_what_it_cannot_list(tmp_path: Path) -> None:
    """Here a name that is no text; a folder without permission is the same."""
    index = Memory()
    await ingested(index, put(tmp_path, a="One.", b="Two."))
    os.rename(tmp_path / "b.md", os.fsencode(tmp_path) + b"/\xff.md")
    report = await ingested(index, tmp_path, prune=True)
    assert report.notice == "Nothing was pruned: not everything could be listed."
    assert report.failed[0].reason == "its name is not UTF-8"
    assert set(index.held) == {"a.md", "b.md"}


async def test_a_bad_file_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    index = Memory()
    folder = put(tmp_path, a="One.", z="Two.")
    (folder / "m.pdf").write_bytes(b"not a PDF at all")
    (folder / "n.md").write_bytes(b"")
    report = await ingested(index, folder)
    assert set(index.held) == {"a.md", "z.md"}
    assert report.failed == (
        Failure(str(folder / "m.pdf"), "wrong type: text, not a PDF"),
        Failure(str(folder / "n.md"), "empty: 0 bytes"),
    )


async def test_a_file_gone_bad_keeps_its_earlier_version(tmp_path: Path) -> None:
    index = Memory()
    folder = put(tmp_path, a="One.", b="Two.")
    await ingested(index, folder)
    (folder / "a.md").write_bytes(b"")
    report = await ingested(index, folder, prune=True)
    assert report.failed[0].reason == "empty: 0 bytes; the version read before is kept"
    assert [p.text for p in index.held["a.md"].passages] == ["One."]
    assert report.retired == ()


async def test_a_file_named_itself_is_known_by_its_name(tmp_path: Path) -> None:
    index = Memory()
    await ingested(index, put(tmp_path / "x", a="One.") / "a.md")
    assert set(index.held) == {"a.md"}


async def test_an_unknown_format_named_itself_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "a.exe").write_bytes(b"x")
    report = await ingested(Memory(), tmp_path / "a.exe")
    assert report.failed[0].reason == "unknown format .exe"


async def test_two_files_of_one_name_are_refused_by_both_names(tmp_path: Path) -> None:
    one, two = put(tmp_path / "one", a="One."), put(tmp_path / "two", a="Two.")
    with pytest.raises(BadSource) as refused:
        await ingested(Memory(), one, two)
    assert str(one / "a.md") in str(refused.value)
    assert str(two / "a.md") in str(refused.value)


async def test_the_same_file_twice_is_one(tmp_path: Path) -> None:
    folder = put(tmp_path, a="One.")
    assert (await ingested(Memory(), folder, folder, folder / "a.md")).added == 1


async def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSource, match="No such file or folder"):
        await ingested(Memory(), tmp_path / "none")


async def test_writes_in_groups(tmp_path: Path) -> None:
    index = Memory()
    report = await ingested(index, put(tmp_path, **{f"d{i:03}": f"Text {i}." for i in range(150)}))
    assert report.added == 150
    assert [len(group) for group in index.writes] == [64, 64, 22]


async def test_passages_fit_what_is_configured(tmp_path: Path) -> None:
    index, encoder = Memory(), Hashing()
    put(tmp_path, a="# Long\n\n" + "A sentence of some length. " * 500)
    config = RetrievalConfig(passage_tokens=64)
    await Ingestor(index, encoder, config).ingest(below(tmp_path))
    held = index.held["a.md"].passages
    assert len(held) > 40
    assert max(encoder.count(passage.embedded) for passage in held) <= 64


async def test_an_error_of_the_encoder_ends_it(tmp_path: Path) -> None:
    class Broken(Hashing):
        async def passages(self, texts: Sequence[str]) -> Vectors:
            raise RetrievalError("The encoder is away.")

    index = Memory()
    with pytest.raises(RetrievalError, match="The encoder is away"):
        await ingested(index, put(tmp_path, a="One."), encoder=Broken())
    assert index.held == {}


async def test_progress_comes_to_its_end(tmp_path: Path) -> None:
    folder = put(tmp_path, a="One.", b="Two. " * 2_000)
    (folder / "c.md").write_bytes(b"\xff\xfe\x00")
    told: list[Progress] = []
    await Ingestor(Memory(), Hashing(), RetrievalConfig()).ingest(
        below(folder), progress=told.append
    )
    assert [event.failure.path for event in told if event.failure] == [str(folder / "c.md")]
    assert (told[-1].files_done, told[-1].files) == (3, 3)
    assert told[-1].size_done == told[-1].size
    done = [event.size_done for event in told]
    assert done == sorted(done)


async def test_events_survive_json(tmp_path: Path) -> None:
    folder = put(tmp_path, a="One.")
    (folder / "b.md").write_bytes(b"")
    events = Ingestor(Memory(), Hashing(), RetrievalConfig()).events(below(folder))
    found = [event async for event in events]
    assert isinstance(found[-1], Report)
    assert all(from_dict(json.loads(json.dumps(to_dict(event)))) == event for event in found)


async def test_what_ends_an_ingestion_is_its_last_event(tmp_path: Path) -> None:
    events = Ingestor(Memory(), Hashing(), RetrievalConfig()).events(below(tmp_path / "none"))
    *_, last = [raw async for raw in as_dicts(events)]
    with pytest.raises(BadSource, match="No such file"):
        from_dict(last)


async def test_closing_the_events_cancels_the_work(tmp_path: Path) -> None:
    index = Memory()
    folder = put(tmp_path, **{f"d{i:04}": f"Text {i}." for i in range(400)})
    events = Ingestor(index, Hashing(), RetrievalConfig()).events(below(folder))
    async for event in events:
        if isinstance(event, Progress) and event.passages:
            break
    await events.aclose()
    before = len(index.held)
    await asyncio.sleep(0.05)
    assert len(index.held) == before < 400


async def _interrupted(index: Index, folder: Path, after: int) -> None:
    """Ingest until so many events have passed, and cancel."""
    seen = 0
    enough = asyncio.Event()

    def count(_: Progress) -> None:
        nonlocal seen
        seen += 1
        if seen >= after:
            enough.set()

    work = asyncio.create_task(
        Ingestor(index, Hashing(), RetrievalConfig()).ingest(below(folder), progress=count)
    )
    await enough.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


@pytest.mark.parametrize("after", [1, 2, 3, 4])
async def test_interrupted_it_holds_whole_documents_only(tmp_path: Path, after: int) -> None:
    folder = tmp_path / "docs"
    put(folder, **{f"d{i:03}": f"Text {i}. " * 150 for i in range(80)})
    indexes = EmbeddedIndexes(tmp_path / "index", "hashing", 8)
    try:
        index = await indexes.open("docs", create=True)
        assert index is not None
        await ingested(index, put(tmp_path / "first", d000="The first version."))
        await _interrupted(index, folder, after)
        for name, known in (await index.documents()).items():
            passages = await index.passages(name)
            assert {passage.version for passage in passages} == {known.version}
            assert [passage.ordinal for passage in passages] == list(range(len(passages)))
            said = "".join(passage.text for passage in passages)
            assert said == "The first version." or said.count("Text") == 150
        report = await ingested(index, folder)
        assert report.failed == ()
        assert len(await index.documents()) == 80
        assert report.added + report.changed + report.unchanged == 80
    finally:
        await indexes.aclose()
