from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.retrieval.sources.web import Site, serving


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as served:
        yield served
