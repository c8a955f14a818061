"""Where the sentences of a text are, as spans. Rules alone: no model, no language but English's.

A list item, a table row and a heading are sentences of their own. Lines that merely wrap are
joined. It does not know what a sentence means, and never changes a character.
"""

from __future__ import annotations

import re
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Before a full stop these do not end a sentence.
_ABBREVIATIONS = _set(
    """mr mrs ms dr prof st mt ft gen col lt sgt capt cmdr adm rev hon gov sen rep pres supt messrs
    vs v cf viz e.g i.e eg ie approx ca circa c fig figs eq no nos art arts sec secs ch chap vol
    vols p pp para paras ref refs tel ext min max incl excl resp bros dept univ assn ave blvd
    jan feb mar apr jun jul aug sep sept oct nov dec"""
)
# These may end one: they do when a word follows that commonly begins a sentence.
_MAY_END = _set(
    """etc al inc ltd co corp jr sr esq a.m p.m am pm b.c a.d b.c.e c.e u.s u.k u.n e.u u.s.a d.c
    ph.d m.d b.a m.a est"""
)
_STARTERS = _set(
    """a according after all also although an and another are as at because before both but by can
    do does during each even every few finally first for from he her his how however i if in
    instead is it its later many more most my no not nor of on once one only or other our over
    please she since so some such that the their then there therefore these they this those
    though through thus to today under unless until use we what when where whether which while
    who why with within you your"""
)
# Possessive, and never begun inside a row of marks: time stays linear in any text. The second
# form is a space that is missing: `the end.The next begins`.
_END = re.compile(
    r"""(?<![.!?…]) [.!?…]++ ["'”’»)\]]*+ (?:\[\w[\w ]{0,23}\])*+ (?=\s)
      | (?<=[a-z]{4}) [.] (?:\[\w[\w ]{0,23}\])*+ (?=[A-Z][a-z]{0,12}[ ,])
      | [。！？]++""",
    re.VERBOSE,
)
_NAME = re.compile(r"[A-Z./\\][^\s]*$")  # a name or an identifier: System.Text, asp.Net
_LINE = re.compile(r"[^\r\n\f\v\x1c-\x1e\x85\u2028\u2029]++")
_ITEM = re.compile(r"\s*(?:[-*+•‣◦▪–—]|\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)])\s+\S")
_ENUMERATOR = re.compile(r"\s*\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)]$")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_RAW_CSV = re.compile(r"(?:[^,]*,\S){2}")
_NAMED_CELLS = re.compile(r"[^:;.!?]{1,80}: [^;]*; [^:;.!?]{1,80}: ")
_WRAPPED_AT = 40
"""A line shorter than this that ends without punctuation is a heading or an entry: whatever
follows with a capital begins anew."""


def is_item(text: str) -> bool:
    """Whether a line begins like an item of a list: a bullet, a number, a letter."""
    return _ITEM.match(text) is not None


def is_row(text: str) -> bool:
    """Whether a line looks like a row of a table: `Column: value; Column: value`, or cells between
    bars, tabs or bare commas."""
    if _NAMED_CELLS.match(text):
        return True
    if "|" in text:
        return text.lstrip().startswith("|") or " | " in text
    return "\t" in text.strip() or (_RAW_CSV.match(text) is not None and ", " not in text)


def sentences(text: str) -> list[Span]:
    """The spans of the sentences in `text`: in order, apart, covering all but white space."""
    spans: list[Span] = []
    for start, end in _runs(text):
        _split(text, start, end, spans)
    return spans


def _runs(text: str) -> list[Span]:
    """Stretches that hold whole sentences: lines, joined where they merely wrap."""
    runs: list[Span] = []
    previous = ""
    for match in _LINE.finditer(text):
        line = match.group()
        if line.isspace():
            continue
        if previous and _joins(previous, line, text, runs[-1][1], match.start()):
            runs[-1] = (runs[-1][0], match.end())
        else:
            runs.append(match.span())
        previous = line
    return runs


def _joins(previous: str, line: str, text: str, end: int, start: int) -> bool:
    if text.count("\n", end, start) > 1 or text.count("\r", end, start) > 1:
        return False
    if is_item(line) or is_row(line) or is_row(previous) or _HEADING.match(line):
        return False
    if _HEADING.match(previous) or _FENCE.match(line) or _FENCE.match(previous):
        return False
    tail, head = previous.rstrip(), line.lstrip()
    if tail[-1] in ".!?…:;":
        return tail[-1] == ";" and head[0].islower()
    return head[0].islower() or tail[-1] in ",-–" or len(tail) >= _WRAPPED_AT


def _split(text: str, start: int, end: int, spans: list[Span]) -> None:
    if is_row(text[start:end]):
        _keep(text, start, end, spans)
        return
    begin = start
    for match in _END.finditer(text, start, end):
        if _ends(text, begin, match, end):
            _keep(text, begin, match.end(), spans)
            begin = match.end()
    _keep(text, begin, end, spans)


def _ends(text: str, begin: int, match: re.Match[str], end: int) -> bool:
    """Whether the punctuation at `match` ends a sentence that began at `begin`."""
    mark = match.group()
    if mark[0] in "。！？":
        return True
    before = text[max(begin, match.start() - 40) : match.start()]
    if not text[match.end()].isspace() and _NAME.search(before):
        return False
    following = text[match.end() : min(end, match.end() + 40)].split(maxsplit=1)
    if not following:
        return True
    word = following[0].strip("\"'“‘«([*_")
    if word[:1].islower() and not any(c.isupper() for c in word[1:3]):
        return False
    if mark[0] != ".":
        return True
    if match.start() - begin < 12 and _ENUMERATOR.match(text[begin : match.start() + 1]):
        return False
    return _stops(before, mark, word)


def _stops(before: str, mark: str, word: str) -> bool:
    """Whether a full stop after `before` and ahead of `word` is more than an abbreviation's."""
    parts = before.split()
    token = parts[-1].lstrip("\"'“‘«([*_") if parts and not before[-1].isspace() else ""
    low = token.lower()
    if low in _ABBREVIATIONS and mark == ".":
        # "no." ends a sentence unless a number follows; a month unless a day does.
        return low in {"no", "nos", "may", "min", "max", "mar"} and not word[:1].isdigit()
    initial = len(token) == 1 and token.isalpha() and token.isupper() and token != "I"
    if initial or low in _MAY_END:
        return word.lower().rstrip(",") in _STARTERS and word[:1].isupper()
    return True


def _keep(text: str, start: int, end: int, spans: list[Span]) -> None:
    """Add the span without the white space at its ends, unless nothing is left."""
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    if left < len(piece):
        spans.append((start + left, start + len(piece.rstrip())))
