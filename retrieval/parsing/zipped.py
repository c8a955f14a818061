"""The guard of the formats that are ZIP archives inside: DOCX, PPTX, XLSX, EPUB.

Nothing is unpacked before what it unpacks to is known to be bounded, and no XML is parsed that
declares entities or would fill the memory. It knows what such an archive is, not what it says.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator

from lxml import etree  # type: ignore[import-untyped]

from retrieval.parsing.decoding import wide
from retrieval.parsing.draft import Unreadable

_MOST_MEMBERS = 10_000
_MOST_BYTES = 400_000_000
_MOST_XML = 64_000_000
_MOST_NODES = 4_000_000  # elements and attributes of all trees, at some hundred bytes each

_KINDS = (
    ("word/document.xml", "a DOCX", "DOCX"),
    ("xl/", "an XLSX workbook", "XLSX"),
    ("ppt/", "a PPTX presentation", "PPTX"),
    ("META-INF/container.xml", "an EPUB book", "EPUB"),
)
_MARKUP = (".xml", ".rels", ".xhtml", ".html", ".htm", ".opf", ".ncx", ".vml")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the only ones that unpack step by step
_DIRECTORY_ENTRY = b"PK\x01\x02"

# What may stand in front of the root element. Possessive, as what it reads may be hostile.
_PROLOG = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s++|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^<>\[]*+>)*+", re.DOTALL
)
_ROOT = re.compile(rb"<[!A-Za-z_:\x80-\xff]")
_DECLARED = re.compile(rb"\s*<\?xml[^<>]*?encoding\s*=\s*[\"']([\w.:-]+)")
_ENCODINGS = {b"utf-8", b"utf-16", b"us-ascii", b"ascii", b"iso-8859-1", b"windows-1252"}
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError)


class Zipped:
    """An archive whose members are safe to unpack."""

    def __init__(self, data: bytes, form: str) -> None:
        """Raises Unreadable where it is no archive of the format `form`, or a bomb."""
        self._form = form
        self._nodes = 0
        if data.count(_DIRECTORY_ENTRY) > _MOST_MEMBERS:  # before each is made an object
            raise Unreadable(f"too large: an archive of more than {_MOST_MEMBERS:,} files")
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except _DAMAGE as error:
            raise Unreadable(f"truncated or damaged {form}: {error}") from error
        members = self._archive.infolist()
        self._members = {member.filename.lower(): member for member in members}
        self._refuse_other()
        self._refuse_bomb(members)

    def _refuse_other(self) -> None:
        own = next(mark for mark, _, form in _KINDS if form == self._form)
        if self.below(own):
            return
        for mark, kind, _ in _KINDS:
            if self.below(mark):
                raise Unreadable(f"wrong type: {kind}, not {_article(self._form)}")
        if "[content_types].xml" not in self._members:
            raise Unreadable(f"wrong type: a ZIP archive, not {_article(self._form)}")

    def _refuse_bomb(self, members: list[zipfile.ZipInfo]) -> None:
        """Check the sizes that the archive declares; reading never goes beyond them."""
        if any(member.flag_bits & 1 for member in members):
            raise Unreadable("encrypted: it needs a password")
        if any(member.compress_type not in _METHODS for member in members):
            raise Unreadable(f"damaged {self._form}: packed by a method that it does not know")
        total = sum(member.file_size for member in members)
        markup = (m.file_size for m in members if m.filename.lower().endswith(_MARKUP))
        if total > _MOST_BYTES or max(markup, default=0) > _MOST_XML:
            raise Unreadable(f"too large: it unpacks to {total / 1e6:,.0f} MB")

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._members

    def below(self, prefix: str) -> bool:
        """Whether a member's name begins like that."""
        return any(name.startswith(prefix.lower()) for name in self._members)

    def read(self, name: str) -> bytes:
        """A member's bytes; empty where there is none."""
        member = self._members.get(name.lower())
        if member is None:
            return b""
        try:
            return self._archive.read(member)
        except _DAMAGE as error:
            raise Unreadable(f"truncated or damaged {self._form}: {error}") from error

    def tree(self, name: str) -> etree._Element:
        """A member's XML."""
        data = self.markup(name)
        try:
            return etree.fromstring(data, parser())
        except etree.XMLSyntaxError as error:
            raise Unreadable(f"damaged {self._form}: {name}: {error}") from error

    def markup(self, name: str, whole: bool = True) -> bytes:
        """A member's XML in bytes, which no parser can be harmed by; as a `whole` tree, or read
        element by element."""
        data = self.read(name)
        if not data:
            raise Unreadable(f"damaged {self._form}: {name} is missing")
        refuse_entities(data)
        if len(data) > _MOST_XML:
            raise Unreadable(f"too large: {name} unpacks to {len(data) / 1e6:,.0f} MB")
        if whole:
            self._nodes += data.count(b"<") + data.count(b"=")
            if self._nodes > _MOST_NODES:
                raise Unreadable(f"too large: more than {_MOST_NODES:,} elements of XML")
        return data

    def check(self) -> None:
        """Look at all XML at once, for a library that reads the archive by itself."""
        for name in self._xml():
            self.markup(name)

    def _xml(self) -> Iterator[str]:
        for name, member in self._members.items():
            if member.file_size == 0:
                continue
            try:
                with self._archive.open(member) as file:
                    head = file.read(1024)
            except _DAMAGE as error:
                raise Unreadable(f"truncated or damaged {self._form}: {error}") from error
            if name.endswith(_MARKUP) or b"<" in head.replace(b"\0", b"").lstrip()[:4]:
                yield name


def parser() -> etree.XMLParser:
    """One that opens nothing and replaces no entity."""
    return etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)


def refuse_entities(data: bytes) -> None:
    """Refuse XML that declares entities: they make gigabytes of a page, or name other files."""
    if b"\0" in data[:4]:
        data = _narrow(data)
    declared = _DECLARED.match(data[:1024].removeprefix(b"\xef\xbb\xbf"))
    if declared and declared.group(1).lower() not in _ENCODINGS:
        raise Unreadable(f"XML in an encoding that hides it: {declared.group(1)[:20].decode()}")
    prolog = _PROLOG.match(data)
    root = data[prolog.end() :][:2] if prolog else b""
    if not _ROOT.match(root):
        raise Unreadable("damaged XML: it has no root element")
    if root == b"<!":
        raise Unreadable("it declares XML entities, as a bomb does and no document needs to")


def _narrow(data: bytes) -> bytes:
    """Two-byte XML as UTF-8."""
    encoding = wide(data[:8192])
    try:
        return data.decode(encoding or "ascii").lstrip("\ufeff").encode()
    except UnicodeError as error:
        raise Unreadable("damaged XML: in no encoding that it may have") from error


def _article(form: str) -> str:
    return f"an {form}" if form[0] in "EX" else f"a {form}"
