"""Scans and pictures to blocks, by docling (extra `docling`): their writing is recognised.

Docling's models come from a hub when they are first used, and take seconds a page: it is asked only
where a file holds no text of its own. Written against docling 2, of which it knows the converter
and the items of its documents: labels, levels, markers, tables' cells and pages.
"""

from __future__ import annotations

import io
import threading
from functools import cache
from importlib.util import find_spec
from typing import Any

from retrieval.parsing.draft import Draft, Unreadable
from retrieval.parsing.tables import lines
from retrieval.types import BlockKind

_MOST_PAGES = 2_000
_WIDEST_SPAN = 100
_AROUND = frozenset({"page_header", "page_footer", "picture", "chart", "document_index"})
_KINDS: dict[str, BlockKind] = {"code": "code", "formula": "code", "list_item": "list"}

# One document at a time: the models use all cores, and would share no memory.
_docling = threading.Lock()


@cache
def installed() -> bool:
    return find_spec("docling") is not None


def read(data: bytes, name: str) -> Draft:
    """The blocks of a file, whose suffix tells docling what it is."""
    from docling.datamodel.base_models import DocumentStream  # type: ignore[import-not-found]
    from docling.exceptions import ConversionError  # type: ignore[import-not-found]

    stream = DocumentStream(name=name, stream=io.BytesIO(data))
    try:
        with _docling:
            result = _converter().convert(stream, max_num_pages=_MOST_PAGES)
    except ConversionError as error:
        raise Unreadable(f"docling cannot read it: {' '.join(str(error).split())[:200]}") from error
    draft = Draft()
    draft.heading_first = True
    for item, _ in result.document.iterate_items():
        _write(draft, item)
    return draft


@cache
def _converter() -> Any:
    from docling.document_converter import DocumentConverter  # type: ignore[import-not-found]

    return DocumentConverter()


def _write(draft: Draft, item: Any) -> None:
    label = str(getattr(item.label, "value", item.label))
    page = item.prov[0].page_no if getattr(item, "prov", None) else None
    if label in _AROUND:
        return
    if label == "table":
        for row in _rows(item.data.grid):
            draft.add("table", row, 0, page)
    elif label == "title":
        draft.title = draft.title or item.text
        draft.add("heading", item.text, 1, page)
    elif label == "section_header":
        draft.add("heading", item.text, min(int(getattr(item, "level", 1)) + 1, 6), page)
    elif text := getattr(item, "text", ""):
        mark = f"{getattr(item, 'marker', '') or '-'} " if label == "list_item" else ""
        draft.add(_KINDS.get(label, "paragraph"), mark + text, 0, page)


def _rows(grid: list[list[Any]]) -> list[str]:
    """A table's rows; docling repeats a cell in every place that it spans."""
    header = 0
    while header < len(grid) and any(cell.column_header for cell in grid[header]):
        header += 1
    return list(lines([[cell.text for cell in row] for row in grid], header or None))
