"""A document in the making: blocks are appended in reading order and the text grows with them.

Every format writes into one. It knows nothing of files, bytes or any format.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from retrieval.language import language
from retrieval.types import Block, BlockKind, Document, RetrievalError, Scalar

LONGEST_TEXT = 50_000_000
"""Characters of one document: a text beyond that is a database, not a document."""
MOST_BLOCKS = 1_000_000
_LONGEST_TITLE = 200
_PROSE = 4_000  # characters, by which the language of a document is told
_LOCALE = re.compile(r"[A-Za-z]{2}(?:[-_]\w+)*")
_MADE_UP = re.compile(
    r"untitled.*|(?:microsoft )?(?:word|powerpoint|excel)(?: document)?(?: - .*)?"
    r"|.*\.(?:docx?|pptx?|xlsx?|indd|pdf|tex|dvi|html?)|slide \d+|document\d*|[\W\d_]*",
    re.IGNORECASE,
)
# No reader sees these: controls, invisible joints in words, tags; UTF-8 cannot carry surrogates.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff\ufffe\uffff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)

# ASCII as characters that no font draws: a text within the text, for whoever reads code points.
_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}")


class Unreadable(RetrievalError):
    """A file that cannot become a document; the message is the reason, in a reader's words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Draft:
    """What a format has read so far."""

    def __init__(self) -> None:
        self.title = ""
        """What the file calls itself: front matter, a title style, properties."""
        self.heading_first = False
        """Whether a lone top heading names the document better than `title` does."""
        self.by_name = False
        """Whether its file's name says best what it is."""
        self.meta: dict[str, Scalar | list[str]] = {}
        self._pieces: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0
        self._hidden: dict[str, None] = {}
        self._hidden_length = 0

    def add(self, kind: BlockKind, text: str, level: int = 0, page: int | None = None) -> None:
        """Append a block; one without a visible character is dropped."""
        for run in () if text.isascii() else _TAGS.findall(text):
            self.hide("".join(chr(ord(c) - 0xE0000) for c in run))
        text = printable(text).rstrip()
        # Where a line begins tells how deep an item or a line of code is.
        text = text.lstrip("\n") if kind in ("list", "code") else text.lstrip()
        if not text:
            return
        if len(self._blocks) >= MOST_BLOCKS:
            raise Unreadable(f"too large: more than {MOST_BLOCKS:,} paragraphs or rows")
        if self._blocks:
            close = kind in ("list", "table") and kind == self._blocks[-1].kind
            self._write("\n" if close else "\n\n")
        start = self._length
        self._write(text)
        self._blocks.append(Block(kind, start, self._length, level, page))

    def hide(self, text: str) -> None:
        """Keep what the file holds and a reader does not see, apart from the text; once each."""
        text = text.strip()
        if not text or text in self._hidden:
            return
        self._hidden_length += len(text)
        if self._hidden_length > LONGEST_TEXT:
            raise Unreadable(f"too large: more than {LONGEST_TEXT:,} characters of hidden text")
        self._hidden[text] = None

    def append(self, other: Draft | Document, below: int = 0) -> None:
        """Take over what another one holds, its headings `below` levels deeper."""
        text = other.text
        for block in other.blocks:
            level = block.level + below if block.kind == "heading" else block.level
            self.add(block.kind, text[block.start : block.end], level, block.page)
        for hidden in other.hidden:
            self.hide(hidden)

    def _write(self, piece: str) -> None:
        self._length += len(piece)
        if self._length > LONGEST_TEXT:
            raise Unreadable(f"too large: more than {LONGEST_TEXT:,} characters of text")
        self._pieces.append(piece)

    @property
    def text(self) -> str:
        """What is written so far."""
        return "".join(self._pieces)

    @property
    def blocks(self) -> Sequence[Block]:
        return self._blocks

    @property
    def hidden(self) -> tuple[str, ...]:
        return tuple(self._hidden)

    @property
    def size(self) -> int:
        """Characters written so far."""
        return self._length

    def document(self, source: str, version: str, stem: str) -> Document:
        """The finished document; `stem` names it where nothing in it does."""
        text = self.text
        heading = self._lone_heading(text)
        own = " ".join(printable(self.title).split())[:_LONGEST_TITLE]
        title = (heading or own) if self.heading_first else (own or heading)
        title = "" if self.by_name else title
        meta = {**self.meta, "language": self._language(text)}
        return Document(
            source,
            version,
            title or _spoken(stem),
            text,
            tuple(self._blocks),
            {name: value for name, value in meta.items() if value != ""},
            self.hidden,
        )

    def _language(self, text: str) -> str:
        """What the file says that it is written in, else what its prose shows."""
        said = str(self.meta.get("language", ""))
        if said:
            return said[:2].lower() if _LOCALE.fullmatch(said) else said
        prose: list[str] = []
        left = _PROSE
        for block in self._blocks:
            if block.kind != "code" and left > 0:
                prose.append(text[block.start : min(block.end, block.start + left)])
                left -= len(prose[-1])
        return language("\n".join(prose)) if prose and not self.by_name else ""

    def _lone_heading(self, text: str) -> str:
        """The heading that opens the document and stands above all others, if there is one."""
        headings = [block for block in self._blocks if block.kind == "heading"]
        if not headings or any(b.level <= headings[0].level for b in headings[1:]):
            return ""
        found = " ".join(text[headings[0].start : headings[0].end].split())
        return found if len(found) <= _LONGEST_TITLE else ""


def printable(text: str) -> str:
    """The text without characters that nobody sees, but for line ends and tabs."""
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n"))


def proper(title: str) -> str:
    """A title from a file's properties, unless the program that wrote it made it up."""
    return "" if _MADE_UP.fullmatch(title.strip()) else title


def _spoken(stem: str) -> str:
    """A file's name as words: `price_list-2025` is found under its parts."""
    return " ".join(re.split(r"[\s_-]+", printable(stem))).strip() or stem
