"""What is refused in files that are archives, whichever format they are."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retrieval.parsing.draft import Unreadable
from retrieval.parsing.zipped import refuse_entities
from tests.retrieval.parsing.made import altered, archive, read, slides, word, workbook


def said(book: Any) -> None:
    book.active.append(["Said"])


FILES: list[tuple[str, bytes, str]] = [
    ("a.docx", word(lambda document: document.add_paragraph("Said")), "word/document.xml"),
    ("a.pptx", slides(lambda deck: deck), "ppt/presentation.xml"),
    ("a.xlsx", workbook(said), "xl/worksheets/sheet1.xml"),
]
every = pytest.mark.parametrize(("name", "data", "member"), FILES, ids=[f[0] for f in FILES])

LAUGHS = b"""<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;">
<!ENTITY lol3 "&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;">]>"""
OUTSIDE = b'<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/passwd">]>'
REMOTE = b'<!DOCTYPE x SYSTEM "http://example.com/x.dtd" [ ]>'


def declaring(declaration: bytes) -> Callable[[bytes], bytes]:
    def change(xml: bytes) -> bytes:
        at = xml.index(b"?>") + 2 if xml.startswith(b"<?xml") else 0
        return xml[:at] + declaration + xml[at:]

    return change


@every
@pytest.mark.parametrize("declaration", [LAUGHS, OUTSIDE, REMOTE, b"<!-- -->\n<?a b?>" + LAUGHS])
def test_xml_that_declares_entities_is_refused(
    tmp_path: Path, name: str, data: bytes, member: str, declaration: bytes
) -> None:
    with pytest.raises(Unreadable, match="declares XML entities"):
        read(tmp_path, name, altered(data, member, declaring(declaration)))


@every
def test_entities_do_not_hide_in_another_encoding(
    tmp_path: Path, name: str, data: bytes, member: str
) -> None:
    def wide(xml: bytes) -> bytes:
        text = declaring(LAUGHS)(xml).decode()
        return text.replace('encoding="UTF-8"', "").encode("utf-16")

    with pytest.raises(Unreadable, match="declares XML entities"):
        read(tmp_path, name, altered(data, member, wide))


@every
def test_a_bomb_is_refused_by_the_size_that_it_declares(
    tmp_path: Path, name: str, data: bytes, member: str
) -> None:
    bomb = altered(data, member, lambda xml: xml + b" " * 65_000_000)
    assert len(bomb) < 200_000
    with pytest.raises(Unreadable, match=r"too large: it unpacks to 6. MB"):
        read(tmp_path, name, bomb)


@every
def test_a_bomb_that_lies_about_its_size_is_damaged(
    tmp_path: Path, name: str, data: bytes, member: str
) -> None:
    bomb = bytearray(altered(data, member, lambda xml: xml + b" " * 5_000_000))
    entry = bomb.rindex(b"PK\x01\x02", 0, bomb.rindex(member.encode()))
    bomb[entry + 24 : entry + 28] = (1000).to_bytes(4, "little")
    with pytest.raises(Unreadable, match=r"damaged|wrong type"):
        read(tmp_path, name, bytes(bomb))


@pytest.mark.parametrize("name", ["a.docx", "a.pptx", "a.xlsx"])
def test_more_elements_than_fit_the_memory_are_refused(tmp_path: Path, name: str) -> None:
    data, member = next((data, member) for other, data, member in FILES if other == name)
    member = "xl/workbook.xml" if name == "a.xlsx" else member

    def change(xml: bytes) -> bytes:
        at = xml.index(b">", xml.index(b"?>") + 2 if b"?>" in xml else 0) + 1
        return xml[:at] + b"<a/>" * 4_000_000 + xml[at:]

    with pytest.raises(Unreadable, match=r"more than 4,000,000 elements"):
        read(tmp_path, name, altered(data, member, change))


@every
def test_thousands_of_members_are_refused(
    tmp_path: Path, name: str, data: bytes, member: str
) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        parts: dict[str, bytes | str] = {part: package.read(part) for part in package.namelist()}
    parts |= {f"x/{number}": "" for number in range(10_001)}
    with pytest.raises(Unreadable, match="an archive of more than 10,000 files"):
        read(tmp_path, name, archive(parts))


@every
def test_an_encrypted_member_is_named(tmp_path: Path, name: str, data: bytes, member: str) -> None:
    locked = bytearray(data)
    at = 0
    while (at := locked.find(b"PK\x01\x02", at) + 1) > 0:
        locked[at + 7] |= 1
    with pytest.raises(Unreadable, match="encrypted: it needs a password"):
        read(tmp_path, name, bytes(locked))


@every
def test_a_method_that_unpacks_without_bounds_is_refused(
    tmp_path: Path, name: str, data: bytes, member: str
) -> None:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as package,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as packed,
    ):
        for part in package.namelist():
            packed.writestr(part, package.read(part))
    with pytest.raises(Unreadable, match="packed by a method"):
        read(tmp_path, name, buffer.getvalue())


@pytest.mark.parametrize(
    ("name", "kind"), [("a.docx", "a DOCX"), ("a.pptx", "a PPTX"), ("a.xlsx", "an XLSX")]
)
def test_one_archive_is_not_another(tmp_path: Path, name: str, kind: str) -> None:
    for other, data, _ in FILES:
        if other != name:
            with pytest.raises(Unreadable, match=f"wrong type: .*, not {kind}"):
                read(tmp_path, name, data)


@pytest.mark.parametrize(
    "xml",
    [
        b"<a/>",
        b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a > b --><a/>",
        "<a>ü</a>".encode("utf-16"),
        b'<!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "http://x.org/ncx.dtd"><ncx/>',
    ],
)
def test_plain_xml_passes(xml: bytes) -> None:
    refuse_entities(xml)


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"words",
        b"<?xml version='1.0' encoding='UTF-7'?><a/>",
        "<a/>".encode("cp037"),
        b"<\0\0\0a\0\0\0",
    ],
)
def test_xml_that_hides_what_it_is_does_not(xml: bytes) -> None:
    with pytest.raises(Unreadable):
        refuse_entities(xml)
