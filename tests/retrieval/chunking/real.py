"""Real documents of several formats, and the tokens that the default encoder counts."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from retrieval.config import MiniLMEncoder
from retrieval.encoders.minilm import MiniLM
from retrieval.parsing.formats import parse
from retrieval.types import Document

FILES = (
    "ingest_docling/md/sources/wiki.md",
    "ingest_docling/md/sources/ending_with_table.md",
    "ingest_docling/html/sources/wiki_duck.html",
    "ingest_docling/html/sources/html_code_snippets.html",
    "ingest_docling/docx/sources/docx_lists.docx",
    "ingest_docling/csv/sources/csv-comma.csv",
    "ingest_markitdown/test.docx",
    "ingest_pypdf_samples/006-pdflatex-outline/pdflatex-outline.pdf",
)
TEXTS = Path(
    "chunking_eval/chunking_evaluation/evaluation_framework/general_evaluation_data/corpora"
)


@cache
def encoder() -> MiniLM:
    return MiniLM(MiniLMEncoder(), Path("unused"))  # only its tokenizer is asked


def count(text: str) -> int:
    return encoder().count(text)


@cache
def documents(folder: Path) -> list[Document]:
    return [parse((folder / name).read_bytes(), name, name) for name in FILES]


@cache
def text(folder: Path, name: str, start: int, end: int) -> str:
    """A stretch of a long text."""
    return (folder / TEXTS / f"{name}.md").read_text(encoding="utf-8")[start:end]
