"""Ingestion on a cluster of two nodes while one of them, or the command itself, is killed.

What is in the index afterwards is compared with what this process alone would have put there:
document by document, passage by passage, vector by vector.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.backends import open_encoder, open_indexes
from gateway.config import Config
from gateway.control import Work
from gateway.ingestion import Collections
from gateway.spreading import spread
from retrieval.ingestion.config import IngestionConfig, RayConfig
from retrieval.ingestion.events import Progress, Report
from retrieval.sparse import query_vector
from retrieval.types import Passage, Vector
from tests.rays import ROOT, cluster, patient

patient()

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.ray,
    # What Ray leaves open when it is imported and started is no matter of ours.
    pytest.mark.filterwarnings("ignore"),
]

HANDBOOK = ROOT / "examples" / "handbook"


@pytest.fixture
def nodes() -> Iterator[Any]:
    """A head, and a node that may be killed."""
    with cluster(2) as found:
        yield found


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """Enough for several groups that become visible one after the other."""
    folder = tmp_path / "documents"
    shutil.copytree(HANDBOOK, folder)
    for number in range(120):
        text = f"# Notice {number}\n\nOn floor {number} the lift is out of order.\n"
        (folder / f"notice-{number:03}.md").write_text(text)
    return folder


async def ingested(
    data: Path, documents: Path, address: str | None = None, kill: Callable[[], None] | None = None
) -> tuple[Report, list[str]]:
    """By the cluster at an address, or else by this process; what is told on the way. Killing
    happens once the first documents are visible and others are not."""
    ray = RayConfig(address=address, workers=2)
    config = Config(data=data, ingestion=IngestionConfig(ray=ray))
    engines = spread(config, {}) if address else None
    notices: list[str] = []
    async with open_encoder(config) as encoder, open_indexes(config, encoder) as indexes:
        collections = Collections(indexes, encoder, config.retrieval)
        work = Work((str(documents),), "docs")
        async for event in collections.ingest(work, engines):
            if isinstance(event, Report):
                return event, notices
            assert isinstance(event, Progress)
            notices += [event.notice] if event.notice else []
            if kill and event.files_done:
                kill()
                kill = None
    raise AssertionError("an ingestion ends in a report")


@dataclass
class Held:
    """All that is in a collection."""

    documents: dict[str, tuple[str, list[Passage], dict[str, Vector]]] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)  # passages that a search finds at all


async def holds(data: Path) -> Held:
    config, held = Config(data=data), Held()
    async with open_encoder(config) as encoder, open_indexes(config, encoder) as indexes:
        index = await indexes.open("docs")
        assert index is not None
        for source, known in (await index.documents()).items():
            passages = await index.passages(source)
            held.documents[source] = known.version, passages, await index.vectors(source)
        vector = np.full(encoder.size, encoder.size**-0.5, np.float32)
        found = await index.search(vector, query_vector(["lift"]), 10_000)
    held.found = sorted(hit.passage.id for hit in found.dense)
    return held


def assert_equal(found: Held, wanted: Held) -> None:
    assert len(found.found) == len(set(found.found))
    assert found.found == wanted.found
    assert found.documents.keys() == wanted.documents.keys()
    for source, (version, passages, vectors) in wanted.documents.items():
        mine = found.documents[source]
        assert mine[:2] == (version, passages)
        assert mine[2].keys() == vectors.keys()
        for digest, vector in vectors.items():
            np.testing.assert_allclose(mine[2][digest], vector, atol=1e-5)


async def test_a_node_is_killed_and_nothing_is_lost_or_doubled(
    nodes: Any, documents: Path, tmp_path: Path
) -> None:
    (second,) = nodes.worker_nodes
    raylet = second.all_processes["raylet"][0].process.pid
    found, fresh = tmp_path / "found", tmp_path / "fresh"
    report, notices = await ingested(
        found, documents, nodes.address, kill=lambda: os.kill(raylet, signal.SIGKILL)
    )
    assert any("is lost" in notice for notice in notices)
    assert (report.failed, report.changed) == ((), 0)
    await ingested(fresh, documents)
    assert_equal(await holds(found), await holds(fresh))


DRIVER = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.e2e.test_ray import ingested

data, documents, address = sys.argv[1:]
dying = lambda: os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(ingested(Path(data), Path(documents), address, dying))
"""


async def test_the_command_is_killed_and_the_next_one_goes_on(
    nodes: Any, documents: Path, tmp_path: Path
) -> None:
    found, fresh = tmp_path / "found", tmp_path / "fresh"
    arguments = [str(found), str(documents), nodes.address]
    died = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", DRIVER, *arguments], cwd=ROOT, timeout=300
    )
    assert died.returncode == -signal.SIGKILL
    before = len((await holds(found)).documents)
    assert before
    report, _ = await ingested(found, documents, nodes.address)
    assert (report.unchanged, report.failed) == (before, ())
    assert report.added > 0
    await ingested(fresh, documents)
    assert_equal(await holds(found), await holds(fresh))
