"""Plain text to blocks: paragraphs between blank lines, and headings where they are unmistakable.

A heading is underlined, numbered like 2.1, or a short line in capitals that stands alone. Line
ends inside a paragraph are kept: they may be verse, an address or a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from retrieval.parsing.decoding import decoded
from retrieval.parsing.draft import Draft

_UNDERLINE = re.compile(r"(=|-|~|\*)\1{2,}")
_NUMBERED = re.compile(
    r"(\d{1,3}(?:\.\d{1,3}){1,5}\.?|§ ?\d{1,4}|(?:Chapter|Part|Section) \w{1,8})\s"
)
_ITEM = re.compile(r"\s*(?:[-*•‣◦▪]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+\S")
_LONGEST_HEADING = 80


def read(data: bytes) -> Draft:
    draft = Draft()
    draft.heading_first = True
    for lines in _paragraphs(decoded(data).replace("\f", "\n\n")):
        _write(draft, lines)
    return draft


def _paragraphs(text: str) -> Iterator[list[str]]:
    lines: list[str] = []
    for line in text.split("\n"):
        if line.strip():
            lines.append(line.rstrip())
        elif lines:
            yield lines
            lines = []
    if lines:
        yield lines


def _write(draft: Draft, lines: list[str]) -> None:
    if len(lines) > 1 and _underlined(lines[0], lines[1]):
        draft.add("heading", lines[0], 1 if lines[1].lstrip()[0] == "=" else 2)
        lines = lines[2:]
    elif len(lines) == 1 and (level := _level(lines[0].strip())):
        draft.add("heading", lines[0], level)
        return
    if not all(_UNDERLINE.fullmatch(line.strip()) for line in lines):
        _body(draft, lines)


def _body(draft: Draft, lines: list[str]) -> None:
    """Paragraphs and list items; a line that hangs under an item belongs to it."""
    begun: list[str] = []
    item = False
    for line in lines:
        opens = _ITEM.match(line) is not None
        if opens or (item and not line[0].isspace() and begun[-1][-1] in ".!?"):
            draft.add("list" if item else "paragraph", "\n".join(begun))
            begun, item = [], opens
        begun.append(line)
    draft.add("list" if item else "paragraph", "\n".join(begun))


def _underlined(line: str, rule: str) -> bool:
    text, rule = line.strip(), rule.strip()
    fits = abs(len(text) - len(rule)) <= max(3, len(text) // 4)
    return fits and len(text) <= _LONGEST_HEADING and _UNDERLINE.fullmatch(rule) is not None


def _level(line: str) -> int:
    """The level of a heading that stands alone; 0 where the line is none."""
    if len(line) > _LONGEST_HEADING or line[-1] in ".,;:!?":
        return 0
    if number := _NUMBERED.match(line):
        text = line[number.end() :]
        return 1 + number.group(1).rstrip(".").count(".") if text[:1].isupper() else 0
    letters = sum(c.isalpha() for c in line)
    return 2 if letters >= 4 and letters * 2 > len(line) and line.isupper() else 0
