"""Bytes to documents: picks the parser by suffix, and refuses what cannot be read, by name.

Each parser is a module of its own, imported when first needed. None may take for ever or more
memory than a few times its file: what would is refused by the bounds here and in the modules.
Where the bytes come from it does not know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePath
from types import MappingProxyType

from retrieval.metadata import BadMetadata, own
from retrieval.parsing import docling
from retrieval.parsing.decoding import wide
from retrieval.parsing.draft import Draft, Unreadable
from retrieval.types import Document, Metadata

_HEAD = 1 << 20  # bytes by which a kind of file is told
_NEEDS_OCR = "needs OCR (extra `docling`)"


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused unread."""

    file: int = 200_000_000  # bytes
    line: int = 1_000_000  # bytes, in formats that are made of lines


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file."""

    name: str
    read: Callable[[bytes], Draft]
    magic: bytes = b""  # what the file begins with; empty for text
    old: str = ""  # an Office format's predecessor, in whose container encrypted files are wrapped
    other: bytes = b""  # what it may begin with instead
    picture: bool = False  # whether its text must be recognised first
    lines: bool = False  # whether an endless line means that this is no such file


def _markdown(data: bytes) -> Draft:
    from retrieval.parsing.markdown import read

    return read(data)


def _plain(data: bytes) -> Draft:
    from retrieval.parsing.plain import read

    return read(data)


def _html(data: bytes) -> Draft:
    from retrieval.parsing.html import read

    return read(data)


def _pdf(data: bytes) -> Draft:
    from retrieval.parsing.pdf import read

    draft = read(data)
    return draft if draft.size or not docling.installed() else docling.read(data, "scan.pdf")


def _picture(suffix: str) -> Callable[[bytes], Draft]:
    def load(data: bytes) -> Draft:
        if not docling.installed():
            raise Unreadable(f"a picture {_NEEDS_OCR}")
        return docling.read(data, f"picture{suffix}")

    return load


def _docx(data: bytes) -> Draft:
    from retrieval.parsing.docx import read

    return read(data)


def _pptx(data: bytes) -> Draft:
    from retrieval.parsing.pptx import read

    return read(data)


def _xlsx(data: bytes) -> Draft:
    from retrieval.parsing.xlsx import read

    return read(data)


def _csv(data: bytes) -> Draft:
    from retrieval.parsing.csv import read

    return read(data)


def _rst(data: bytes) -> Draft:
    from retrieval.parsing.rst import read

    return read(data)


def _json(data: bytes) -> Draft:
    from retrieval.parsing.json import read

    return read(data)


def _jsonl(data: bytes) -> Draft:
    from retrieval.parsing.json import read_lines

    return read_lines(data)


def _epub(data: bytes) -> Draft:
    from retrieval.parsing.epub import read

    return read(data)


def _eml(data: bytes) -> Draft:
    from retrieval.parsing.eml import read

    return read(data)


def _code(*languages: str) -> Callable[[bytes], Draft]:
    def load(data: bytes) -> Draft:
        from retrieval.parsing.code import read

        return read(data, *languages)

    return load


_MARKDOWN = Format("Markdown", _markdown, lines=True)
_PLAIN = Format("plain text", _plain, lines=True)
_HTML = Format("HTML", _html)
_PDF = Format("PDF", _pdf, magic=b"%PDF-")
_DOCX = Format("DOCX", _docx, magic=b"PK\x03\x04", old="DOC")
_PPTX = Format("PPTX", _pptx, magic=b"PK\x03\x04", old="PPT")
_XLSX = Format("XLSX", _xlsx, magic=b"PK\x03\x04", old="XLS")
_EPUB = Format("EPUB", _epub, magic=b"PK\x03\x04")
_JSON = Format("JSON", _json)
_JSONL = Format("JSONL", _jsonl)
_EML = Format("mail", _eml)
_CSV = Format("CSV", _csv, lines=True)
_PNG = Format("PNG image", _picture(".png"), magic=b"\x89PNG", picture=True)
_JPEG = Format("JPEG image", _picture(".jpg"), magic=b"\xff\xd8\xff", picture=True)
_TIFF = Format("TIFF image", _picture(".tiff"), magic=b"II*\x00", other=b"MM\x00*", picture=True)
_RST = Format("reStructuredText", _rst, lines=True)

_LANGUAGES = {
    "python": ".py .pyi .pyw",
    "javascript": ".js .mjs .cjs .jsx",
    "typescript": ".ts .mts .cts",
    "tsx": ".tsx",
    "go": ".go",
    "java": ".java",
    "rust": ".rs",
    "c": ".c",
    "c cpp": ".h",  # which of both, the file shows
    "cpp": ".cc .cpp .cxx .hh .hpp .hxx .cu",
    "csharp": ".cs",
    "ruby": ".rb .rake .gemspec",
    "php": ".php",
    # Code that is read by its runs, not by its symbols.
    "shell": ".sh .bash .zsh .fish",
    "powershell": ".ps1",
    "batch": ".bat .cmd",
    "sql": ".sql",
    "yaml": ".yaml .yml",
    "toml": ".toml",
    "ini": ".ini .cfg .conf .properties",
    "css": ".css .scss .less",
    "kotlin": ".kt .kts",
    "scala": ".scala",
    "swift": ".swift",
    "lua": ".lua",
    "perl": ".pl .pm",
    "r": ".r",
    "julia": ".jl",
    "haskell": ".hs",
    "elixir": ".ex .exs",
    "erlang": ".erl",
    "clojure": ".clj",
    "dart": ".dart",
    "groovy": ".groovy .gradle",
    "protobuf": ".proto",
    "graphql": ".graphql .gql",
    "terraform": ".tf",
    "vue": ".vue",
    "svelte": ".svelte",
    "diff": ".diff .patch",
}
"""Programming languages by name in lower case, and their suffixes."""

_CODE = {
    suffix: Format(f"{languages.split()[0]} code", _code(*languages.split()), lines=True)
    for languages, suffixes in _LANGUAGES.items()
    for suffix in suffixes.split()
}

FORMATS = _CODE | {
    ".md": _MARKDOWN,
    ".markdown": _MARKDOWN,
    ".txt": _PLAIN,
    ".text": _PLAIN,
    ".html": _HTML,
    ".htm": _HTML,
    ".xhtml": _HTML,
    ".pdf": _PDF,
    ".docx": _DOCX,
    ".pptx": _PPTX,
    ".pptm": _PPTX,
    ".ppsx": _PPTX,
    ".potx": _PPTX,
    ".xlsx": _XLSX,
    ".xlsm": _XLSX,
    ".xltx": _XLSX,
    ".epub": _EPUB,
    ".json": _JSON,
    ".jsonl": _JSONL,
    ".ndjson": _JSONL,
    ".eml": _EML,
    ".csv": _CSV,
    ".tsv": _CSV,
    ".rst": _RST,
    ".rest": _RST,
    ".png": _PNG,
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".tif": _TIFF,
    ".tiff": _TIFF,
}
"""What can be read, by suffix in lower case."""

_SIGNATURES = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive (as DOCX, XLSX and EPUB are)"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file (as DOC and XLS are)"),
    (b"\x7fELF", "a program"),
    (b"{\\rtf", "an RTF document"),
    (b"SQLite format 3", "a SQLite database"),
)
_OLD_OFFICE = _SIGNATURES[9][0]


def known(name: str | PurePath) -> bool:
    """Whether the suffix names a format that can be read."""
    form = FORMATS.get(_suffix(name))
    return form is not None and (not form.picture or docling.installed())


def parse(
    data: bytes,
    name: str,
    source: str,
    meta: Metadata = MappingProxyType({}),
    limits: Limits = LIMITS,
    foreign: bool = False,
) -> Document:
    """The document in these bytes. Raises Unreadable, and nothing else, where there is none.

    `name` is a file's, whose suffix says the format; `source` is what the document is known by;
    `meta` comes from outside of it and goes before what it says of itself, which of a `foreign` one
    cannot hide other documents."""
    Check(name, limits).feed(data)
    form = FORMATS[_suffix(name)]
    if not data.strip(b"\x00 \t\r\n"):
        raise Unreadable("empty: nothing but white space")
    draft = _read(form, data)
    if not draft.size:
        raise Unreadable(
            f"it holds no text; a scanned document {_NEEDS_OCR}"
            if form is _PDF
            else "it holds no text"
        )
    found = draft.document(source, hashlib.sha256(data).hexdigest(), PurePath(name).stem)
    return _described(found, meta, foreign)


def _described(document: Document, meta: Metadata, foreign: bool) -> Document:
    """The document with what is said of it, from inside and from outside."""
    if not document.meta and not meta:
        return document
    try:
        merged = {**own(document.meta, foreign), **meta}
    except BadMetadata as error:
        raise Unreadable(f"its own metadata is wrong: {error}") from error
    return replace(document, title=str(merged.get("title", document.title)), meta=merged)


def _suffix(name: str | PurePath) -> str:
    return PurePath(name).suffix.lower()


def _read(form: Format, data: bytes) -> Draft:
    try:
        return form.read(data)
    except Unreadable:
        raise
    except Exception as error:
        # Damaged files make the libraries fail in more ways than can be listed, and one file must
        # not end the reading of ten thousand.
        what = " ".join(str(error).split())[:200]
        raise Unreadable(f"damaged {form.name}: {type(error).__name__}: {what}") from error


class Check:
    """Refuses what comes in chunks at the first sign that it is not what its name says.

    So nobody has to read 200 MB in order to learn that they are of no use."""

    def __init__(self, name: str, limits: Limits = LIMITS) -> None:
        form = FORMATS.get(_suffix(name))
        if form is None:
            raise Unreadable(f"unknown format {PurePath(name).suffix or '(no suffix)'}")
        self._form = form
        self._limits = limits
        self._size = self._run = 0

    def expect(self, size: int) -> None:
        """Refuse by the size alone, before the first byte has been read."""
        if size > self._limits.file:
            limit = megabytes(self._limits.file)
            raise Unreadable(f"too large: {megabytes(size)}, the limit is {limit}")

    def feed(self, chunk: bytes) -> None:
        """The next bytes; the first are expected to show the kind of file. Raises Unreadable."""
        if not self._size:
            _recognise(self._form, chunk[:_HEAD])
        self._size += len(chunk)
        if self._size > self._limits.file:
            raise Unreadable(f"too large: more than {megabytes(self._limits.file)}")
        if self._form.lines:
            self._run = _unbroken(chunk, self._run, self._limits.line)


def _unbroken(chunk: bytes, run: int, limit: int) -> int:
    """Bytes since the last line end, which `chunk` carries on from `run`."""
    end = b"\n" if b"\n" in chunk else b"\r"
    first = chunk.find(end)
    at = first + 1
    longest = run + (len(chunk) if first < 0 else first)
    while longest <= limit < len(chunk) - at:
        found = chunk.rfind(end, at, at + limit + 1)
        longest = limit + 1 if found < 0 else longest
        at = found + 1
    if longest > limit:
        raise Unreadable(f"too large: a line of more than {megabytes(limit)}")
    return longest if first < 0 else len(chunk) - at


def _recognise(form: Format, head: bytes) -> None:
    """Refuse bytes that are not of this format, saying what they are where that is known."""
    if not head:
        raise Unreadable("empty: 0 bytes")
    if form.magic and form.magic in (head[:1024] if form is _PDF else head[:4]):
        return  # junk in front of a PDF's mark is common and harmless
    if form.other and head.startswith(form.other):
        return
    if form.old and head.startswith(_OLD_OFFICE):
        # An encrypted file is an old Office container that holds the encrypted package.
        raise Unreadable(
            "encrypted: it needs a password"
            if "EncryptedPackage".encode("utf-16-le") in head
            else f"wrong type: an old Office file ({form.old}), not {named(form.name)}; "
            f"save it as {form.name}"
        )
    other = _kind(head)
    if form.magic:
        raise Unreadable(f"wrong type: {other or 'something else'}, not {named(form.name)}")
    if other in ("text", "an HTML page"):
        return
    raise Unreadable(f"wrong type: {other}, not {form.name}" if other else "binary, not text")


def _kind(head: bytes) -> str:
    """What the first bytes say that a file is; empty where they say nothing."""
    for magic, kind in _SIGNATURES:
        if head.startswith(magic):
            return kind
    if wide(head):
        return "text"
    sample = head[:8192]
    # A stray control character is dropped; one in twenty means that this is no text.
    if sum(b < 9 or 13 < b < 27 for b in sample) * 20 > len(sample):
        return ""
    start = sample.lstrip(b"\xef\xbb\xbf \t\r\n")[:15].lower()
    return "an HTML page" if start.startswith((b"<!doctype html", b"<html")) else "text"


def named(form: str) -> str:
    """A format's name with its article."""
    return f"an {form}" if form[0] in "AEFHIMNORSX" else f"a {form}"


def megabytes(size: int) -> str:
    """A size as a reader says it."""
    return f"{size / 1e6:,.0f} MB" if size >= 1e6 else f"{size:,} bytes"
