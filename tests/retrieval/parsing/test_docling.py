"""Against a docling of ten lines: the real one is gigabytes, and fetches its models."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from retrieval.parsing import docling
from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import known
from tests.retrieval.parsing.made import blocks, pdf, read

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
SCAN = pdf(lambda canvas: canvas.rect(9, 9, 99, 99))


class ConversionError(Exception):
    pass


def item(label: str, text: str = "", page: int = 1, **more: object) -> SimpleNamespace:
    prov = [SimpleNamespace(page_no=page)]
    return SimpleNamespace(label=SimpleNamespace(value=label), text=text, prov=prov, **more)


def row(*cells: str, header: bool = False) -> list[SimpleNamespace]:
    return [SimpleNamespace(text=cell, column_header=header) for cell in cells]


ITEMS = [
    item("page_header", "Running"),
    item("title", "Handbook"),
    item("section_header", "Prices", level=1),
    item("text", "What things cost."),
    item("table", data=SimpleNamespace(grid=[row("Name", "EUR", header=True), row("Tea", "2")])),
    item("list_item", "Sugar", page=2, marker="1."),
    item("code", "x = 1", page=2),
    item("picture", page=2),
]


class Converter:
    def convert(self, stream: SimpleNamespace, max_num_pages: int) -> SimpleNamespace:
        if b"broken" in stream.stream.read():
            raise ConversionError("no  pages")
        document = SimpleNamespace(iterate_items=lambda: ((each, 1) for each in ITEMS))
        return SimpleNamespace(document=document, name=stream.name, pages=max_num_pages)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package that answers as docling's documentation says."""

    def module(name: str, **content: object) -> None:
        made = ModuleType(name)
        vars(made).update(content)
        monkeypatch.setitem(sys.modules, name, made)

    module("docling")
    module("docling.datamodel")
    module("docling.datamodel.base_models", DocumentStream=SimpleNamespace)
    module("docling.document_converter", DocumentConverter=Converter)
    module("docling.exceptions", ConversionError=ConversionError)
    monkeypatch.setattr(docling, "installed", lambda: True)
    docling._converter.cache_clear()
    yield
    docling._converter.cache_clear()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("name", "content"), [("scan.pdf", SCAN), ("scan.png", PNG)])
def test_what_is_recognised_has_structure(tmp_path: Path, name: str, content: bytes) -> None:
    document = read(tmp_path, name, content)
    assert document.title == "Handbook"
    assert blocks(document) == [
        ("heading", "Handbook"),
        ("heading", "Prices"),
        ("paragraph", "What things cost."),
        ("table", "Name: Tea; EUR: 2"),
        ("list", "1. Sugar"),
        ("code", "x = 1"),
    ]
    assert [block.page for block in document.blocks] == [1, 1, 1, 1, 2, 2]
    assert [block.level for block in document.blocks[:2]] == [1, 2]


@pytest.mark.usefixtures("installed")
def test_what_docling_refuses_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="docling cannot read it: no pages"):
        read(tmp_path, "scan.png", PNG + b"broken")


@pytest.mark.usefixtures("installed")
def test_a_text_needs_no_recognition(tmp_path: Path) -> None:
    assert (
        read(tmp_path, "a.pdf", pdf(lambda canvas: canvas.drawString(72, 700, "Hi"))).text == "Hi"
    )


@pytest.mark.parametrize(("name", "content"), [("scan.pdf", SCAN), ("scan.png", PNG)])
def test_without_docling_the_reason_says_what_is_missing(
    tmp_path: Path, name: str, content: bytes
) -> None:
    if docling.installed():
        pytest.skip("docling is installed")
    with pytest.raises(Unreadable, match=r"needs OCR.*extra `docling`"):
        read(tmp_path, name, content)


def test_pictures_are_looked_for_only_where_they_can_be_read() -> None:
    assert known("scan.png") == docling.installed()


def test_a_picture_is_what_it_says(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="wrong type: a PNG image, not a JPEG image"):
        read(tmp_path, "scan.jpg", PNG)
