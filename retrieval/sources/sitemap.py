"""A site as items: the pages that its sitemap lists, on its own host, as robots.txt allows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import PurePosixPath
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import LIMITS, Limits, known
from retrieval.sources.fetching import Fetcher, gunzipped, plain, split
from retrieval.sources.pages import item, name, read
from retrieval.sources.types import Item, Listing
from retrieval.urls import without_password

_LARGEST = 52_428_800  # bytes, by the protocol
_MOST_LINES = 50_000  # by the protocol, too
_MOST_MAPS = 500
_DEEPEST = 2  # an index of indexes is more than the protocol knows, and exists
_LONGEST_URL = 2_048
_LARGEST_ROBOTS = 512_000
_ENDS = (".xml", ".xml.gz")
_FILES = (".pdf", ".docx", ".pptx", ".xlsx", ".epub", ".md", ".txt", ".csv", ".tsv", ".json")


def is_sitemap(url: str) -> bool:
    """Whether a URL ends as those of sitemaps do."""
    return urlsplit(url).path.lower().endswith(_ENDS)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of a sitemap."""

    url: str
    changed: str = ""
    is_map: bool = False


@dataclass(frozen=True, slots=True)
class Sitemap:
    """All pages of one sitemap, or of one index of them."""

    url: str
    fetcher: Fetcher
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    limits: Limits = LIMITS

    def items(self, listing: Listing) -> Iterator[Item]:
        """The pages in the order in which they are listed."""
        robots = self._robots(listing)
        if robots is None:
            return
        seen: set[str] = set()
        for entry in self._pages(listing):
            try:
                url = plain(split(entry.url))
            except Unreadable as error:
                listing.skipped.append((without_password(entry.url), error.reason))
                continue
            if url in seen:
                continue
            if len(seen) == self.fetcher.config.sitemap_pages:
                most = f"more than {len(seen):,} pages: see retrieval.sources.sitemap_pages"
                listing.unlisted.append((without_password(self.url), most))
                return
            seen.add(url)
            if not robots.can_fetch(self.fetcher.config.user_agent, url):
                listing.skipped.append((url, "not allowed by robots.txt"))
            else:
                yield self._item(url, entry.changed)

    def _item(self, url: str, changed: str) -> Item:
        """A page; its server is asked about it only where the sitemap does not say enough."""
        if not _settled(changed, self.now):
            return item(self.fetcher, url, self.limits)
        named = name(url)
        if not named.lower().endswith(_FILES) or not known(named):
            # What a sitemap lists is a page, unless its address says clearly that it is a file.
            named = PurePosixPath(named).stem + ".html"
        read_it = partial(read, self.fetcher, url, named, self.limits)
        meta = {"url": url}
        return Item(url, named, 0, read_it, changed, "", meta, foreign=True, portable=True)

    def _pages(self, listing: Listing) -> Iterator[_Entry]:
        """All pages of the sitemap and of those that it refers to, each as far as it is needed."""
        waiting = [(self.url, 0)]
        read_maps = 0
        while waiting:
            url, depth = waiting.pop(0)
            read_maps += 1
            if depth > _DEEPEST or read_maps > _MOST_MAPS:
                listing.unlisted.append((without_password(url), "too many sitemaps of sitemaps"))
                return
            try:
                # All at once: the server would not wait until its pages are read one by one.
                for entry in list(self._entries(url)):
                    if _host(entry.url) != _host(self.url):
                        listing.skipped.append((without_password(entry.url), "on another host"))
                    elif entry.is_map:
                        waiting.append((entry.url, depth + 1))
                    else:
                        yield entry
            except Unreadable as error:
                listing.unlisted.append((without_password(url), error.reason))

    def _entries(self, url: str) -> Iterator[_Entry]:
        with self.fetcher.get(url) as answer:
            body = answer.chunks
            first = next(body, b"")
            chunks = _chained(first, body)
            yield from _parsed(gunzipped(chunks) if first.startswith(b"\x1f\x8b") else chunks)

    def _robots(self, listing: Listing) -> RobotFileParser | None:
        """What the host allows; None where that cannot be known, which means nothing."""
        try:
            return _ruled(self._robots_lines() if self.fetcher.config.robots else [])
        except Unreadable as error:
            # Where there is none, all is allowed; where it cannot be had, nothing is.
            if error.reason.startswith("the server answers 4"):
                return _ruled([])
            listing.unlisted.append((without_password(self.url), f"robots.txt: {error.reason}"))
            return None

    def _robots_lines(self) -> list[str]:
        with self.fetcher.get(urljoin(plain(split(self.url)), "/robots.txt")) as answer:
            text = b""
            for chunk in answer.chunks:
                text += chunk
                if len(text) > _LARGEST_ROBOTS:
                    break  # as the protocol has it: the rest does not count
        return text[:_LARGEST_ROBOTS].decode("utf-8", "replace").splitlines()


def _ruled(lines: list[str]) -> RobotFileParser:
    """What these lines of a robots.txt allow. Raises Unreadable."""
    rules = RobotFileParser()
    try:
        rules.parse(lines)
    except ValueError as error:  # an address that is none, a number of signs that only look so
        raise Unreadable(f"it cannot be understood: {error}") from error
    return rules


class _Reader:
    """What the XML parser tells of a sitemap; nothing of it is kept but the entry at hand."""

    def __init__(self) -> None:
        self.found: list[_Entry] = []
        self._url = self._changed = ""
        self._text: list[str] | None = None
        self._length = 0
        self._begun = False

    def start(self, tag: str, _: object) -> None:
        local = _local(tag)
        if not self._begun and local not in ("urlset", "sitemapindex"):
            raise Unreadable(f"no sitemap: it begins with <{local[:40]}>")
        self._begun = True
        if local in ("url", "sitemap"):
            self._url = self._changed = ""
        self._text = [] if local in ("loc", "lastmod") and not self._within(tag) else None
        self._length = 0

    def data(self, text: str) -> None:
        if self._text is not None:
            self._length += len(text)
            if self._length > _LONGEST_URL * 2:
                raise Unreadable("it lists an address without an end")
            self._text.append(text)

    def end(self, tag: str) -> None:
        local = _local(tag)
        text = "".join(self._text or ()).strip()
        if local == "loc" and self._text is not None:
            self._url = text
        elif local == "lastmod" and self._text is not None:
            self._changed = text
        elif local in ("url", "sitemap") and 0 < len(self._url) <= _LONGEST_URL:
            self.found.append(_Entry(self._url, self._changed, local == "sitemap"))
        self._text = None

    def close(self) -> None: ...

    def _within(self, tag: str) -> bool:
        """Pictures and videos of a page have addresses, too, under names of their own."""
        return any(space in tag for space in ("sitemap-image", "sitemap-video", "sitemap-news"))


def _parsed(chunks: Iterator[bytes]) -> Iterator[_Entry]:
    """A sitemap's lines as they come. Raises Unreadable."""
    reader = _Reader()
    parser = DefusedXMLParser(target=reader, forbid_dtd=True)
    size = lines = 0
    try:
        for chunk in chunks:
            parser.feed(chunk)
            size += len(chunk)
            lines += len(reader.found)
            if size > _LARGEST or lines > _MOST_LINES:
                raise Unreadable("too large: more than 52 MB or 50,000 lines")
            yield from reader.found
            reader.found.clear()
        parser.close()
    except DefusedXmlException as error:
        raise Unreadable("no sitemap: it has a DTD, which none needs") from error
    except (ParseError, ValueError, LookupError) as error:  # the latter by strange encodings
        raise Unreadable(f"no sitemap: {error}") from error


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _local(tag: str) -> str:
    return tag.rpartition("}")[2].lower()


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _settled(changed: str, now: datetime) -> bool:
    """Whether a time of change says that nothing has changed since: today may still go on."""
    try:
        when = datetime.fromisoformat(changed)
    except ValueError:
        return False
    return now - (when if when.tzinfo else when.replace(tzinfo=UTC)) > timedelta(days=2)
