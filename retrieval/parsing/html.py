"""HTML to blocks: what a reader of the page would read, without its navigation.

Scripts, menus, asides, page headers and footers are dropped; where that leaves nothing they are
kept. What styles hide is kept apart from the text. It does not know what scripts hide or add. Link
targets and images are dropped.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from retrieval.parsing.decoding import decoded
from retrieval.parsing.draft import Draft, Unreadable
from retrieval.parsing.styles import Look, Styles
from retrieval.parsing.tables import line, lines


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_UNSEEN = _set(
    """head script style noscript template svg iframe object embed canvas audio video map button
    select textarea datalist input meta link title"""
)
_AROUND = _set("nav aside footer header")
_AROUND_ROLES = _set("navigation banner contentinfo search complementary menu")
_AROUND_CLASSES = _set(
    """headerlink mw-editsection toc table-of-contents breadcrumb breadcrumbs navbar skip-link
    mw-jump-link"""
)
_SKIP_LINK = re.compile(r"\s*(?:skip|jump) to\b", re.IGNORECASE)
_BLOCKS = _set(
    """address article aside blockquote body caption center dd details dialog dir div dl dt fieldset
    figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr legend li main menu nav ol p
    pre section summary table tbody td tfoot th thead tr ul"""
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w-]{2,40})""", re.IGNORECASE)

_LONGEST_CELL = 2_000
_WIDEST_SPAN = 100
_TALLEST_SPAN = 1_000
_LARGEST_GRID = 2_000_000  # cells, with their spans filled

# Bounds on what makes the HTML algorithm slow: work that grows with depth or with open formats.
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_LONG_TAG = re.compile(r"<[a-zA-Z][^<>]{5000,}")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_SHALLOW = _set(
    """area base br col embed hr img input link meta param source track wbr html head body p li dd
    dt tr td th thead tbody tfoot caption colgroup option optgroup a nobr button h1 h2 h3 h4 h5 h6
    rb rt rp rtc"""
)
_FORMATS = _set("b big code em font i s small strike strong tt u")
_MOST_DEPTH_WORK = 100_000_000
_MOST_FORMAT_WORK = 1_000_000
_MOST_ATTRIBUTES = 5_000
_MOST_TAGS = 5_000_000


def read(data: bytes) -> Draft:
    declared = _CHARSET.search(data[:2048])
    text = decoded(data, declared.group(1).decode("ascii") if declared else None)
    draft = Draft()
    draft.title = _title(*_write(draft, text))
    return draft


def write(draft: Draft, text: str, quotes: bool = False) -> None:
    """Append the blocks of a piece of HTML; `quotes` marks what it quotes as mail does."""
    _write(draft, text, quotes)


def _write(draft: Draft, text: str, quotes: bool = False) -> tuple[LexborHTMLParser, _Seen]:
    _refuse_explosive(text)
    tree = LexborHTMLParser(text)
    seen = _Seen(draft, _styles(tree))
    if tree.body is None:
        return tree, seen
    start = draft.size
    _Walk(draft, seen, quotes).through(tree.body, around=False)
    if draft.size == start:
        _Walk(draft, seen, quotes).through(tree.body, around=True)
    return tree, seen


def hides(tag: str) -> bool:
    """Whether an element with this opening tag is not seen on a white page."""
    body = LexborHTMLParser(tag).body
    node = body.first_child if body is not None else None
    return node is not None and not Styles().look(Look(), node.tag or "", node.attributes).seen


def _styles(tree: LexborHTMLParser) -> Styles:
    sheets = [node.text() for node in tree.css("style") if not node.attrs.get("media")]
    links = tree.css("link")
    foreign = any("stylesheet" in (link.attrs.get("rel") or "").lower() for link in links)
    return Styles.of(sheets, foreign)


def _title(tree: LexborHTMLParser, seen: _Seen) -> str:
    """The only top heading, else the page's title."""
    tops = tree.css("h1")
    heading = " ".join(_shown(tops[0], seen).split()) if len(tops) == 1 else ""
    if heading and len(heading) <= 200:
        return heading
    named = tree.css_first("title")
    return named.text() if named else ""


def _shown(element: LexborNode, seen: _Seen) -> str:
    """The text of an element anywhere on the page."""
    line = [element]
    while (parent := line[-1].parent) is not None and parent.tag != "-undef":
        line.append(parent)
    look = Look()
    for node in reversed(line):
        look = seen.styles.look(look, node.tag or "", node.attributes)
    return "" if look.gone else seen.text(element, look)


@dataclass(slots=True)
class _Walk:
    """A walk over the page: inline text gathers in `run` until a block begins or ends."""

    draft: Draft
    seen: _Seen
    quotes: bool = False
    run: list[str] = field(default_factory=list)
    heading: int = 0
    pre: int = 0
    quoted: int = 0
    inside: int = 0  # articles and main parts, whose own header is content
    headers: int = 0  # of such parts: a title and a date, and perhaps a menu
    lists: list[int] = field(default_factory=list)  # next number of each open list; 0: bullets
    marker: list[str] = field(default_factory=list)  # of each open item, until it is written

    def through(self, body: LexborNode, around: bool) -> None:
        """Without recursion: pages nest deeper than Python's stack."""
        todo: list[tuple[LexborNode, Look | None]] = [(body, Look())]
        while todo:
            node, above = todo.pop()
            tag = node.tag or ""
            if above is None:
                self.leave(tag)
            elif tag == "-text":
                self.run.append(self.seen.written(node, above))
            elif (look := self.enter(node, tag, around, above)) is not None:
                todo.append((node, None))
                todo.extend((child, look) for child in _children(node, reverse=True))
        self.flush()

    def enter(self, node: LexborNode, tag: str, around: bool, above: Look) -> Look | None:
        """Open an element; its look, or None where its content is not to be walked."""
        if tag == "br":
            self.run.append("\n" if self.pre else "\0")
            return None
        if _dropped(node, tag) or (not around and self.boilerplate(node, tag)):
            return None
        look = self.seen.look(node, above)
        if look.gone:
            return None
        if tag not in _BLOCKS:
            return look
        self.flush()
        rows = _table(node, look, self.seen) if tag == "table" else None
        if rows is not None:
            for row in rows:
                self.draft.add("table", row)
            return None
        self.heading = _HEADINGS.get(tag, self.heading)
        self.pre += tag == "pre"
        self.quoted += tag == "blockquote"
        self.inside += tag in ("article", "main")
        self.headers += tag == "header"
        if tag in ("ul", "ol", "menu", "dir"):
            self.lists.append(_number(node, "start", 1, 1_000_000) if tag == "ol" else 0)
        elif tag == "li":
            self.marker.append(self.next_marker())
        return look

    def leave(self, tag: str) -> None:
        if tag not in _BLOCKS:
            return
        self.flush()
        self.pre -= tag == "pre"
        self.quoted -= tag == "blockquote"
        self.inside -= tag in ("article", "main")
        self.headers -= tag == "header"
        if tag in _HEADINGS:
            self.heading = 0
        elif tag in ("ul", "ol", "menu", "dir"):
            self.lists.pop()
        elif tag == "li":
            self.marker.pop()

    def next_marker(self) -> str:
        indent = "  " * min(max(len(self.lists) - 1, 0), 8)
        if not self.lists or not self.lists[-1]:
            return indent + "- "
        self.lists[-1] += 1
        return f"{indent}{self.lists[-1] - 1}. "

    def flush(self) -> None:
        """Write what has gathered, as the kind of block that is open."""
        if not self.run:
            return
        raw = "".join(self.run)
        self.run.clear()
        if self.pre and not self.heading:
            self.draft.add("code", raw.replace("\0", "\n"))
            return
        text = "\n".join(filter(None, (" ".join(part.split()) for part in raw.split("\0"))))
        if not text:
            return
        if self.quotes and self.quoted:
            self.draft.add("paragraph", re.sub(r"^", "> ", text, flags=re.MULTILINE))
        elif self.heading:
            self.draft.add("heading", text.replace("\n", " "), self.heading)
        elif self.marker:
            self.draft.add("list", self.marker[-1] + text)
            self.marker[-1] = " " * len(self.marker[-1])
        else:
            self.draft.add("paragraph", text)

    def boilerplate(self, node: LexborNode, tag: str) -> bool:
        """Whether the element stands around the page's content."""
        if tag == "header" and self.inside:
            return False
        if tag in _AROUND or (tag == "ul" and self.headers):
            return True
        attributes = node.attributes
        inner = tag == "a" and (attributes.get("href") or "").startswith("#")
        if inner and _SKIP_LINK.match(_content(node)):
            return True
        role = attributes.get("role")
        if role and role.lower() in _AROUND_ROLES:
            return True
        classes = attributes.get("class")
        return bool(classes) and not _AROUND_CLASSES.isdisjoint((classes or "").split())


def _children(node: LexborNode, reverse: bool = False) -> Iterator[LexborNode]:
    child = node.last_child if reverse else node.first_child
    while child is not None:
        yield child
        child = child.prev if reverse else child.next


def _dropped(node: LexborNode, tag: str) -> bool:
    """Whether it holds no text, or what is drawn beside the text."""
    if tag in _UNSEEN or tag.startswith(("-", "!")):
        return True
    return node.attributes.get("aria-hidden") == "true"


@dataclass(frozen=True, slots=True)
class _Seen:
    """Tells what a reader sees; the rest goes where the draft keeps it apart."""

    draft: Draft
    styles: Styles

    def look(self, node: LexborNode, above: Look) -> Look:
        look = self.styles.look(above, node.tag or "", node.attributes)
        if look.gone:
            self.draft.hide(" ".join(_content(node).split()))
        return look

    def written(self, node: LexborNode, look: Look) -> str:
        """The text of a text node, where it is seen."""
        text = node.text_content or ""
        if look.seen:
            return text
        self.draft.hide(" ".join(text.split()))
        return " "

    def text(self, element: LexborNode, look: Look) -> str:
        """The text of an element that looks like this, without structure."""
        pieces: list[str] = []
        todo = [(child, look) for child in _children(element, reverse=True)]
        while todo:
            node, above = todo.pop()
            tag = node.tag or ""
            if tag == "-text":
                pieces.append(self.written(node, above))
            elif not _dropped(node, tag) and not (within := self.look(node, above)).gone:
                if tag in _BLOCKS or tag == "br":
                    pieces.append(" ")
                todo.extend((child, within) for child in _children(node, reverse=True))
        return "".join(pieces)


def _content(element: LexborNode) -> str:
    """All that is written in an element, seen or not."""
    pieces: list[str] = []
    todo = [element]
    while todo:
        node = todo.pop()
        tag = node.tag or ""
        if tag == "-text":
            pieces.append(node.text_content or "")
        elif tag not in _UNSEEN and not tag.startswith(("-", "!")):
            if tag in _BLOCKS or tag == "br":
                pieces.append(" ")
            todo.extend(_children(node, reverse=True))
    return "".join(pieces)


@dataclass(slots=True)
class _Row:
    """A row as it stands in the source: cells with their spans."""

    cells: list[tuple[str, bool, int, int]] = field(default_factory=list)  # text, th, width, height

    @property
    def header(self) -> bool:
        """Whether the row names columns: headings alone, and more than one."""
        named = [th for text, th, _, _ in self.cells if text]
        return len(named) > 1 and all(named)

    @property
    def keyed(self) -> bool:
        """Whether the first cell names the row."""
        return len(self.cells) > 1 and self.cells[0][1] and not self.header


def _table(table: LexborNode, look: Look, seen: _Seen) -> list[str] | None:
    """The rows of a table of data; None where the table only lays out a page."""
    if table.attrs.get("role") in ("presentation", "none"):
        return None
    found = _rows(table, look, seen)
    if found is None:
        return None
    caption, rows = found
    if max((len(row.cells) for row in rows), default=0) < 2:
        return None
    if sum(width * min(height, len(rows)) for row in rows for *_, width, height in row.cells) > (
        _LARGEST_GRID
    ):
        return None
    while rows and sum(bool(cell[0]) for cell in rows[0].cells) == 1:  # a title across the table
        caption += [text for text, _, _, _ in rows.pop(0).cells if text]
    header = next((i for i, row in enumerate(rows) if not row.header), len(rows))
    grid = list(_grid(rows, header))
    if not header and sum(row.keyed for row in rows) * 2 > len(rows):
        return [*caption, *map(_entry, grid)]
    return [*caption, *lines(grid, header or None)]


def _entry(row: list[str]) -> str:
    """A row whose first cell names it."""
    rest = line([], row[1:])
    return f"{row[0].rstrip(':')}: {rest}" if row[0] and rest else row[0] or rest


def _rows(table: LexborNode, look: Look, seen: _Seen) -> tuple[list[str], list[_Row]] | None:
    """Caption and rows, or None at the first sign of a layout: a table, heading or essay inside."""
    caption: list[str] = []
    rows: list[_Row] = []
    todo = [(child, look) for child in _children(table, reverse=True)]
    while todo:
        node, above = todo.pop()
        tag = node.tag or ""
        if tag == "-text" or _dropped(node, tag) or (own := seen.look(node, above)).gone:
            continue
        if tag in ("td", "th"):
            if node.css_first("table, h1, h2, h3, h4, h5, h6, pre") is not None:
                return None
            text = " ".join(seen.text(node, own).split())
            if len(text) > _LONGEST_CELL:
                return None
            width = _number(node, "colspan", 1, _WIDEST_SPAN)
            height = _number(node, "rowspan", 1, _TALLEST_SPAN)
            rows = rows or [_Row()]
            rows[-1].cells.append((text, tag == "th", width, height))
        elif tag == "caption":
            caption.append(" ".join(seen.text(node, own).split()))
        else:
            if tag == "tr":
                rows.append(_Row())
            todo.extend((child, own) for child in _children(node, reverse=True))
    return caption, [row for row in rows if any(text for text, _, _, _ in row.cells)]


def _grid(rows: list[_Row], header: int) -> Iterator[list[str]]:
    """Rows with their spans filled: downwards always, sideways only in the header."""
    above: dict[int, tuple[int, str]] = {}
    for index, row in enumerate(rows):
        out: list[str] = []
        for text, _, width, height in row.cells:
            _carry(out, above)
            for column in range(width):
                if height > 1:
                    above[len(out)] = (height - 1, text if column == 0 else "")
                out.append(text if column == 0 or index < header else "")
        _carry(out, above)
        yield out


def _carry(out: list[str], above: dict[int, tuple[int, str]]) -> None:
    """Fill the columns that a taller cell above still covers."""
    while (found := above.pop(len(out), None)) is not None:
        left, text = found
        if left > 1:
            above[len(out)] = (left - 1, text)
        out.append(text)


def _number(node: LexborNode, name: str, default: int, most: int) -> int:
    value = (node.attrs.get(name) or "").strip()
    return min(int(value), most) if value.isdecimal() and 0 < len(value) < 9 else default


def _refuse_explosive(text: str) -> None:
    """Refuse a page whose nesting would keep the parser busy for minutes."""
    if text.count("<") > _MOST_TAGS:
        raise Unreadable(f"too large: more than {_MOST_TAGS:,} tags")
    open_tags: Counter[str] = Counter()
    depth = formats = depth_work = format_work = 0
    for match in _TAG.finditer(text):
        tag = match.group(2).lower()
        if tag in _SHALLOW:
            pass
        elif match.group(1):
            if open_tags[tag]:
                open_tags[tag] -= 1
                depth -= 1
                formats -= tag in _FORMATS
        else:
            open_tags[tag] += 1
            depth += 1
            formats += tag in _FORMATS
        depth_work += depth
        format_work += max(0, formats - 8)
        if depth_work > _MOST_DEPTH_WORK or format_work > _MOST_FORMAT_WORK:
            raise Unreadable("too deep: its elements are nested beyond any reader")
    for match in _LONG_TAG.finditer(text):
        bare = _QUOTED.sub("", match.group())
        if len(bare.split()) + bare.count("/") > _MOST_ATTRIBUTES:
            raise Unreadable("damaged HTML: an element with thousands of attributes")
