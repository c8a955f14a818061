"""Whatever happens in whatever order, nothing is served that is no longer true."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.config import RetrievalConfig
from retrieval.index.access import hidden_by, superseded
from retrieval.index.embedded import EmbeddedIndex, EmbeddedIndexes
from retrieval.ingestion.ingestor import AtHand, Ingestor
from retrieval.sources.types import Item
from retrieval.sparse import query_vector
from retrieval.types import Index, Passage, RetrievalError
from tests.retrieval.ingestion.fakes import Hashing, Memory

NAMES = ("a.md", "b.md", "c.md", "d.md")
TEXTS = (
    "# Short\n\nOnly this.",
    "---\nsupersedes: a.md\n---\n# Newer than a\n\nOnly this.",
    "---\nsupersedes: [b.md, c.md]\n---\n# Newer than b and c\n\nOnly this.",
    *(
        "\n\n".join(f"# Part {part}\n\nSentence {part} of text {number}." for part in range(5))
        for number in range(4)
    ),
)
CONFIG = RetrievalConfig(passage_tokens=32)


class Killed(RetrievalError):
    """The process came to its end here."""


class Mortal:
    """A shard whose process is killed before its so-maniest write."""

    def __init__(self, shard: Any, life: int) -> None:
        self._shard, self.life = shard, life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._shard, name)
        if name not in ("upsert", "set", "delete", "sync"):
            return found

        async def mortal(*arguments: Any) -> Any:
            self.life -= 1
            if self.life < 0:
                raise Killed
            return await found(*arguments)

        return mortal


@dataclass
class World:
    """Files, the index that is to follow them, and what it may serve meanwhile."""

    folder: Path
    files: dict[str, str] = field(default_factory=dict)
    allowed: dict[str, set[str]] = field(default_factory=dict)
    """Versions of each document that may be served; after a whole ingestion there is one."""
    certain: dict[str, str] = field(default_factory=dict)
    """The version that is live for sure."""
    clock: int = 0
    stamps: dict[str, str] = field(default_factory=dict)

    async def open(self) -> None:
        self.indexes = EmbeddedIndexes(self.folder, Hashing.name, Hashing.size)
        index = await self.indexes.open("docs", create=True)
        assert isinstance(index, EmbeddedIndex)
        self.index = index

    def put(self, name: str, text: str) -> None:
        self.clock += 1
        self.files[name], self.stamps[name] = text, str(self.clock)

    def delete(self, name: str) -> None:
        self.files.pop(name, None)

    def rename(self, name: str, other: str) -> None:
        if name in self.files:
            self.put(other, self.files.pop(name))

    async def ingest(self) -> None:
        """A whole one: from now on what is served is what the files say."""
        before = dict(self.certain)
        report = await self._ingestor().ingest(self.items(), remove=NAMES)
        assert report.failed == ()
        now = {name: version(text) for name, text in self.files.items()}
        replaced = {f"{name}@{old}" for name, old in before.items() if now.get(name) != old}
        assert replaced <= set(report.retired)
        self.certain, self.allowed = now, {name: {one} for name, one in now.items()}
        held = await self.index.documents()
        assert {name: known.version for name, known in held.items()} == now

    async def interrupted(self, steps: int) -> None:
        """One that is cancelled after so many steps of the loop, while others ask."""
        self._may_become_true()
        work = asyncio.create_task(self._ingestor().ingest(self.items(), remove=NAMES))
        for step in range(steps):
            await asyncio.sleep(0)
            if step % 5 == 0 and not work.done():
                await self.check(quiet=False)
        work.cancel()
        await asyncio.wait({work})

    async def killed(self, life: int) -> None:
        """One whose process is killed; another process opens what is on the disk."""
        self._may_become_true()
        self.index.shard = Mortal(self.index.shard, life)  # type: ignore[assignment]
        self.index._view = type(self.index._view)(self.index.shard, self.index._kept)
        try:
            await self._ingestor().ingest(self.items(), remove=NAMES)
        except Killed:
            self.index.shard._engine.close()
            self.indexes._threads.close()
        else:
            await self.indexes.aclose()
        await self.open()

    async def check(self, quiet: bool = True) -> None:
        """What is read may be served; while nothing is written, all that may be is found."""
        held = await self.index.documents()
        for name, known in held.items():
            assert known.version in self.allowed[name]
        found = await self.index.search(
            np.full(Hashing.size, 8**-0.5, np.float32), query_vector(["sentenc", "onli"]), 1000
        )
        for hit in (*found.dense, *found.sparse):
            assert hit.passage.version in self.allowed[hit.passage.document]
        if quiet:
            named = {name: superseded(known.meta) for name, known in held.items()}
            hidden = {name for name, by in hidden_by(named).items() if by & held.keys()}
            assert {hit.passage.document for hit in found.dense} == held.keys() - hidden

    async def holds(self) -> dict[str, Any]:
        """All that is in the index."""
        held = await self.index.documents()
        return {name: await content(self.index, name) for name in held}

    def _may_become_true(self) -> None:
        self.certain = {}
        for name in NAMES:
            versions = self.allowed.setdefault(name, set())
            if name in self.files:
                versions.add(version(self.files[name]))

    def _ingestor(self) -> Ingestor:
        return Ingestor(self.index, Hashing(), CONFIG)

    def items(self) -> AtHand:
        return AtHand(tuple(self._item(name) for name in sorted(self.files)))

    def _item(self, name: str) -> Item:
        data = self.files[name].encode()
        return Item(name, name, len(data), lambda: data, self.stamps[name])


async def content(index: Index, name: str) -> tuple[list[Passage], dict[str, list[float]]]:
    vectors = await index.vectors(name)
    return await index.passages(name), {key: vector.tolist() for key, vector in vectors.items()}


NAME, TEXT = st.sampled_from(NAMES), st.sampled_from(TEXTS)
STEPS = st.one_of(
    st.tuples(st.just("put"), NAME, TEXT),
    st.tuples(st.just("put"), NAME, TEXT),
    st.tuples(st.just("delete"), NAME),
    st.tuples(st.just("rename"), NAME, NAME),
    st.tuples(st.just("ingest")),
    st.tuples(st.just("interrupted"), st.integers(0, 400)),
    st.tuples(st.just("killed"), st.integers(0, 8)),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(STEPS, min_size=3, max_size=12))
def test_nothing_is_served_that_is_no_longer_true(steps: list[tuple[Any, ...]]) -> None:
    asyncio.run(lived_through(steps))


async def lived_through(steps: Sequence[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        await world.open()
        for name, *arguments in steps:
            done = getattr(world, name)(*arguments)
            if done is not None:
                await done
            await world.check()
        await world.ingest()
        await world.check()
        found = await world.holds()
        fresh = Memory()
        await Ingestor(fresh, Hashing(), CONFIG).ingest(world.items())
        assert found == {name: await content(fresh, name) for name in fresh.held}
        await world.indexes.aclose()


def version(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
