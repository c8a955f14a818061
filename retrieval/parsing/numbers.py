"""A spreadsheet's number as its cell shows it: percent, money, dates and times by format code.

Conditions, fill and alignment are left out, and fractions shown as decimals. A date whose form is
the reader's (the short date of his system) is written as ISO: it is read by none wrongly. It knows
no cells.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache

BUILT_IN = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%",
    11: "0.00E+00", 14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy",
    18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: "yyyy-mm-dd hh:mm",
    37: "#,##0;(#,##0)", 38: "#,##0;(#,##0)", 39: "#,##0.00;(#,##0.00)", 40: "#,##0.00;(#,##0.00)",
    45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "0.0E+0",
}  # fmt: skip
"""Format codes that a workbook names by number without writing them down."""

_PIECE = re.compile(
    r"""("[^"]*"|\\.)          # 1 written as it stands
    |\[\$([^\]-]*)[^\]]*\]     # 2 a currency, with a language
    |(\[(?:h+|m+|s+)\])        # 3 time that goes on beyond a day
    |\[[^\]]*\]|_.|\*.         # a colour or condition, a space, a fill
    |(AM/PM|A/P|y+|m+|d+|h+|s+(?:\.0+)?)  # 4 of a date
    |([#0?](?:[#0?,. ]*[#0?,.])?|\.[#0?]+) # 5 the digits
    |(E[+-]0+)                 # 6
    |(.)""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_LITERAL, _MONEY, _ELAPSED, _DATE, _DIGITS, _POWER, _OTHER = range(1, 8)
_EPOCH, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)
_LAST_DAY = 2_958_466  # the first that is not of the year 9999
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LONGEST_CODE = 300
_MOST_DECIMALS = 30

Pieces = tuple[tuple[int, str], ...]


@lru_cache(maxsize=4096)
def shown(value: float, code: str, since_1904: bool = False) -> str:
    """The number as a cell of this format shows it."""
    sections = _sections(code[:_LONGEST_CODE])
    if value < 0 and len(sections) > 1:
        value, pieces = -value, sections[1]
    else:
        pieces = sections[2] if value == 0 and len(sections) > 2 else sections[0]
    kinds = {kind for kind, _ in pieces}
    if kinds & {_DATE, _ELAPSED}:
        return _moment(value, pieces, since_1904)
    if _DIGITS in kinds:
        return _number(value, pieces)
    said = "".join(text for kind, text in pieces if kind in (_LITERAL, _MONEY, _OTHER)).strip()
    return plain(value) if not pieces or said in ("", "@") else said


def plain(value: float) -> str:
    """A number without a format, to the eleven digits that a cell has room for."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.11g}"


@lru_cache(maxsize=512)
def _sections(code: str) -> tuple[Pieces, ...]:
    """The forms for positive, negative and zero, as kinds and texts."""
    if code.lower() in ("", "general", "@"):
        return ((),)
    sections: list[list[tuple[int, str]]] = [[]]
    for match in _PIECE.finditer(code.replace("General", "0.###########")):
        kind, text = match.lastindex or 0, match.group()
        if kind == _OTHER and text == ";":
            sections.append([])
        elif kind == _LITERAL:
            sections[-1].append((kind, text[1:-1] if text[0] == '"' else text[1:]))
        elif kind:
            sections[-1].append((kind, match.group(kind)))
    return tuple(map(tuple, sections))


def _number(value: float, pieces: Pieces) -> str:
    value *= 100 ** sum(text == "%" for kind, text in pieces if kind == _OTHER)
    digits = next(text for kind, text in pieces if kind == _DIGITS)
    power = any(kind == _POWER for kind, _ in pieces)
    body = digits.rstrip(",")
    value /= 1000.0 ** (len(digits) - len(body))
    if any(text == "/" for _, text in pieces):
        return plain(value)
    number = _rounded(abs(value), body, power)
    out: list[str] = []
    for kind, text in pieces:
        if kind == _DIGITS:
            out.append(number)
            number = ""
        elif kind in (_LITERAL, _MONEY, _OTHER):
            out.append(text)
    sign = "-" if value < 0 and re.search(r"[1-9]", "".join(out)) else ""
    return sign + " ".join("".join(out).split())


def _rounded(value: float, digits: str, power: bool) -> str:
    whole, _, decimals = digits.partition(".")
    most = min(len(decimals), _MOST_DECIMALS)
    if power:
        return f"{value:.{most}E}"
    text = f"{value:{',' if ',' in whole else ''}.{most}f}"
    if "0" not in digits and not text.strip("0."):
        return ""
    optional = len(decimals) - len(decimals.rstrip("#?"))
    for _ in range(min(optional, most)):
        text = text.removesuffix("0")
    return text.removesuffix(".").rjust(whole.count("0"), "0")


def _moment(value: float, pieces: Pieces, since_1904: bool) -> str:
    if not 0 <= value < _LAST_DAY:
        return plain(value)
    start = _EPOCH_1904 if since_1904 else _EPOCH
    # Day 60 of 1900 never was, but is counted.
    day = value + (not since_1904 and 0 < value < 60)
    fine = any(kind == _DATE and "." in text for kind, text in pieces)
    seconds = round(day * 86_400, 3 if fine else 0)
    try:
        at = start + timedelta(seconds=seconds)
    except OverflowError:
        return plain(value)
    noon = any(kind == _DATE and "/" in text for kind, text in pieces)
    out: list[str] = []
    before = ""  # the last letter of time
    times = [text[0].lower() for kind, text in pieces if kind == _DATE]
    for kind, text in pieces:
        if kind == _ELAPSED:
            before = text[1].lower()
            unit = {"h": 3600, "m": 60, "s": 1}[before]
            out.append(str(int(round(value * 86_400, 3) // unit)).rjust(len(text) - 2, "0"))
        elif kind == _DATE:
            times.pop(0)
            letter = text[0].lower()
            minute = letter == "m" and (before == "h" or times[:1] == ["s"])
            out.append(_part(at, "n" * len(text) if minute else text, noon))
            before = letter
        elif kind != _POWER:
            out.append(text)
    return " ".join("".join(out).split()).removesuffix(";@")


def _part(at: datetime, token: str, noon: bool) -> str:
    """One piece of a date; `n` stands for minutes, `noon` for a clock of twelve hours."""
    letter, length = token[0].lower(), len(token)
    if letter == "a":
        return "AM" if at.hour < 12 else "PM"
    if letter == "y":
        return f"{at.year:04}" if length > 2 else f"{at.year % 100:02}"
    if letter == "m" and length > 2:
        month = _MONTHS[at.month - 1]
        return month if length == 4 else month[0] if length == 5 else month[:3]
    if letter == "d" and length > 2:
        day = _DAYS[at.weekday()]
        return day if length > 3 else day[:3]
    if letter == "s" and "." in token:
        decimals = min(length - token.index(".") - 1, 3)
        return f"{at.second + at.microsecond / 1e6:0{3 + decimals}.{decimals}f}"
    hour = (at.hour % 12 or 12) if noon else at.hour
    number = {"m": at.month, "d": at.day, "h": hour, "n": at.minute, "s": at.second}[letter]
    return f"{number:0{min(length, 2)}}"
