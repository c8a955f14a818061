"""EPUB to blocks: the chapters in the order of the spine, under the titles of the contents page.

Chapters are read as HTML is. A chapter that has no heading of its own gets its title from the
table of contents, and those of parts and chapters nest as they do there. Books under DRM are
refused; styles, fonts and pictures are not looked at, and nothing outside the book.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import unquote

from lxml.etree import _Element  # type: ignore[import-untyped]

from retrieval.parsing import html
from retrieval.parsing.draft import Draft, Unreadable
from retrieval.parsing.zipped import Zipped

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
# Fonts scrambled by these can be read with what is in the book itself, and are not read here.
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document")
_MOST_BYTES = 100_000_000
_MOST_ENTRIES = 100_000  # of a table of contents
_DEEPEST = 6
# HTML knows no tag that closes itself, but for those that are always empty.
_CLOSED = re.compile(
    r"<(?!(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr)\b)"
    r"([a-zA-Z][\w:-]{0,40})((?:\s[^<>]{0,4000})?)/>"
)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of the table of contents."""

    title: str
    depth: int  # counted from 1


def read(data: bytes) -> Draft:
    book = Zipped(data, "EPUB")
    _refuse_locked(book)
    package = _package(book)
    tree = book.tree(package)
    folder = posixpath.dirname(package)
    items = {item.get("id", ""): item for item in tree.iterfind("{*}manifest/{*}item")}
    contents = _contents(book, tree, items, folder)
    draft = Draft()
    _properties(draft, tree)
    seen: set[str] = set()
    size = 0
    for reference in tree.iterfind("{*}spine/{*}itemref"):
        item = items.get(reference.get("idref", ""))
        path = "" if item is None else _path(folder, item.get("href", ""))
        if item is None or path in seen or path not in book:
            continue
        seen.add(path)
        nav = "nav" in item.get("properties", "").split()
        if item.get("media-type", _PAGES[0]) in _PAGES and not nav:
            page = book.read(path)
            size += len(page)
            if size > _MOST_BYTES:
                raise Unreadable(f"too large: chapters of more than {_MOST_BYTES / 1e6:,.0f} MB")
            _chapter(draft, page, contents.get(path))
    if not seen:
        raise Unreadable("damaged EPUB: none of its chapters is there")
    return draft


def _refuse_locked(book: Zipped) -> None:
    """Say that a book is under DRM, before what is sealed is read as if it were damaged."""
    if _ENCRYPTION not in book:
        return
    for sealed in book.tree(_ENCRYPTION).iter("{*}EncryptedData"):
        method = sealed.find("{*}EncryptionMethod")
        if method is None or method.get("Algorithm") not in _FONTS:
            raise Unreadable("encrypted: the book is protected by DRM")


def _package(book: Zipped) -> str:
    """The file that says what the book is made of."""
    for root in book.tree(_CONTAINER).iter("{*}rootfile"):
        path = posixpath.normpath(unquote(root.get("full-path", "")))
        if path in book:
            return path
    raise Unreadable("damaged EPUB: it names no package")


def _properties(draft: Draft, tree: _Element) -> None:
    metadata = tree.find("{*}metadata")
    if metadata is None:
        return
    said = [(child.tag.rpartition("}")[2], child.text or "") for child in metadata.iter("{*}*")]
    draft.title = next((text for name, text in said if name == "title" and text.strip()), "")
    authors = [" ".join(text.split()) for name, text in said if name == "creator" and text.strip()]
    if said_in := next((text.strip() for name, text in said if name == "language"), ""):
        draft.meta["language"] = said_in
    if authors:
        draft.meta["author"] = ", ".join(authors)


def _contents(
    book: Zipped, tree: _Element, items: dict[str, _Element], folder: str
) -> dict[str, _Entry]:
    """What the table of contents calls each file: EPUB 3 writes it in HTML, EPUB 2 in XML."""
    nav = next((i for i in items.values() if "nav" in i.get("properties", "").split()), None)
    spine = tree.find("{*}spine")
    ncx = items.get("" if spine is None else spine.get("toc", ""))
    for item, entries in ((nav, _nav), (ncx, _ncx)):
        path = "" if item is None else _path(folder, item.get("href", ""))
        if path not in book:
            continue
        found: dict[str, _Entry] = {}
        try:
            root = book.tree(path)
        except Unreadable:
            continue  # the chapters can be read without it
        base = posixpath.dirname(path)
        for count, (target, entry) in enumerate(entries(root)):
            if count >= _MOST_ENTRIES:
                break
            if entry.title:
                found.setdefault(_path(base, target), entry)
        if found:
            return found
    return {}


def _nav(root: _Element) -> Iterator[tuple[str, _Entry]]:
    for nav in root.iter("{*}nav"):
        if any(key.endswith("}type") and "toc" in value for key, value in nav.attrib.items()):
            for link in nav.iter("{*}a"):
                depth = sum(1 for _ in link.iterancestors("{*}ol"))
                yield link.get("href", ""), _Entry(_said(link), min(max(depth, 1), _DEEPEST))
            return


def _ncx(root: _Element) -> Iterator[tuple[str, _Entry]]:
    for point in root.iter("{*}navPoint"):
        target, label = point.find("{*}content"), point.find("{*}navLabel")
        if target is not None and label is not None:
            depth = 1 + sum(1 for _ in point.iterancestors("{*}navPoint"))
            yield target.get("src", ""), _Entry(_said(label), min(depth, _DEEPEST))


def _said(element: _Element) -> str:
    return " ".join("".join(islice(element.itertext(), 100)).split())[:200]


def _path(folder: str, href: str) -> str:
    """The member that a reference means; one that leads out of the book means none."""
    return posixpath.normpath(posixpath.join(folder, unquote(href.partition("#")[0])))


def _chapter(draft: Draft, data: bytes, entry: _Entry | None) -> None:
    chapter = html.read(_opened(data))
    if not chapter.size:
        draft.append(chapter)
        return
    level = entry.depth if entry else 1
    headings = [block.level for block in chapter.blocks if block.kind == "heading"]
    top = min(headings, default=level)
    if entry and chapter.blocks[0].kind != "heading":
        draft.add("heading", entry.title, level)
        level += 1
    draft.append(chapter, level - top)


def _opened(data: bytes) -> bytes:
    """XHTML as HTML reads it: else all that follows an empty `<title/>` would be part of it."""
    text = data.decode("latin-1")
    return _CLOSED.sub(r"<\1\2></\1>", text).encode("latin-1")
