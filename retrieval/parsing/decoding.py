"""Bytes to text: byte order marks, UTF-8, and Windows-1252 as the last resort.

It rather refuses than guesses: a wrongly decoded document is worse than a missing one.
"""

from __future__ import annotations

import codecs
import re

from retrieval.parsing.draft import Unreadable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark begins alike
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MULTIBYTE = re.compile(rb"[\xc3-\xf4][\x80-\xbf]+")
_HIGH = re.compile(r"[^\x00-\x7f]")
_LETTER = re.compile(r"[A-Za-zÀ-ÿŠšŽžŒœŸƒ]")


def wide(head: bytes) -> str | None:
    """The two- or four-byte encoding that the first bytes show, by mark or by its zeros."""
    for mark, name in _MARKS:
        if head.startswith(mark) and name != "utf-8":
            return name
    sample = head[: len(head) // 2 * 2][:4096]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if half < 2 or even + odd == 0:
        return None
    if odd > 0.7 * half and even < 0.05 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.7 * half and odd < 0.05 * half else None


def decoded(data: bytes, declared: str | None = None) -> str:
    """The text of a file with line ends as `\\n`; `declared` is what the file itself names."""
    text = _decoded(data, declared)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(data: bytes, declared: str | None) -> str:
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _strict(data[len(mark) :], name)
    if found := wide(data[:8192]):
        return _strict(data, found)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if codec := _codec(declared):
            return _strict(data, codec)
        return _western(data, error)


def _strict(data: bytes, name: str) -> str:
    try:
        return data.decode(name)
    except UnicodeError as error:
        raise Unreadable(f"not decodable: damaged {name.upper()} ({error})") from error


def _codec(declared: str | None) -> str | None:
    """The Python name of a declared encoding; a browser reads Latin-1 as Windows-1252."""
    try:
        found = codecs.lookup(declared or "").name
    except (LookupError, ValueError):
        return None
    if found in ("utf-8", "iso8859-1", "ascii"):
        return None
    return {"shift_jis": "cp932", "gb2312": "gb18030", "gbk": "gb18030"}.get(found, found)


def _western(data: bytes, error: UnicodeDecodeError) -> str:
    """Windows-1252, where the bytes look like Western prose and not like damaged UTF-8."""
    high = sum(map(len, re.findall(rb"[\x80-\xff]+", data)))
    if sum(map(len, _MULTIBYTE.findall(data))) > high * 0.5:
        raise Unreadable(f"not decodable: damaged UTF-8 at byte {error.start:,}")
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        text = ""
    if not text or not _plausible(text):
        raise Unreadable("not decodable: neither UTF-8 nor Windows-1252; save it as UTF-8")
    return text


def _plausible(text: str) -> bool:
    """Western text is mostly ASCII; other alphabets read as Windows-1252 are mostly not."""
    high = len(_HIGH.findall(text))
    return high * 3 <= len(_LETTER.findall(text)) + 6
