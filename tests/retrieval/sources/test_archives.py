"""Archives as items: what they hold, and what of it is refused."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import tarfile
import tracemalloc
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.parsing.draft import Unreadable
from retrieval.sources.members import bomb, inside
from retrieval.sources.targets import source
from retrieval.sources.types import Item, Listing

KINDS = ["a.zip", "a.tar", "a.tar.gz", "a.tgz"]
Content = Sequence[tuple[str, bytes]]


def packed(folder: Path, name: str, files: Content) -> Path:
    """An archive of the kind that its name says."""
    path = folder / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in files:
                archive.writestr(member, data)
        return path
    with tarfile.open(path, "w" if name.endswith(".tar") else "w:gz") as tar:
        for member, data in files:
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def items(path: Path, listing: Listing | None = None) -> list[Item]:
    return list(source([str(path)]).items(listing or Listing()))


@pytest.mark.parametrize("kind", KINDS)
def test_members_are_known_by_the_archives_name_and_their_path(tmp_path: Path, kind: str) -> None:
    path = packed(tmp_path, kind, [("b.md", b"B"), ("deep/a.md", b"A"), ("deep/x.exe", b"X")])
    listing = Listing()
    found = items(path, listing)
    assert [item.source for item in found] == [f"{kind}/b.md", f"{kind}/deep/a.md"]
    assert [item.read() for item in found] == [b"B", b"A"]
    assert [item.size for item in found] == [1, 1]
    assert found[1].shown == f"{path}/deep/a.md"
    assert listing.skipped == [(f"{path}/deep/x.exe", "unknown format")]


@pytest.mark.parametrize("kind", KINDS)
def test_members_are_read_in_any_order_by_two_threads(tmp_path: Path, kind: str) -> None:
    files = [(f"{i}.txt", f"Text {i}. ".encode() * (i * 997 % 9_000 + 1)) for i in range(60)]
    found = items(packed(tmp_path, kind, files))
    with ThreadPoolExecutor(2) as threads:
        read = list(threads.map(lambda item: item.read(), reversed(found)))
    assert read == [data for _, data in reversed(files)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_is_closed_with_its_last_item(tmp_path: Path, kind: str) -> None:
    path = packed(tmp_path, kind, [("a.md", b"A")])
    before = len(os.listdir("/proc/self/fd"))
    found = items(path)
    assert len(os.listdir("/proc/self/fd")) > before
    del found
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../out.md", "its name leads out of the archive"),
        ("a/../../out.md", "its name leads out of the archive"),
        ("..\\out.md", "its name leads out of the archive"),
        ("/etc/out.md", "its name is an absolute path"),
        ("C:\\out.md", "its name is an absolute path"),
        ("a\nb.md", "its name has control characters"),
    ],
)
def test_a_name_that_is_no_path_below_it_is_refused(
    tmp_path: Path, kind: str, name: str, reason: str
) -> None:
    listing = Listing()
    found = items(packed(tmp_path, kind, [(name, b"Out."), ("in.md", b"In.")]), listing)
    assert [item.source for item in found] == [f"{kind}/in.md"]
    assert [why for _, why in listing.unlisted] == [reason]


@given(st.text())
def test_a_name_is_a_path_below_the_archive_or_refused(name: str) -> None:
    try:
        path = inside(name)
    except Unreadable:
        return
    assert path == os.path.normpath(path)
    assert not os.path.isabs(path)
    assert not path.startswith("..")
    assert inside(path) == path
    path.encode()


@given(st.lists(st.sampled_from(["a", "b c", "é", "...", "x.md", ".", ""]), min_size=1))
def test_a_plain_path_is_kept(parts: list[str]) -> None:
    kept = [part for part in parts if part not in ("", ".")]
    if parts[0] and kept:
        assert inside("/".join(parts)) == "/".join(kept)


def test_links_and_devices_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo(f"{kind.decode()}.md")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    listing = Listing()
    assert items(path, listing) == []
    reasons = [reason for _, reason in listing.skipped]
    assert reasons == ["a link in an archive"] * 2 + ["no regular file in an archive"] * 2


def test_a_link_in_a_zip_is_skipped(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link.md")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    listing = Listing()
    assert items(tmp_path / "a.zip", listing) == []
    assert listing.skipped[0][1] == "a link in an archive"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_meant_is_skipped(tmp_path: Path, kind: str) -> None:
    names = ["__MACOSX/a.md", ".git/b.md", "c/.d.md", "inner.zip", "inner.tar.gz"]
    listing = Listing()
    assert items(packed(tmp_path, kind, [(name, b"x") for name in names]), listing) == []
    reasons = [reason for _, reason in listing.skipped]
    assert reasons == ["hidden"] * 3 + ["an archive in an archive: unpack it first"] * 2


def test_of_two_members_of_one_name_the_later_one_counts(tmp_path: Path) -> None:
    path = packed(tmp_path, "a.tar", [("a.md", b"Old."), ("./a.md", b"New.")])
    assert [item.read() for item in items(path)] == [b"New."]


def test_metadata_in_the_archive_describes_its_members(tmp_path: Path) -> None:
    files = [("a.md", b"A"), ("a.md.meta.json", b'{"groups": ["hr"]}'), ("_meta.toml", b"year = 1")]
    (found,) = items(packed(tmp_path, "a.zip", files))
    assert found.meta == {"year": 1, "groups": ["hr"]}


def test_a_name_in_utf8_that_does_not_say_so_is_read_as_meant(tmp_path: Path) -> None:
    path = packed(tmp_path, "a.zip", [("Grüße.md", b"Hallo.")])
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        data[data.index(mark) + offset] &= ~0x08
    path.write_bytes(data)
    assert [item.source for item in items(path)] == ["a.zip/Grüße.md"]


def test_an_encrypted_member_says_so(tmp_path: Path) -> None:
    path = packed(tmp_path, "a.zip", [("a.md", b"Secret.")])
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 0x01
    path.write_bytes(data)
    (found,) = items(path)
    with pytest.raises(Unreadable, match="encrypted: it needs a password"):
        found.read()


def test_a_method_that_unpacks_without_bounds_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.md", "Text.")
    (found,) = items(tmp_path / "a.zip")
    with pytest.raises(Unreadable, match="packed by a method that is not read"):
        found.read()


def test_a_member_that_grows_out_of_proportion_is_a_bomb(tmp_path: Path) -> None:
    noise = os.urandom(200_000)  # so that the archive as a whole is in proportion
    files = [("bomb.txt", b"x\n" * 15_000_000), ("noise.bin", noise)]
    (found,) = items(packed(tmp_path, "a.zip", files))
    with pytest.raises(Unreadable, match=r"a bomb: 29,.* bytes would unpack to 30 MB"):
        found.read()


@pytest.mark.parametrize("kind", ["a.zip", "a.tar.gz"])
def test_an_archive_that_grows_out_of_proportion_is_not_looked_into(
    tmp_path: Path, kind: str
) -> None:
    listing = Listing()
    path = packed(tmp_path, kind, [(f"{i}.txt", b"x\n" * 2_000_000) for i in range(9)])
    assert items(path, listing) == []
    ((shown, reason),) = listing.unlisted
    assert shown == str(path)
    assert reason.startswith("a bomb: ")


def test_a_member_that_says_less_than_it_holds_is_cut_off_and_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, "a.zip", [("a.txt", b"x\n" * 1_000_000)])
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = (9).to_bytes(4, "little")
    path.write_bytes(data)
    (found,) = items(path)
    with pytest.raises(Unreadable, match="damaged ZIP archive"):
        found.read()


def test_a_member_larger_than_a_file_may_be_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with path.open("wb") as file:
        info = tarfile.TarInfo("a.txt")
        info.size = 300_000_000
        file.write(info.tobuf())
        file.truncate(300_100_000)
    (found,) = items(path)
    with pytest.raises(Unreadable, match="too large: 300 MB, the limit is 200 MB"):
        found.read()


def test_a_member_is_held_once_while_it_is_read(tmp_path: Path) -> None:
    lines = b"".join(b"Line %d of a long text.\n" % i for i in range(800_000))
    (found,) = items(packed(tmp_path, "a.tar.gz", [("a.txt", lines)]))
    tracemalloc.start()
    assert found.read() == lines
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.5 * len(lines)


def test_a_header_that_announces_gigabytes_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("./PaxHeaders/x")
    info.type, info.size = tarfile.XHDTYPE, 2_000_000_000
    path = tmp_path / "a.tar"
    with path.open("wb") as file:
        file.write(info.tobuf())
        file.truncate(2_100_000_000)
    listing = Listing()
    assert items(path, listing) == []
    assert listing.unlisted[0][1] == "its list of members takes more than 1 MB"


@pytest.mark.parametrize("kind", KINDS)
def test_half_an_archive_is_not_taken_for_a_whole_one(tmp_path: Path, kind: str) -> None:
    """Else what stands in the other half would be pruned."""
    files = [(f"{i}.md", os.urandom(2_000)) for i in range(9)]
    path = packed(tmp_path, kind, files)
    path.write_bytes(path.read_bytes()[:9_000])
    listing = Listing()
    assert items(path, listing) == []
    assert listing.unlisted[0][1].startswith("damaged")


def test_a_broken_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    path = packed(tmp_path, "a.tar", [("a.md", b"A"), ("b.md", b"B")])
    data = bytearray(path.read_bytes())
    data[1024 + 150] ^= 0xFF
    path.write_bytes(data)
    listing = Listing()
    assert items(path, listing) == []
    assert listing.unlisted[0][1] == "damaged tar archive: it breaks off"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_archive_says_so(tmp_path: Path, kind: str) -> None:
    (tmp_path / kind).write_bytes(b"No archive at all. " * 99)
    listing = Listing()
    assert items(tmp_path / kind, listing) == []
    assert listing.unlisted[0][1].startswith("damaged")


@given(st.sampled_from(KINDS), st.integers(0, 10_000), st.binary(min_size=1, max_size=16))
def test_whatever_is_broken_is_refused_with_a_reason(
    tmp_path_factory: pytest.TempPathFactory, kind: str, at: int, noise: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = packed(folder, kind, [("a.md", b"A text. " * 99), ("b/c.md", b"Another one. " * 99)])
    data = bytearray(path.read_bytes())
    at %= len(data)
    data[at : at + len(noise)] = noise
    path.write_bytes(data)
    for item in items(path):
        assert item.source.startswith(f"{kind}/")
        with contextlib.suppress(Unreadable):
            item.read()


def test_gzip_in_several_pieces_is_one_archive(tmp_path: Path) -> None:
    plain = packed(tmp_path, "a.tar", [("a.md", b"A")]).read_bytes()
    path = tmp_path / "b.tar.gz"
    path.write_bytes(gzip.compress(plain[:700]) + gzip.compress(plain[700:]))
    assert [item.read() for item in items(path)] == [b"A"]


def test_text_and_tables_are_in_proportion() -> None:
    assert bomb(50_000_000, 600_000) == ""
    assert bomb(9_000_000, 100) == ""
    assert bomb(30_000_000_000, 20_000_000_000).startswith("too large: it unpacks to 30,000 MB")


def test_an_archive_in_a_folder_is_not_opened_unasked(tmp_path: Path) -> None:
    packed(tmp_path, "a.zip", [("a.md", b"A")])
    listing = Listing()
    assert items(tmp_path, listing) == []
    assert listing.skipped[0][1] == "an archive: name it to have it looked into"


def test_archives_of_a_pattern_are_named_below_its_fixed_part(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        packed(tmp_path / name, "a.zip", [("a.md", b"A")])
    found = items(tmp_path / "**" / "*.zip")
    assert [item.source for item in found] == ["one/a.zip/a.md", "two/a.zip/a.md"]
