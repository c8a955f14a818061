"""A page or file on the web as an item: named by its URL, of the format that its server says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import LIMITS, Limits, known
from retrieval.sources.archives import Archive, is_archive
from retrieval.sources.fetching import Fetcher, plain, split
from retrieval.sources.members import Held, kept
from retrieval.sources.reading import refuse, whole
from retrieval.sources.types import Item, Listing

_PAGE = ".html"
_OFFICE = "application/vnd.openxmlformats-officedocument."
_CERTAIN = {
    "text/html": _PAGE,
    "application/xhtml+xml": _PAGE,
    "application/pdf": ".pdf",
    "application/epub+zip": ".epub",
    f"{_OFFICE}wordprocessingml.document": ".docx",
    f"{_OFFICE}presentationml.presentation": ".pptx",
    f"{_OFFICE}spreadsheetml.sheet": ".xlsx",
}
"""Types that are what they say, whatever the address ends in: a page may be made by `index.php`."""
_VAGUE = {
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/x-rst": ".rst",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/json": ".json",
    "application/x-ndjson": ".jsonl",
    "message/rfc822": ".eml",
}
"""Types that much is sent as; the address's end says it better, where it says anything."""
_TICK = timedelta(minutes=1)  # in which a page may change twice and show one time of change


@dataclass(frozen=True, slots=True)
class Page:
    """What one URL leads to: a document, or an archive of them."""

    url: str
    fetcher: Fetcher
    limits: Limits = LIMITS

    def items(self, listing: Listing) -> Iterator[Item]:
        """The item, which is unreadable where the server does not answer."""
        source = plain(split(self.url))
        path = PurePosixPath(urlsplit(source).path)
        if is_archive(path.name):
            opened = partial(spooled, self.fetcher, self.url)
            held = Archive(source, source, opened, limits=self.limits, foreign=True)
            yield from held.items(listing)
        else:
            yield item(self.fetcher, self.url, self.limits)


def item(fetcher: Fetcher, url: str, limits: Limits = LIMITS) -> Item:
    """A page as its server describes it."""
    source = plain(split(url))
    try:
        headers, size = _described(fetcher, url)
    except Unreadable as error:
        refused = partial(refuse, error.reason)
        return Item(source, name(source), 0, refused, meta={"url": source}, foreign=True)
    named = name(source, headers.get("content-type", ""))
    read_it = partial(read, fetcher, url, named, limits)
    meta, portable = {"url": source}, source == url
    marked = stamp(headers)
    return Item(source, named, size, read_it, marked, "", meta, foreign=True, portable=portable)


def name(url: str, content_type: str = "") -> str:
    """A file name for a page, whose suffix says its format."""
    parts = urlsplit(url)
    own = PurePosixPath(unquote(parts.path)).name or parts.hostname or "page"
    kind = content_type.partition(";")[0].strip().lower()
    if suffix := _CERTAIN.get(kind):
        return own if own.lower().endswith(suffix) else PurePosixPath(own).stem + suffix
    if known(own) and parts.path.rstrip("/"):
        return own
    return own + _VAGUE.get(kind, _PAGE)


def read(fetcher: Fetcher, url: str, named: str, limits: Limits = LIMITS) -> bytes:
    """A page's bytes. Raises Unreadable, also where it is of another kind than it was."""
    with fetcher.get(url) as answer:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        suffix = _CERTAIN.get(kind)
        if suffix and PurePosixPath(named).suffix.lower() not in (suffix, ".htm", ".xhtml"):
            raise Unreadable(f"the server sends {kind}, which {PurePosixPath(named).name} is not")
        return whole(answer.chunks, named, answer.size, limits)


def spooled(fetcher: Fetcher, url: str) -> Held:
    """What a URL leads to as a file without a name. Raises Unreadable and OSError."""
    with fetcher.get(url) as answer:
        return kept(answer.chunks)


def stamp(headers: Mapping[str, str]) -> str:
    """What changes with the page, where its server says such a thing."""
    if tag := headers.get("etag", ""):
        return tag
    try:
        changed = parsedate_to_datetime(headers["last-modified"])
        now = parsedate_to_datetime(headers["date"])
        return headers["last-modified"] if now - changed > _TICK else ""
    except (KeyError, ValueError, TypeError, OverflowError):
        return ""


def _described(fetcher: Fetcher, url: str) -> tuple[Mapping[str, str], int]:
    """A page's headers. Raises Unreadable."""
    try:
        with fetcher.get(url, "HEAD") as answer:
            return answer.headers, answer.size
    except Unreadable:
        pass  # some servers do not know how to say no more than that
    with fetcher.get(url) as answer:
        return answer.headers, answer.size
