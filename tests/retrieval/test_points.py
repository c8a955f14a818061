"""What is particular to points: what an older version wrote is still read."""

from __future__ import annotations

import numpy as np

from retrieval.index import points
from retrieval.types import Embedded, Passage, Recorded, SparseVector

NEW = {"parent", "flags", "sketch", "recipe", "stamp", "passages"}


def test_a_point_without_the_newer_fields_is_read_with_their_defaults() -> None:
    passage = Passage("p", "a.md", "v1", 0, "Title", (), "text", 0, 4, meta={"year": 2024})
    vectors = np.ones((1, 1), np.float32)
    document = Embedded("a.md", "v1", [passage], vectors, [SparseVector((7,), (1.0,))])
    ((point,),) = points.batches([document], 1, {})
    assert point.payload.keys() >= NEW
    older = {key: value for key, value in point.payload.items() if key not in NEW}
    assert points.passage(older) == passage
    assert points.recorded(older) == Recorded("v1", title="Title", meta={"year": 2024})


def test_an_edition_lasts_a_minute_where_there_are_too_many_moments() -> None:
    few = points.Manifest("test", 1, turns=(100.0, 200.0))
    assert few.edition(99) != few.edition(100) == few.edition(199) != few.edition(200)
    many = points.Manifest("test", 1, turns=tuple(map(float, range(points.TURNS + 1))))
    assert many.edition(60_000) == many.edition(60_059) != many.edition(60_060)
