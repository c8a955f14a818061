"""A shelf places a content once, whole, and forgets what has no name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.adapters.content import digest
from gateway.adapters.failures import BadAdapter
from gateway.adapters.shelf import Shelf
from gateway.adapters.sources.folder import Folder
from tests.gateway.adapters.made import adapter

DAY = 86_400.0


def put(shelf: Shelf, folder: Path) -> str:
    with shelf.room() as room:
        Folder(folder, 2**20).fetch(room)
        content = digest(room)
        assert shelf.put(room, content) == shelf.path(content)
    return content


def test_places_by_content(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    first, again = (put(shelf, adapter(tmp_path / name)) for name in "ab")
    other = put(shelf, adapter(tmp_path / "c", lora_alpha=32))
    assert first == again
    found = sorted(each.name for each in shelf.root.iterdir() if each.name != ".lock")
    assert found == sorted({first, other})


def test_what_is_placed_is_read_only(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    place = shelf.path(put(shelf, adapter(tmp_path / "a")))
    assert place.stat().st_mode & 0o777 == 0o555
    assert {each.stat().st_mode & 0o777 for each in place.iterdir()} == {0o444}


def test_what_changed_since_it_was_checked_is_not_placed(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    with shelf.room() as room:
        Folder(adapter(tmp_path / "a"), 2**20).fetch(room)
        content = digest(room)
        (room / "adapter_config.json").write_text("{}")
        with pytest.raises(BadAdapter, match="have changed"):
            shelf.put(room, content)
    assert list(shelf.root.iterdir()) == []


def test_what_is_damaged_there_is_replaced(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    content = put(shelf, adapter(tmp_path / "a"))
    weights = shelf.path(content) / "adapter_model.safetensors"
    weights.chmod(0o644)
    os.truncate(weights, 10)
    assert not shelf.holds(content)
    put(shelf, adapter(tmp_path / "a"))
    assert shelf.holds(content)


def test_what_has_no_name_goes_after_a_day(tmp_path: Path) -> None:
    now = 1e6
    shelf = Shelf(tmp_path / "shelf", lambda: now)
    named = put(shelf, adapter(tmp_path / "a"))
    nameless = put(shelf, adapter(tmp_path / "b", lora_alpha=32))
    now += 2 * DAY  # only now its name goes, and engines may know it still
    assert shelf.sweep([named]) == []
    now += DAY / 2
    assert shelf.sweep([named]) == []
    now += DAY
    assert shelf.sweep([named]) == [nameless]
    assert sorted(each.name for each in shelf.root.iterdir()) == sorted([".lock", named])


@pytest.mark.parametrize("again", ["named", "placed"])
def test_what_gets_a_name_again_stays(tmp_path: Path, again: str) -> None:
    now = 1e6
    shelf = Shelf(tmp_path / "shelf", lambda: now)
    content = put(shelf, adapter(tmp_path / "a"))
    shelf.sweep([])
    now += 2 * DAY
    if again == "named":
        shelf.sweep([content])
    else:
        put(shelf, adapter(tmp_path / "a"))
    assert shelf.sweep([]) == []
    assert shelf.holds(content)


def test_a_room_that_was_left_is_swept_in_the_end(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    left = shelf.root / ".room-left"
    left.mkdir(parents=True)
    (left / "adapter_config.json").write_text("{")
    shelf.sweep([])
    assert left.exists()
    os.utime(left, (0, 0))
    shelf.sweep([])
    assert not left.exists()


def test_a_path_has_a_digest_for_a_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no digest"):
        Shelf(tmp_path).path("../../etc")


PUTTING = """
import sys
from pathlib import Path
from gateway.adapters.shelf import Shelf
from tests.gateway.adapters.test_shelf import put
for _ in range(20):
    put(Shelf(Path(sys.argv[1])), Path(sys.argv[2]))
    Shelf(Path(sys.argv[1])).sweep([])
"""


def test_two_processes_place_one_content(tmp_path: Path) -> None:
    arguments = [str(tmp_path / "shelf"), str(adapter(tmp_path / "a"))]
    run = [sys.executable, "-c", PUTTING, *arguments]
    root = Path(__file__).parents[3]
    started = [subprocess.Popen(run, cwd=root) for _ in range(2)]
    assert [process.wait() for process in started] == [0, 0]
    assert Shelf(tmp_path / "shelf").holds(digest(tmp_path / "a"))
