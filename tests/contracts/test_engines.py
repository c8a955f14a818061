"""What every engine of ingestion does, whatever machines it is made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from retrieval.config import RetrievalConfig, SemanticChunker
from retrieval.ingestion.config import RayConfig
from retrieval.ingestion.engines.local import local
from retrieval.ingestion.engines.types import Engines
from retrieval.ingestion.events import Progress, Report
from retrieval.ingestion.ingestor import Ingestor
from retrieval.sources.targets import source
from retrieval.types import Document, Encoder, Metadata, Passage
from tests.rays import cluster
from tests.retrieval.ingestion.fakes import Hashing, Memory

pytestmark = pytest.mark.anyio

CONFIG = RetrievalConfig(passage_tokens=32)
LONG = "# All\n\n" + "\n\n".join(f"## Part {n}\n\nPart number {n} says it." for n in range(20))


@asynccontextmanager
async def hashing() -> AsyncIterator[Encoder]:
    """The encoder, as a worker opens it."""
    yield Hashing()


def scan(document: Document, passages: Sequence[Passage]) -> list[tuple[str, ...]]:
    return [("order",) if "ignore" in passage.text else () for passage in passages]


@pytest.fixture(scope="module")
def on_ray() -> Iterator[Engines]:
    """On a cluster that is started once for all."""
    with cluster(1) as nodes:
        from retrieval.ingestion.engines import ray

        settings = RayConfig(address=nodes.address, workers=1, worker_cpus=0.5)
        yield ray.cluster(settings, hashing)


@pytest.fixture(
    params=[
        "local",
        # What Ray leaves open when it is imported and started is no matter of ours.
        pytest.param("ray", marks=[pytest.mark.ray, pytest.mark.filterwarnings("ignore")]),
    ]
)
def engines(request: pytest.FixtureRequest) -> Engines:
    if request.param == "ray":
        found: Engines = request.getfixturevalue("on_ray")
        return found
    return local(Hashing())


@dataclass
class World:
    """A folder, and a collection of what is in it."""

    folder: Path
    engines: Engines
    index: Memory
    config: RetrievalConfig = CONFIG

    def put(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / f"{name}.md").write_text(text)

    def ingestor(self, meta: Metadata | None = None, scanner: str = "") -> Ingestor:
        return Ingestor(
            self.index, Hashing(), self.config, meta, scan, scanner, engines=self.engines
        )

    async def ingest(self, prune: bool = False, **how: Any) -> Report:
        return await self.ingestor(**how).ingest(source([str(self.folder)]), prune=prune)

    async def as_if_afresh(self) -> bool:
        """Whether the collection is what one made anew, in this process, would be."""
        fresh = World(self.folder, local(Hashing()), Memory(), self.config)
        await fresh.ingest(prune=True)
        assert self.index.held.keys() == fresh.index.held.keys()
        return all(
            mine.passages == fresh.index.held[name].passages
            and mine.version == fresh.index.held[name].version
            and mine.sparse == fresh.index.held[name].sparse
            and (mine.vectors == fresh.index.held[name].vectors).all()
            for name, mine in self.index.held.items()
        )


@pytest.fixture
def world(tmp_path: Path, engines: Engines) -> World:
    return World(tmp_path, engines, Memory())


async def test_what_is_put_there_is_what_this_process_would_have_put(world: World) -> None:
    world.put(a=LONG, b="# B\n\nText of b, now ignore all that.", c="Text of c.")
    report = await world.ingest()
    assert (report.added, report.passages, report.failed) == (3, 22, ())
    assert world.index.held["b.md"].passages[0].flags == ("order",)
    assert await world.as_if_afresh()


async def test_a_second_run_does_nothing(world: World) -> None:
    world.put(a=LONG, b="Two.")
    await world.ingest()
    report = await world.ingest()
    assert (report.unchanged, report.passages, len(world.index.writes)) == (2, 0, 1)


async def test_only_passages_that_are_new_are_embedded(world: World) -> None:
    world.put(a=LONG, b="Two.")
    await world.ingest()
    old = world.index.held["a.md"].version
    world.put(a=LONG.replace("number 7", "number seven"))
    report = await world.ingest()
    assert (report.changed, report.unchanged) == (1, 1)
    assert (report.passages, report.reused) == (1, 19)
    assert report.retired == (f"a.md@{old}",)
    assert await world.as_if_afresh()


async def test_a_renamed_document_is_not_embedded_again(world: World) -> None:
    world.put(a=LONG, b="Two.")
    await world.ingest()
    version = world.index.held["a.md"].version
    (world.folder / "a.md").rename(world.folder / "z.md")
    report = await world.ingest(prune=True)
    assert (report.added, report.removed, report.passages, report.reused) == (1, 1, 0, 20)
    assert report.retired == (f"a.md@{version}",)
    assert await world.as_if_afresh()


async def test_what_is_gone_stays_until_it_is_pruned_or_removed(world: World) -> None:
    world.put(a="One.", b="Two.", c="Three.")
    await world.ingest()
    version = world.index.held["c.md"].version
    (world.folder / "b.md").unlink()
    assert (await world.ingest()).removed == 0
    assert (await world.ingest(prune=True)).removed == 1
    assert (await world.ingestor().remove(["c.md"])).retired == (f"c.md@{version}",)
    assert set(world.index.held) == {"a.md"}


async def test_what_cannot_be_read_is_named_and_the_rest_goes_on(world: World) -> None:
    world.put(a="One.", b=" ", c="---\nvalid_from: soon\n---\nText.")
    report = await world.ingest()
    assert report.added == 1
    assert [Path(one.path).name for one in report.failed] == ["b.md", "c.md"]
    assert "empty" in report.failed[0].reason
    assert "valid_from is no date" in report.failed[1].reason


async def test_metadata_and_another_scanner_are_written_without_embedding(world: World) -> None:
    world.put(a=LONG)
    await world.ingest()
    report = await world.ingest(meta={"tenant": "red"}, scanner="2")
    assert (report.changed, report.passages, report.reused) == (1, 0, 20)
    assert {p.meta["tenant"] for p in world.index.held["a.md"].passages} == {"red"}


async def test_a_chunker_that_embeds_asks_the_encoder_at_hand(world: World) -> None:
    world.config = RetrievalConfig(passage_tokens=64, chunker=SemanticChunker(kind="semantic"))
    world.put(a=" ".join(f"Sentence number {n} is about something." for n in range(60)))
    assert (await world.ingest()).added == 1
    assert await world.as_if_afresh()


async def test_vectors_of_tokens_are_made_where_the_collection_wants_them(world: World) -> None:
    world.config = RetrievalConfig(passage_tokens=32, token_vectors=True)
    world.put(a=LONG)
    await world.ingest()
    wanted = await Hashing().passages_and_tokens(
        [passage.embedded for passage in world.index.held["a.md"].passages]
    )
    assert list(world.index.held["a.md"].tokens) == wanted[1]


async def test_cancelled_it_holds_whole_documents_and_the_next_run_goes_on(world: World) -> None:
    world.put(**{f"d{n:03}": f"# D{n}\n\n{LONG}" for n in range(120)})
    writing = asyncio.Event()

    def progress(told: Progress) -> None:
        if told.files_done:
            writing.set()

    work = asyncio.ensure_future(
        world.ingestor().ingest(source([str(world.folder)]), progress=progress)
    )
    await writing.wait()
    work.cancel()
    await asyncio.wait({work})
    assert work.cancelled()
    held = len(world.index.held)
    assert held
    report = await world.ingest()
    assert report.unchanged == held
    assert report.added == 120 - held
    assert await world.as_if_afresh()
