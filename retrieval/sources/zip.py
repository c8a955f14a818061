"""The members of a ZIP archive, each read when it is asked for, in whatever order."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from threading import Lock

from retrieval.parsing.draft import Unreadable
from retrieval.sources.members import MOST, Held, Listed, Member, bomb
from retrieval.sources.reading import CHUNK

_LONGEST_LIST = 16_000_000
# The other methods unpack a piece of the archive at once, whatever comes of it.
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED = 0x1
_UTF8 = 0x800


def members(file: Held) -> Iterator[Member]:
    """All members. Raises Unreadable for an archive that cannot be or should not be read."""
    # Whoever holds a member holds the archive: it is closed with the last of them.
    archive = zipfile.ZipFile(Listed(file, _LONGEST_LIST))
    infos = archive.infolist()
    if len(infos) > MOST:
        raise Unreadable(f"more than {MOST:,} members")
    # Members may share bytes, so that each is in proportion and all together are not.
    if reason := bomb(sum(info.file_size for info in infos), file.length):
        raise Unreadable(reason)
    lock = Lock()
    for info in infos:
        if not info.is_dir():
            chunks = partial(_chunks, archive, info, lock)
            link = stat.S_ISLNK(info.external_attr >> 16)
            skipped = "a link in an archive" if link else ""
            yield Member(
                _name(info), info.file_size, info.header_offset, chunks, skipped, _sealed(info)
            )


def _name(info: zipfile.ZipInfo) -> str:
    """The name as it was meant: many programs write UTF-8 and do not say so."""
    if info.flag_bits & _UTF8:
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode()
    except UnicodeError:
        return info.orig_filename


def _sealed(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & _ENCRYPTED:
        return "encrypted: it needs a password"
    if info.compress_type not in _METHODS:
        return "packed by a method that is not read: pack it again by Deflate"
    return bomb(info.file_size, info.compress_size)


def _chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo, lock: Lock) -> Iterator[bytes]:
    try:
        with lock:  # the archive counts its readers, and not for threads
            member = archive.open(info)
        try:
            while chunk := member.read(CHUNK):
                yield chunk
        finally:
            with lock:
                member.close()
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise Unreadable(f"damaged ZIP archive: {error}") from error
