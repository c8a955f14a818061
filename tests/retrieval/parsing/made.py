"""Small real files for the parsers' tests."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import docx
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


def read(folder: Path, name: str, content: bytes | str) -> Document:
    """The document of a file with this content."""
    return parse(content.encode() if isinstance(content, str) else content, name, name)


def blocks(document: Document) -> list[tuple[str, str]]:
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]
