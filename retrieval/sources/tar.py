"""The members of a tar archive, each read from its place.

A packed one has no places: gzip can only be read from its beginning. It is unpacked once, into a
file without a name that goes with its last member, so that memory stays flat and order free.
"""

from __future__ import annotations

import gzip
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from functools import partial

from retrieval.parsing.draft import Unreadable
from retrieval.sources.members import MOST, Held, Listed, Member, bomb
from retrieval.sources.reading import CHUNK

_LONGEST_HEADER = 1_000_000


def members(file: Held) -> Iterator[Member]:
    """All members. Raises Unreadable for an archive that cannot be or should not be read."""
    end = file.length
    listed = Listed(file, _LONGEST_HEADER)
    with tarfile.TarFile(fileobj=listed, encoding="utf-8", errors="surrogateescape") as archive:
        count, before = 0, -1
        while info := archive.next():
            count += 1
            if count > MOST:
                raise Unreadable(f"more than {MOST:,} members")
            skipped = _skipped(info)
            outside = info.size < 0 or (not skipped and info.offset_data + info.size > end)
            if outside or archive.offset <= before:
                raise Unreadable("damaged tar archive: a member lies outside of it")
            before = archive.offset
            archive.members = []  # type: ignore[attr-defined] # it would keep all of them
            if not info.isdir():
                chunks = partial(_chunks, file, info.offset_data, info.size)
                yield Member(info.name, info.size, info.offset_data, chunks, skipped)
        # The library takes a broken header for the end, and half an archive for a whole one.
        if os.pread(file.fileno(), 512, archive.offset).strip(b"\0"):
            raise Unreadable("damaged tar archive: it breaks off")


def unpacked(file: Held) -> Held:
    """The tar archive that a gzip file holds. Raises Unreadable."""
    size, packed = 0, file.length
    file.seek(0)
    with tempfile.TemporaryFile(buffering=0) as nameless:
        plain = Held(os.dup(nameless.fileno()), "r+")
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as stream:
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                if reason := bomb(size, packed):
                    raise Unreadable(reason)
                plain.write(chunk)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Unreadable(f"damaged gzip file: {error}") from error
    return plain


def _skipped(info: tarfile.TarInfo) -> str:
    if info.islnk() or info.issym():
        return "a link in an archive"
    if info.issparse() or not info.isreg():
        return "no regular file in an archive"
    return ""


def _chunks(file: Held, start: int, size: int) -> Iterator[bytes]:
    end = start + size
    while start < end:
        try:
            chunk = os.pread(file.fileno(), min(CHUNK, end - start), start)
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror}") from error
        if not chunk:
            raise Unreadable("damaged tar archive: it breaks off")
        start += len(chunk)
        yield chunk
