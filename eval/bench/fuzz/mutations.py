"""What happens to bytes on their way to a parser: flips, cuts, splices, tokens, nests and bombs.

All chance comes from the generator that is given, so that the same one makes the same bytes. It
knows what trips parsers of a format, not the parsers.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from random import Random
from typing import Any

from eval.bench.fuzz.made import archive

LARGEST = 4_000_000  # bytes of a mutated document
_MOST_MEMBER = 8_000_000
_ARCHIVES = (".docx", ".pptx", ".xlsx", ".epub")

CANARY = "moorlinecanary"
"""What the file `{canary}` holds: where it comes up in a document, a parser has opened it."""

_ANYWHERE = (
    b"\x00", b"\xff\xff\xff\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\r", b"\n\n\n",
    b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80\x8b", b"\xe2\x80\xae", b"\xcc\x81" * 40,
    b"-1", b"0", b"999999999999", b"1e999", b"NaN", b"%s%n", b"../../../../etc/passwd",
)  # fmt: skip
_XML = (
    b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file://{canary}'>]>", b"&e;", b"<![CDATA[", b"]]>", b"<!--",
    b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>", b"&b;",
    b"<!DOCTYPE x SYSTEM 'file://{canary}'>", b"<?xml version='1.0' encoding='UTF-7'?>", b"<?x ",
    b"<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='file://{canary}'/>",
    b"xml:base='file://{canary}'", b"/>", b"</", b"&#0;", b"&#x10FFFF;", b"&#xD800;", b"hidden='1'",
)  # fmt: skip
_OFFICE = (
    b"r='XFD1048576'", b"r='ZZZ99999999'", b"ref='A1:XFD1048576'", b"t='s'", b"<v>99999999</v>",
    b"<v>1e308</v>", b"gridSpan='9999'", b"w:val='99999999'", b"Target='file://{canary}'",
    b"Target='../../../../../{canary}' ", b"TargetMode='External'", b"lvl='-1'",
    b"idx='4294967295'",
    b"formatCode='[h]:mm:ss.000000000;;;@'", b"<mc:AlternateContent><mc:Choice/><mc:Fallback/>",
    b"cx='-99999999999'", b"s='99999'", b"<row r='1'>", b"<c r='A1'><v>1</v></c>",
)  # fmt: skip
_HTML = (
    b"<table>", b"<td rowspan=65535 colspan=65535>", b"<b>", b"</p>", b"<plaintext>", b"<title/>",
    b"<script>", b"<select>", b"<svg><style>", b"<math><mtext><table>", b"<template>", b"<li>",
    b"<h1 style=display:none>", b"&notin;", b"<a href='javascript:'>",
    b"<iframe src=file://{canary}>",
    b"<frameset>", b"<pre>", b"<blockquote>", b"<ol start=-2147483649>",
    b"<base href=file://{canary}>",
)  # fmt: skip
_TOKENS: dict[str, Sequence[bytes]] = {
    ".md": (*_HTML, b"```", b"~~~", b"> ", b"- ", b"1. ", b"[x]: y", b"[[", b"](", b"|-|-|\n",
             b"***",
            b"---\n", b"    ", b"\t", b"# ", b"===", b"<!--", b"![](", b"`", b"\\", b"_" * 9),
    ".rst": (b".. include:: {canary}\n", b".. raw:: html\n   :file: {canary}\n", b"=====\n",
             b"`a`_ ",
             b".. csv-table::\n   :file: {canary}\n", b"|x|", b".. |x| replace:: |x|\n", b"+---+\n",
             b".. literalinclude:: {canary}\n", b".. role:: x\n", b"::\n\n", b".. [#] ", b"**",
             b"``",
             b".. parsed-literal::\n", b".. contents::\n", b":: \n  ", b".. math::\n", b"\n\n\n- "),
    ".json": (b"[", b"{", b"]", b"}", b'"', b"\\u0000", b"\\ud800", b",", b":", b"1e-99999",
             b"null",
              b'"text":', b'"title":', b"[[[[", b'{"a":', b"-Infinity", b"9" * 400),
    ".eml": (b"Content-Type: multipart/mixed; boundary=b\n", b"\n--b\n", b"--b--\n", b"=?utf-8?b?",
             b"=?x?q?=FF?=", b"Content-Transfer-Encoding: base64\n", b"boundary", b"charset=utf-7",
             b"Content-Type: message/rfc822\n\n",
             b"Content-Type: message/external-body; name={canary}\n",
             b"Content-Disposition: attachment; filename*=utf-8''%00%2F..%2Fa.pdf\n", b"> ",
             b"(((((",
             b'"' * 30, b"filename=../../{canary}", b"Content-Type: text/html\n\n",
             b"<>,;:@[]" * 5),
    ".csv": (b'"', b'""', b",", b";", b"\t", b"|", b",,,,,,,,", b'"\n', b"=cmd()", b"\x1a"),
    ".pdf": (b"endobj", b"endstream", b"stream\n", b"<<", b">>", b"/Kids[3 0 R 3 0 R]",
             b"/Parent 2 0 R",
             b"/Filter/FlateDecode", b"/Filter[/ASCIIHexDecode/LZWDecode]", b"/Length 99999999",
             b"/Count -1", b"/MediaBox[0 0 1e38 1e38]", b"BT", b"Tj", b"xref", b"trailer", b"%%EOF",
             b"/Type/ObjStm", b"/Encrypt 9 0 R", b"/F({canary})", b"(((((", b"9999 0 R", b" re f ",
             b"/URI(file://{canary})", b"Tf", b"0 0 0 0 0 0 cm", b"startxref\n0"),
    ".py": (b"(", b"{", b"[", b'"""', b"'", b"def f(", b"class A:\n ", b"    ", b"\t", b"{{{{",
             b"/*",
            b"*/", b"//", b"#", b"`${", b"<?php", b"\\\n", b"lambda: ", b"<<EOF\n", b"@",
            b"else if "),
    ".html": (*_HTML, *_XML),
    ".xml": (*_XML, *_OFFICE),
    ".xhtml": (*_XML, *_HTML),
    ".txt": (b"2.1 X\n\n", b"- ", b"====\n", b"\f", b"A\n\n", b"          "),
}  # fmt: skip
_ALIKE = {
    ".markdown": ".md", ".jsonl": ".json", ".ndjson": ".json", ".tsv": ".csv", ".htm": ".html",
    ".rels": ".xml", ".opf": ".xml", ".ncx": ".xml", ".vml": ".xml", ".rest": ".rst",
             ".text": ".txt",
}  # fmt: skip
_NESTS = (
    (b"<div>", b"</div>"), (b"<b>", b""), (b"[", b"]"), (b"(", b")"), (b"{", b"}"), (b"> ", b""),
    (b"<a>", b"</a>"), (b"- ", b""), (b'{"a":', b"}"), (b"<table><tr><td>", b""), (b"  ", b""),
    (b"<ul><li>", b""), (b"*", b""), (b"<w:p>", b"</w:p>"), (b"<p:grpSp>", b"</p:grpSp>"),
    (b"<<", b">>"), (b"if (a) { ", b"}"), (b"<![CDATA[", b"]]>"), (b"<blockquote>", b""),
    (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n", b""), (b".. note:: ", b""),
)  # fmt: skip

_LONGEST_VALUE = 200_000
_KEYS = ("title", "text", "name", "id", "_id", "", " ", "content", "a\nb", "x" * 400)
_ELEMENT = re.compile(rb"<([A-Za-z][\w:.-]*)(?:\s[^<>]*)?>")


def mutated(name: str, data: bytes, chance: Random, others: Sequence[bytes], canary: str) -> bytes:
    """The document changed in one to six ways; `others` are documents of the same format."""
    suffix = "." + name.rpartition(".")[2].lower()
    whole = chance.random() < 0.85
    out = b""
    if whole and suffix in _ARCHIVES:
        out = _repacked(data, chance, canary)
    elif whole and _ALIKE.get(suffix, suffix) == ".json":
        out = _reshaped(data, chance)
    if not out:
        out = _changed(data, chance, suffix, others, canary)
    return out[:LARGEST]


def _changed(
    data: bytes, chance: Random, suffix: str, others: Sequence[bytes], canary: str
) -> bytes:
    tokens = [*_ANYWHERE, *_TOKENS.get(_ALIKE.get(suffix, suffix), _TOKENS[".py"])]
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 6))):
        kind = chance.random()
        if kind < 0.25:
            data = _flip(data, chance)
        elif kind < 0.35:
            data = data[: _place(data, chance)]
        elif kind < 0.45:
            data = _splice(data, chance.choice(others) if others else data, chance)
        elif kind < 0.55:
            data = _repeat(data, chance)
        elif kind < 0.65:
            start, end = sorted((_place(data, chance), _place(data, chance)))
            data = data[:start] + data[end:]
        elif kind < 0.92:
            token = chance.choice(tokens).replace(b"{canary}", canary.encode())
            data = _insert(data, token * chance.choice((1, 1, 1, 2, 30)), chance)
        elif kind < 0.98:
            data = _nest(data, chance)
        else:
            data = _number(data, chance)
        data = data[:_MOST_MEMBER]
    return data


def _place(data: bytes, chance: Random) -> int:
    return chance.randrange(len(data) + 1)


def _flip(data: bytes, chance: Random) -> bytes:
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 4, 16, 64)) if out else 0):
        at = chance.randrange(len(out))
        out[at] = chance.choice((out[at] ^ (1 << chance.randrange(8)), chance.randrange(256), 0))
    return bytes(out)


def _splice(data: bytes, other: bytes, chance: Random) -> bytes:
    start, end = sorted((_place(other, chance), _place(other, chance)))
    return _insert(data, other[start : min(end, start + 200_000)], chance)


def _insert(data: bytes, piece: bytes, chance: Random) -> bytes:
    at = _place(data, chance)
    return data[:at] + piece + data[at:]


def _repeat(data: bytes, chance: Random) -> bytes:
    """A stretch many times: what takes the square of something shows here."""
    start = _place(data, chance)
    piece = data[start : start + chance.choice((1, 4, 40, 400))]
    times = chance.choice((2, 2, 5, 5, 20, 20, 500, 500, 5_000, 200_000))
    times = min(times, chance.choice((30_000, 100_000, 1_000_000)) // max(len(piece), 1))
    return data[:start] + piece * times + data[start:]


def _nest(data: bytes, chance: Random) -> bytes:
    opening, closing = chance.choice(_NESTS)
    depth = chance.choice((10, 100, 100, 1_000, 1_000, 20_000, 100_000))
    at = _place(data, chance)
    return data[:at] + opening * depth + data[at : at + 50] + closing * depth + data[at + 50 :]


def _number(data: bytes, chance: Random) -> bytes:
    """Another number where one stands."""
    digits = [at for at in range(len(data[:100_000])) if data[at : at + 1].isdigit()]
    if not digits:
        return data
    at = chance.choice(digits)
    new = chance.choice((b"0", b"-1", b"65536", b"2147483648", b"18446744073709551616", b"1e309"))
    return data[:at] + new + data[at + 1 :]


def _reshaped(data: bytes, chance: Random) -> bytes:
    """JSON with some of its values others, which stays JSON; empty where it is none."""
    try:
        values = [json.loads(line) for line in (data.splitlines() if b"}\n{" in data else [data])]
    except (ValueError, RecursionError):
        return b""
    for left in reversed(range(chance.choice((1, 2, 5, 20)))):
        at = chance.randrange(len(values))
        # What is many times the same grows as many times with each change, so that comes last.
        values[at] = _other_value(values[at], chance, last=not left)
    return b"\n".join(json.dumps(value).encode() for value in values)


def _other_value(value: Any, chance: Random, last: bool) -> Any:
    """The value with one that it holds replaced, repeated or put within others."""
    if isinstance(value, dict | list) and value and chance.random() < 0.8:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = chance.choice(keys)
        value[key] = _other_value(value[key], chance, last)
        return value
    kind = chance.randrange(6)
    if kind == 0:
        for _ in range(chance.choice((1, 5, 59, 61))):
            value = chance.choice(([value], {"text": value}, {"title": "a", "x": value}))
        return value
    if kind == 1 and last:
        room = _LONGEST_VALUE // max(len(json.dumps(value)), 1)
        return [value] * min(chance.choice((2, 60, 3_000)), max(room, 1))
    if kind == 2:
        return {chance.choice(_KEYS): [None, [1]], chance.choice(_KEYS): value}
    if kind == 3:
        return str(value)[:1_000] * chance.choice((2, 100))
    return chance.choice(
        (None, True, "", " ", "\ud800", "\u202e", "a\n\nb", 1e308, float("nan"), {})
    )


def _repacked(data: bytes, chance: Random, canary: str) -> bytes:
    """An archive with members changed, and packed anew; empty where it cannot be unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            names = [info.filename for info in package.infolist() if info.file_size < _MOST_MEMBER]
            members = {name: package.read(name) for name in names}
    except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, EOFError):
        return b""
    markup = [name for name in members if name.endswith((".xml", ".rels", "html", ".opf", ".ncx"))]
    for _ in range(chance.choice((1, 1, 2, 4))):
        if not markup:
            return b""
        name = chance.choice(markup)
        kind = chance.random()
        if kind < 0.7:
            suffix = "." + name.rpartition(".")[2]
            members[name] = _changed(members[name], chance, suffix, list(members.values()), canary)
        elif kind < 0.8:
            members[name] = members[chance.choice(markup)]
        elif kind < 0.85:
            members.pop(name, None)
            markup.remove(name)
        else:
            members[name] = _bomb(members[name], chance, canary)
    packed = archive(members)
    return _mislabelled(packed, chance) if chance.random() < 0.1 else packed


def _bomb(xml: bytes, chance: Random, canary: str) -> bytes:
    """A small member that unpacks, expands or nests to something large."""
    head, mark, rest = xml.partition(b"?>")
    head, rest = (head + mark, rest) if mark else (b"", xml)
    start = rest.find(b">", chance.randrange(len(rest) + 1)) + 1
    laughs = b"<!DOCTYPE x [<!ENTITY a0 'ha'>" + b"".join(
        b"<!ENTITY a%d '%b'>" % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12)
    )
    kind = chance.randrange(9)
    if kind == 0:
        return head + laughs + b"]>" + rest[:start] + b"&a11;" + rest[start:]
    if kind == 1:
        file = b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file://%b'>]>" % canary.encode()
        return head + file + rest[:start] + b"&e;" + rest[start:]
    if kind == 2:
        return rest[:start] + b"<a>" * chance.choice((300, 30_000, 1_000_000)) + rest[start:]
    if kind == 3:
        return (
            rest[:start] + b"<a b='c'/>" * chance.choice((1_000, 100_000, 700_000)) + rest[start:]
        )
    if kind == 4:
        end = rest.find(b">", start) + 1
        return rest[:start] + rest[start:end] * chance.choice((100, 10_000)) + rest[end:]
    if kind == 5:
        return (head + laughs + b"]>" + rest).decode("utf-8", "replace").encode("utf-16")
    if kind in (6, 7):
        return _within_itself(xml, chance)
    return xml + b" " * chance.choice((1_000_000, 70_000_000))


def _within_itself(xml: bytes, chance: Random) -> bytes:
    """An element within itself, to a depth that no writer goes to."""
    found = [
        match for match in _ELEMENT.finditer(xml, 0, 200_000) if not match.group().endswith(b"/>")
    ]
    if not found:
        return xml
    opening = chance.choice(found)
    closing = b"</" + opening.group(1) + b">"
    end = xml.find(closing, opening.end())
    inner = xml[opening.start() : end + len(closing)]
    if end < 0 or len(inner) > 100_000:
        return xml
    depth = chance.choice((3, 20, 60, 240))
    body = inner * chance.choice((1, 1, 10, min(2_000, 1_000_000 // len(inner))))
    wrapped = opening.group() * depth + body + closing * depth
    return xml[: opening.start()] + wrapped + xml[end + len(closing) :]


def _mislabelled(data: bytes, chance: Random) -> bytes:
    """An archive whose directory lies about a member: its size, method, flags or place."""
    out = bytearray(data)
    entries = [at for at in range(len(out) - 46) if out[at : at + 4] == b"PK\x01\x02"]
    if not entries:
        return data
    at = chance.choice(entries)
    offset, form = chance.choice(
        ((8, "<H"), (10, "<H"), (16, "<I"), (20, "<I"), (24, "<I"), (42, "<I"))
    )
    value = chance.choice((0, 1, 8, 99, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF))
    struct.pack_into(form, out, at + offset, value & (0xFFFF if form == "<H" else 0xFFFFFFFF))
    return bytes(out)
