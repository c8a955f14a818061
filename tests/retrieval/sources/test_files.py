from __future__ import annotations

import os
import pickle
import tracemalloc
from pathlib import Path

import pytest

from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import Limits
from retrieval.sources.files import Files, read, stamp
from retrieval.sources.types import BadSource, Item, Listing


def put(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Text of {name}.")
    return folder


def items(path: Path, listing: Listing | None = None) -> list[Item]:
    return list(Files(path).items(listing or Listing()))


def test_documents_are_known_by_their_path_below_the_folder(tmp_path: Path) -> None:
    found = items(put(tmp_path, "b.md", "a.md", "deep/er/c.md"))
    assert [item.source for item in found] == ["a.md", "b.md", "deep/er/c.md"]
    assert found[2].name == "c.md"
    assert found[2].read() == b"Text of deep/er/c.md."
    assert found[2].size == 21


def test_a_file_can_be_sent_away_and_read_under_the_same_path(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("One.")
    (found,) = Files(tmp_path).items(Listing())
    assert found.portable
    assert pickle.loads(pickle.dumps(found)).read() == b"One."


def test_a_file_named_itself_is_known_by_its_name(tmp_path: Path) -> None:
    (found,) = items(put(tmp_path, "x/a.md") / "x" / "a.md")
    assert (found.source, found.shown) == ("a.md", str(tmp_path / "x" / "a.md"))


def test_what_is_not_meant_is_skipped_with_its_reason(tmp_path: Path) -> None:
    folder = put(tmp_path / "docs", "a.md", "~$a.md", ".git/hidden.md", "program.exe")
    put(tmp_path, "outside/secret.md")
    (folder / "out.md").symlink_to(tmp_path / "outside" / "secret.md")
    (folder / "linked").symlink_to(tmp_path / "outside")
    (folder / "inside.md").symlink_to(folder / "a.md")
    listing = Listing()
    assert [item.source for item in items(folder, listing)] == ["a.md", "inside.md"]
    skipped = {Path(name).name: reason for name, reason in listing.skipped}
    assert skipped == {
        ".git": "hidden",
        "linked": "a link to a folder",
        "out.md": "a link that leads out of the folder",
        "program.exe": "unknown format",
        "~$a.md": "hidden",
    }


def test_a_name_that_is_no_text_is_named_as_far_as_it_can_be(tmp_path: Path) -> None:
    put(tmp_path, "a.md")
    (tmp_path / os.fsdecode(b"\xff.md")).write_text("Text.")
    listing = Listing()
    assert [item.source for item in items(tmp_path, listing)] == ["a.md"]
    assert listing.unlisted == [(f"{tmp_path}/\ufffd.md", "its name is not UTF-8")]


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSource, match="No such file or folder"):
        items(tmp_path / "none")


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="cannot be read: No such file"):
        read(tmp_path / "gone.md")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(Unreadable, match="not a regular file"):
        read(tmp_path / "pipe.txt")


def test_refuses_300_megabytes_unread(tmp_path: Path) -> None:
    path = tmp_path / "endless.txt"
    with path.open("wb") as file:
        file.truncate(300_000_000)
    with pytest.raises(Unreadable, match="too large: 300 MB, the limit is 200 MB"):
        read(path)


def test_reads_no_further_than_an_endless_line(tmp_path: Path) -> None:
    path = tmp_path / "endless.txt"
    path.write_bytes(b"A short line.\n" + b"word " * 12_000_000)
    tracemalloc.start()
    with pytest.raises(Unreadable, match="a line of more than 1 MB"):
        read(path, Limits(file=400_000_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def test_a_file_is_held_once_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_bytes(b"A line of text.\n" * 2_000_000)
    tracemalloc.start()
    assert len(read(path)) == 32_000_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.5 * 32_000_000


def test_a_file_that_has_just_changed_is_not_stamped(tmp_path: Path) -> None:
    """It may change again within the tick of the clock that tells of it."""
    status = (put(tmp_path, "a.md") / "a.md").stat()
    assert stamp(status, status.st_ctime + 1) == ""
    assert stamp(status, status.st_ctime + 3)


def test_a_stamp_changes_with_the_file(tmp_path: Path) -> None:
    path = put(tmp_path, "a.md") / "a.md"
    before = path.stat()
    path.write_text("Text of b.md.")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert stamp(before, before.st_ctime + 9) != stamp(path.stat(), before.st_ctime + 9)
