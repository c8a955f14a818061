"""What is particular to the embedded index: the disk, other processes, the rebuilding."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import qdrant_edge as edge
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.index import points
from retrieval.index.embedded import EmbeddedIndex, EmbeddedIndexes, Rebuilding
from retrieval.index.points import Manifest
from retrieval.index.shard import log_synced
from retrieval.types import Embedded, Index, Passage, RetrievalError, SparseVector

SIZE = 4


def document(source: str, version: str, many: int) -> Embedded:
    passages = [
        Passage(f"{source}/{n}", source, version, n, "", (), f"{source} {version} {n}", 0, 1)
        for n in range(many)
    ]
    vectors = np.full((many, SIZE), 0.5, dtype=np.float32)
    return Embedded(source, version, passages, vectors, [SparseVector((7,), (1.0,))] * many)


async def opened(indexes: EmbeddedIndexes) -> EmbeddedIndex:
    index = await indexes.open("docs", create=True)
    assert isinstance(index, EmbeddedIndex)
    return index


async def content(index: Index) -> dict[str, tuple[str, int]]:
    """Source → version and number of passages, as three ways of reading agree on it."""
    live: dict[str, tuple[str, int]] = {}
    for source, recorded in (await index.documents()).items():
        version = recorded.version
        assert recorded.passages == len(await index.passages(source))
        passages = await index.passages(source)
        assert {p.version for p in passages} == {version}
        assert [p.ordinal for p in passages] == list(range(len(passages)))
        live[source] = (version, len(passages))
    vector = np.full(SIZE, 0.5, dtype=np.float32)
    legs = await index.search(vector, SparseVector((7,), (1.0,)), 10_000)
    for leg in (legs.dense, legs.sparse):
        counted = Counter((hit.passage.document, hit.passage.version) for hit in leg)
        assert dict(counted) == {(s, version): many for s, (version, many) in live.items()}
    return live


SOURCES = st.sampled_from(["a.md", "b.md", "c.md", "d.md"])
WRITES = st.tuples(
    st.just("write"),
    st.dictionaries(SOURCES, st.integers(1, 4), max_size=3),
    st.lists(SOURCES, max_size=2),
)
STEPS = st.one_of(WRITES, st.tuples(st.just("reopen")), st.tuples(st.just("interrupted"), SOURCES))


@settings(max_examples=25, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=8))
def test_any_sequence_of_changes_equals_a_dictionary(steps: list[tuple[object, ...]]) -> None:
    asyncio.run(replayed(steps))


async def replayed(steps: Sequence[tuple[object, ...]]) -> None:
    model: dict[str, tuple[str, int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        indexes = EmbeddedIndexes(Path(folder), "test", SIZE)
        index = await opened(indexes)
        for number, step in enumerate(steps):
            match step:
                case ("write", dict(sizes), list(removed)):
                    written = [document(s, f"v{number}", many) for s, many in sizes.items()]
                    await index.write(written, remove=removed)
                    for source in removed:
                        model.pop(source, None)
                    model |= {s: (f"v{number}", many) for s, many in sizes.items()}
                case ("reopen",):
                    await indexes.aclose()
                    indexes = EmbeddedIndexes(Path(folder), "test", SIZE)
                    index = await opened(indexes)
                case ("interrupted", str(source)):
                    with pytest.raises(RetrievalError):
                        await index.write([document(source, "bad", 70), unwritable(source)])
            assert await content(index) == model
        await indexes.aclose()


def unwritable(source: str) -> Embedded:
    """One whose vectors the engine refuses, when others of its write are already staged."""
    good = document(f"{source}.bad", "bad", 70)
    vectors = np.full((70, SIZE + 1), 0.5, dtype=np.float32)
    return Embedded(good.source, good.version, good.passages, vectors, good.sparse)


@pytest.mark.anyio
async def test_another_encoder_is_refused_by_name(tmp_path: Path) -> None:
    first = EmbeddedIndexes(tmp_path, "one-encoder", SIZE)
    await opened(first)
    await first.aclose()
    other = EmbeddedIndexes(tmp_path, "other-encoder", SIZE)
    with pytest.raises(RetrievalError, match=r"'docs'.*'one-encoder'.*'other-encoder'"):
        await other.open("docs")
    await other.aclose()


def test_a_file_that_the_engine_renames_meanwhile_hinders_no_write(tmp_path: Path) -> None:
    (tmp_path / "open-1").write_bytes(b"log")
    (tmp_path / "tmp-open-2").symlink_to(tmp_path / "gone")
    log_synced(tmp_path)


@pytest.mark.anyio
async def test_a_second_process_is_told_so(tmp_path: Path) -> None:
    first, second = (EmbeddedIndexes(tmp_path, "test", SIZE) for _ in range(2))
    await opened(first)
    with pytest.raises(RetrievalError, match="'docs' is already open in another process"):
        await second.open("docs")
    await second.aclose()
    await first.aclose()


@pytest.mark.anyio
async def test_a_closed_index_says_so(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "test", SIZE)
    index = await opened(indexes)
    await indexes.drop("docs")
    with pytest.raises(RetrievalError, match="'docs' was closed"):
        await index.documents()
    with pytest.raises(RetrievalError, match="'docs' was closed"):
        await index.write([document("a.md", "v1", 1)])
    await indexes.aclose()


@pytest.mark.anyio
async def test_a_creation_that_was_interrupted_is_begun_anew(tmp_path: Path) -> None:
    first = EmbeddedIndexes(tmp_path, "test", SIZE)
    await (await opened(first)).write([document("a.md", "v1", 1)])
    await first.aclose()
    await asyncio.to_thread((tmp_path / "docs" / "manifest.json").unlink)
    second = EmbeddedIndexes(tmp_path, "test", SIZE)
    assert await second.names() == []
    assert await (await opened(second)).documents() == {}
    await second.aclose()


@pytest.mark.anyio
async def test_a_rebuilt_collection_holds_the_same(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "test", SIZE, Rebuilding(quiet=0, deleted=10))
    index = await opened(indexes)
    await index.write([document(f"{n}.md", "v1", 4) for n in range(20)])
    await index.write([], remove=[f"{n}.md" for n in range(8)])
    before = await content(index)
    rebuilding = index.rebuilding
    assert rebuilding is not None
    while not rebuilding.done():
        assert await content(index) == before
    assert rebuilding.exception() is None
    assert await content(index) == before
    await index.write([document("new.md", "v1", 2)])
    after = await content(index)
    await indexes.aclose()
    assert await asyncio.to_thread(shards, tmp_path) == ["shard-1"]
    again = EmbeddedIndexes(tmp_path, "test", SIZE)
    assert await content(await opened(again)) == after == {**before, "new.md": ("v1", 2)}
    await again.aclose()


@pytest.mark.anyio
async def test_a_write_while_rebuilding_is_not_lost(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "test", SIZE, Rebuilding(quiet=0, deleted=10))
    index = await opened(indexes)
    await index.write([document(f"{n}.md", "v1", 4) for n in range(20)])
    await index.write([], remove=[f"{n}.md" for n in range(8)])
    for number in range(3):
        await index.write([document("late.md", f"v{number}", 2)])
        await asyncio.sleep(0.05 * number)
    assert (await content(index))["late.md"] == ("v2", 2)
    await indexes.aclose()
    again = EmbeddedIndexes(tmp_path, "test", SIZE)
    assert (await content(await opened(again)))["late.md"] == ("v2", 2)
    await again.aclose()


def shards(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "docs").glob("shard-*"))


WRITER = """
import asyncio, sys
from pathlib import Path
from tests.retrieval.test_embedded import SIZE, document, opened
from retrieval.index.embedded import EmbeddedIndexes

async def main() -> None:
    index = await opened(EmbeddedIndexes(Path(sys.argv[1]), "test", SIZE))
    first = int(sys.argv[2])
    for version in range(first, first + 10_000):
        many = 60 + version % 30
        print("begin", version, flush=True)
        await index.write([document(f"{n}.md", str(version), many) for n in range(3)])
        print("end", version, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment_it_answers_as_before_or_as_after(tmp_path: Path, seed: int) -> None:
    chosen = random.Random(seed)
    first, last = 0, -1
    for _ in range(3):
        begun, ended = killed(tmp_path, first, chosen.uniform(0.0, 0.25))
        found = asyncio.run(reopened(tmp_path))
        versions = {version for version, _ in found.values()}
        assert len(found) == (3 if versions else 0)
        assert len(versions) <= 1
        for version, many in found.values():
            assert max(last, ended) <= int(version) <= begun
            assert many == 60 + int(version) % 30
            last = int(version)
        first = begun + 1


def killed(folder: Path, first: int, after: float) -> tuple[int, int]:
    """Writes until it is killed; the last write begun and the last one ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(first)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    lines += process.communicate()[0].splitlines()
    said = [line.split() for line in lines if len(line.split()) == 2]
    begun = max(int(version) for word, version in said if word == "begin")
    return begun, max((int(v) for word, v in said if word == "end"), default=-1)


async def reopened(folder: Path) -> dict[str, tuple[str, int]]:
    indexes = EmbeddedIndexes(folder, "test", SIZE)
    found = await content(await opened(indexes))
    await indexes.aclose()
    return found


@pytest.mark.anyio
async def test_what_an_interrupted_write_left_is_undone(tmp_path: Path) -> None:
    """Stopped between staging and publishing: staged points go, marked ones live on."""
    indexes = EmbeddedIndexes(tmp_path, "test", SIZE)
    index = await opened(indexes)
    await index.write([document("a.md", "v1", 3)])
    staged = {"a.md": document("a.md", "v2", 5)}
    await points.stage(index.shard, Manifest("test", SIZE, index.generation), staged, ["a.md"])
    await indexes.aclose()
    again = EmbeddedIndexes(tmp_path, "test", SIZE)
    assert await content(await opened(again)) == {"a.md": ("v1", 3)}
    await again.aclose()


@pytest.mark.anyio
async def test_what_an_interrupted_write_published_is_finished(tmp_path: Path) -> None:
    """Stopped between publishing and purging: the replaced points go."""
    indexes = EmbeddedIndexes(tmp_path, "test", SIZE)
    index = await opened(indexes)
    await index.write([document("a.md", "v1", 3)])
    staged = {"a.md": document("a.md", "v2", 5)}
    await points.stage(index.shard, Manifest("test", SIZE, index.generation), staged, [])
    manifest = tmp_path / "docs" / "manifest.json"
    await indexes.aclose()
    await asyncio.to_thread(raise_generation, manifest)
    again = EmbeddedIndexes(tmp_path, "test", SIZE)
    assert await content(await opened(again)) == {"a.md": ("v2", 5)}
    await again.aclose()


def raise_generation(manifest: Path) -> None:
    kept = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**kept, "generation": kept["generation"] + 1}))


@pytest.mark.anyio
async def test_what_keeps_coming_is_turned_to_files_without_waiting_for_quiet(
    tmp_path: Path,
) -> None:
    indexes = EmbeddedIndexes(tmp_path, "test", SIZE, Rebuilding(quiet=1000, fresh=50))
    index = await opened(indexes)
    await index.write([document(f"{n}.md", "v1", 6) for n in range(10)])
    rebuilding = index.rebuilding
    assert rebuilding is not None
    version = 1
    while not rebuilding.done():
        version += 1
        await index.write([document("3.md", f"v{version}", version % 5 + 1)], remove=["7.md"])
        await index.write([document("7.md", f"v{version}", 2)], remove=["5.md", "late.md"])
        await index.write([document("late.md", f"v{version}", 3)])
    assert rebuilding.exception() is None
    expected = {f"{n}.md": ("v1", 6) for n in range(10) if n != 5}
    expected["3.md"] = (f"v{version}", version % 5 + 1)
    expected |= {"7.md": (f"v{version}", 2), "late.md": (f"v{version}", 3)}
    assert await content(index) == expected
    await indexes.aclose()
    again = EmbeddedIndexes(tmp_path, "test", SIZE)
    assert await content(await opened(again)) == expected
    await again.aclose()


@pytest.mark.anyio
async def test_who_only_opens_a_collection_has_nothing_rebuilt_at_once(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "test", SIZE)
    await (await opened(indexes)).write([document("a.md", "v1", 30)])
    await indexes.aclose()
    again = EmbeddedIndexes(tmp_path, "test", SIZE, Rebuilding(quiet=1000, fresh=10))
    index = await opened(again)
    assert index.rebuilding is not None  # but it waits for quiet
    await asyncio.sleep(0.05)
    assert await asyncio.to_thread(shards, tmp_path) == ["shard-0"]
    await again.aclose()


@pytest.mark.anyio
async def test_writing_that_is_far_ahead_of_the_rebuilding_waits_for_it(tmp_path: Path) -> None:
    indexes = EmbeddedIndexes(tmp_path, "test", SIZE, Rebuilding(quiet=1000, fresh=10))
    index = await opened(indexes)
    await index.write([document("a.md", "v1", 30)])
    rebuilding = index.rebuilding
    assert rebuilding is not None
    await asyncio.sleep(0)  # it begins
    await index.write([document("b.md", "v1", 1)])
    assert rebuilding.done()
    assert await content(index) == {"a.md": ("v1", 30), "b.md": ("v1", 1)}
    await indexes.aclose()


@pytest.mark.anyio
async def test_a_shard_of_before_there_was_a_choice_of_memory_opens_and_is_rebuilt(
    tmp_path: Path,
) -> None:
    indexes = EmbeddedIndexes(tmp_path, "test", SIZE)
    await (await opened(indexes)).write([document(f"{n}.md", "v1", 4) for n in range(20)])
    await indexes.aclose()
    await asyncio.to_thread(as_before, tmp_path / "docs")
    indexes = EmbeddedIndexes(tmp_path, "test", SIZE, Rebuilding(quiet=0, deleted=10))
    index = await opened(indexes)
    assert await content(index) == {f"{n}.md": ("v1", 4) for n in range(20)}
    await index.write([document("new.md", "v1", 2)], remove=[f"{n}.md" for n in range(8)])
    expected = await content(index)
    await index.settled()
    assert await content(index) == expected
    await indexes.aclose()
    settings = json.loads(await asyncio.to_thread((tmp_path / SHARD_1).read_text))
    assert settings["vectors"]["dense"]["memory"] == "cold"


SHARD_1 = "docs/shard-1/edge_config.json"


def as_before(folder: Path) -> None:
    """Its points in a shard whose settings say nothing of memory."""
    kept = edge.EdgeShard.load(str(folder / "shard-0"))
    records, _ = kept.scroll(edge.ScrollRequest(limit=1000, with_payload=True, with_vector=True))
    kept.close()
    shutil.rmtree(folder / "shard-0")
    plain = edge.EdgeShard.create(
        str(folder / "shard-0"),
        edge.EdgeConfig(
            vectors={"dense": edge.EdgeVectorParams(size=SIZE, distance=edge.Distance.Dot)},
            sparse_vectors={"bm25": edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
            hnsw_config=edge.HnswIndexConfig(m=16, ef_construct=128, full_scan_threshold=10_000),
        ),
    )
    for field in ("born", "died", "first", "ordinal"):
        number = edge.PayloadSchemaType.Float
        plain.update(edge.UpdateOperation.create_field_index(field, number))
    keyword = edge.PayloadSchemaType.Keyword
    plain.update(edge.UpdateOperation.create_field_index("document", keyword))
    points_ = [edge.Point(one.id, one.vector or {}, one.payload) for one in records]
    plain.update(edge.UpdateOperation.upsert_points(points_))
    plain.close()
