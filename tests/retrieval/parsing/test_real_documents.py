"""Some four hundred real files, among them broken ones: each is a document or refused."""

from __future__ import annotations

import html
import re
from collections import Counter
from pathlib import Path

import pytest

from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import known, parse
from retrieval.types import Document

FOLDERS = ("ingest_docling", "ingest_markitdown", "ingest_pypdf_samples", "ingest_unstructured")
Read = dict[str, Document | str]


@pytest.fixture(scope="module")
def read(shared_data: Path) -> Read:
    """Every file's document, or the reason why it has none."""
    found: Read = {}
    for folder in FOLDERS:
        for path in sorted((shared_data / folder).rglob("*")):
            if path.is_file() and known(path):
                name = path.relative_to(shared_data).as_posix()
                try:
                    found[name] = parse(path.read_bytes(), name, name)
                except Unreadable as error:
                    found[name] = error.reason
    return found


def test_all_formats_are_there(read: Read) -> None:
    suffixes = Counter(Path(name).suffix for name in read)
    formats = ".md .txt .html .pdf .docx .csv .yaml .pptx .xlsx .xlsm .json .epub .eml"
    assert set(suffixes) >= set(formats.split())
    assert suffixes.total() > 300


def test_few_are_refused_and_with_a_reason(read: Read) -> None:
    refused = {name: reason for name, reason in read.items() if isinstance(reason, str)}
    assert len(refused) < 0.08 * len(read)
    known_reasons = (
        "empty",
        "it holds no text",
        "encrypted",
        "not decodable",
        "wrong",
        "damaged PDF",
    )
    assert [r for r in refused.values() if not r.startswith(known_reasons)] == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ingest_pypdf_samples/005-libreoffice-writer-password/libreoffice-writer-password.pdf",
         "encrypted: it needs a password"),
        ("ingest_unstructured/pdf/password.pdf", "encrypted: it needs a password"),
        ("ingest_unstructured/empty.txt", "empty: 0 bytes"),
        ("ingest_unstructured/fake-text-all-whitespace.txt", "empty: nothing but white space"),
        ("ingest_markitdown/test_mskanji.csv", "not decodable"),
        ("ingest_docling/docx/sources/Strict.docx", "wrong type: Strict Open XML"),
        ("ingest_unstructured/eml/fake-encrypted.eml", "encrypted: it is sealed"),
        ("ingest_unstructured/eml/empty.eml", "empty: nothing but white space"),
    ],
)  # fmt: skip
def test_what_is_known_to_be_unreadable(read: Read, name: str, reason: str) -> None:
    found = read[name]
    assert isinstance(found, str)
    assert found.startswith(reason)


def test_blocks_are_ordered_apart_and_hold_all_text(read: Read) -> None:
    for name, document in read.items():
        if isinstance(document, str):
            continue
        at = 0
        for block in document.blocks:
            assert at <= block.start < block.end <= len(document.text), name
            assert not document.text[at : block.start].strip(), name
            at = block.end
        assert not document.text[at:].strip(), name
        document.text.encode()  # no half characters


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ingest_unstructured/book-war-and-peace-1p.txt", "Well, Prince"),
        ("ingest_unstructured/fake-text-utf-16.txt", "This is a test document"),
        ("ingest_unstructured/fake-html-cp1252.html", "Die schöne Frau hat einen Kaffee"),
        ("ingest_unstructured/umlauts-non-utf8.md", "äöüß"),
        ("ingest_markitdown/test_blog.html", "Large language models (LLMs) are powerful tools"),
        ("ingest_markitdown/test.docx", "AutoGen is an open-source framework"),
        ("ingest_unstructured/pdf/layout-parser-paper-fast.pdf", "reuse of important innovations"),
        ("ingest_markitdown/SPARSE-2024-INV-1234_borderless_table.pdf",
         "Location: B-07; Actual: 289; Variance: -23"),
        ("ingest_markitdown/movie-theater-booking-2024.pdf",
         "Movie Title: Winter Wonderland (Runtime: 98 min); Matinee Special; Format: Standard"),
        ("ingest_pypdf_samples/026-latex-multicolumn/multicolumn.pdf",
         "Country: Austria; Population (millions): 8.9; Area (km2): 83,879; Capital: Vienna"),
        ("ingest_docling/docx/sources/content_control_with_picture.docx", "INSIDE SDT"),
        ("ingest_docling/csv/sources/csv-semicolon.csv", "Customer Id: "),
        ("ingest_markitdown/test.pptx", "This is a nested shape with content in 2 shapes"),
        ("ingest_docling/pptx/sources/powerpoint_sample.pptx", "1. List item4"),
        ("ingest_docling/pptx/sources/pptx_chart.pptx", "2020; Freshwater Ducks: 130"),
        ("ingest_markitdown/test.xlsx", "Alpha: 89; Beta: 82; Gamma: 100; Delta: 12"),
        ("ingest_docling/xlsx/sources/xlsx_01.xlsx", "header second: 4; header third: 5"),
        ("ingest_docling/xlsx/sources/xlsx_04_inflated.xlsx", "col-1: 1; col-2: 2; col-3: 3"),
        ("ingest_markitdown/test.json", "5b64c88c-b3c3-4510-bcb8-da0b200602d8: uuid_key"),
        ("ingest_markitdown/test.epub", "Chapter 1: Test Content"),
        ("ingest_unstructured/eml/fake-email-attachment.eml", "Hey this is a fake attachment!"),
        ("ingest_unstructured/eml/fake-email-utf-16-be.eml", "Roses are red"),
        ("ingest_unstructured/eml/mime-multipart-digest.eml", "second message in the digest"),
        ("ingest_unstructured/eml/email-no-utf8-2008-07-16.062410.eml", "> תמיר שלום"),
    ],
)  # fmt: skip
def test_known_sentences_are_found(read: Read, name: str, said: str) -> None:
    document = read[name]
    assert isinstance(document, Document), document
    assert said in " ".join(document.text.split())


@pytest.mark.parametrize("kind", ["pptx", "xlsx"])
def test_nearly_every_expected_word_is_there(shared_data: Path, read: Read, kind: str) -> None:
    """What docling reads from the same files; comments and the names of chart types we leave."""
    found = expected = 0
    for path in sorted((shared_data / "ingest_docling" / kind / "groundtruth").glob("*.md")):
        document = read[f"ingest_docling/{kind}/sources/{path.stem}"]
        assert isinstance(document, Document), document
        if "comments" not in path.stem:
            plain = re.sub(r"<!--.*?-->|\]\([^)]*\)", "", path.read_text(), flags=re.DOTALL)
            wanted = _words(html.unescape(plain)) - {"image"}
            found += len(wanted & _words(document.text))
            expected += len(wanted)
    assert found >= 0.95 * expected


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.lower()))
