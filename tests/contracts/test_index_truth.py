"""Whatever happens to an index, nobody is shown what is not there, not in force or not for him.

A dictionary of documents and ten lines that say who may see what stand beside the index; after
every step, and while a step is under way, both must say the same.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from retrieval.index import points
from retrieval.index.embedded import EmbeddedIndex, EmbeddedIndexes
from retrieval.index.qdrant import QdrantIndex
from retrieval.sparse import query_vector
from retrieval.types import Embedded, Index, Metadata, Passage, RetrievalError, Viewer
from tests.contracts.backends import SIZE, embedded, made, vector

SOURCES = ["a", "b", "c", "d"]
SOURCE = st.sampled_from(SOURCES)
TIMES = [100.0, 200.0, 300.0]
META = st.fixed_dictionaries(
    {},
    optional={
        "tenant": st.sampled_from(["red", "blue"]),
        "groups": st.lists(st.sampled_from(["g", "h"]), min_size=1, unique=True),
        "valid_from": st.sampled_from(TIMES),
        "valid_until": st.sampled_from(TIMES),
        "supersedes": st.lists(SOURCE, min_size=1, max_size=3),
    },
)
WRITTEN = st.dictionaries(SOURCE, META, max_size=3)
REMOVED = st.lists(SOURCE, max_size=2)
VIEWERS = [
    Viewer(tenant, frozenset(groups), at)
    for tenant in ("red", "blue")
    for groups in ("", "g", "gh")
    for at in (50.0, 150.0, 250.0, 350.0, 450.0)
]
Live = Mapping[str, tuple[str, Metadata]]
"""Source → version and metadata."""


def may_see(viewer: Viewer, meta: Mapping[str, Any]) -> bool:
    groups = meta.get("groups")
    return (
        meta.get("tenant", viewer.tenant) == viewer.tenant
        and (groups is None or bool(viewer.groups & set(groups)))
        and meta.get("valid_from", 0.0) <= (viewer.at or 0.0) < meta.get("valid_until", 1e9)
    )


def leads(live: Live, one: str, other: str) -> bool:
    """Whether one gets from a document to another along what each supersedes."""
    seen, ahead = set[str](), [one]
    while ahead:
        _, meta = live.get(ahead.pop(), ("", {}))
        named: Sequence[Any] = meta.get("supersedes", ())  # type: ignore[assignment]
        ahead += [each for each in named if each not in seen]
        seen.update(named)
    return other in seen


def expected(live: Live, viewer: Viewer) -> set[tuple[str, str]]:
    shown = set()
    for source, (version, meta) in live.items():
        successors = [
            other for other in live if leads(live, other, source) and not leads(live, source, other)
        ]
        hidden = any(may_see(viewer, live[other][1]) for other in successors)
        if may_see(viewer, meta) and not hidden:
            shown.add((source, version))
    return shown


async def shown(index: Index, viewer: Viewer) -> list[set[tuple[str, str]]]:
    """Source and version of all that is shown, by every way of looking at all at once."""
    legs = await index.search(vector(1), query_vector(["fee"]), 100, None, viewer)
    stretches = await index.around([(source, 0, 9) for source in SOURCES], viewer)
    around = [one for stretch in stretches for one in stretch]
    return [
        versions([hit.passage for hit in legs.dense]),
        versions([hit.passage for hit in legs.sparse]),
        versions(around),
    ]


async def read(index: Index, viewer: Viewer) -> set[tuple[str, str]]:
    """The same, document by document."""
    passages = [await index.passages(source, viewer) for source in SOURCES]
    return versions([one for each in passages for one in each])


def versions(passages: Sequence[Passage]) -> set[tuple[str, str]]:
    return {(one.document, one.version) for one in passages}


class Truth(RuleBasedStateMachine):
    """One index, and what ought to be in it."""

    kind = ""

    @initialize()
    def open(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.indexes = made(self.kind, Path(self.folder.name))
        self.live: dict[str, tuple[str, Metadata]] = {}
        self.versions = self.steps = 0
        self.runner.run(self._open())

    async def _open(self) -> None:
        index = await self.indexes.open("docs", create=True)
        assert index is not None
        self.index = index

    def edition(self, metas: Mapping[str, Metadata]) -> list[Embedded]:
        self.versions += 1
        version = f"v{self.versions}"
        return [
            embedded(source, "fee one", "fee two", version=version, meta=meta)
            for source, meta in metas.items()
        ]

    def after(self, documents: Sequence[Embedded], removed: Sequence[str]) -> Live:
        left = {source: one for source, one in self.live.items() if source not in removed}
        return left | {one.source: (one.version, one.passages[0].meta) for one in documents}

    @rule(metas=WRITTEN, removed=REMOVED, viewer=st.sampled_from(VIEWERS))
    def write(self, metas: Mapping[str, Metadata], removed: list[str], viewer: Viewer) -> None:
        """While it is written a viewer sees all as before or all as after."""
        documents = self.edition(metas)
        after = self.after(documents, [one for one in removed if one not in metas])
        allowed = [expected(self.live, viewer), expected(after, viewer)]
        self.runner.run(self._written(documents, removed, viewer, allowed))
        self.live = dict(after)

    async def _written(
        self,
        documents: Sequence[Embedded],
        removed: Sequence[str],
        viewer: Viewer,
        allowed: Sequence[set[tuple[str, str]]],
    ) -> None:
        writing = asyncio.ensure_future(self.index.write(documents, removed))
        while not writing.done():
            for seen in await shown(self.index, viewer):
                assert seen in allowed
            await asyncio.sleep(0)
        await writing

    @rule(metas=WRITTEN, bad=SOURCE)
    def fail_to_write(self, metas: Mapping[str, Metadata], bad: str) -> None:
        """One document cannot be stored when the others are staged already."""
        documents = self.edition({source: meta for source, meta in metas.items() if source != bad})
        good = embedded(bad, "fee", version="bad")
        wide = replace(good, vectors=vector(1)[None, : SIZE - 1])
        with pytest.raises((RetrievalError, ValueError)):
            self.runner.run(self.index.write([*documents, wide]))

    @rule(metas=WRITTEN, removed=REMOVED, published=st.booleans())
    def crash(self, metas: Mapping[str, Metadata], removed: list[str], published: bool) -> None:
        """The process ends when all is staged: before it is published, or before it is purged."""
        documents = self.edition(metas)
        self.runner.run(self._crashed(documents, removed, published))
        if published and isinstance(self.index, EmbeddedIndex):
            self.live = dict(self.after(documents, [one for one in removed if one not in metas]))

    async def _crashed(
        self, documents: Sequence[Embedded], removed: Sequence[str], published: bool
    ) -> None:
        by_source = {one.source: one for one in documents}
        if isinstance(self.index, QdrantIndex):
            manifest = await self.index.store.manifest()
            assert manifest is not None
            await points.stage(self.index.store, manifest, by_source, removed)
            return
        assert isinstance(self.index, EmbeddedIndex)
        file = Path(self.folder.name) / "docs" / "manifest.json"
        kept = json.loads(file.read_text())
        whole = {key: kept[key] for key in points.Manifest("", 0).as_payload()}
        before = points.Manifest.of(whole)
        staged = await points.stage(self.index.shard, before, by_source, removed)
        await self.indexes.aclose()
        if published:
            file.write_text(json.dumps(kept | staged.as_payload()))
        self.indexes = EmbeddedIndexes(Path(self.folder.name), "test-encoder", SIZE)
        await self._open()

    @invariant()
    def everybody_sees_what_is_his(self) -> None:
        if hasattr(self, "runner"):
            self.steps += 1
            for viewer in VIEWERS[self.steps % 4 :: 4]:
                wanted = expected(self.live, viewer)
                assert self.runner.run(shown(self.index, viewer)) == [wanted] * 3, viewer
                assert self.runner.run(read(self.index, viewer)) == wanted, viewer

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.indexes.aclose())
            self.runner.close()
            self.folder.cleanup()


class OnDisk(Truth):
    kind = "embedded"


class InMemory(Truth):
    kind = "qdrant in memory"


HOW = settings(
    max_examples=12,
    stateful_step_count=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestOnDisk = OnDisk.TestCase
TestOnDisk.settings = HOW
TestInMemory = InMemory.TestCase
TestInMemory.settings = HOW
