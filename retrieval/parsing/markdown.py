"""Markdown to blocks: front matter, headings, lists, tables, fenced code; markup is taken off.

Read line by line in one pass. Link targets, images and reference definitions are dropped; what is
written in HTML is read as HTML. Nested quotes and lists keep their text, not their nesting.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from retrieval.parsing.decoding import decoded
from retrieval.parsing.draft import Draft
from retrieval.parsing.tables import lines as table_lines
from retrieval.types import BlockKind, Scalar

_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_ITEM = re.compile(r"(\s*)([-*+•]|\d{1,9}[.)])[ \t]+(?=\S)(?:\[([ xX])\][ \t]+)?")
_QUOTE = re.compile(r" {0,3}>[ ]?")
_DIVIDER = re.compile(r":?-+:?")
_DEFINITION = re.compile(r" {0,3}\[[^\[\]]{1,999}\]:\s*\S+")
_BLOCK_TAGS = (
    "address|article|aside|blockquote|body|center|dd|details|dialog|div|dl|dt|figcaption|figure|"
    "footer|form|h[1-6]|head|header|hr|html|iframe|li|link|main|meta|nav|ol|p|picture|pre|script|"
    "section|source|style|summary|svg|table|tbody|td|tfoot|th|thead|title|tr|ul|video"
)
_INLINE_TAGS = (
    "a|abbr|b|big|br|cite|code|del|dfn|em|font|i|img|ins|kbd|mark|q|s|samp|small|span|strike|"
    "strong|sub|sup|tt|u|var|wbr"
)
_HTML = re.compile(rf" {{0,3}}<(!--|!doctype\b|/?(?:{_BLOCK_TAGS})(?![\w-]))", re.IGNORECASE)
_CLOSERS = {"!--": "-->", "script": "</script>", "style": "</style>", "pre": "</pre>"}
_META = re.compile(r"([A-Za-z_][\w .-]{0,63}?)\s*:(?:\s+(.*))?$")
_LONGEST_FRONT_MATTER = 500

_LITERAL = re.compile(r"(`{1,3})([^`]+)\1(?!`)|\\([!-/:-@\[-`{-~])")
_TARGET = r"""\([^()\s]*(?:\([^()\s]*\)[^()\s]*){0,8}(?:\s+["'][^()\n]*)?\)"""
_LINK = re.compile(rf"!?\[([^\[\]]*)\](?:{_TARGET}|\[[^\[\]]*\])")
_AUTOLINK = re.compile(
    r"<((?:https?://|ftp://|mailto:)[^\s<>]{1,2000}|[\w.+-]{1,64}@[\w.-]{1,255})>"
)
_TAG = re.compile(
    rf"<!--[^<>]{{0,2000}}-->|</?(?:{_BLOCK_TAGS}|{_INLINE_TAGS})(?![\w-])[^<>]{{0,2000}}>",
    re.IGNORECASE,
)
_STYLED = re.compile(
    rf"<({_INLINE_TAGS})(?=\s)[^<>]{{0,2000}}?\b(?:style|hidden|color)\b[^<>]{{0,2000}}>",
    re.IGNORECASE,
)
_MARKS = re.compile(r"\*{1,3}|_{1,3}|~~")
_KEPT = re.compile("\ue000(\\d+)\ue001")


@dataclass(slots=True)
class _Reader:
    """Where the reading stands: the block that is open, and its lines."""

    draft: Draft
    kind: BlockKind | None = None
    open: list[str] = field(default_factory=list)
    marker: str = ""
    blank: bool = False  # whether the line before was empty
    unclosed: set[str] = field(default_factory=set)  # closing tags that do not come any more

    def close(self) -> None:
        """Write the open block."""
        if self.kind == "list":
            self.draft.add("list", self.marker + inline(self.seen()))
        elif self.kind == "code":
            self.draft.add("code", "\n".join(self.open))
        elif self.kind == "paragraph":
            self.draft.add("paragraph", inline(self.seen()))
        self.kind, self.open, self.marker = None, [], ""

    def seen(self) -> list[str]:
        """The open lines without what an element among them hides."""
        text = "\n".join(self.open)
        if not _STYLED.search(text):
            return self.open
        kept: list[str] = []
        at = 0
        for start, inner, outer, end in _hidden(text):
            kept.append(text[at:start])
            self.draft.hide(inline(text[inner:outer].split("\n")))
            at = end
        return "".join([*kept, text[at:]]).split("\n")


def read(data: bytes) -> Draft:
    draft = Draft()
    lines = decoded(data).split("\n")
    body = _front_matter(lines, draft)
    reader = _Reader(draft)
    at = body
    while at < len(lines):
        at = _block(reader, lines, at)
    reader.close()
    return draft


def _block(reader: _Reader, lines: list[str], at: int) -> int:
    """Read what begins at line `at`; the line to go on with."""
    line = _unquoted(lines[at])
    if not line.strip():
        if reader.kind == "paragraph":
            reader.close()
        reader.blank = True
        return at + 1
    after_blank, reader.blank = reader.blank, False
    if fence := _FENCE.match(line):
        return _fenced(reader, lines, at, fence.group(1))
    if _indented(reader, line, after_blank):
        return at + 1
    if reader.kind == "list" and after_blank and not line.startswith((" ", "\t")):
        reader.close()
    if found := _leaf(reader, lines, at, line):
        return found
    if item := _opens(reader, line):
        reader.close()
        reader.kind, reader.marker = "list", _marker(item)
        reader.open.append(line[item.end() :])
        return at + 1
    if reader.kind is None:
        reader.kind = "paragraph"
    if reader.kind == "list" and after_blank:
        reader.open.append("")
    reader.open.append(line)
    return at + 1


def _leaf(reader: _Reader, lines: list[str], at: int, line: str) -> int | None:
    """Heading, rule, table, HTML or definition: complete in itself."""
    if heading := _HEADING.match(line):
        reader.close()
        text = _unclosed(line[heading.end() :].strip())
        reader.draft.add("heading", inline([text]), len(heading.group(1)))
        return at + 1
    if reader.kind == "paragraph" and (underline := _UNDERLINE.match(line)):
        text = inline(reader.open)
        reader.kind, reader.open = None, []
        reader.draft.add("heading", text, 1 if underline.group(1)[0] == "=" else 2)
        return at + 1
    if _RULE.match(line):
        reader.close()
        return at + 1
    if "|" in line and at + 1 < len(lines) and _divides(line, _unquoted(lines[at + 1])):
        reader.close()
        return _table(reader.draft, lines, at)
    if reader.kind is None and _DEFINITION.match(line):
        return at + 1
    if reader.kind != "paragraph" and (tag := _HTML.match(line)):
        return _markup(reader, lines, at, tag.group(1).lower())
    return None


def _unclosed(heading: str) -> str:
    """A heading without the optional row of marks at its end."""
    text = heading.rstrip("#")
    return text.rstrip() if not text or text[-1].isspace() else heading


def _opens(reader: _Reader, line: str) -> re.Match[str] | None:
    """The start of a list item; within a paragraph only 1 begins a numbered list."""
    item = _ITEM.match(line)
    if item and reader.kind == "paragraph" and item.group(2)[0].isdigit():
        return item if item.group(2)[:-1] == "1" else None
    return item


def _unquoted(line: str) -> str:
    """The line without the marks of a quotation."""
    for _ in range(16):
        if not (mark := _QUOTE.match(line)):
            break
        line = line[mark.end() :]
    return line


def _indented(reader: _Reader, line: str, after_blank: bool) -> bool:
    """Whether the line belongs to an indented code block, which it opens or carries on."""
    deep = line.startswith(("    ", "\t"))
    if reader.kind == "code" and deep:
        reader.open.extend([""] * after_blank)
    elif reader.kind is None and deep:
        reader.kind = "code"
    else:
        if reader.kind == "code":
            reader.close()
        return False
    reader.open.append(line[4:] if line.startswith("    ") else line[1:])
    return True


def _fenced(reader: _Reader, lines: list[str], at: int, fence: str) -> int:
    reader.close()
    end = at + 1
    closing = re.compile(rf"\s*{re.escape(fence[0])}{{{len(fence)},}}\s*$")
    while end < len(lines) and not closing.match(_unquoted(lines[end])):
        end += 1
    reader.draft.add("code", "\n".join(_unquoted(line) for line in lines[at + 1 : end]))
    return end + 1


def _marker(item: re.Match[str]) -> str:
    indent, mark, box = item.groups()
    depth = min(len(indent.expandtabs(4)) // 2, 8)
    mark = f"{mark} " if mark[0].isdigit() else "- "
    return "  " * depth + mark + (f"[{box}] " if box else "")


def _divides(header: str, line: str) -> bool:
    """Whether a line of dashes and bars makes the line above it a table's header."""
    if "-" not in line or set(line) - set("|:- \t"):
        return False
    cells = _cells(line)
    fit = abs(len(_cells(header)) - len(cells)) <= 1
    return fit and all(_DIVIDER.fullmatch(cell) for cell in cells)


def _table(draft: Draft, lines: list[str], at: int) -> int:
    rows = [_cells(_unquoted(lines[at]))]
    end = at + 2
    while end < len(lines) and "|" in lines[end] and lines[end].strip():
        rows.append(_cells(_unquoted(lines[end])))
        end += 1
    for row in table_lines([[inline([cell]) for cell in row] for row in rows], header=1):
        draft.add("table", row)
    return end


def _cells(line: str) -> list[str]:
    line = line.strip().removeprefix("|")
    line = line.removesuffix("|") if not line.endswith("\\|") else line
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)]


def _markup(reader: _Reader, lines: list[str], at: int, tag: str) -> int | None:
    """An HTML block: to its closing tag where that counts, otherwise to a blank line."""
    from retrieval.parsing.html import write

    end = _closed(reader, lines, at, tag)
    if end is None:
        if tag == "!--":
            return None  # a comment that never ends would swallow the rest
        end = at
        while end < len(lines) and lines[end].strip():
            end += 1
    reader.close()
    write(reader.draft, "\n".join(lines[at:end]))
    return end


def _closed(reader: _Reader, lines: list[str], at: int, tag: str) -> int | None:
    """The line after the closing tag, for those that reach over blank lines."""
    closer = _CLOSERS.get(tag)
    if closer is None or closer in reader.unclosed:
        return None
    for end in range(at, len(lines)):
        if closer in lines[end].lower():
            return end + 1
    reader.unclosed.add(closer)
    return None


def inline(lines: list[str]) -> str:
    """The text of a block without its markup; lines that merely wrap are joined."""
    text = "".join(_joined(lines))
    if "\ue000" in text or not re.search(r"[`\\\[<*_~&]", text):
        return text
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        kept.append(match.group(2) or match.group(3))
        return f"\ue000{len(kept) - 1}\ue001"

    text = _LITERAL.sub(keep, text)
    if "[" in text:
        # Twice: an image may be the text of a link.
        text = _LINK.sub(r"\1", _LINK.sub(r"\1", text))
    if "<" in text:
        text = _TAG.sub("", re.sub(r"<br\s*/?>", "\n", _AUTOLINK.sub(r"\1", text)))
    text = html.unescape(_unmarked(text))
    return _KEPT.sub(lambda match: kept[int(match.group(1))], text)


def _hidden(text: str) -> Iterator[tuple[int, int, int, int]]:
    """The elements in a line of text that hide what is in them: where they and it begin and end."""
    from retrieval.parsing.html import hides

    lower = text.lower()
    closing: dict[str, int] = {}  # of each tag, the next; sought anew only when it is passed
    at = 0
    for opening in _STYLED.finditer(text):
        tag = opening.group(1).lower()
        if opening.start() < at or not hides(opening.group()):
            continue
        if closing.get(tag, 0) < opening.end():
            found = lower.find(f"</{tag}", opening.end())
            closing[tag] = len(text) if found < 0 else found
        outer = closing[tag]
        end = text.find(">", outer) + 1
        at = end or len(text)
        yield opening.start(), opening.end(), outer, at


def _joined(lines: list[str]) -> Iterator[str]:
    for index, line in enumerate(lines):
        last = index + 1 == len(lines)
        if not line:
            yield "\n"
        elif line.endswith(("  ", "\\")) and not last:
            yield line.strip().removesuffix("\\").rstrip() + "\n"
        else:
            yield line.strip() + ("" if last or not lines[index + 1] else " ")


def _unmarked(text: str) -> str:
    """Without the paired marks of emphasis; a star between spaces or within a word is a star."""
    waiting: dict[str, list[tuple[int, int]]] = {}
    gone: list[tuple[int, int]] = []
    for match in _MARKS.finditer(text):
        before = text[match.start() - 1 : match.start()] or " "
        after = text[match.end() : match.end() + 1] or " "
        if before.isalnum() and after.isalnum():
            continue
        stack = waiting.setdefault(match.group(), [])
        if not before.isspace() and stack:
            gone += [stack.pop(), match.span()]
        elif not after.isspace():
            stack.append(match.span())
    pieces: list[str] = []
    at = 0
    for start, end in sorted(gone):
        pieces.append(text[at:start])
        at = end
    return "".join(pieces) + text[at:]


def _front_matter(lines: list[str], draft: Draft) -> int:
    """Read `key: value` between two rules at the top; the line where the body begins."""
    if not lines or lines[0].lstrip("\ufeff").rstrip() != "---":
        return 0
    for end, line in enumerate(lines[1:_LONGEST_FRONT_MATTER], start=1):
        if line.rstrip() in ("---", "..."):
            meta = _meta(lines[1:end])
            if meta is None:
                return 0
            draft.title = str(meta.pop("title", ""))
            draft.meta.update(meta)
            return end + 1
    return 0


def _meta(lines: list[str]) -> dict[str, Scalar | list[str]] | None:
    """The metadata; None where a line is none of the simple forms at its first key."""
    meta: dict[str, Scalar | list[str]] = {}
    key = ""
    for line in lines:
        text = line.strip()
        if len(text) > 10_000:
            return None
        if not text or text.startswith("#"):
            continue
        if text.startswith("- ") and key:
            values = meta.get(key)
            entry = _unwrapped(text[2:])
            meta[key] = [*values, entry] if isinstance(values, list) else [entry]
        elif not line[0].isspace() and (match := _META.match(text)):
            key = match.group(1).strip()
            meta[key] = _value(match.group(2) or "")
        elif not key:
            return None
        elif isinstance(begun := meta[key], str):  # a value that goes on, after `|` or `>`
            meta[key] = f"{begun} {text}".lstrip("|>- ")
    return {name: value for name, value in meta.items() if value not in ("", [])}


def _value(text: str) -> Scalar | list[str]:
    """A date stays the string that it is written as; quotes make anything a string."""
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        return [_unwrapped(part) for part in text[1:-1].split(",") if part.strip()]
    if text[:1] in "\"'":
        return _unwrapped(text)
    text = text.partition(" #")[0].strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?(?:0|[1-9]\d{0,17})", text):
        return int(text)
    if re.fullmatch(r"[-+]?\d{1,17}\.\d{1,17}", text):
        return float(text)
    return text


def _unwrapped(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text
