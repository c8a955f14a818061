"""Small real files for the parsers' tests."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pptx
import pptx.presentation
from reportlab.lib.pagesizes import A4  # type: ignore[import-untyped]
from reportlab.lib.pdfencrypt import StandardEncryption  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]

from retrieval.parsing.formats import parse
from retrieval.types import Document


def pdf(draw: Callable[[Canvas], None], password: str | None = None) -> bytes:
    buffer = io.BytesIO()
    lock = StandardEncryption(password) if password else None
    canvas = Canvas(buffer, pagesize=A4, encrypt=lock, invariant=True)
    draw(canvas)
    canvas.save()
    return buffer.getvalue()


def line(
    canvas: Canvas, y: float, text: str, size: float = 10, bold: bool = False, x: float = 72
) -> None:
    canvas.setFont("Helvetica-Bold" if bold else "Helvetica", size)
    canvas.drawString(x, y, text)


def hello(canvas: Canvas) -> None:
    line(canvas, 700, "Hello from a page.")


def word(write: Callable[[docx.document.Document], object]) -> bytes:
    document = docx.Document()
    write(document)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def slides(write: Callable[[pptx.presentation.Presentation], object]) -> bytes:
    presentation = pptx.Presentation()
    write(presentation)
    buffer = io.BytesIO()
    presentation.save(buffer)
    return buffer.getvalue()


def workbook(write: Callable[[Any], object]) -> bytes:
    book = openpyxl.Workbook()
    write(book)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def archive(parts: Mapping[str, bytes | str]) -> bytes:
    """A ZIP archive of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return buffer.getvalue()


def altered(data: bytes, member: str, change: Callable[[bytes], bytes]) -> bytes:
    """An archive with one of its members changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    return archive(parts | {member: change(parts.get(member, b""))})


def read(folder: Path, name: str, content: bytes | str) -> Document:
    """The document of a file with this content."""
    return parse(content.encode() if isinstance(content, str) else content, name, name)


def blocks(document: Document) -> list[tuple[str, str]]:
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]
