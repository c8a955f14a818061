"""From a source to the shelf, or refused on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.adapters.arriving import arrived
from gateway.adapters.failures import BadAdapter
from gateway.adapters.shelf import Shelf
from gateway.adapters.sources.folder import Folder
from tests.gateway.adapters.made import adapter, base


def test_what_arrives_lies_on_the_shelf(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    arrival = arrived(Folder(adapter(tmp_path / "a"), 2**20), shelf, base(), max_rank=8)
    assert arrival.source == str(tmp_path / "a")
    assert shelf.holds(arrival.facts.digest)


def test_what_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    with pytest.raises(BadAdapter, match="engines take 4"):
        arrived(Folder(adapter(tmp_path / "a"), 2**20), shelf, base(), max_rank=4)
    assert list(shelf.root.iterdir()) == []
