from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.parsing.draft import Unreadable
from tests.retrieval.parsing.made import altered, archive, blocks, read

CONTAINER = """<?xml version="1.0"?>
<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>"""
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf"><metadata
xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The Book</dc:title>
<dc:creator>Ann Author</dc:creator></metadata><manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>
<item id="one" href="text/one%20a.xhtml" media-type="application/xhtml+xml"/>
<item id="two" href="text/two.xhtml" media-type="application/xhtml+xml"/>
<item id="out" href="../../../../etc/passwd" media-type="application/xhtml+xml"/>
</manifest><spine toc="ncx"><itemref idref="nav"/><itemref idref="two"/><itemref idref="one"/>
<itemref idref="out"/><itemref idref="two"/></spine></package>"""
NAV = """<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><body>
<nav epub:type="toc"><ol><li><a href="text/two.xhtml">Part Two</a><ol>
<li><a href="text/one%20a.xhtml#x">Chapter One</a></li></ol></li></ol></nav></body></html>"""
NCX = """<!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "http://www.daisy.org/ncx-2005-1.dtd">
<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint><navLabel><text>Second</text>
</navLabel><content src="text/two.xhtml"/></navPoint></navMap></ncx>"""
ONE = "<html><head><title/></head><body><h2>One</h2><p>First <a id='x'/>words.</p></body></html>"
TWO = "<html><body><p>No heading here.</p></body></html>"
BOOK = archive(
    {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": PACKAGE,
        "OEBPS/nav.xhtml": NAV,
        "OEBPS/toc.ncx": NCX,
        "OEBPS/text/one a.xhtml": ONE,
        "OEBPS/text/two.xhtml": TWO,
    }
)


def test_chapters_follow_the_spine_under_the_titles_of_the_contents(tmp_path: Path) -> None:
    document = read(tmp_path, "a.epub", BOOK)
    assert document.title == "The Book"
    assert document.meta["author"] == "Ann Author"
    assert blocks(document) == [
        ("heading", "Part Two"),
        ("paragraph", "No heading here."),
        ("heading", "One"),
        ("paragraph", "First words."),
    ]
    assert [block.level for block in document.blocks if block.level] == [1, 2]


def test_an_older_table_of_contents_is_read_where_there_is_no_other(tmp_path: Path) -> None:
    older = altered(BOOK, "OEBPS/book.opf", lambda xml: xml.replace(b' properties="nav"', b""))
    document = read(tmp_path, "a.epub", older)
    assert ("heading", "Second") in blocks(document)


def sealed(algorithm: str) -> bytes:
    text = f"""<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><EncryptedData>
<EncryptionMethod Algorithm="{algorithm}"/></EncryptedData></encryption>"""
    return altered(BOOK, "META-INF/encryption.xml", lambda _: text.encode())


def test_a_book_under_drm_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="encrypted: the book is protected by DRM"):
        read(tmp_path, "a.epub", sealed("http://www.w3.org/2001/04/xmlenc#aes128-cbc"))


def test_scrambled_fonts_are_no_drm(tmp_path: Path) -> None:
    assert read(tmp_path, "a.epub", sealed("http://www.idpf.org/2008/embedding")).text


def test_a_broken_table_of_contents_costs_its_titles_alone(tmp_path: Path) -> None:
    broken = altered(BOOK, "OEBPS/nav.xhtml", lambda _: b"<html><nav>")
    assert "No heading here." in read(tmp_path, "a.epub", broken).text


@pytest.mark.parametrize(
    ("member", "text", "reason"),
    [
        ("META-INF/container.xml", b"<container/>", "damaged EPUB: it names no package"),
        ("OEBPS/book.opf", b"<package><spine/></package>", "damaged EPUB: none of its chapters"),
        ("OEBPS/book.opf", b"<package", "damaged EPUB: OEBPS/book.opf"),
    ],
)
def test_damage_is_named(tmp_path: Path, member: str, text: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read(tmp_path, "a.epub", altered(BOOK, member, lambda _: text))
