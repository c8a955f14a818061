"""What is refused, and that the reason names it."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path

import pytest

from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import Check, Limits, known, parse
from retrieval.types import RetrievalError
from tests.retrieval.parsing.made import hello, pdf, read, word

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
PDF = pdf(hello)
DOCX = word(lambda document: document.add_paragraph("Hello from Word."))


def zipped(**parts: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(name.replace("__", "/").replace("_xml", ".xml"), content)
    return buffer.getvalue()


XLSX = zipped(**{"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>"})
BOMB = zipped(**{"[Content_Types].xml": "<Types/>", "word/document.xml": "x" * 65_000_000})
OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)

REFUSED = [
    ("empty.md", b"", "empty: 0 bytes"),
    ("spaces.txt", b" \n\t \n", "empty: nothing but white space"),
    ("empty.pdf", b"", "empty: 0 bytes"),
    ("empty.html", b"<html><body><script>1</script></body></html>", "it holds no text"),
    ("image.pdf", PNG, "wrong type: a PNG image, not a PDF"),
    ("text.pdf", b"just text", "wrong type: text, not a PDF"),
    ("page.pdf", b"<!DOCTYPE html><p>Hi", "wrong type: an HTML page, not a PDF"),
    ("paper.txt", PDF, "wrong type: a PDF, not plain text"),
    ("paper.md", PDF, "wrong type: a PDF, not Markdown"),
    ("paper.docx", PDF, "wrong type: a PDF, not a DOCX"),
    ("word.html", DOCX, "wrong type: a ZIP archive"),
    ("sheet.docx", XLSX, "wrong type: an XLSX workbook, not a DOCX"),
    ("archive.docx", zipped(**{"a.txt": "a"}), "wrong type: a ZIP archive, not a DOCX"),
    ("old.docx", OLD_OFFICE, "wrong type: an old Office file"),
    ("locked.docx", OLD_OFFICE + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
    ("bomb.docx", BOMB, "too large: it unpacks to 65 MB"),
    ("cut.docx", DOCX[: len(DOCX) // 2], "truncated or damaged DOCX"),
    ("locked.pdf", pdf(hello, password="secret"), "encrypted: it needs a password"),
    ("cut.pdf", PDF[: len(PDF) * 2 // 3], "truncated: the end of the PDF is missing"),
    ("broken.pdf", b"%PDF-1.7\nnonsense\n%%EOF\n", "damaged PDF"),
    ("scan.pdf", pdf(lambda canvas: canvas.rect(9, 9, 99, 99)), "it holds no text; a scanned"),
    ("binary.txt", bytes(range(256)) * 9, "binary, not text"),
    ("binary.csv", os.urandom(4096) + b"\0", "binary, not text"),
    ("japanese.csv", "名前,値\n東京,1\n".encode("cp932") * 9, "not decodable"),
    ("cut.md", "Grüße aus Köln ".encode() * 9 + b"\xc3", "not decodable: damaged UTF-8 at byte"),
    ("notes.xyz", b"text", "unknown format .xyz"),
    ("noname", b"text", "unknown format (no suffix)"),
]


@pytest.mark.parametrize(("name", "content", "reason"), REFUSED, ids=[r[0] for r in REFUSED])
def test_names_why_a_file_cannot_be_read(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        read(tmp_path, name, content)
    assert refused.value.reason.startswith(reason)


def test_a_refusal_is_an_error_of_retrieval() -> None:
    assert issubclass(Unreadable, RetrievalError)


def test_refuses_an_endless_line_where_it_becomes_one() -> None:
    check = Check("endless.txt", Limits(line=1_000_000))
    check.feed(b"A short line.\n" + b"word " * 199_000)
    with pytest.raises(Unreadable, match="a line of more than 1 MB"):
        check.feed(b"word " * 1_001)


def test_refuses_by_size_what_need_not_be_begun() -> None:
    with pytest.raises(Unreadable, match="too large: 300 MB, the limit is 200 MB"):
        Check("large.txt").expect(300_000_000)


def test_the_limits_hold_for_bytes_from_anywhere() -> None:
    with pytest.raises(Unreadable, match="too large: more than 9 bytes"):
        parse(b"Ten bytes.", "a.txt", "a.txt", limits=Limits(file=9))


def test_what_is_said_from_outside_goes_before_what_the_file_says() -> None:
    data = b"---\nregion: US\nowner: me\n---\n\nText."
    document = parse(data, "a.md", "a.md", {"region": "EU"})
    assert document.meta == {"region": "EU", "owner": "me"}


def test_many_lines_are_not_one_line(tmp_path: Path) -> None:
    document = read(tmp_path, "long.txt", "A line of text.\n\n" * 100_000)
    assert len(document.blocks) == 100_000


def test_lines_may_end_as_on_an_old_machine(tmp_path: Path) -> None:
    document = read(tmp_path, "old.txt", b"One line.\r\rAnother line.\r" * 60_000)
    assert document.text.startswith("One line.\n\nAnother line.")


def test_what_the_page_says_wins_over_the_suffix_of_text(tmp_path: Path) -> None:
    assert read(tmp_path, "page.txt", "<html><p>Hi</p></html>").text


def test_control_characters_are_dropped(tmp_path: Path) -> None:
    text = "A clean sentence. " * 9
    dirty = "A\x01B\x00C\u200bD\U000e0041E " + text
    assert read(tmp_path, "dirty.txt", dirty).text == f"ABCDE {text}".strip()


def test_a_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    first = read(tmp_path, "a.txt", "same")
    second = read(tmp_path, "b.txt", "same")
    assert first.version == second.version == hashlib.sha256(b"same").hexdigest()
    assert read(tmp_path, "c.txt", "other").version != first.version


def test_a_nameless_document_is_called_by_its_file(tmp_path: Path) -> None:
    assert read(tmp_path, "price_list-2025.txt", "no heading").title == "price list 2025"


@pytest.mark.parametrize(
    "name", ["a.md", "a.MD", "a.htm", "a.Pdf", "a.docx", "a.csv", "a.tsv", "a.pptx", "a.XLSX"]
)
def test_knows_its_formats(name: str) -> None:
    assert known(name)


def test_knows_no_others() -> None:
    assert not known("a.exe")
    assert not known("README")


def test_metadata_in_the_head_of_a_file_is_understood() -> None:
    data = b"---\nvalid_from: 2026-03-31\ngroups: hr\nlanguage: English\n---\n\nText."
    document = parse(data, "a.md", "a.md", {"title": "Called so"})
    assert document.meta == {"valid_from": 1774915200.0, "groups": ["hr"], "title": "Called so"}
    assert document.title == "Called so"


def test_a_file_that_says_wrongly_who_may_see_it_is_not_shown_to_all() -> None:
    with pytest.raises(Unreadable, match="its own metadata is wrong: valid_until is no date"):
        parse(b"---\nvalid_until: whenever\n---\n\nText.", "a.md", "a.md")
