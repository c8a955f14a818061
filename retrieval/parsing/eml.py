"""Mail to blocks: who wrote to whom and when, the body, then what is attached, each as a section.

Of a body that is there twice the plain text is read, unless it leaves out most of what the HTML
says. What is quoted from earlier messages stays, marked by `>`. Attachments are read by the
parsers of their formats and named where there is none; what is attached to them is not opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.headerregistry import BaseHeader, HeaderRegistry
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import parsedate_to_datetime
from pathlib import PurePath
from typing import Any

from retrieval.parsing import html, plain
from retrieval.parsing.decoding import decoded, wide
from retrieval.parsing.draft import Draft, Unreadable
from retrieval.parsing.formats import known, parse

_MOST_BYTES = 100_000_000
_MOST_LINES = 2_000_000
_MOST_WORK = 10_000_000  # lines times the boundaries that each may be
_MOST_PARTS = 1_000
_MOST_READ = 50  # attachments
_DEEPEST = 4  # messages within messages
_LONGEST_HEADER = 10_000  # characters
_LONGEST_STRUCTURE = 1_000
_MOST_STRUCTURE = 200_000  # of all such headers
_SHORTER = 0.5  # of the HTML: plain text below that only says to look there

_SUFFIXES = {
    "application/pdf": ".pdf",
    "text/html": ".html",
    "text/plain": ".txt",
    "text/csv": ".csv",
    "text/markdown": ".md",
    "application/json": ".json",
}
_SEALED = ("multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime")
_EARLIER = re.compile(
    r"-{2,}\s*(?:Original Message|Forwarded message|Ursprüngliche Nachricht|Message d'origine)"
    r"\s*-{2,}|From: [^\n]+\n(?:Sent|Date): ",
    re.IGNORECASE,
)
_BOUNDARY = re.compile(rb"boundary\*?0?\*?\s*=\s*\"?([^\s\";]{1,200})", re.IGNORECASE)
_HEADERS = HeaderRegistry()


def read(data: bytes) -> Draft:
    if len(data) > _MOST_BYTES:
        raise Unreadable(f"too large: a message of more than {_MOST_BYTES / 1e6:,.0f} MB")
    draft = Draft()
    message = _message(data)
    draft.title = _header(message, "subject")
    for name in ("from", "to", "date"):
        if said := _date(message) if name == "date" else _header(message, name)[:1000]:
            draft.meta[name] = said
    _Mail(draft).write(message, 1, 0)
    return draft


def _message(data: bytes) -> EmailMessage:
    if encoding := wide(data[:8192]):  # saved by a program that did not know what it is
        data = data.decode(encoding, "replace").lstrip("\ufeff").encode()
    data = data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    _refuse_laborious(data)
    policy = EmailPolicy(header_factory=_Structure(), raise_on_defect=False)
    found = message_from_bytes(data, policy=policy)
    if not found.keys():
        raise Unreadable("wrong type: text without the header of a message")
    return found


def _refuse_laborious(data: bytes) -> None:
    """Refuse a message whose lines the library would each hold against hundreds of boundaries."""
    if data.count(b"\n") + data.count(b"\r") > _MOST_LINES:
        raise Unreadable(f"too large: a message of more than {_MOST_LINES:,} lines")
    starts: dict[bytes, int] = {}
    for match in _BOUNDARY.finditer(data):
        starts.setdefault(match.group(1), match.end())
        if len(starts) > _MOST_PARTS:
            raise Unreadable(f"too large: a message of more than {_MOST_PARTS:,} parts")
    work = 0
    for boundary, start in starts.items():
        end = data.find(b"--" + boundary + b"--", start)
        work += data.count(b"\n", start, end if end >= 0 else len(data))
        if work > _MOST_WORK:
            raise Unreadable("too deep: a message of parts within parts")


class _Structure:
    """Reads the headers that say how a message is made, within bounds of one message.

    The library takes the square of a header's length, and fails on many that are malformed."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], BaseHeader] = {}
        self._read = 0

    def __call__(self, name: str, value: str) -> BaseHeader:
        key = name.lower(), value[:_LONGEST_STRUCTURE]
        if key not in self._known:
            self._read += len(key[1])
            if self._read > _MOST_STRUCTURE:
                raise Unreadable("too large: a message whose headers outgrow what they describe")
            try:
                self._known[key] = _HEADERS(*key)
            except Exception:  # it may be any: IndexError, AttributeError, RecursionError
                self._known[key] = _HEADERS("unparsed", "")
        return self._known[key]


@dataclass(slots=True)
class _Mail:
    """A message, and those within it, written into one draft."""

    draft: Draft
    parts: int = 0
    read: int = 0

    def write(self, message: EmailMessage, level: int, depth: int) -> None:
        subject = _header(message, "subject")
        self.draft.add("heading", subject or ("Message" if depth else ""), level)
        self.draft.add("paragraph", "\n".join(_said(message)))
        attached: list[EmailMessage] = []
        for body in self.bodies(message, attached):
            _take(self.draft, body, level)
        unread = [self.attachment(part, level + 1, depth + 1) for part in attached]
        if named := list(filter(None, unread)):
            self.draft.add("paragraph", "Attached: " + ", ".join(named))

    def bodies(self, message: EmailMessage, attached: list[EmailMessage]) -> Iterator[Draft]:
        """What a message says; what else is in it goes to `attached`."""
        self.parts += 1
        if self.parts > _MOST_PARTS:
            raise Unreadable(f"too large: a message of more than {_MOST_PARTS:,} parts")
        kind = message.get_content_type()
        if kind in _SEALED and "signed" not in str(message.get_param("smime-type", "")):
            raise Unreadable("encrypted: it is sealed for its reader (S/MIME or PGP)")
        if kind == "multipart/alternative":
            forms = [list(self.bodies(part, attached)) for part in _inner(message)]
            yield from _best([form for form in forms if form])
        elif kind.startswith("multipart/"):
            for part in _inner(message):
                yield from self.bodies(part, attached)
        elif _attached(message) or kind not in ("text/plain", "text/html"):
            attached.append(message)
        else:
            yield _body(message, kind)

    def attachment(self, part: EmailMessage, level: int, depth: int) -> str:
        """Write an attachment as a section; its name where it cannot be read, with the reason."""
        kind = part.get_content_type()
        name = _name(part)
        if not name and kind != "message/rfc822":
            return ""  # a picture in the text, a signature
        if depth > _DEEPEST or self.read >= _MOST_READ:
            return name
        self.read += 1
        if kind == "message/rfc822":
            for inner in _inner(part):
                self.write(inner, level, depth)
            return ""
        data = _content(part)
        try:
            if PurePath(name).suffix.lower() == ".eml":
                self.write(_message(data), level, depth)
            elif known(name):
                found = parse(data, name, name)
                self.draft.add("heading", name, level)
                self.draft.append(found, level)
            else:
                return name
        except Unreadable as error:
            return f"{name} ({error.reason})"
        return ""


def _said(message: EmailMessage) -> Iterator[str]:
    """The lines of the header that a reader sees."""
    for name in ("From", "To", "Cc", "Date"):
        if said := _header(message, name):
            yield f"{name}: {said}"


def _header(message: EmailMessage, name: str) -> str:
    """A header's text, its encoded words decoded; as it is written where that fails."""
    raw = next((str(v) for key, v in message.raw_items() if key.lower() == name.lower()), "")
    written = raw[:_LONGEST_HEADER].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        said = str(make_header(decode_header(written)))
    except (LookupError, ValueError, HeaderParseError):
        said = written
    return " ".join(said.split())


def _date(message: EmailMessage) -> str:
    """When it was sent, as ISO; as it is written where that is no date."""
    written = _header(message, "date")
    try:
        return parsedate_to_datetime(written).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return written[:100]


def _inner(message: EmailMessage) -> list[EmailMessage]:
    parts: Any = message.get_payload()
    return (
        [part for part in parts if isinstance(part, EmailMessage)]
        if isinstance(parts, list)
        else []
    )


def _attached(part: EmailMessage) -> bool:
    return part.get_content_disposition() == "attachment" or bool(part.get_filename())


def _name(part: EmailMessage) -> str:
    """What an attachment is called, with a suffix where its type says which."""
    name = " ".join(str(part.get_filename() or "").split()).replace("/", "_")[-200:]
    kind = part.get_content_type()
    return name if not name or known(name) else name + _SUFFIXES.get(kind, "")


def _content(part: EmailMessage) -> bytes:
    data: Any = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _body(part: EmailMessage, kind: str) -> Draft:
    text = _text(part)
    if kind == "text/html":
        draft = Draft()
        html.write(draft, text, quotes=True)
        return draft
    if str(part.get_param("format", "")).lower() == "flowed":
        text = re.sub(r"(?<=[^\s-]) \n(?=[^\s>])", " ", text)
    return plain.read(text.encode("utf-8", "replace"))


def _text(part: EmailMessage) -> str:
    """The text of a part in the encoding that it names, whatever is wrong with it."""
    data = _content(part)
    try:
        return data.decode(part.get_content_charset() or "utf-8").replace("\r\n", "\n")
    except (LookupError, ValueError):
        pass
    try:
        return decoded(data)
    except Unreadable:
        return data.decode("utf-8", "replace").replace("\r\n", "\n")


def _best(forms: list[list[Draft]]) -> list[Draft]:
    """Of several forms of the same, from the plainest to the richest, the plainest that says it."""
    sizes = [sum(draft.size for draft in form) for form in forms]
    for form, size in zip(forms, sizes, strict=True):
        if size and size >= _SHORTER * max(sizes):
            return form
    return []


def _take(draft: Draft, body: Draft, level: int) -> None:
    """Append a body; what follows the mark of an earlier message is quoted."""
    quoted = False
    text = body.text
    for block in body.blocks:
        said = text[block.start : block.end]
        if quoted:
            draft.add("paragraph", re.sub(r"^(?!>)", "> ", said, flags=re.MULTILINE))
        elif block.kind == "heading":
            draft.add("heading", said, block.level + level)
        else:
            draft.add(block.kind, said, block.level)
        quoted = quoted or _EARLIER.match(said) is not None
    for hidden in body.hidden:
        draft.hide(hidden)
